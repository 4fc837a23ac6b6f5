#!/bin/bash
# SPDX-License-Identifier: MIT
# faults_test.sh REPLAY TABLE INPUTS...: the target notices each of its planted
# faults by the check that is meant to: lines of TABLE are "FAULT: TEXT", TEXT a
# part of what the check says.
set -u

replay=$1
table=$2
shift 2
failed=0
count=0
while read -r fault; do
	((++count))
	meant=$(sed -n "s/^$fault: //p" "$table")
	if [[ -z $meant ]]; then
		echo "$table has no line for: $fault"
		failed=1
	elif out=$("$replay" --fault="$fault" --by="$meant" "$@" 2>&1); then
		echo "noticed: $fault: $meant"
	else
		grep "^replay: $fault: noticed by" <<<"$out" | sort | uniq -c
		echo "unnoticed: $fault: $meant"
		failed=1
	fi
done < <("$replay" --faults)
if ((count == 0)); then
	echo "no faults to plant"
	failed=1
fi
if ((count != $(grep -c '^[^#]' "$table"))); then
	echo "$table has lines for other faults"
	failed=1
fi
# What nothing notices, or not as it is meant to, is seen.
if "$replay" --fault=none-of-this-name "$@" >/dev/null 2>&1; then
	echo "a fault that is none is noticed"
	failed=1
fi
if "$replay" --fault="$fault" --by="no check says this" "$@" >/dev/null 2>&1; then
	echo "a check that is none notices $fault"
	failed=1
fi
exit $failed
