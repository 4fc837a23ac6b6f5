#!/bin/sh
# SPDX-License-Identifier: MIT
# symbols_test.sh BAD_ARCHIVE... -- ARCHIVE...
# Every external symbol of the archives has the prefix linux_; in the bad ones
# there are others.
set -eu

strays() {
	names=$(nm -g --defined-only "$1" | awk 'NF == 3 { print $3 }')
	case $names in
	*linux_*) ;;
	*)
		echo "$1: no symbols at all" >&2
		exit 1
		;;
	esac
	echo "$names" | grep -v '^linux_' || true
}

while [ "$1" != -- ]; do
	found=$(strays "$1")
	[ -n "$found" ] || { echo "$1: stray symbol missed" >&2; exit 1; }
	shift
done
shift
[ $# -gt 0 ]
for archive; do
	found=$(strays "$archive")
	[ -z "$found" ] || { echo "$archive: $found" >&2; exit 1; }
done
