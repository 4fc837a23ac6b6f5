#!/bin/bash
# SPDX-License-Identifier: MIT
# layers_test.sh HEADERS_TEST FILE...: what includes what, and which symbols
# the library among the files (*.a) has. Each check is first shown to catch a planted fault.
set -u

layers=(platform rcu slot store space ioasid)

rank() {
	local i name=$1
	[[ $name == atomic ]] && name=platform
	[[ $name == inline ]] && name=ioasid
	[[ $name =~ ^(allocator|notifier|set|snapshot)$ ]] && name=space
	for i in "${!layers[@]}"; do
		[[ ${layers[i]} == "$name" ]] && echo "$i" && return
	done
	echo "no layer: $1" >&2
	echo 99
}

# layer_of FILE: core/LAYER/..., core/LAYER.c, include/ioasid/LAYER.h
layer_of() {
	local path=${1#*core/}
	path=${path#*include/ioasid/}
	path=${path%%/*}
	rank "${path%.[ch]}"
}

# Prints what FILE includes that is not below it, or is not its business.
check_includes() {
	local file=$1 own line target
	own=$(layer_of "$file")
	while read -r line; do
		case $line in
		'<ioasid/'*)
			target=${line#<ioasid/}
			target=$(rank "${target%.h>}")
			;;
		'"../'*)
			target=${line#\"../}
			target=$(rank "${target%%/*}")
			;;
		'"internal.h"')
			target=$own
			;;
		'"'*/*)
			target=${line#\"}
			target=$(rank "${target%%/*}")
			;;
		'<stdatomic.h>')
			target=99
			;;
		*)
			continue
			;;
		esac
		((target > own)) && echo "$file includes $line"
	done < <(sed -n 's/^ *# *include *\([<"][^>"]*[>"]\).*/\1/p' "$file")
}

# Names from `nm -g --defined-only` that do not begin as ours do.
check_symbols() {
	awk 'NF == 3 && $3 !~ /^ioasid_/ { print "symbol " $3 }'
}

# The inline functions of the headers.
inline_functions() {
	cat "$@" | grep -Pzo '(?m)^(?:IOASID_INLINE|inline) [^;{(]*?\bioasid_\w+(?=\()' |
		tr '\0' '\n' | grep -o 'ioasid_[a-z0-9_]*$' | sort -u
}

tmp=$(mktemp -d) || exit
trap 'rm -rf "$tmp"' EXIT
status=0

# expect WHAT RESULT: the planted fault was seen.
expect() {
	[[ -n $2 ]] && return
	echo "planted fault not caught: $1"
	status=1
}

plant() {
	mkdir -p "$tmp/$(dirname "$1")"
	echo "#include $2" >"$tmp/$1"
	expect "$1: $2" "$(check_includes "$tmp/$1")"
}

plant core/rcu/a.c '<ioasid/store.h>'
plant core/store/a.c '"../space/internal.h"'
plant core/platform/a.c '<stdatomic.h>'
plant core/space/a.c '<ioasid/ioasid.h>'
plant core/store/a.c '<ioasid/set.h>'
plant include/ioasid/store.h '<ioasid/notifier.h>'
plant include/ioasid/notifier.h '<ioasid/ioasid.h>'
plant include/ioasid/slot.h '<ioasid/space.h>'
expect symbol "$(echo '0 T rogue' | check_symbols)"
printf 'inline int\nioasid_planted(void)\n' >"$tmp/planted.h"
expect inline "$(inline_functions "$tmp/planted.h")"

headers_test=$1
shift
library=
headers=()
files=0
wrong=
for file in "$@"; do
	[[ $file == *.a ]] && library=$file
	[[ $file == *.[ch] ]] || continue
	[[ $file == *include/* ]] && headers+=("$file")
	wrong+=$(check_includes "$file")
	((files++))
done
symbols=$(nm -g --defined-only "$library") || exit
wrong+=$(check_symbols <<<"$symbols")
inlines=0
while read -r name; do
	((inlines++))
	grep -qE " T $name\$" <<<"$symbols" ||
		wrong+="$name has no external symbol"$'\n'
	grep -qE "\b$name\(" "$headers_test" ||
		wrong+="$name is not called in $headers_test"$'\n'
done < <(inline_functions "${headers[@]}")
if [[ -n $wrong ]]; then
	echo "$wrong"
	status=1
fi
# Or there was nothing to check.
echo "$files files, $inlines inline functions," \
	"$(grep -c . <<<"$symbols") symbols"
((files > 10 && inlines > 20)) || status=1
exit $status
