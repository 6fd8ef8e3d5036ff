#!/bin/sh
# Installs, and takes away again exactly what it installed. Called by install.mk:
#   install.sh install PREFIX DESTDIR LIST     LIST: lines of "mode source target"; target below PREFIX
#   install.sh uninstall PREFIX DESTDIR
# PREFIX/share/sparoa/installed lists files ("f PATH") and the folders that were made ("d PATH").
# Installing again over an older version removes what that one had and this one has not.
set -eu
what=$1 prefix=${2%/} root=${3%/}
manifest=$prefix/share/sparoa/installed
fail() { echo "$what: $*" >&2; exit 1; }
case $prefix in /*) ;; *) fail "PREFIX=$prefix must begin with /" ;; esac

remove_file() { rm -f -- "$root$1"; }

make_folder() { # and say which ones had to be made
    [ -d "$root$1" ] && return
    case $1 in */*) [ -n "${1%/*}" ] && make_folder "${1%/*}" ;; esac
    mkdir -- "$root$1" && echo "d $1" >>"$new"
}

case $what in
install)
    list=$4
    new=$(mktemp)
    trap 'rm -f "$new"' EXIT
    mkdir -p -- "$root/"
    [ -f "$root$manifest" ] && grep '^d ' "$root$manifest" >>"$new" || true
    while read -r mode source target; do
        make_folder "$prefix/${target%/*}"
        case $mode in
        link)
            ln -sf -- "$source" "$root$prefix/$target" ;;
        *)
            install -m "$mode" -- "$source" "$root$prefix/$target" ;;
        esac
        echo "f $prefix/$target" >>"$new"
    done <"$list"
    make_folder "${manifest%/*}"
    echo "f $manifest" >>"$new"
    if [ -f "$root$manifest" ]; then
        grep '^f ' "$root$manifest" | while read -r _ path; do
            grep -qxF "f $path" "$new" || remove_file "$path"
        done
    fi
    install -m 644 "$new" "$root$manifest"
    echo "installed $(grep -c '^f ' "$new") files below $root$prefix"
    ;;
uninstall)
    [ -f "$root$manifest" ] || fail "nothing is installed below $root$prefix (no $root$manifest)"
    copy=$(mktemp)
    trap 'rm -f "$copy"' EXIT
    cp "$root$manifest" "$copy"
    grep '^f ' "$copy" | while read -r _ path; do remove_file "$path"; done
    # Deeper folders first; what others put something into stays.
    grep '^d ' "$copy" | cut -c3- | sort -r | while read -r path; do
        rmdir -- "$root$path" 2>/dev/null || true
    done
    echo "removed $(grep -c '^f ' "$copy") files below $root$prefix"
    ;;
*) fail "install or uninstall" ;;
esac
