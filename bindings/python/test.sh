#!/bin/bash
# SPDX-License-Identifier: MIT
# test.sh [STEP...]: stages the package, makes sdist and wheel as users would,
# installs the wheel and tests that. Steps, all but the last without arguments:
#
#	format	black
#	package	sdist, wheel, what they hold, twine, a venv with the wheel
#	types	mypy --strict, stubs against what they describe
#	test	pytest: API, lifetimes, threads, processes, conformance, docs
#	bench	what lookups cost, with the extension's own loop in C
#
# C is formatted by tools/format, with all of the repository.
set -eu

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
python=${PYTHON:-/usr/bin/python3}
work=${TEST_TMPDIR:-$(mktemp -d)}
[[ ${TEST_TMPDIR-} ]] || trap 'rm -rf "$work"' EXIT
stage=$work/python
bin=$work/venv/bin
export HOME=$work XDG_CACHE_HOME=$work/cache PIP_NO_CACHE_DIR=1
export PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONDONTWRITEBYTECODE=1
unset PYTHONPATH

say() {
	echo "== $*" >&2
}

format() {
	"$python" -m black --check --quiet --diff "$stage/src" "$stage/tests" \
		"$stage/examples" "$stage/setup.py" "$stage/bench.py"
}

# The sdist is unpacked and the wheel made of it.
package() {
	IOASID_CFLAGS='-Wall -Wextra -Werror' "$python" -m build --no-isolation \
		--outdir "$work/dist" "$stage" >"$work/build.log" 2>&1 || {
		cat "$work/build.log"
		return 1
	}
	"$python" "$stage/tests/dist.py" "$work/dist"
	"$python" -m twine check --strict "$work"/dist/*
	"$python" -m venv --system-site-packages "$work/venv"
	"$bin/python" -m pip install --quiet --no-index "$work"/dist/*.whl
	(cd / && "$bin/python" -c 'import ioasid; print(ioasid.__version__)')
}

types() {
	cd "$work"
	"$bin/python" -m mypy --strict -p ioasid
	"$bin/python" -m mypy --strict "$stage/examples" "$stage/bench.py"
	"$bin/python" -m mypy.stubtest ioasid
	# A stub that is wrong is found, and so is a use of the package that is.
	mkdir -p planted/ioasid
	cp "$stage"/src/ioasid/* planted/ioasid/
	cp "$("$bin/python" -c 'import ioasid._ioasid as it; print(it.__file__)')" \
		planted/ioasid/
	sed -i 's/def free_all(self) -> int/def free_all(self, set: int) -> int/' \
		planted/ioasid/_ioasid.pyi
	if (cd planted && "$bin/python" -m mypy.stubtest ioasid) >planted.log; then
		echo "a wrong stub was not found"
		return 1
	fi
	grep -q 'Set.free_all is inconsistent' planted.log
	echo 'import ioasid; ioasid.Space[str]().alloc(5)' >planted.py
	if "$bin/python" -m mypy --strict planted.py >planted.log; then
		echo "an object of a wrong type was not found"
		return 1
	fi
	grep -q 'arg-type' planted.log
	cd "$here"
}

test() {
	cd "$stage"
	"$bin/python" -X dev -m pytest -q -p no:cacheprovider \
		-o faulthandler_timeout=60
	cd "$here"
}

bench() {
	(cd "$stage" && IOASID_BENCH=1 "$python" setup.py -q build_ext \
		--build-lib "$work/bench" --build-temp "$work/bench.o" \
		build_py --build-lib "$work/bench" >"$work/bench.log" 2>&1)
	PYTHONPATH=$work/bench "$python" "$stage/bench.py"
}

(($#)) || set -- format package types test
say "stage $stage"
rm -rf "$stage" "$work/dist" "$work/venv"
"$here/../stage" python "$stage"
for step; do
	say "$step"
	case $step in
	format | package | types | test | bench) "$step" ;;
	*)
		echo "test.sh: no step $step" >&2
		exit 2
		;;
	esac
done
