//! What benchmarks compare with: programs of a workspace of their own, built when they are asked for.

use std::io;
use std::path::{Path, PathBuf};

use crate::runtime_api::{Processors, built};

/// Builds a program of the workspace of baselines, with the feature that it needs, if any. `tests` is the
/// folder of the tests.
///
/// # Errors
/// Where it does not build.
pub fn peer(tests: &Path, name: &str, feature: Option<&str>, processors: Processors) -> io::Result<PathBuf> {
    let target = std::env::current_exe()?.parent().and_then(Path::parent).unwrap_or(tests).join("peers");
    let into = target.display().to_string();
    let mut what = vec!["--bin", name, "--target-dir", &into];
    what.extend(feature.iter().flat_map(|feature| ["--features", feature]));
    built(&tests.join("peers"), &what, processors)?;
    Ok(target.join("release").join(name))
}
