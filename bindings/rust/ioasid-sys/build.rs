// SPDX-License-Identifier: MIT
//! Compiles the core, and the functions that C has inline.

use std::{env, path::PathBuf};

fn main() {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap());
    let vendor = root.join("vendor");
    for file in ["vendor/ioasid.c", "vendor/ioasid.h", "src/shim.c"] {
        println!("cargo:rerun-if-changed={}", file);
    }
    assert!(
        vendor.join("ioasid.c").is_file(),
        "{} is missing: it is made by bindings/stage of the ioasid \
         repository, and is in every package",
        vendor.join("ioasid.c").display()
    );
    println!("cargo:include={}", vendor.display());
    let mut build = cc::Build::new();
    build
        .std_c11()
        .include(&vendor)
        .file("vendor/ioasid.c")
        .file("src/shim.c")
        // The core is compiled with every warning where it is made.
        .warnings(false);
    build.compile("ioasid");
}

/// What the crate `cc` of 2022 has no method for.
trait Standard {
    fn std_c11(&mut self) -> &mut Self;
}

impl Standard for cc::Build {
    fn std_c11(&mut self) -> &mut Self {
        self.flag_if_supported("-std=c11")
    }
}
