# Private Redis and PostgreSQL in a folder, for the demo and the tests; to be
# sourced.  Everything lies in one folder DIR: the sockets DIR/redis.sock and
# DIR/.s.PGSQL.5432, the data DIR/redis and DIR/postgres, logs and pid files.
# Started by root, both run as the user postgres, for PostgreSQL refuses root.

conf_dir=${conf_dir:?set it to the folder conf/ before}


fail()
{
    echo "paytrade: $*" >&2
    exit 1
}


server_user()
{
    if [ "$(id -u)" -eq 0 ]; then
        echo postgres
    else
        id -un
    fi
}


as_server()
{
    if [ "$(id -u)" -eq 0 ]; then
        HOME=/ setpriv --reuid=postgres --regid=postgres --init-groups \
            -- "$@"
    else
        "$@"
    fi
}


# The newest PostgreSQL's folder of programs.
postgres_bin()
{
    for bin in $(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -rV); do
        if [ -x "$bin/initdb" ]; then
            echo "$bin"
            return
        fi
    done

    fail "PostgreSQL's server is missing: install postgresql"
}


# A pid file may be old and its number in use again: believe it only when the
# process works in that folder.
redis_pid()
{
    pid=$(cat "$1/redis.pid" 2>/dev/null) || return 1
    [ "$(readlink "/proc/$pid/cwd")" = "$(readlink -f "$1/redis")" ] \
        && echo "$pid"
}


postgres_pid()
{
    pid=$(sed -n 1p "$1/postgres/postmaster.pid" 2>/dev/null) || return 1
    [ "$(readlink "/proc/$pid/cwd")" = "$(readlink -f "$1/postgres")" ] \
        && echo "$pid"
}


# start_redis DIR [OPTION...]: with the settings of conf/redis.conf
start_redis()
{
    start_dir=$1
    shift

    command -v redis-server >/dev/null \
        || fail "Redis is missing: install redis-server"

    ! redis_pid "$start_dir" >/dev/null || return 0

    as_server mkdir -p "$start_dir/redis"
    as_server redis-server - \
        --dir "$start_dir/redis" --logfile "$start_dir/redis.log" \
        --pidfile "$start_dir/redis.pid" --port 0 \
        --unixsocket "$start_dir/redis.sock" --unixsocketperm 777 \
        --daemonize yes "$@" < "$conf_dir/redis.conf" > /dev/null

    for try in $(seq 100); do
        case $(redis-cli -s "$start_dir/redis.sock" ping 2>&1) in
            PONG*) return 0 ;;
        esac
        sleep 0.1
    done

    fail "Redis does not start, see $start_dir/redis.log"
}


# start_postgres DIR [OPTION...]: with the schema, in the database shop
start_postgres()
{
    start_dir=$1
    start_bin=$(postgres_bin) || exit 1
    shift

    ! postgres_pid "$start_dir" >/dev/null || return 0

    if [ ! -e "$start_dir/postgres/PG_VERSION" ]; then
        as_server "$start_bin/initdb" --pgdata="$start_dir/postgres" \
            --username=paytrade --auth=trust --encoding=UTF8 \
            --locale=C.UTF-8 --no-sync > "$start_dir/initdb.log" 2>&1 \
            || fail "PostgreSQL makes no data, see $start_dir/initdb.log"
    fi

    as_server "$start_bin/pg_ctl" start --pgdata="$start_dir/postgres" \
        --silent --wait --log="$start_dir/postgres.log" \
        --options="-c listen_addresses= \
                   -c unix_socket_directories='$start_dir' $*" \
        > /dev/null 2>&1 \
        || fail "PostgreSQL does not start, see $start_dir/postgres.log"

    apply_schema "$start_dir"
}


apply_schema()
{
    if ! psql -h "$1" -U paytrade -l -A -t 2>&1 | grep -q '^shop|'; then
        psql -h "$1" -U paytrade -q -c 'CREATE DATABASE shop' postgres \
            || fail "PostgreSQL makes no database"
    fi

    PGOPTIONS='-c client_min_messages=warning' \
        psql -h "$1" -U paytrade -q -v ON_ERROR_STOP=1 shop \
        < "$conf_dir/schema.sql" > "$1/schema.log" 2>&1 \
        || fail "conf/schema.sql does not apply, see $1/schema.log"
}


# Waits up to 15 seconds for the process and its threads to end; whether anybody
# has taken note of it does not matter.
wait_end()
{
    for try in $(seq 150); do
        set -- "$1" "/proc/$1/task"/*

        if [ $# -le 2 ]; then
            case $(sed 's/.*) //' "/proc/$1/stat" 2>/dev/null) in
                '' | [ZX]*) return 0 ;;
            esac
        fi

        sleep 0.1
    done

    return 1
}


stop_redis()
{
    stop_pid=$(redis_pid "$1") || return 0
    kill "$stop_pid" || return 1
    wait_end "$stop_pid"
}


stop_postgres()
{
    stop_pid=$(postgres_pid "$1") || return 0
    kill -INT "$stop_pid" || return 1
    wait_end "$stop_pid"
}
