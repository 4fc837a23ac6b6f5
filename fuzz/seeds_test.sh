#!/bin/bash
# SPDX-License-Identifier: MIT
# seeds_test.sh CORPUS COMMAND...: what COMMAND writes to a directory named after
# it are the seeds of the corpus.
set -eu

corpus=$1
shift
out=$(mktemp -d "$TEST_TMPDIR/seeds.XXXXXX")
"$@" "$out"
mkdir "$out.committed"
cp "$corpus"/seed-* "$out.committed"
diff -r "$out" "$out.committed"
count=$(find "$out" -name 'seed-*' | wc -l)
echo "$count seeds"
((count > 0))

# A seed that is not written any more is noticed.
rm "$(find "$out" -name 'seed-*' | head -n 1)"
! diff -r "$out" "$out.committed" >/dev/null
