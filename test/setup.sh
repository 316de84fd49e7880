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
		libipc-run-perl libpq-dev gcc make libc6-dev perl; do
		dpkg-query -W -f '${Status}' "$p" 2>/dev/null |
			grep -q '^install ok installed' || missing+=("$p")
	done
	[ ${#missing[@]} = 0 ] && return
	echo "installing ${missing[*]}"
	rama_apt update
	# The package makes and starts a cluster of its own; it is not used here.
	rama_apt install -y --no-install-recommends "${missing[@]}"
}

# Builds a copy of the sources in $RAMA_WORK/build, so that the checkout may be
# read-only and owned by anyone, and installs it into the private copy of
# PostgreSQL in $RAMA_WORK/pg.
rama_build()
{
	local lib=/usr/lib/postgresql/$PG_MAJOR share=/usr/share/postgresql/$PG_MAJOR

	mkdir -p "$RAMA_WORK/tmp" "$RAMA_WORK/pg$lib" "$RAMA_WORK/pg$share"
	cp -a "$lib/." "$RAMA_WORK/pg$lib/"
	cp -a "$share/." "$RAMA_WORK/pg$share/"
	rm -rf "$RAMA_WORK/build"
	mkdir "$RAMA_WORK/build"
	(cd "$RAMA_TOP" && tar cf - --exclude=.git --exclude='*.o' --exclude='*.so' \
		--exclude='./pg_rama--*.sql' --exclude='./results' .) | tar xf - -C "$RAMA_WORK/build"
	make -s -j"$(nproc)" -C "$RAMA_WORK/build" PG_CONFIG="$lib/bin/pg_config"
	make -s -C "$RAMA_WORK/build" PG_CONFIG="$lib/bin/pg_config" \
		DESTDIR="$RAMA_WORK/pg" install >/dev/null
	RAMA_BIN=$RAMA_WORK/pg$lib/bin
	RAMA_PGXS=$lib/lib/pgxs
	[ "$(id -u)" = 0 ] && chown -R postgres: "$RAMA_WORK"
	# Sockets and files of tests, so that those that get killed leave nothing.
	export RAMA_BIN TMPDIR=$RAMA_WORK/tmp
}

# Builds the client programs of test/load that are named.
rama_programs()
{
	local p dir=$RAMA_WORK/build/test/load

	for p in "$@"; do
		gcc -O2 -Wall -Wextra -Werror -I"$(/usr/bin/pg_config --includedir)" \
			-o "$dir/$p" "$dir/$p.c" -lpq
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
