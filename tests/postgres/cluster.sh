#!/bin/sh
# A throw-away PostgreSQL cluster for the tests, from Debian's packages.
#
#   cluster.sh start FOLDER [SETTING...]   makes it in FOLDER when it is not there, and starts it;
#                                          settings such as fsync=on go before the tests' own
#   cluster.sh share FOLDER                the same, for many processes: it goes away half a minute after
#                                          the last one that held a shared lock on FOLDER.use
#   cluster.sh stop FOLDER                 stops it and removes the folder
#   cluster.sh kill FOLDER                 SIGKILL to its postmaster and every backend
#   cluster.sh again FOLDER                starts it again after a kill
#
# PostgreSQL refuses to run as root; then it runs as the user postgres. It listens on a socket in
# FOLDER only, trusts whoever can reach that, and has the one superuser "postgres".
set -eu
action=$1 folder=$2
shift 2

bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1)
if [ -z "$bin" ]; then
    echo "PostgreSQL is not installed; run: sudo apt-get install postgresql" >&2
    exit 1
fi

as() {
    if [ "$(id -u)" = 0 ]; then runuser -u postgres -- "$@"; else "$@"; fi
}

run() {
    # The server must not keep the pipes of whoever started it.
    as "$bin/pg_ctl" -D "$folder/data" -l "$folder/log" -w -t 60 start </dev/null >/dev/null 2>&1
}

case $action in
start | share)
    if [ -f "$folder/data/postmaster.pid" ] && as "$bin/pg_ctl" -D "$folder/data" status >/dev/null
    then
        exit 0
    fi
    rm -rf "$folder"
    mkdir -p "$folder"
    if [ "$(id -u)" = 0 ]; then chown postgres "$folder"; fi
    # Everybody may reach the socket: the tests may run as another user than the server.
    chmod 755 "$folder"
    as "$bin/initdb" -D "$folder/data" -U postgres -A trust -E UTF8 --locale=C --no-sync \
        >"$folder/initdb.log" 2>&1 || { cat "$folder/initdb.log" >&2; exit 1; }
    {
        echo "listen_addresses = ''"
        echo "unix_socket_directories = '$folder'"
        echo "unix_socket_permissions = 0777"
        echo "max_connections = 300"
        echo "shared_buffers = 64MB"
        echo "fsync = off"
        echo "full_page_writes = off"
        echo "jit = off"
        echo "autovacuum_naptime = 10s"
        for setting in "$@"; do echo "$setting"; done
    } | as tee -a "$folder/data/postgresql.conf" >/dev/null
    run || { tail -n 20 "$folder/log" >&2; exit 1; }
    if [ "$action" = share ]; then
        setsid "$0" watch "$folder" </dev/null >/dev/null 2>&1 &
    fi
    ;;
again)
    rm -f "$folder/data/postmaster.pid"
    run || { tail -n 20 "$folder/log" >&2; exit 1; }
    ;;
kill)
    pid=$(head -n 1 "$folder/data/postmaster.pid")
    # Without a postmaster that would begin them anew; the backends end of themselves when they
    # notice, and at once when they are killed too.
    backends=$(ps -o pid= --ppid "$pid" || true)
    kill -KILL "$pid" $backends 2>/dev/null || true
    # Until all have ended nobody can use the data.
    for process in $pid $backends; do
        while kill -0 "$process" 2>/dev/null; do sleep 0.02; done
    done
    ;;
stop)
    as "$bin/pg_ctl" -D "$folder/data" -m immediate -w stop >/dev/null 2>&1 || true
    rm -rf "$folder"
    ;;
watch)
    # Stops the cluster once no test has held the file "use" for half a minute.
    while sleep 30; do
        if flock -n -x "$folder.use" true; then
            exec flock -x "$folder.lock" "$0" stop "$folder"
        fi
    done
    ;;
*)
    echo "unknown action $action" >&2
    exit 2
    ;;
esac
