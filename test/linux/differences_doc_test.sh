#!/bin/bash
# SPDX-License-Identifier: MIT
# differences_doc_test.sh DOC CASES DIFFERENTIAL IDR CHECKS: every difference has
# a test case of its name in CASES or IDR, every case a line of the doc, the
# differential test allows for no other, and of the kernel's checks those are
# excluded that the doc says. First shown to catch a planted fault of each kind.
set -u

doc=$1 cases=$2 differential=$3 idr=$4 checks=$5

in_doc() {
	sed -n 's/^| `\([a-z_]*\)` |.*|.*|$/\1/p' "$@"
}

in_cases() {
	cat "$@" | tr '\n' ' ' | grep -oE '\bDIFFERENCE(_HANGS)?\( *[a-z_]+' |
		sed 's/.*( *//' | grep -vx name
}

# FUNCTION CHECK DIFFERENCE TIMES, of the doc and of the test.
excluded_in_doc() {
	sed -nE 's/^\| ([a-z0-9_]+)\(\) ([0-9]+) \| `([a-z_]+)` \| ([0-9]+) times? \|$/\1 \2 \3 \4/p' "$1"
}

excluded_in_test() {
	tr '\n' ' ' <"$1" | grep -oE '\bEXCLUDED(_BITMAP)?\([^()]*[0-9] *\)' |
		sed 's/.*(//; s/)//; s/,/ /g' |
		while read -r why func check times; do
			echo "$func $check $why $times"
		done
}

allowed() {
	tr '\n' ' ' <"$1" | grep -oE '\bDEVIATION\( *[a-z_]+' | sed 's/.*( *//' |
		grep -vx name
}

# Prints what is wrong.
check() {
	local a b twice
	a=$(in_doc "$doc" | sort)
	b=$(in_cases "$cases" "$idr" | sort)
	twice=$(uniq -d <<<"$a"; uniq -d <<<"$b")
	[[ -z $twice ]] || echo "more than once: $twice"
	comm -23 <(echo "$a") <(echo "$b") | sed 's/.*/no test case: &/'
	comm -13 <(echo "$a") <(echo "$b") | sed 's/.*/not in the doc: &/'
	comm -13 <(echo "$a") <(allowed "$differential" | sort -u) |
		sed 's/.*/allowed, but not in the doc: &/'
	comm -3 <(excluded_in_doc "$doc" | sort) \
		<(excluded_in_test "$checks" | sort) |
		sed 's/.*/excluded, in the doc or the test: &/'
	comm -13 <(echo "$a") \
		<(excluded_in_test "$checks" | cut -d' ' -f3 | sort -u) |
		sed 's/.*/excluded for what is not in the doc: &/'
}

tmp=$(mktemp -d) || exit
trap 'rm -rf "$tmp"' EXIT
status=0

# VARIABLE=FILE planted: must not pass.
planted() {
	[[ -n $(check) ]] && return
	echo "planted fault not caught: $doc $cases $differential $idr $checks"
	status=1
}

one=$(in_doc "$doc" | sed -n 2p)
grep -v "^| \`$one\`" "$doc" >"$tmp/lacks_a_line.md"
doc=$tmp/lacks_a_line.md planted
{ cat "$doc"; echo '| `planted` | no | no |'; } >"$tmp/has_one_more.md"
doc=$tmp/has_one_more.md planted
{ cat "$doc"; grep "^| \`$one\`" "$doc"; } >"$tmp/has_one_twice.md"
doc=$tmp/has_one_twice.md planted
grep -v "DIFFERENCE($one)" "$cases" >"$tmp/lacks_a_case.c"
cases=$tmp/lacks_a_case.c planted
{ cat "$cases"; echo 'DIFFERENCE(planted),'; } >"$tmp/has_one_more.c"
cases=$tmp/has_one_more.c planted
{ cat "$differential"; echo 'DEVIATION(planted),'; } >"$tmp/allows_more.c"
differential=$tmp/allows_more.c planted
one=$(in_cases "$idr" | head -n 1)
grep -v "DIFFERENCE($one)" "$idr" >"$tmp/lacks_a_case_of_idr.c"
idr=$tmp/lacks_a_case_of_idr.c planted
one=$(excluded_in_doc "$doc" | head -n 1)
one="| ${one%% *}() "
grep -vF "$one" "$doc" >"$tmp/lacks_a_check.md"
doc=$tmp/lacks_a_check.md planted
{ cat "$checks"; echo 'EXCLUDED(uint_max_is_no_id, planted, 1, 1),'; } \
	>"$tmp/excludes_more.c"
checks=$tmp/excludes_more.c planted

wrong=$(check)
if [[ -n $wrong ]]; then
	echo "$wrong"
	status=1
fi
count=$(in_doc "$doc" | wc -l)
echo "$count differences, $(allowed "$differential" | wc -l) met at random," \
	"$(excluded_in_test "$checks" | wc -l) of the kernel's checks excluded"
# Or there was nothing to check.
((count > 10 && $(allowed "$differential" | wc -l) > 5 &&
	$(excluded_in_test "$checks" | wc -l) > 5)) || status=1
exit $status
