#!/bin/bash
# SPDX-License-Identifier: MIT
# command_test.sh REPLAY FAULT CORPUS [WORD]...: the program that is printed for a
# planted fault compiles by the command in its first lines, in a copy of the source
# that is the current directory, and passes; with WORDS besides, which plant the
# fault, a CHECK in it fails.
set -u

replay=$1
fault=$2
corpus=$3
shift 3
folder=$(mktemp -d "$TEST_TMPDIR/command.XXXXXX")
# By the check that is meant to notice it.
meant=$(sed -n "s/^$fault: //p" "fuzz/${corpus##*/}/faults.txt")
"$replay" --fault="$fault" --by="$meant" --print "$corpus" >"$folder/finding.c" 2>/dev/null
command=$(sed -n 's/^ \* \(cc .*\)$/\1/p' "$folder/finding.c")
[[ $(head -n 1 "$folder/finding.c") == "/* SPDX-License-Identifier: MIT */" ]] || exit 1
[[ $command == "cc "* ]] || exit 1
echo "$command"
cp -rL . "$folder/source"
mv "$folder/finding.c" "$folder/source"
cd "$folder/source" || exit 1

eval "$command -o sound" || exit 1
./sound || exit 1
if (($#)); then
	eval "$command$(printf ' %q' "$@") -o faulty" || exit 1
	out=$(./faulty 2>&1)
	status=$?
	echo "$out"
	[[ $status == 1 && $out == *": failed: "* ]] || exit 1
fi
