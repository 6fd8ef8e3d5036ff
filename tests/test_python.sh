#!/bin/sh
# Installs the Python package into an environment of its own and tests it. Called by
# `make test-python` with VARIANT. What is not there (python3, Gymnasium) is skipped with a reason.
set -eu
cd "$(dirname "$0")/.."
build=$PWD/build/$VARIANT
home=$build/python
say() { echo "test-python: $*"; }
command -v python3 >/dev/null || { say "skipped, there is no python3"; exit 0; }
if ! [ -x "$home/bin/python" ] && ! python3 -m venv "$home" >/dev/null 2>&1; then
    rm -rf "$home"
    say "skipped, python3 has no venv here (Debian: python3-venv)"
    exit 0
fi
pip() { "$home/bin/python" -m pip -q --disable-pip-version-check "$@"; }
if ! "$home/bin/python" -c 'import gymnasium, setuptools, wheel' 2>/dev/null; then
    timeout 300 "$home/bin/python" -m pip -q --disable-pip-version-check install --retries 1 \
        'gymnasium>=1.0' numpy 'setuptools>=61' wheel >"$home/pip.log" 2>&1 ||
        say "Gymnasium: skipped, the package index cannot be reached ($(tail -n 1 "$home/pip.log"))"
fi
# A copy, so that building leaves nothing in the tree.
rm -rf "$home/source" && cp -r python "$home/source"
if "$home/bin/python" -c 'import setuptools, wheel' 2>/dev/null; then
    pip install --force-reinstall --no-deps --no-build-isolation "$home/source" >"$home/pip.log" 2>&1 ||
        { say "FAILED: pip install ./python: $(tail -n 3 "$home/pip.log")"; exit 1; }
else
    say "pip install: skipped, what it builds with is not there; the package is used in place"
    export PYTHONPATH="$home/source"
fi
export SPAROA_TREE=$PWD SPAROA_LIBRARY=$build/api/libsparoa.so.1 SPAROA_PROGRAM=$build/sparoa \
    SPAROA_TEST_PLUGIN=$build/tests/plugin_good.so OPENBLAS_NUM_THREADS=1
cd "$home/source/tests"
"$home/bin/python" -m unittest discover -v
say "passed"
