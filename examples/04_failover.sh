#!/bin/sh
# Failover: a DAG and tasks are under way when the primary dies; its standby is promoted and they go on there. Makes two servers
# of its own in a temporary folder, reached by unix sockets only, and removes them. Not to be run as root. PG_CONFIG: of the server
# that the extension is installed in.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
bin=$("${PG_CONFIG:-pg_config}" --bindir)
work=$(mktemp -d /tmp/failover.XXXXXX)
mkdir "$work/primary" "$work/standby"
export PGUSER=postgres PGDATABASE=postgres PGPORT=5432

# Whatever the outcome, nothing is left.
clean_up() {
	for server in primary standby; do
		"$bin/pg_ctl" -D "$work/$server/data" -s -m immediate stop 2>/dev/null || true
	done
	rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

# start SERVER: each has a folder of its own for its data, its log and its socket.
start() {
	"$bin/pg_ctl" -D "$work/$1/data" -l "$work/$1/log" -s -w -o "-c unix_socket_directories=$work/$1" start || {
		cat "$work/$1/log" >&2
		exit 1
	}
}

# A primary
"$bin/initdb" -D "$work/primary/data" -U postgres -A trust -E UTF8 --no-sync >/dev/null
cat >>"$work/primary/data/postgresql.conf" <<-'END'
	listen_addresses = ''
	shared_preload_libraries = 'task_queue'
	task_queue.workers = 2
	fsync = off
END
start primary

# Its standby
"$bin/pg_basebackup" -h "$work/primary" -D "$work/standby/data" -R --checkpoint=fast --no-sync
start standby

# Work begins; then the primary dies
"$bin/psql" -X -q -h "$work/primary" -c 'CREATE EXTENSION task_queue'
"$bin/psql" -X -A -t -h "$work/primary" -f "$here/04_failover.sql"
"$bin/pg_ctl" -D "$work/primary/data" -s -m immediate stop

# The standby takes over. There is nothing to be done but to promote it.
"$bin/pg_ctl" -D "$work/standby/data" -s -w promote
"$bin/psql" -X -A -t -h "$work/standby" -f "$here/04_failover_after.sql"
