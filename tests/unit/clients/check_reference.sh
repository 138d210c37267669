#!/bin/sh
#   check_reference.sh - docs/reference/cli.md is what zactor writes: check_reference.sh ZACTOR FILE
set -eu
"$1" man --markdown | diff -u "$2" - || { echo "run: build/zactor man --markdown > docs/reference/cli.md"; exit 1; }
#   And every command explains itself, with a man page
"$1" help | sed -n 's/^  \([a-z][a-z ]*[a-z]\)  .*/\1/p' | while read -r command; do
    # shellcheck disable=SC2086
    "$1" $command --help | grep -q '^examples:' || { echo "no examples: $command"; exit 1; }
    # shellcheck disable=SC2086
    "$1" man $command | grep -q '^.SH EXAMPLES' || { echo "no man page: $command"; exit 1; }
done
"$1" completion bash | bash -n
