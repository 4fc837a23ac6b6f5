#!/bin/bash
# SPDX-License-Identifier: MIT
# failure_test.sh REPLAY FUZZER: a failure of each kind that this build can notice
# ends both drivers, and has the program printed once.
set -u

replay=$1
fuzzer=$2
failed=0
count=0
while read -r kind; do
	printf '%s' "$kind" >"$TEST_TMPDIR/input"
	for driver in "$replay" "$fuzzer"; do
		out=$("$driver" "$TEST_TMPDIR/input" 2>&1)
		status=$?
		printed=$(grep -c '^the program$' <<<"$out")
		((++count))
		if ((status == 0 || printed != 1)); then
			echo "$out"
			echo "$driver: $kind: status $status, printed $printed"
			failed=1
		fi
	done
done < <("$replay" --kinds)
printf '0' >"$TEST_TMPDIR/input"
for driver in "$replay" "$fuzzer"; do
	out=$("$driver" "$TEST_TMPDIR/input" 2>&1) || failed=1
	if [[ $out == *"the program"* ]]; then
		echo "$driver: printed without a failure"
		failed=1
	fi
done
echo "$count failures"
((count >= 12 && !failed))
