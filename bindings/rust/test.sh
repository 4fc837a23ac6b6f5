#!/bin/bash
# SPDX-License-Identifier: MIT
# test.sh [STEP...]: stages the Rust packages and tests them there, offline, with
# Debian's cargo. Steps: format lint test conformance docs package, which are all
# without one; tsan and asan; and bench, which prints `name median_ns` lines.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
own=
if [[ -n ${TEST_TMPDIR:-} ]]; then
	work=$TEST_TMPDIR/rust
	rm -rf "$work"
	mkdir -p "$work"
else
	work=$(mktemp -d)
	own=$work
fi
[[ -z $own ]] || trap 'rm -rf "$own"' EXIT

# Debian's tools, whatever others there are.
export PATH=/usr/bin:/bin HOME=$work CARGO_HOME=$work/cargo
export CARGO_TARGET_DIR=$work/target CARGO_NET_OFFLINE=true
unset RUSTC RUSTUP_HOME RUSTUP_TOOLCHAIN RUSTFLAGS RUSTDOCFLAGS
unset CARGO_MAKEFLAGS MAKEFLAGS
stage=$work/stage

say() {
	echo "test.sh: $*"
}

die() {
	say "$*" >&2
	exit 1
}

# use_registry DIRECTORY: crates come from there
use_registry() {
	mkdir -p "$CARGO_HOME"
	cat >"$CARGO_HOME/config.toml" <<-END
		[source.crates-io]
		replace-with = "directory"
		[source.directory]
		directory = "$1"
	END
}

say "$(cargo --version), $(rustc --version)"
use_registry /usr/share/cargo/registry
"$here/../stage" rust "$stage"
cd "$stage"

step_format() {
	cargo fmt --all -- --check
	(cd bench && cargo fmt -- --check)
	mkdir -p "$work/planted"
	echo 'fn  planted( ){}' >"$work/planted/format.rs"
	if rustfmt --check "$work/planted/format.rs" >/dev/null 2>&1; then
		die "rustfmt does not notice"
	fi
}

step_lint() {
	cargo clippy -q --workspace --all-targets -- -D warnings
	cargo clippy -q -p ioasid --no-default-features --lib -- -D warnings
	unexplained ioasid/src/*.rs || die "unsafe without its reasons"
	mkdir -p "$work/planted"
	cat >"$work/planted/planted.rs" <<-'END'
		fn planted() {
		    // Reasons are elsewhere.
		    unsafe { core::hint::unreachable_unchecked() }
		}
	END
	if unexplained "$work/planted/planted.rs" >/dev/null; then
		die "unsafe without its reasons goes unnoticed"
	fi
}

# Lines with an unsafe block or implementation, and no `SAFETY:` in the comment
# above its statement: false if there are any.
unexplained() {
	awk '
		/^ *\/\/ SAFETY:/ { reasons = 1 }
		/(^|[^a-z_])unsafe (\{|impl)/ && !reasons {
			print FILENAME ":" FNR ": " $0
			bad = 1
		}
		/[;}] *$/ || /^ *$/ { if ($0 !~ /^ *\/\//) reasons = 0 }
		END { exit bad }
	' "$@"
}

step_test() {
	cargo test -q -p ioasid-sys -p ioasid
	cargo test -q -p ioasid --no-default-features --test local
	cargo run -q -p ioasid --example tenants | tee "$work/example"
	grep -qx 'page 7 of tenant 1: None' "$work/example" ||
		die "the example shows a tenant what is another's"
}

step_conformance() {
	cargo build -q -p conformance-runner
	"$CARGO_TARGET_DIR/debug/conformance-runner" conformance/*.txt
	python3 conformance/planted.py "$CARGO_TARGET_DIR/debug/conformance-runner"
}

step_docs() {
	RUSTDOCFLAGS='-D warnings' cargo doc -q --no-deps -p ioasid-sys -p ioasid
}

# has FILE WORD...: are these lines of the list?
has() {
	local list=$1 name
	shift
	for name; do
		grep -qxF "$name" "$list" || return 1
	done
}

step_package() {
	local registry=$work/registry list=$work/list
	local packages=$CARGO_TARGET_DIR/package
	local -a files=(Cargo.toml LICENSE README.md src/lib.rs)

	cargo package -q --allow-dirty -p ioasid-sys
	# As if it were published: the other one is built with what was packaged.
	mkdir -p "$registry"
	ln -sfn /usr/share/cargo/registry/* "$registry/"
	tar -C "$registry" -xf "$packages"/ioasid-sys-*.crate
	for crate in "$registry"/ioasid-sys-*; do
		echo '{"files":{}}' >"$crate/.cargo-checksum.json"
	done
	use_registry "$registry"
	cargo package -q --allow-dirty -p ioasid
	use_registry /usr/share/cargo/registry

	tar -tf "$packages"/ioasid-sys-*.crate | sed 's,^[^/]*/,,' >"$list-sys"
	tar -tf "$packages"/ioasid-[0-9]*.crate | sed 's,^[^/]*/,,' >"$list"
	has "$list" "${files[@]}" || die "the package ioasid is not whole"
	files+=(vendor/ioasid.c vendor/ioasid.h build.rs src/shim.c)
	has "$list-sys" "${files[@]}" || die "the package ioasid-sys is not whole"
	if has "$list" "${files[@]}"; then
		die "an incomplete package goes unnoticed"
	fi
	say "$(wc -l <"$list-sys") and $(wc -l <"$list") files packaged"
}

# sanitize NAME OPTIONS TEST...: runs tests with a sanitizer. Debian's rustc makes
# code for it and has no runtime: clang's serves, in a copy of the system's folder
# of libraries. The standard library is as it is; the core is compiled with it too.
sanitize() (
	name=$1 short=${1:0:1}san options=$2
	shift 2
	root=$work/$short
	target=$(rustc -vV | sed -n 's/^host: //p')
	runtime=$(clang-19 -print-file-name="libclang_rt.$short-x86_64.a")
	if [[ $target != x86_64-* || ! -f $runtime ]]; then
		die "no runtime of the sanitizer here: install libclang-rt-19-dev"
	fi
	libraries=$root/lib/rustlib/$target/lib
	mkdir -p "$libraries" "$work/planted"
	ln -sfn "$(rustc --print sysroot)/lib/rustlib/$target/lib"/* "$libraries/"
	ln -sfn "$runtime" "$libraries/librustc-stable_rt.$short.a"
	ln -sfn "$runtime" "$libraries/librustc_rt.$short.a"
	export RUSTC_BOOTSTRAP=1 CARGO_TARGET_DIR=$work/target-$short
	export "${short^^}_OPTIONS=halt_on_error=1 $options"
	export RUSTFLAGS="-Zsanitizer=$name --sysroot $root"
	export "CC_${target//-/_}=clang-19"
	export "CFLAGS_${target//-/_}=-fsanitize=$name -g"

	cat >"$work/planted/planted.rs" <<-'END'
		static mut COUNT: u32 = 0;
		fn main() {
		    let add = || (0..1000).for_each(|_| unsafe { COUNT += 1 });
		    let other = std::thread::spawn(add);
		    add();
		    other.join().unwrap();
		    let freed = { let value = Box::new(5u32); &*value as *const u32 };
		    println!("{}", unsafe { *freed });
		}
	END
	# shellcheck disable=SC2086
	rustc $RUSTFLAGS -o "$work/planted/$short" "$work/planted/planted.rs"
	if "$work/planted/$short" >/dev/null 2>"$work/planted/$short.log"; then
		die "the sanitizer does not notice"
	fi
	grep -qE 'data race|use-after-free' "$work/planted/$short.log" ||
		die "nothing was reported"
	cargo test -q -p ioasid --target "$target" "${@/#/--test=}"
)

# What is done inside of the standard library is not seen, its mutex included: so
# only the test that has atomics alone. Its harness sends results by a channel, and
# it and threads end with the fence of an Arc.
step_tsan() {
	printf "race:%s\n" std::sync::mpsc "Arc*std..thread" "Arc*run_test" \
		>"$work/suppressions"
	sanitize thread "suppressions=$work/suppressions" threads
}

# Some tests forget things, so leaks are not looked for: tests count the drops.
step_asan() {
	sanitize address detect_leaks=0 drops space threads local
}

step_bench() {
	(cd bench && cargo run -q --release)
}

(($#)) || set -- format lint test conformance docs package
for step; do
	declare -F "step_$step" >/dev/null || die "no step $step"
	say "$step"
	"step_$step"
done
say "passed: $*"
