//! Does this machine run the embedded AWS?

use std::path::{Path, PathBuf};
use std::time::Duration;

use evercount_local::{EmbeddedAws, EmbeddedOptions};

use super::Check;
use super::tools::output;
use crate::target::{self, Target};

/// What a build with all its targets takes, with room for a stream of some gigabytes.
const FREE_BYTES: u64 = 5_000_000_000;
/// How long the embedded AWS may take to answer.
const ANSWER: Duration = Duration::from_secs(20);

/// All checks of this machine.
pub async fn checks() -> Vec<Check> {
    let mut checks = vec![port().await];
    let home = target::home();
    checks.push(match &home {
        Ok(home) => writable(home),
        Err(error) => Check::fail("EVERCOUNT_HOME", error.to_string(), "set EVERCOUNT_HOME to a folder"),
    });
    checks.push(embedded().await);
    checks.push(local());
    if let Ok(home) = &home {
        checks.extend(disk(home).await);
    }
    checks
}

async fn port() -> Check {
    match tokio::net::TcpListener::bind(("127.0.0.1", 0)).await {
        Ok(_) => Check::ok("loopback port", "127.0.0.1 has a free one"),
        Err(error) => Check::fail(
            "loopback port",
            format!("could not listen on 127.0.0.1: {error}"),
            "allow this process to listen on 127.0.0.1; a sandbox or firewall forbids it",
        ),
    }
}

/// The folder, or the nearest one above it that is there.
fn existing(path: &Path) -> Option<&Path> {
    path.ancestors()
        .map(|path| if path.as_os_str().is_empty() { Path::new(".") } else { path })
        .find(|path| path.exists())
}

fn writable(home: &Path) -> Check {
    let name = "EVERCOUNT_HOME";
    let fix = "make the folder writable, or name another one in EVERCOUNT_HOME";
    let Some(folder) = existing(home) else {
        return Check::fail(name, format!("{} has no folder above it", home.display()), fix);
    };
    let probe: PathBuf = folder.join(format!(".evercount-doctor-{}", std::process::id()));
    let tried = std::fs::write(&probe, b"").and_then(|()| std::fs::remove_file(&probe));
    match tried {
        Ok(()) if folder == home => Check::ok(name, format!("{} is writable", home.display())),
        Ok(()) => Check::ok(name, format!("{} can be created", home.display())),
        Err(error) => Check::fail(name, format!("{}: {error}", home.display()), fix),
    }
}

async fn embedded() -> Check {
    let name = "embedded AWS";
    let tried = tokio::time::timeout(ANSWER, async {
        let aws = EmbeddedAws::start(EmbeddedOptions::default()).await.map_err(|error| error.to_string())?;
        let (dynamodb, kinesis) = (aws.dynamodb(), aws.kinesis());
        let tables =
            dynamodb.list_tables().send().await.map_err(|error| error.into_service_error().to_string());
        let streams =
            kinesis.list_streams().send().await.map_err(|error| error.into_service_error().to_string());
        aws.stop().await;
        tables.and(streams.map(drop))
    });
    let failed = match tried.await {
        Ok(Ok(())) => return Check::ok(name, "DynamoDB and Kinesis start and answer"),
        Ok(Err(reason)) => reason,
        Err(_) => format!("no answer within {} seconds", ANSWER.as_secs()),
    };
    Check::fail(name, failed, "look for a firewall or sandbox that cuts connections to 127.0.0.1")
}

fn local() -> Check {
    let name = "evercount local";
    if let Some(Target::Local { dynamodb, kinesis }) = target::running_local() {
        return Check::ok(name, format!("running: DynamoDB {dynamodb}, Kinesis {kinesis}"));
    }
    match target::local_file() {
        Ok(file) if file.exists() => Check::warn(
            name,
            format!("not running, but {} says it is", file.display()),
            format!("delete {}, or run `evercount local`, which replaces it", file.display()),
        ),
        _ => Check::ok(name, "not running"),
    }
}

/// Free space at a folder; nothing where the system does not tell.
async fn disk(home: &Path) -> Option<Check> {
    let folder = existing(home)?.to_str()?;
    let told = output("df", &["-Pk", folder]).await.ok()?;
    let free = available(&told)?;
    let found = format!("{:.1} GB free at {folder}", free as f64 / 1e9);
    Some(if free < FREE_BYTES {
        Check::warn("disk", found, "free some space: building takes about 5 GB, running far less")
    } else {
        Check::ok("disk", found)
    })
}

/// Bytes available according to `df -Pk`.
/// <https://pubs.opengroup.org/onlinepubs/9799919799/utilities/df.html>
fn available(df: &str) -> Option<u64> {
    let line = df.lines().nth(1)?;
    // The file system's name may have spaces; the percentage that follows has none.
    let before_percent = line.split_once('%')?.0;
    let blocks = before_percent.split_whitespace().rev().nth(1)?;
    blocks.parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_space_is_read_as_posix_prints_it() {
        let header = "Filesystem 1024-blocks Used Available Capacity Mounted on\n";
        for (line, bytes) in [
            ("/dev/sda1 100 40 60 40% /", Some(60 * 1024)),
            ("//server/my share 100 40 60 40% /a b", Some(60 * 1024)),
            ("what", None),
            ("", None),
        ] {
            assert_eq!(available(&format!("{header}{line}\n")), bytes, "{line}");
        }
    }

    #[test]
    fn a_folder_below_a_file_is_not_writable() {
        let Ok(file) = std::env::current_exe() else { return };
        let check = writable(&file.join("home"));
        assert_eq!(check.status, super::super::Status::Fail, "{check:?}");
    }
}
