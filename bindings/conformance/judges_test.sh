#!/bin/bash
# SPDX-License-Identifier: MIT
# judges_test.sh PLANTED ALTERED: neither believes a runner that passes whatever
# it is given, nor one that finds everything wrong.
set -u

work=$(mktemp -d "${TEST_TMPDIR:-/tmp}/judges.XXXXXX") || exit
trap 'rm -rf "$work"' EXIT
cat >"$work/believes" <<'END'
#!/bin/bash
runs=$(cat "$@" | grep -c '^case ')
echo "$((3 * runs)) passed, 0 failed"
END
cat >"$work/doubts" <<'END'
#!/bin/bash
for file; do
	awk '/ -> / { print FILENAME ":" FNR ": wrong" }' "$file" >&2
done
echo "0 passed, 1 failed"
exit 1
END
chmod +x "$work/believes" "$work/doubts"
for judge; do
	for runner in believes doubts; do
		if "$judge" "$work/$runner" >/dev/null; then
			echo "judges_test: $judge took in what $runner said" >&2
			exit 1
		fi
	done
done
