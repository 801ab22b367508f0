//! The README's console examples, run as they are written.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[test]
fn the_readme_tells_the_truth() {
    // Its commands are typed where the README lies.
    std::env::set_current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).unwrap();
    trycmd::TestCases::new().default_bin_name("evercount").case("README.md").env("NO_COLOR", "1");
}
