#!/bin/sh
# Installs into a temporary folder, works with what is there alone, from elsewhere, and uninstalls.
# Called by `make test-install` with MAKE, VARIANT and CC.
set -eu
cd "$(dirname "$0")/.."
tree=$PWD
top=$(mktemp -d)
trap 'rm -rf "$top"' EXIT
unset SPAROA_DATA
prefix=/opt/sparoa
at=$top/root$prefix
say() { echo "test-install: $*"; }
fail() { say "FAILED: $*" >&2; exit 1; }
make_it() { "$MAKE" --no-print-directory VARIANT="$VARIANT" PREFIX=$prefix DESTDIR="$top/root" "$@"; }

# Somebody else's file in a shared folder must survive.
mkdir -p "$at/share/man/man1"
echo theirs >"$at/share/man/man1/theirs.1"

make_it install
make_it install # again, over itself
cd "$top"
mkdir work && cd work

say "the program finds its data"
"$at/bin/sparoa" devices | grep -q "folder: $at/share/sparoa/devices/data" || fail "data elsewhere"
"$at/bin/sparoa" --version | grep -q '^sparoa ' || fail "--version"
"$at/bin/sparoa" compare resnet18 --device agx-orin --policy heft,gpu-only --reps 3 >compare.txt
grep -q 'heft' compare.txt || fail "compare"

say "the plug-in example builds with pkg-config alone"
cp "$at"/share/doc/sparoa/examples/*.c .
export PKG_CONFIG_PATH="$at/lib/pkgconfig"
flags=$(pkg-config --cflags sparoa)
case $flags in *"$tree"*) fail "flags point into the source tree: $flags" ;; esac
$CC -std=c17 -Wall -Wextra -Werror -shared -fPIC $flags queue_policy.c -o queue_policy.so
"$at/bin/sparoa" policies --check ./queue_policy.so
"$at/bin/sparoa" compare resnet18 --device agx-orin --plugin ./queue_policy.so \
    --policy heft,queue:wait=5e4 --isolate --reps 3 | grep -q 'queue:wait=5e4 ' || fail "plug-in"

say "the C example builds against the shared and the static library"
$CC -std=c17 -Wall -Wextra -Werror embed.c $(pkg-config --cflags --libs sparoa) -o embed
LD_LIBRARY_PATH="$at/lib" ./embed >embed.txt || fail "embed"
cat embed.txt
grep -q '^heft  *3\.9.. ms' embed.txt || fail "embed: not what compare says"
$CC -std=c17 embed.c $(pkg-config --cflags sparoa) "$at/lib/libsparoa.a" \
    $(pkg-config --libs-only-l --static sparoa | sed 's/-lsparoa//') -o embed-static
SPAROA_DATA="$at/share/sparoa" ./embed-static >static.txt || fail "embed, static"
cmp embed.txt static.txt || fail "the static library differs"
nm -D --defined-only "$at/lib/libsparoa.so" | awk '$3 !~ /^spa(_|roa_)/ {print $3; bad = 1} END {exit bad}' ||
    fail "the library exports what is no interface"

if command -v python3 >/dev/null; then
    say "the Python package works from the prefix"
    PYTHONPATH="$at/share/sparoa/python" PYTHONDONTWRITEBYTECODE=1 python3 -c '
import sparoa
rows = sparoa.compare("resnet18", "agx-orin", ["heft"], reps=5)
print("heft %26.3f ms" % rows[0]["latency_ms"])' >python.txt || fail "Python"
    [ "$(awk '{print $2}' python.txt)" = "$(awk '/^heft/ {print $2}' embed.txt)" ] || fail "Python differs"
else say "Python: skipped, there is no python3"; fi

say "completions and manual page"
bash -n "$at/share/bash-completion/completions/sparoa"
PATH=$at/bin:$PATH bash -c '
    . "'"$at"'/share/bash-completion/completions/sparoa"
    complete_it() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _sparoa; echo "${COMPREPLY[*]}"; }
    [ "$(complete_it sparoa comp)" = "compare completion" ] || exit 1
    [ "$(complete_it sparoa compare resn)" = resnet18 ] || exit 2
    [ "$(complete_it sparoa compare --device agx)" = agx-orin ] || exit 3
    [ "$(complete_it sparoa compare --noise o)" = "on off" ] || exit 4
    [ "$(complete_it sparoa compare --noise = of)" = off ] || exit 5
    [ "$(complete_it sparoa compare --time)" = --time-limit ] || exit 6
' || fail "bash completion, case $?"
if command -v zsh >/dev/null; then zsh -n "$at/share/zsh/site-functions/_sparoa" || fail zsh
else say "zsh: skipped, there is none"; fi
if command -v man >/dev/null; then
    man -l "$at/share/man/man1/sparoa.1" 2>warnings | grep -q -- '--policy P' || fail man
    [ ! -s warnings ] || fail "man: $(cat warnings)"
else say "man: skipped, there is none"; fi

cd "$tree"
make_it uninstall
left=$(find "$top/root" -type f)
[ "$left" = "$at/share/man/man1/theirs.1" ] || fail "left behind: $left"
[ ! -e "$at/bin" ] && [ ! -e "$at/share/sparoa" ] || fail "folders left behind"
if make_it uninstall 2>/dev/null; then fail "a second uninstall must fail"; fi
say "passed"
