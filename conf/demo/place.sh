# Where the demo lives, and its nginx; to be sourced after servers.sh.
#
# It is run/ in the project's folder.  Where that cannot be (the user postgres
# may not come in, or the path is too long for a unix socket), run is a link
# to a folder in /var/tmp.  PT_RUN names another place, for the tests.

run=${PT_RUN:-$root/run}
shown=${PT_RUN:-run}
host=${PT_RUN:-\$PWD/run}


usable()
{
    [ ${#run} -le 80 ] || return 1
    as_server test -w "$run" && as_server test -x "$run"
}


make_place()
{
    if [ -e "$run" ]; then
        if [ "$(id -u)" -ne 0 ] && ! [ -O "$run" ]; then
            fail "run/ belongs to another user: use sudo, or remove it"
        fi

    elif ! mkdir "$run" 2>/dev/null; then
        fail "no right to make the folder run/ here"

    else
        own_place
    fi

    if ! usable && [ ! -L "$run" ]; then
        rmdir "$run" 2>/dev/null \
            || fail "the user $(server_user) cannot work in $run"
        rm -f "$run"
        ln -s "$(mktemp -d /var/tmp/paytrade-run-XXXXXX)" "$run"
        own_place
    fi

    find_place
    usable || fail "the user $(server_user) cannot work in $run"
}


# Nobody else comes near the sockets: PostgreSQL trusts who reaches its own.
own_place()
{
    chmod 700 "$run/."

    if [ "$(id -u)" -eq 0 ]; then
        chown "$(server_user):" "$run/."
    fi
}


find_place()
{
    if [ -L "$run" ]; then
        run=$(readlink -f "$run")
        shown=$run
        host=$run
    fi
}


nginx_pid()
{
    pid=$(cat "$1/nginx.pid" 2>/dev/null) || return 1
    tr '\0' ' ' < "/proc/$pid/cmdline" 2>/dev/null \
        | grep -q "nginx: master .*-c $1/nginx.conf" && echo "$pid"
}


stop_nginx()
{
    stop_pid=$(nginx_pid "$1") || return 0
    kill -QUIT "$stop_pid" || return 1
    wait_end "$stop_pid" && return 0
    kill -TERM "$stop_pid"
    wait_end "$stop_pid"
}
