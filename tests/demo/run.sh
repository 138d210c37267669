#!/bin/sh
#   run.sh - `make run`: starts Kith, imports real words, builds the index, asks, and leaves the server running
#
#   Run again it uses what is there: a server that answers, words that are imported.
set -eu
cd "$(dirname "$0")/../.."
build=${BUILD:-build}
zactor=$build/zactor
#   KITH_DEMO_PORT: another port than Kith's own
port=${KITH_DEMO_PORT:-7700}
endpoint=tcp://127.0.0.1:$port
ZACTOR_CONNECT=$endpoint
export ZACTOR_CONNECT
config=""
shards=${KITH_DEMO_SHARDS:-2}

#   The value of a number in one line of JSON
number () { sed -n "s/.*\"$1\": *\([0-9.]*\).*/\1/p" | head -n 1; }
#   341479 -> 341,479
commas () { echo "$1" | sed ':a; s/^\([0-9]*[0-9]\)\([0-9]\{3\}\)/\1,\2/; ta'; }
seconds () { awk -v ms="$1" 'BEGIN { printf "%.1f", ms / 1000 }'; }
#   What a person sees goes to the terminal as it is; progress never into a file
progress () { if [ -t 2 ]; then "$@"; else "$@" 2> "$log"; fi; }

log=$(mktemp)
trap 'rm -f "$log"' EXIT
words=$(tests/demo/fetch.sh)
rows=$(wc -l < "$words/words.txt" | tr -d ' ')

if "$zactor" --timeout 2s status > /dev/null 2>&1; then
    echo "Kith is already running at $endpoint"
else
    if [ "$port" != 7700 ]; then
        config=$build/demo.zpl
        sed "s/:7700/:$port/" configs/standalone.zpl > "$config"
    fi
    "$zactor" run ${config:+"$config"} --detach
    "$zactor" --timeout 30s status --wait > /dev/null
fi
pid=$("$zactor" status --json | number pid)

have=$("$zactor" query words --count --json 2> /dev/null | number count || true)
if [ "$have" = "$rows" ]; then
    echo "collection words is there: $(commas "$have") rows"
else
    if [ -z "$have" ]; then
        "$zactor" collection create words 'word varchar(64) key' 'rank int64' \
            'vector float_vector(100) cosine' --shards "$shards" > /dev/null
    fi
    started=$(date +%s%N)
    #   The rows themselves decide: what is there already is replaced by itself
    progress "$zactor" import words --column "word=$words/words.txt" --column "rank=$words/rank.npy" \
        --column "vector=$words/words.npy" > /dev/null || { cat "$log" >&2; exit 1; }
    import_ms=$(( ($(date +%s%N) - started) / 1000000 ))
    started=$(date +%s%N)
    progress "$zactor" index create words vector > /dev/null || { cat "$log" >&2; exit 1; }
    index_ms=$(( ($(date +%s%N) - started) / 1000000 ))
fi
if [ -n "${import_ms:-}" ]; then
    recall=$("$build/tests/demo/recall" "$words" "$endpoint")
    echo "$(commas "$rows") rows in $(seconds "$import_ms") s; index built in $(seconds "$index_ms") s; recall@10 $recall" \
        "(1,000 words asked, each without itself; asked for 0.95)"
fi
for word in king paris piano; do
    echo
    echo "\$ $zactor search words --key $word -k 3"
    "$zactor" search words --key "$word" -k 3
done
echo
echo "The server is running (pid $pid). Ask it: $zactor search words --key paris"
pad=$(printf '%*s' $((${#pid} + 31)) '')
echo "${pad}Stop it: $zactor stop"
