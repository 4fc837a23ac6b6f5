#!/bin/bash
# SPDX-License-Identifier: MIT
# test.sh [STEP...]: tests the Go module as its users get it, staged in a temporary
# folder, with caches of its own. Without a step all but bench:
#   format  gofmt
#   vet     go vet
#   doc     the documentation as text; a test fails for a name without
#   test    the tests and examples, cases included, also with cgocheck=2
#   planted files with something wrong, which the runner of the cases must find
#   race    the tests with the race detector
#   module  the module as a proxy serves it; a user that vendors it, of the README
#   bench   `name median_ns` lines
set -eu

here=$(cd "$(dirname "$0")" && pwd)
# Of the distribution, whatever else is in PATH.
go=/usr/bin/go
gofmt=/usr/bin/gofmt

work=${TEST_TMPDIR:-$(mktemp -d)}
if [[ -z ${TEST_TMPDIR-} ]]; then
	trap 'rm -rf "$work"' EXIT
fi
export HOME=$work/home GOPATH=$work/gopath GOCACHE=$work/gocache
export GOPROXY=off GOSUMDB=off GOFLAGS=-modcacherw GOENV=off GOWORK=off
export CGO_ENABLED=1 CC=${CC:-gcc}
unset GOROOT
mkdir -p "$HOME"
rm -rf "$work/ioasid-go"
"$here/../stage" go "$work/ioasid-go"
cd "$work/ioasid-go"

fail() {
	echo "test.sh: $*" >&2
	exit 1
}

# Fails unless $1 has the line, by a regular expression, $2.
has() {
	grep -qE -- "$2" "$1" || {
		cat "$1"
		fail "no line as $2"
	}
}

test_program() {
	[[ -x $work/ioasid.test ]] || "$go" test -c -o "$work/ioasid.test" .
}

step_format() {
	local bad

	printf 'package ioasid\nfunc  f(){ }\n' >"$work/planted.go"
	[[ -n $("$gofmt" -l "$work/planted.go") ]] ||
		fail "gofmt likes what is badly formatted"
	bad=$("$gofmt" -l .)
	[[ -z $bad ]] || fail "gofmt: $bad"
}

step_vet() {
	mkdir -p "$work/planted"
	printf 'module planted\n\ngo 1.19\n' >"$work/planted/go.mod"
	printf 'package planted\n\nimport "fmt"\n\nfunc f() { fmt.Printf("%%d", "") }\n' \
		>"$work/planted/planted.go"
	! (cd "$work/planted" && "$go" vet .) 2>"$work/vet.txt" ||
		fail "go vet likes a wrong format"
	has "$work/vet.txt" 'wrong type'
	"$go" vet ./...
}

step_doc() {
	"$go" doc -all . >"$work/doc.txt"
	has "$work/doc.txt" '^func New\[T any\]'
	test_program
	"$work/ioasid.test" -test.v -test.run TestEverythingIsDocumented \
		>"$work/out.txt" || true
	has "$work/out.txt" '^--- PASS: TestEverythingIsDocumented'
}

step_test() {
	test_program
	"$work/ioasid.test" -test.v >"$work/out.txt" 2>&1 || {
		cat "$work/out.txt"
		exit 1
	}
	grep -E 'passed, |found, |^PASS|^--- SKIP' "$work/out.txt"
	has "$work/out.txt" ' [1-9][0-9]* passed, 0 failed$'
	has "$work/out.txt" '^--- PASS: Example'
	GODEBUG=cgocheck=2 "$work/ioasid.test" -test.short
}

step_planted() {
	test_program
	IOASID_CONFORMANCE_RUNNER=1 python3 conformance/planted.py \
		"$work/ioasid.test"
}

step_race() {
	"$go" test -race -c -o "$work/race.test" .
	! IOASID_PLANTED_RACE=1 "$work/race.test" -test.run TestPlantedRace \
		>"$work/out.txt" 2>&1 || fail "the race detector finds no race"
	has "$work/out.txt" '^WARNING: DATA RACE'
	"$work/race.test"
}

step_module() {
	local path=github.com/ioasid/ioasid-go version
	version=v$(sed -n 's/^const Version = "\(.*\)"$/\1/p' version.go)

	cp go.mod "$work/go.mod"
	"$go" mod tidy
	cmp go.mod "$work/go.mod"
	has go.mod "^module $path\$"

	# As a proxy would serve it.
	mkdir -p "$work/proxy/$path/@v"
	python3 - "$work/proxy/$path/@v/$version.zip" "$path@$version" <<-'END'
		import os, sys, zipfile
		with zipfile.ZipFile(sys.argv[1], "w", zipfile.ZIP_DEFLATED) as out:
		    for folder, _, names in os.walk("."):
		        for name in sorted(names):
		            at = os.path.relpath(os.path.join(folder, name))
		            out.write(at, sys.argv[2] + "/" + at)
	END
	cp go.mod "$work/proxy/$path/@v/$version.mod"
	echo "{\"Version\":\"$version\"}" >"$work/proxy/$path/@v/$version.info"
	mkdir -p "$work/consumer"
	cd "$work/consumer"
	rm -rf vendor
	printf 'module example.com/consumer\n\ngo 1.19\n\nrequire %s %s\n' \
		"$path" "$version" >go.mod
	GOPROXY=file://$work/proxy "$go" mod download
	[[ -f $GOPATH/pkg/mod/$path@$version/ioasid.c ]] ||
		fail "the module of the proxy is not whole"

	# The program of the README, with the module vendored and nothing else there.
	sed -n '/^```go$/,/^```$/{/^```/!p}' "$work/ioasid-go/README.md" >main.go
	"$gofmt" -d main.go >"$work/out.txt"
	[[ ! -s $work/out.txt ]] || fail "gofmt of the README: $(<"$work/out.txt")"
	printf '\nreplace %s => ../ioasid-go\n' "$path" >>go.mod
	rm -rf "$GOPATH/pkg/mod"
	"$go" mod vendor
	mv "$work/ioasid-go" "$work/away"
	GOFLAGS=-mod=vendor "$go" build -o consumer .
	./consumer | tee "$work/out.txt"
	has "$work/out.txt" '^1 a process$'
	mv "$work/away" "$work/ioasid-go"
	cd "$work/ioasid-go"
}

step_bench() {
	test_program
	IOASID_BENCH=1 "$work/ioasid.test" -test.run TestMedians | grep -v '^PASS$'
}

(($#)) || set -- format vet doc test planted race module
for step in "$@"; do
	declare -F "step_$step" >/dev/null || fail "no step $step"
	echo "== $step"
	begin=$SECONDS
	"step_$step"
	echo "== $step: $((SECONDS - begin)) s"
done
