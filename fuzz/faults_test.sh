#!/bin/bash
# SPDX-License-Identifier: MIT
# faults_test.sh REPLAY INPUTS...: the target notices each of its planted faults.
set -u

replay=$1
shift
failed=0
count=0
while read -r fault; do
	((++count))
	if out=$("$replay" --fault="$fault" "$@" 2>&1); then
		echo "noticed: $fault"
	else
		echo "$out" | tail -n 5
		echo "unnoticed: $fault"
		failed=1
	fi
done < <("$replay" --faults)
if ((count == 0)); then
	echo "no faults to plant"
	failed=1
fi
if "$replay" --fault=none-of-this-name "$@" >/dev/null 2>&1; then
	echo "a fault that is none is noticed"
	failed=1
fi
exit $failed
