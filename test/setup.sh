# Sourced by test/run, test/demo and test/bench/run: packages, the build, and a
# private copy of PostgreSQL with the extension in it, so that nothing of the
# system's installation is touched.
#
# After rama_setup: $RAMA_WORK is a scratch directory that the unprivileged user
# owns, $RAMA_BIN the private installation's bin directory, and as_user runs a
# command as that user.

PG_MAJOR=${PG_MAJOR:-15}
RAMA_TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

as_root()
{
	if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
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
	as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq
	# The package makes and starts a cluster of its own; it is not used here.
	as_root env DEBIAN_FRONTEND=noninteractive \
		apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

# Builds a copy of the sources in $RAMA_WORK/build, so that the checkout may be
# read-only and owned by anyone, and installs it into the private copy of
# PostgreSQL in $RAMA_WORK/pg.
rama_build()
{
	local lib=/usr/lib/postgresql/$PG_MAJOR share=/usr/share/postgresql/$PG_MAJOR

	mkdir -p "$RAMA_WORK/build" "$RAMA_WORK/pg$lib" "$RAMA_WORK/pg$share"
	cp -a "$lib/." "$RAMA_WORK/pg$lib/"
	cp -a "$share/." "$RAMA_WORK/pg$share/"
	rm -rf "$RAMA_WORK/build"
	mkdir "$RAMA_WORK/build"
	(cd "$RAMA_TOP" && tar cf - --exclude=.git --exclude='*.o' --exclude='*.so' \
		--exclude='./results' .) | tar xf - -C "$RAMA_WORK/build"
	make -s -j"$(nproc)" -C "$RAMA_WORK/build" PG_CONFIG="$lib/bin/pg_config"
	make -s -C "$RAMA_WORK/build" PG_CONFIG="$lib/bin/pg_config" \
		DESTDIR="$RAMA_WORK/pg" install >/dev/null
	RAMA_BIN=$RAMA_WORK/pg$lib/bin
	RAMA_PGXS=$lib/lib/pgxs
	[ "$(id -u)" = 0 ] && chown -R postgres: "$RAMA_WORK"
	export RAMA_BIN
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
