//! Owns where a release is loaded: always at the same place, so that the loader need not write an address in
//! twelve thousand places at each start. What that gives and takes is in `infra/README.md`, Start-up and size.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let is = |variable, value: &str| env::var(variable).is_ok_and(|found| found == value);
    if is("PROFILE", "release") && is("CARGO_CFG_TARGET_OS", "linux") {
        println!("cargo::rustc-link-arg-bins=-no-pie");
    }
}
