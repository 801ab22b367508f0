//! The README's console examples, run as they are written.

#[test]
fn the_readme_tells_the_truth() {
    trycmd::TestCases::new().default_bin_name("evercount").case("../../README.md").env("NO_COLOR", "1");
}
