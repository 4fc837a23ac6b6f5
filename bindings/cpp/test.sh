#!/bin/bash
# SPDX-License-Identifier: MIT
# test.sh [RUNNER=FILE] [EXAMPLE=FILE] [STEP...]: the tests of the C++ binding,
# from anywhere.
#	strict compile_fail codegen readme	see test/checks.py
#	unit		space, owning_space, callables, errors
#	stress		threads, isolation
#	conformance	all cases on all stores; planted files are found out
#	example		the program of README.md
#	bench		lookups beside C's; not without being asked for
# Without STEP all but bench. Builds in $TEST_TMPDIR or a directory of its own;
# CXX, CXXFLAGS: the compiler, and what it is told besides. RUNNER, EXAMPLE: these
# programs, if they are built already.
set -u

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd) || exit
root=$here/../..
work=$(mktemp -d ${TEST_TMPDIR:+-p "$TEST_TMPDIR"}) || exit
trap 'rm -rf "$work"' EXIT
CC=${CC:-gcc}
CXX=${CXX:-g++}
read -ra flags <<<"${CXXFLAGS:--O1 -g}"
includes=(-DIOASID_SHARED -I"$root/include" -I"$here/include")
failed=0

say() {
	echo "test.sh: $*"
}

fail() {
	say "failed: $*"
	failed=1
}

# The library, once.
library() {
	local file
	[[ -e $work/libioasid.a ]] && return
	say "$CC: the library"
	mkdir -p "$work/core"
	while read -r file; do
		"$CC" -std=c11 -O2 -pthread "${flags[@]}" "${includes[@]}" -c \
			"$file" -o "$work/core/${file//\//_}.o" || exit
	done < <(find -L "$root/core" -name '*.c')
	ar rcs "$work/libioasid.a" "$work"/core/*.o || exit
}

# build NAME SOURCE [FLAG...]
build() {
	local name=$1 source=$2
	library
	say "$CXX: $source"
	"$CXX" -std=c++17 -Wall -Wextra -Werror "${flags[@]}" "${@:3}" \
		"${includes[@]}" "$here/$source" -o "$work/$name" \
		"$work/libioasid.a" -pthread || fail "$source does not compile"
}

# program VARIABLE SOURCE: $built is the program that VARIABLE names, as Bazel has
# built it, else one of SOURCE.
program() {
	built=${!1:-}
	if [[ ! $built ]]; then
		build "$1" "$2"
		built=$work/$1
	fi
}

step() {
	case $1 in
	strict | compile_fail | codegen | readme)
		python3 "$here/test/checks.py" "$1" || fail "$1"
		;;
	unit)
		for name in space owning callables errors memory; do
			build $name test/${name}_test.cc
			"$work/$name" || fail "${name}_test"
		done
		rm "$work/libioasid.a"
		flags+=(-DIOASID_DEBUG)
		build debug test/debug_test.cc
		"$work/debug" || fail debug_test
		rm "$work/libioasid.a"
		;;
	stress)
		build stress test/stress_test.cc
		"$work/stress" || fail stress_test
		;;
	conformance)
		program RUNNER test/conformance_runner.cc
		"$built" "$root"/bindings/conformance/cases/*.txt ||
			fail conformance
		for judge in planted altered; do
			judge=$root/bindings/conformance/$judge.py
			[[ -e $judge ]] || continue
			python3 -B "$judge" "$built" || fail "$judge"
		done
		;;
	example)
		program EXAMPLE example/sessions.cc
		diff <("$built") - <<-END || fail example
			0 is ada's
			ID belongs to another set
			0: ada
			ada is there, not found
		END
		;;
	bench)
		flags=(-O2)
		"$CC" -O2 -std=c11 "${includes[@]}" -Dlookup_set=c_lookup_set \
			-DLOOKUPS_LINKED -c "$here/test/lookups.c" -o "$work/lookups.o" || exit
		build bench bench/lookups.cc "$work/lookups.o" -DLOOKUPS_LINKED
		"$work/bench" || fail bench
		;;
	*)
		echo "test.sh: no step $1" >&2
		exit 2
		;;
	esac
}

while [[ ${1-} == RUNNER=* || ${1-} == EXAMPLE=* ]]; do
	declare "$1"
	shift
done
(($#)) || set -- strict compile_fail codegen readme unit stress conformance example
status=0
for each in "$@"; do
	say "$each"
	(
		step "$each"
		exit "$failed"
	) || status=1
done
exit "$status"
