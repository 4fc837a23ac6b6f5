#!/bin/bash
# SPDX-License-Identifier: MIT
# generate_test.sh GENERATE CORPUS CASES: the committed cases are what the
# generator writes; a byte more or less is noticed.
set -u

work=${TEST_TMPDIR:-$(mktemp -d)}/generated
mkdir -p "$work/written" "$work/changed" || exit
"$1" "$2" "$work/written" || exit
cp "$3"/generated-*.txt "$work/changed/" || exit
if ! diff -r "$work/changed" "$work/written"; then
	echo "generate_test: run the command that the files name" >&2
	exit 1
fi
echo >>"$work/changed/generated-fuzz.txt"
if diff -rq "$work/changed" "$work/written"; then
	echo "generate_test: a change went unnoticed" >&2
	exit 1
fi
