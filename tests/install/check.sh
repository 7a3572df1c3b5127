#!/usr/bin/env bash
# Usage: check.sh BUILD_FOLDER SOURCE_FOLDER. Installs into a temporary prefix, builds examples/generate
# against it with CMake and with pkg-config, and runs both on the installed default model.
set -euo pipefail
build=$1
source=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cmake --install "$build" --prefix "$work/prefix" > /dev/null
libs=$(dirname "$(find "$work/prefix" -name autoglm.pc)")/..

cmake -S "$source/examples/generate" -B "$work/cmake" -DCMAKE_PREFIX_PATH="$work/prefix" > /dev/null
cmake --build "$work/cmake" > /dev/null
model=tiny-glm  # found beside the library
LD_LIBRARY_PATH=$libs "$work/cmake/generate" "$model" "Hello" > "$work/with-cmake.txt"

export PKG_CONFIG_PATH=$libs/pkgconfig
g++ -std=c++20 -Wall -Wextra -Werror "$source/examples/generate/generate.cc" $(pkg-config --cflags --libs autoglm) -o "$work/generate"
LD_LIBRARY_PATH=$libs "$work/generate" "$model" "Hello" > "$work/with-pkg-config.txt"
cmp "$work/with-cmake.txt" "$work/with-pkg-config.txt"
test -s "$work/with-cmake.txt"

# The library shows what its headers declare, and nothing else of ours.
nm -DC --defined-only "$libs/libautoglm.so" | grep -oP '^\w* [A-Z] (typeinfo (name )?for |vtable for )?autoglm::\K\w+' |
  sort -u > "$work/shown-names"
test -s "$work/shown-names"
while read -r name; do
  grep -qw "$name" "$work/prefix"/include/autoglm/*.h || { echo "libautoglm.so shows autoglm::$name"; exit 1; }
done < "$work/shown-names"

# The program that docs/cpp-api.md shows, as it stands there, under the warnings that users have on.
awk '/^```cpp$/ {on = 1; next} /^```$/ {on = 0} on' "$source/docs/cpp-api.md" > "$work/shown.cc"
g++ -std=c++20 -Wall -Wextra -Werror "$work/shown.cc" $(pkg-config --cflags --libs autoglm) -o "$work/shown"
LD_LIBRARY_PATH=$libs "$work/shown" | grep -q .

# Any one field of what programs fill in may be named alone.
for struct in $(grep -hoP '^struct \K\w*(Options|Params|Request|Scheduling|Output)(?= \{)' "$work/prefix"/include/autoglm/*.h); do
  sed -n "/^struct $struct {/,/^};/p" "$work/prefix"/include/autoglm/*.h > "$work/struct"
  for field in $(grep -oP '^  (?!using|enum|static)[^(/]*[ >]\K\w+(?=( = [^;]*|\{\});)' "$work/struct"); do
    echo "void ${struct}_$field(decltype(autoglm::$struct::$field) v) { autoglm::$struct s{.$field = v}; (void)s; }"
  done
done > "$work/fields"
test "$(wc -l < "$work/fields")" -gt 40
(echo '#include <autoglm/autoglm.h>'; cat "$work/fields") > "$work/fields.cc"
g++ -std=c++20 -Wall -Wextra -Werror -fsyntax-only "$work/fields.cc" $(pkg-config --cflags autoglm)

# The installed program finds its model without a flag, wherever it is started.
(cd / && "$work/prefix/bin/autoglm" generate "Hello" --temperature 0 --max-tokens 8 | grep -q .)
