// SPDX-License-Identifier: MIT
//! Compiles the loop in C, with lookups inlined.

fn main() {
    println!("cargo:rerun-if-changed=src/loop.c");
    let include = std::env::var_os("DEP_IOASID_INCLUDE").unwrap();
    let mut build = cc::Build::new();
    build.include(include).file("src/loop.c").flag_if_supported("-std=c11");
    build.compile("loop");
}
