#!/bin/sh
#   run_example.sh - the example of docs/coding against a server of its own: run_example.sh ZACTOR EXAMPLE CONFIG
set -eu
zactor=$1
example=$2
config=$3
folder=$(mktemp -d "${TMPDIR:-/tmp}/kith-example-XXXXXX")
pid=
cleanup () { [ -z "$pid" ] || kill -9 "$pid" 2> /dev/null || true; rm -rf "$folder"; }
trap cleanup EXIT
trap 'exit 1' INT TERM
sed -e "s|data = \"data\"|data = \"$folder/data\"|" -e 's|:7700"|:*"|' "$config" > "$folder/config.zpl"
mkfifo "$folder/ready"
"$zactor" run "$folder/config.zpl" --json > "$folder/ready" &
pid=$!
exec 3< "$folder/ready"
read -r line <&3
endpoint=$(printf '%s' "$line" | sed 's/.*"listen": "\([^"]*\)".*/\1/')
"$example" "$endpoint" > "$folder/out"
cat "$folder/out"
#   Orange, red and yellow are what is near to (1, 0.4, 0.1), in this order
awk '{ print $2 }' "$folder/out" | head -n 3 | tr '\n' ' ' | grep -q '^orange red yellow $'
"$zactor" --connect "$endpoint" stop
wait "$pid"
pid=
