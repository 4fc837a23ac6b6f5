#!/bin/bash
# SPDX-License-Identifier: MIT
# bazelw_test.sh BAZELW: it installs nothing that apt would remove another
# package for. apt-get, dpkg-query, sudo, id and bazel are stand-ins.
set -u

tmp=$(mktemp -d) || exit
trap 'rm -rf "$tmp"' EXIT
mkdir "$tmp/bin" "$tmp/tools" "$tmp/home"
printf '%s\n' 'build needed' 'optional nice' 'optional clash' \
	>"$tmp/tools/packages.txt"

stand_in() {
	{
		echo '#!/bin/bash'
		cat
	} >"$tmp/bin/$1"
	chmod +x "$tmp/bin/$1"
}

# $state/removes: a package that goes if one is installed, "PACKAGE GONE" a
# line. $state/installed: what is. $state/log: every call that changes things.
stand_in apt-get <<'END'
packages=() simulate= no_remove= install=
for arg in "$@"; do
	case $arg in
	-s) simulate=1 ;;
	--no-remove) no_remove=1 ;;
	install) install=1 ;;
	update) exit ;;
	-*|DPkg*) ;;
	*) packages+=("$arg") ;;
	esac
done
[[ $install ]] || exit 100
gone=$(for p in "${packages[@]}"; do
	awk -v p="$p" '$1 == p { print $2 }' "$state/removes"
done)
if [[ $simulate ]]; then
	for p in "${packages[@]}"; do echo "Inst $p (1 Debian [amd64])"; done
	for p in $gone; do echo "Remv $p [1]"; done
	exit
fi
[[ $no_remove && $gone ]] && exit 100
[[ $(id -u) == 0 || ${AS_ROOT-} ]] || exit 100
for p in $gone; do echo "removed $p" >>"$state/log"; done
for p in "${packages[@]}"; do
	echo "installed $p" >>"$state/log"
	echo "$p" >>"$state/installed"
done
END
stand_in dpkg-query <<'END'
sed 's/^/ii /' "$state/installed"
END
stand_in sudo <<'END'
echo "sudo" >>"$state/log"
AS_ROOT=1 exec "$@"
END
stand_in id <<'END'
cat "$state/uid"
END
stand_in bazel <<'END'
echo "bazel $*" >>"$state/log"
END

# run UID REMOVES: bazelw on a fresh system; its status in $status.
run() {
	export state=$tmp/state
	rm -rf "$state" "$tmp/home"
	mkdir -p "$state" "$tmp/home"
	echo "$1" >"$state/uid"
	printf '%s\n' "$2" >"$state/removes"
	touch "$state/installed" "$state/log"
	HOME=$tmp/home PATH=$tmp/bin:$PATH BAZELW_NO_INSTALL='' \
		"$tmp/bazelw" test >"$state/out" 2>&1
	status=$?
}

has() {
	grep -qF -e "$2" "$state/$1" && return
	echo "no \"$2\" in $1:"
	cat "$state/$1"
	return 1
}

has_not() {
	grep -qF -e "$2" "$state/$1" || return 0
	echo "\"$2\" in $1:"
	cat "$state/$1"
	return 1
}

# works UID: with nothing to remove, all is installed.
works() {
	run "$1" ''
	((status == 0)) && has log 'bazel test' &&
		has log 'installed needed' && has log 'installed nice' &&
		has log 'installed clash' || return
	if (($1)); then has log sudo; else has_not log sudo; fi
}

# stops UID: a needed package that would remove one is not installed.
stops() {
	run "$1" 'needed precious'
	((status)) && has_not log installed && has_not log removed &&
		has_not log bazel && has out 'would remove: precious'
}

# leaves_out UID: an optional one that would is left out, no other.
leaves_out() {
	run "$1" 'clash precious'
	((status == 0)) && has_not log removed &&
		has_not log 'installed clash' && has log 'installed nice' &&
		has log 'bazel test' && has out 'would remove: precious' &&
		has out 'could not install clash: what needs it is left out'
}

failed=0
cp "$1" "$tmp/bazelw"
chmod +x "$tmp/bazelw"
for uid in 0 1000; do
	for check in works stops leaves_out; do
		"$check" "$uid" || {
			echo "failed: $check, user $uid"
			failed=1
		}
	done
done

# Without its two guards the checks fail, and each guard alone keeps packages.
plant() {
	sed "$2" "$1" >"$tmp/bazelw"
	cmp -s "$1" "$tmp/bazelw" && echo "nothing planted by $2" && failed=1
}
plant "$1" 's/"Remv"/"Never"/; s/ --no-remove//'
for uid in 0 1000; do
	for check in stops leaves_out; do
		if "$check" "$uid" >/dev/null; then
			echo "the planted fault went unnoticed: $check, user $uid"
			failed=1
		fi
	done
done
for guard in 's/"Remv"/"Never"/' 's/ --no-remove//'; do
	plant "$1" "$guard"
	for package in needed clash; do
		run 1000 "$package precious"
		has_not log removed || failed=1
	done
done
exit $failed
