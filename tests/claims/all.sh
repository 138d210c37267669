#!/bin/sh
#   all.sh - runs every claim (or those named) and writes their figures between the marks in README.md
set -u
cd "$(dirname "$0")/../.."
BUILD=${BUILD:-build}
export BUILD
engine="engine-glove engine-fashion engine-texts engine-build engine-batch engine-exact engine-filters engine-calibration engine-load"
order="run recall search fresh import idle path blas placement kill restart sim hostile $engine"
[ $# -gt 0 ] && order="$*"
folder=$BUILD/claims
mkdir -p "$folder"
failed=""
for name in $order; do
    echo "== $name"
    "tests/claims/$name" > "$folder/$name.txt" 2>&1
    status=$?
    echo $status > "$folder/$name.status"
    tail -n 3 "$folder/$name.txt"
    [ $status = 0 ] || failed="$failed $name"
done
# shellcheck disable=SC2086
python3 tests/claims/table.py README.md "$folder" $order || exit 1
[ -z "$failed" ] || { echo "does not hold:$failed"; exit 1; }
echo "every claim holds"
