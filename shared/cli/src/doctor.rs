//! placeholder
use crate::exit::Exit;
/// Runs.
pub async fn run(_: impl std::fmt::Debug) -> anyhow::Result<Exit> {
    Ok(Exit::Ok)
}
