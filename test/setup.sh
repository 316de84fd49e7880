# Sourced by test/run, test/demo and test/bench/run: packages, the build, and a
# private copy of PostgreSQL with the extension in it, so that nothing of the
# system's installation is touched.
#
# After rama_setup: $RAMA_WORK is a scratch directory that the unprivileged user
# owns, $RAMA_BIN the private installation's bin directory, and as_user runs a
# command as that user.

PG_MAJOR=${PG_MAJOR:-15}
RAMA_TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
RAMA_WORK=

# What the caller's environment could change in a server, a client or a build is
# put aside, and what the PATH of a plain su lacks is added. The unprivileged
# user must be able to read what is written here. Nothing asks questions, except
# sudo on the terminal.
for variable in LANGUAGE TMPDIR CDPATH MAKEFLAGS ${!LC_@} ${!PG@}; do
	case $variable in PG_*) ;; *) unset "$variable" ;; esac
done
export LANG=C.UTF-8 PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
umask 022
exec </dev/null

as_root()
{
	if [ "$(id -u)" = 0 ]; then
		"$@"
	elif command -v sudo >/dev/null; then
		sudo "$@"
	else
		echo "packages are missing, and there is no sudo: run this as root" >&2
		return 1
	fi
}

# Servers refuse to run as root: root uses the packages' postgres account.
as_user()
{
	if [ "$(id -u)" = 0 ]; then
		runuser -u postgres -- "$@"
	else
		"$@"
	fi
}

# apt ARGUMENTS...: waits for another apt that is running; shows what it says
# only when it fails.
rama_apt()
{
	local log=$RAMA_WORK/apt.log

	if ! as_root env DEBIAN_FRONTEND=noninteractive \
		apt-get -q -o DPkg::Lock::Timeout=600 "$@" >"$log" 2>&1; then
		tail -n 30 "$log" >&2
		return 1
	fi
	rm -f "$log"
}

rama_packages()
{
	local missing=()
	local p

	for p in postgresql-$PG_MAJOR postgresql-server-dev-$PG_MAJOR \
		libipc-run-perl libpq-dev gcc make libc6-dev perl ${RAMA_EXTRA_PACKAGES:-}; do
		dpkg-query -W -f '${Status}' "$p" 2>/dev/null |
			grep -q '^install ok installed' || missing+=("$p")
	done
	[ ${#missing[@]} = 0 ] && return
	echo "installing ${missing[*]}"
	rama_apt update
	# The package makes and starts a cluster of its own; it is not used here.
	rama_apt install -y --no-install-recommends "${missing[@]}"
}

# rama_install MAJOR BUILD ROOT
# Builds a copy of the sources in the folder BUILD, so that the checkout may be
# read-only and owned by anyone, and installs it into a private copy of that
# PostgreSQL below ROOT.
rama_install()
{
	local lib=/usr/lib/postgresql/$1 share=/usr/share/postgresql/$1 build=$2 root=$3

	mkdir -p "$root$lib" "$root$share"
	cp -a "$lib/." "$root$lib/"
	cp -a "$share/." "$root$share/"
	rm -rf "$build"
	mkdir "$build"
	(cd "$RAMA_TOP" && tar cf - --exclude=.git --exclude=node_modules --exclude='*.o' --exclude='*.so' \
		--exclude='./pg_rama--*.sql' --exclude='./results' .) | tar xf - -C "$build"
	make -s -j"$(nproc)" -C "$build" PG_CONFIG="$lib/bin/pg_config"
	make -s -C "$build" PG_CONFIG="$lib/bin/pg_config" DESTDIR="$root" install >/dev/null
	[ "$(id -u)" != 0 ] || chown -R postgres: "$build" "$root"
}

rama_build()
{
	mkdir -p "$RAMA_WORK/tmp"
	[ "$(id -u)" != 0 ] || chown postgres: "$RAMA_WORK" "$RAMA_WORK/tmp"
	rama_install "$PG_MAJOR" "$RAMA_WORK/build" "$RAMA_WORK/pg"
	RAMA_BIN=$RAMA_WORK/pg/usr/lib/postgresql/$PG_MAJOR/bin
	RAMA_PGXS=/usr/lib/postgresql/$PG_MAJOR/lib/pgxs
	# Sockets and files of tests, so that those that get killed leave nothing.
	export RAMA_BIN TMPDIR=$RAMA_WORK/tmp
}

# Sets RAMA_UPGRADE_BINDIRS, unless it is set: the bin folders of private copies,
# with the extension in them, of the other versions that this system has with
# what it takes to build extensions.
rama_other_versions()
{
	local v root

	[ -z "${RAMA_UPGRADE_BINDIRS+set}" ] || return 0
	RAMA_UPGRADE_BINDIRS=
	for v in 15 16 17 18; do
		[ "$v" != "$PG_MAJOR" ] && [ -x /usr/lib/postgresql/$v/bin/pg_upgrade ] &&
			[ -e /usr/lib/postgresql/$v/lib/pgxs/src/makefiles/pgxs.mk ] || continue
		root=$RAMA_WORK/pg$v
		rama_install $v "$RAMA_WORK/build$v" "$root"
		RAMA_UPGRADE_BINDIRS="$RAMA_UPGRADE_BINDIRS $root/usr/lib/postgresql/$v/bin"
	done
	export RAMA_UPGRADE_BINDIRS
}

# Sets RAMA_FAULT_PATH: another private copy, whose library has fault points
# (src/faults.txt).
rama_fault_build()
{
	local build=$RAMA_WORK/build-fault root=$RAMA_WORK/pg-fault lib=usr/lib/postgresql/$PG_MAJOR

	cp -a "$RAMA_WORK/build" "$build"
	cp -al "$RAMA_WORK/pg" "$root"
	(cd "$build" && grep -rl 'fault\.h"' --include='*.c' src | sed 's/c$/o/' | xargs rm -f pg_rama.so)
	make -s -j"$(nproc)" -C "$build" COPT=-DRAMA_FAULTS PG_CONFIG="/$lib/bin/pg_config"
	rm "$root/$lib/lib/pg_rama.so"
	cp "$build/pg_rama.so" "$root/$lib/lib/"
	export RAMA_FAULT_PATH=$root/$lib
}

# Builds the client programs of test/load that are named, those of other folders
# of test by folder/name, and libraries (.so), which may be server modules.
rama_programs()
{
	local p dir

	for p in "$@"; do
		dir=$RAMA_WORK/build/test/load
		case $p in */*) dir=$RAMA_WORK/build/test/${p%/*} p=${p##*/} ;; esac
		case $p in
			*.so) gcc -std=gnu17 -O2 -Wall -Wextra -Werror -Wno-unused-parameter -I"$RAMA_TOP/src" \
				-isystem "$("/usr/lib/postgresql/$PG_MAJOR/bin/pg_config" --includedir-server)" \
				-shared -fPIC -o "$dir/$p" "$dir/${p%.so}.c" ;;
			*) gcc -O2 -Wall -Wextra -Werror -I"$(/usr/bin/pg_config --includedir)" \
				-o "$dir/$p" "$dir/$p.c" -lpq ;;
		esac
	done
}

rama_setup()
{
	RAMA_WORK=${1:-$(mktemp -d /tmp/pg_rama.XXXXXX)}
	mkdir -p "$RAMA_WORK"
	chmod 755 "$RAMA_WORK"
	rama_packages
	rama_build
	cd "$RAMA_WORK"
}

# rama_optional PACKAGE=PROGRAM...: installs the packages whose programs are
# missing, if that can be done; what needs them is skipped otherwise.
rama_optional()
{
	local p missing=()

	for p in "$@"; do command -v "${p#*=}" >/dev/null || missing+=("${p%=*}"); done
	[ ${#missing[@]} != 0 ] || return 0
	echo "installing ${missing[*]}"
	{ rama_apt update && rama_apt install -y --no-install-recommends "${missing[@]}"; } >/dev/null 2>&1 ||
		echo "could not install ${missing[*]}"
}

# rama_node FOLDER...: node, and the modules that the package-lock.json of these
# folders of the build name.
rama_node()
{
	local folder

	rama_optional ca-certificates=/usr/sbin/update-ca-certificates nodejs=node npm=npm
	for folder in "$@"; do
		(cd "$RAMA_WORK/build/$folder" && npm ci --cache "$RAMA_WORK/npm" --ignore-scripts --no-audit --no-fund) \
			>"$RAMA_WORK/npm.log" 2>&1 || echo "could not install the modules of $folder: $(grep -m 3 '^npm ERR!\|^npm error' "$RAMA_WORK/npm.log" | tail -n 1)"
	done
}

# Stops every server whose data directory is below a folder, at once.
rama_stop_all()
{
	local data

	find "$1" -name postmaster.pid -printf '%h\n' | while read -r data; do
		as_user "$RAMA_BIN/pg_ctl" -D "$data" -m immediate -w stop >/dev/null 2>&1 || true
	done
}

# Settings of every private server: preloaded, no TCP, own socket directory.
rama_server_conf()
{
	cat <<-CONF
	shared_preload_libraries = 'pg_rama'
	listen_addresses = ''
	max_prepared_transactions = 20
	max_worker_processes = 16
	max_connections = 100
	log_line_prefix = '%m [%p] %b '
	CONF
}

# rama_server_start DIR [SETTING...]
# Starts the server of $DIR/data, made at first use. Its socket is in DIR, and
# open to its own account (and root) only.
rama_server_start()
{
	local dir=$1
	shift

	cd "$dir"
	if [ ! -e "$dir/data/PG_VERSION" ]; then
		as_user "$RAMA_BIN/initdb" -D "$dir/data" -U postgres -A trust \
			-E UTF8 --no-locale >/dev/null
		{
			rama_server_conf
			echo "unix_socket_directories = '$dir'"
			echo "unix_socket_permissions = 0700"
			echo "port = 5432"
			for setting in "$@"; do echo "$setting"; done
		} | as_user tee -a "$dir/data/postgresql.conf" >/dev/null
	fi
	as_user "$RAMA_BIN/pg_ctl" -D "$dir/data" -l "$dir/server.log" -w start >/dev/null ||
		{ tail -n 20 "$dir/server.log" >&2; return 1; }
}

rama_server_stop()
{
	as_user "$RAMA_BIN/pg_ctl" -D "$1/data" -m fast -w stop >/dev/null
}

# rama_psql DIR DATABASE [ARGUMENTS...]
rama_psql()
{
	local dir=$1 dbname=$2
	shift 2

	as_user "$RAMA_BIN/psql" -X -q -v ON_ERROR_STOP=1 -h "$dir" -U postgres -d "$dbname" "$@"
}
