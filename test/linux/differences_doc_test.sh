#!/bin/bash
# SPDX-License-Identifier: MIT
# differences_doc_test.sh DOC CASES DIFFERENTIAL: every difference has a test
# case of its name, every case a line of the doc, and the differential test
# allows for no other. First shown to catch a planted fault of each kind.
set -u

doc=$1 cases=$2 differential=$3

in_doc() {
	sed -n 's/^| `\([a-z_]*\)` |.*|.*|$/\1/p' "$@"
}

in_cases() {
	tr '\n' ' ' <"$1" | grep -oE '\bDIFFERENCE(_HANGS)?\( *[a-z_]+' |
		sed 's/.*( *//' | grep -vx name
}

allowed() {
	tr '\n' ' ' <"$1" | grep -oE '\bDEVIATION\( *[a-z_]+' | sed 's/.*( *//' |
		grep -vx name
}

# Prints what is wrong.
check() {
	local a b twice
	a=$(in_doc "$1" | sort)
	b=$(in_cases "$2" | sort)
	twice=$(uniq -d <<<"$a"; uniq -d <<<"$b")
	[[ -z $twice ]] || echo "more than once: $twice"
	comm -23 <(echo "$a") <(echo "$b") | sed 's/.*/no test case: &/'
	comm -13 <(echo "$a") <(echo "$b") | sed 's/.*/not in the doc: &/'
	comm -13 <(echo "$a") <(allowed "$3" | sort -u) |
		sed 's/.*/allowed, but not in the doc: &/'
}

tmp=$(mktemp -d) || exit
trap 'rm -rf "$tmp"' EXIT
status=0

# planted DOC CASES DIFFERENTIAL: must not pass.
planted() {
	[[ -n $(check "$@") ]] && return
	echo "planted fault not caught: $*"
	status=1
}

one=$(in_doc "$doc" | sed -n 2p)
grep -v "^| \`$one\`" "$doc" >"$tmp/lacks_a_line.md"
planted "$tmp/lacks_a_line.md" "$cases" "$differential"
{ cat "$doc"; echo '| `planted` | no | no |'; } >"$tmp/has_one_more.md"
planted "$tmp/has_one_more.md" "$cases" "$differential"
{ cat "$doc"; grep "^| \`$one\`" "$doc"; } >"$tmp/has_one_twice.md"
planted "$tmp/has_one_twice.md" "$cases" "$differential"
grep -v "DIFFERENCE($one)" "$cases" >"$tmp/lacks_a_case.c"
planted "$doc" "$tmp/lacks_a_case.c" "$differential"
{ cat "$cases"; echo 'DIFFERENCE(planted),'; } >"$tmp/has_one_more.c"
planted "$doc" "$tmp/has_one_more.c" "$differential"
{ cat "$differential"; echo 'DEVIATION(planted),'; } >"$tmp/allows_more.c"
planted "$doc" "$cases" "$tmp/allows_more.c"

wrong=$(check "$doc" "$cases" "$differential")
if [[ -n $wrong ]]; then
	echo "$wrong"
	status=1
fi
count=$(in_doc "$doc" | wc -l)
echo "$count differences, $(allowed "$differential" | wc -l) met at random"
# Or there was nothing to check.
((count > 10 && $(allowed "$differential" | wc -l) > 5)) || status=1
exit $status
