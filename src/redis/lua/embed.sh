#!/bin/sh
#
# Puts the scripts of this folder into C: embed.sh OUTFILE writes the array
# ngx_paytrade_scripts[], in the order of ngx_paytrade_script_e.
# embed.sh -p NAME prints one script as Redis gets it.
#
# A script as Redis gets it: its own first line if that is "#!lua ...", then
# common.lua, orders.lua, serve.lua and what else it shares with others, then
# the rest of it.  Not all of it in all scripts: a chunk may have 200 local
# variables.

set -eu

LC_ALL=C
export LC_ALL

scripts="hold close catalog read restore ack pay settle events"
dir=$(dirname "$0")
tab=$(printf '\t')
return=$(printf '\r')


shared()
{
    case $1 in
        hold)                 echo "common orders serve ids" ;;
        pay)                  echo "common orders serve ids payments" ;;
        settle|read|restore)  echo "common orders serve payments" ;;
        *)                    echo "common orders serve" ;;
    esac
}


assemble()
{
    before=

    for part in $(shared "$1"); do
        before="$before $dir/$part.lua"
    done

    for file in $before "$dir/$1.lua"; do
        if [ ! -r "$file" ]; then
            echo "embed.sh: cannot read $file" >&2
            return 1
        fi
    done

    awk 'NR == 1 && /^#!/' "$dir/$1.lua"
    awk 1 $before
    awk 'NR > 1 || !/^#!/' "$dir/$1.lua"
}


digest()
{
    if command -v sha1sum >/dev/null 2>&1; then
        sha1sum "$1" | cut -c 1-40
    else
        openssl dgst -sha1 -r "$1" | cut -c 1-40
    fi
}


# A question mark is escaped because of trigraphs.
literal()
{
    sed -e 's/\\/\\\\/g' \
        -e 's/"/\\"/g' \
        -e 's/?/\\?/g' \
        -e "s/$tab/\\\\t/g" \
        -e "s/$return/\\\\r/g" \
        -e 's/^.*$/    "&\\n"/' "$1"
}


if [ $# -eq 2 ] && [ "$1" = -p ]; then
    assemble "$2"
    exit
fi

if [ $# -ne 1 ]; then
    echo "usage: embed.sh OUTFILE | embed.sh -p NAME" >&2
    exit 2
fi

temp=$1.$$
trap 'rm -f "$temp" "$temp.lua" "$temp.rows"' EXIT
trap 'exit 1' HUP INT TERM

{
    echo "/* Made by src/redis/lua/embed.sh from the .lua files there. */"
    echo
    echo '#include "ngx_paytrade_redis.h"'
} > "$temp"

: > "$temp.rows"

for name in $scripts; do
    assemble "$name" > "$temp.lua"
    sha1=$(digest "$temp.lua")

    {
        echo
        echo
        echo "static const char  ngx_paytrade_script_$name[] ="
        literal "$temp.lua"
        echo "    ;"
    } >> "$temp"

    {
        echo "    { \"$name\","
        echo "      \"$sha1\","
        echo "      ngx_paytrade_script_$name,"
        echo "      sizeof(ngx_paytrade_script_$name) - 1 },"
        echo
    } >> "$temp.rows"
done

{
    echo
    echo
    echo "const ngx_paytrade_script_t  ngx_paytrade_scripts[] = {"
    echo
    cat "$temp.rows"
    echo "    { NULL, NULL, NULL, 0 }"
    echo "};"
} >> "$temp"

mv "$temp" "$1"
