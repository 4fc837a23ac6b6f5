#!/bin/bash
# SPDX-License-Identifier: MIT
# The command of README.md that compiles an example does so, for each.
set -u

readme=examples/README.md
tmp=$(mktemp -d) || exit
trap 'rm -rf "$tmp"' EXIT
status=0

command=$(sed -n 's/^    \(cc .*\)$/\1/p' "$readme")
[[ $command == *examples/page_requests.c* ]] || {
	echo "no command in $readme"
	exit 1
}

# build EXAMPLE OPTION...: with the command for it.
build() {
	local line=${command//page_requests/$1}
	eval "${line/ -o * / -o $tmp/$1 } ${*:2}"
}

run() {
	"$tmp/$1" "${@:2}" >"$tmp/out" && [[ -s $tmp/out ]]
}

examples=0
for source in examples/*.c; do
	name=$(basename "$source" .c)
	((examples++))
	build "$name" -Wall -Wextra -Werror && run "$name" || {
		echo "$name does not compile or run"
		status=1
	}
done
((examples == 3)) || status=1

if run page_requests -f set || ! grep -q FAILED "$tmp/out" ||
	build page_requests -Dmain=no_main 2>/dev/null; then
	echo "a planted fault went unnoticed"
	status=1
fi
exit $status
