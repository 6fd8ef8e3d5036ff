#!/bin/sh
# A folder with Debian's arm64 packages unpacked, to compile and link against. Needs no root and leaves
# the system's own packages alone: libgsl-dev and others of arm64 would take the place of the native
# ones. Called by cross.mk:
#   arm64_sysroot.sh FOLDER PACKAGE...      packages and what they depend on end up in FOLDER/root
set -eu
mkdir -p "$1/apt/lists/partial" "$1/apt/archives/partial" "$1/root"
top=$(cd "$1" && pwd)
shift
: >>"$top/apt/status"
apt_get() {
    apt-get -q -o Dir::State="$top/apt" -o Dir::State::lists="$top/apt/lists" \
        -o Dir::State::status="$top/apt/status" -o Dir::Cache="$top/apt" \
        -o Dir::Cache::archives="$top/apt/archives" -o APT::Architecture=arm64 \
        -o APT::Architectures::=arm64 -o APT::Install-Recommends=0 -o Debug::NoLocking=1 \
        -o APT::Sandbox::User=root "$@"
}
apt_get update
apt_get install -y --download-only "$@"
for deb in "$top"/apt/archives/*.deb; do dpkg-deb -x "$deb" "$top/root"; done
# What the packages' scripts would have done: OpenBLAS is one of several BLAS there.
lib=$top/root/usr/lib/aarch64-linux-gnu
for file in "$lib"/openblas-pthread/libopenblas.so*; do
    ln -sf "openblas-pthread/${file##*/}" "$lib/${file##*/}"
done
