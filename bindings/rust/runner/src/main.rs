// SPDX-License-Identifier: MIT
//! Runs the conformance cases of the ioasid repository on the crate `ioasid`:
//!
//!     conformance-runner FILE...
//!
//! bindings/conformance/README.md there says what their lines mean.
#![deny(unsafe_op_in_unsafe_fn)]

mod case;
mod file;

use std::process::ExitCode;

fn main() -> ExitCode {
    let paths: Vec<String> = std::env::args().skip(1).collect();
    if paths.is_empty() {
        eprintln!("conformance-runner FILE...");
        return ExitCode::from(2);
    }
    let mut files = Vec::new();
    for path in paths {
        match std::fs::read(&path) {
            Ok(bytes) => files.push(file::File::new(path, bytes)),
            Err(error) => {
                eprintln!("conformance-runner: {}: {}", path, error);
                return ExitCode::from(2);
            }
        }
    }
    let runs: usize = files.iter().map(|file| file.runs).sum();
    let (mut passed, mut failed) = (0, 0);
    for file in &files {
        if let Some((line, wrong)) = &file.wrong {
            eprintln!("{}:{}: {}", file.path, line + 1, wrong);
            failed += 1;
            continue;
        }
        for (at, line) in file.lines.iter().enumerate() {
            if line.first().map_or(true, |word| word != "case") {
                continue;
            }
            for store in file::stores_of(line).unwrap_or_default() {
                if case::run(file, at, store) {
                    passed += 1;
                } else {
                    failed += 1;
                }
            }
        }
    }
    println!("{} passed, {} failed", passed, failed);
    ExitCode::from(u8::from(failed != 0 || passed != runs))
}
