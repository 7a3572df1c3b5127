#!/usr/bin/env bash
# Usage: packages_test.sh SOURCE_FOLDER. What tools/install-packages would install on distributions that have other
# packages: dpkg and apt are scripts that play them, and nothing is installed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/tools" "$work/bin"
cp "$1/tools/install-packages" "$work/tools/"
printf 'first1.81-dev|first-dev\nplain\n' > "$work/tools/list.txt"
play() { printf '#!/bin/sh\n%s\n' "$2" > "$work/bin/$1"; chmod +x "$work/bin/$1"; }
play dpkg-query 'for last; do :; done; case " $INSTALLED " in *" $last "*) echo "install ok installed";; *) exit 1;; esac'
play apt-cache 'case " $KNOWN " in *" $2 "*) ;; *) exit 100;; esac'
play apt-get 'case $1 in install) shift 4; echo "$@" > "$OUT";; esac'
play id 'echo 0'
export OUT=$work/out

expect() {  # installed, known to apt, what is then installed
  rm -f "$OUT"
  INSTALLED=$1 KNOWN=$2 PATH="$work/bin:$PATH" "$work/tools/install-packages" list.txt 2>/dev/null
  found=$(cat "$OUT" 2>/dev/null || true)
  [ "$found" = "$3" ] || { echo "installed [$1], known [$2]: expected [$3], found [$found]"; exit 1; }
}
expect "" "first1.81-dev first-dev plain" "first1.81-dev plain"
expect "" "first-dev plain" "first-dev plain"
expect "" "plain" "first1.81-dev plain"
expect "first-dev" "first1.81-dev first-dev plain" "plain"
expect "first1.81-dev plain" "" ""
