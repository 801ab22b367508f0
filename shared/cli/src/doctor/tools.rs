//! Programs that are needed to build or deploy, and which versions of them.

use std::process::Stdio;
use std::time::Duration;

use super::Check;

/// How long a program may take to say its version; Python programs take a second or two.
const PATIENCE: Duration = Duration::from_secs(20);

/// The oldest compiler that the workspace compiles with.
const RUST_VERSION: &str = env!("CARGO_PKG_RUST_VERSION");

/// The oldest cargo-lambda that links for ARM with current compilers.
/// <https://github.com/cargo-lambda/cargo-lambda/issues/937>
const CARGO_LAMBDA_VERSION: &str = "1.9.2";

/// Runs a program and gives what it printed.
pub async fn output(program: &str, arguments: &[&str]) -> Result<String, String> {
    let mut command = tokio::process::Command::new(program);
    command.args(arguments).stdin(Stdio::null()).kill_on_drop(true);
    // Asking a program for its version must not make it ask questions or call home.
    command.env("SAM_CLI_TELEMETRY", "0").env("LC_ALL", "C");
    match tokio::time::timeout(PATIENCE, command.output()).await {
        Err(_) => Err(format!("`{program}` does not answer")),
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::NotFound => Err("not found".to_owned()),
        Ok(Err(error)) => Err(error.to_string()),
        Ok(Ok(output)) if output.status.success() => {
            Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
        }
        Ok(Ok(output)) => {
            let said = String::from_utf8_lossy(&output.stderr);
            let first = said.lines().next().unwrap_or_default().trim();
            Err(if first.is_empty() { output.status.to_string() } else { first.to_owned() })
        }
    }
}

/// The first line a program prints of itself.
async fn version(program: &str, arguments: &[&str]) -> Result<String, String> {
    let told = output(program, arguments).await?;
    Ok(told.lines().next().unwrap_or_default().trim().to_owned())
}

/// The first word that reads as a version, by its numbers.
fn numbers(text: &str) -> Option<[u64; 3]> {
    text.split(|c: char| c.is_whitespace() || c == ',').find_map(|word| {
        let plain = word.trim_start_matches('v').split(['-', '+']).next()?;
        let mut parts = plain.split('.').map(|part| part.parse().ok());
        let (major, minor) = (parts.next()??, parts.next()??);
        let patch = parts.next().unwrap_or(Some(0))?;
        Some([major, minor, patch])
    })
}

/// Judges a tool that has to be of a version, or newer.
fn at_least(name: &str, told: Result<String, String>, oldest: &str, fix: &str) -> Check {
    match told {
        Ok(told) if numbers(&told) >= numbers(oldest) => Check::ok(name, told),
        Ok(told) => Check::warn(name, format!("{told}, older than {oldest}"), fix),
        Err(why) => Check::warn(name, why, fix),
    }
}

fn present(name: &str, told: Result<String, String>, fix: &str) -> Check {
    match told {
        Ok(told) => Check::ok(name, told),
        Err(why) => Check::warn(name, why, fix),
    }
}

/// What building takes. An installed binary needs none of it, so that nothing here fails.
pub async fn build() -> Vec<Check> {
    let compiler = std::env::var("CC").ok().filter(|cc| !cc.is_empty()).unwrap_or_else(|| "cc".to_owned());
    let (rustc, cargo, cc) = tokio::join!(
        version("rustc", &["--version"]),
        version("cargo", &["--version"]),
        version(&compiler, &["--version"])
    );
    let rustup =
        format!("`rustup update stable` gives Rust {RUST_VERSION} or newer; https://rustup.rs installs it");
    vec![
        at_least("rustc", rustc, RUST_VERSION, &rustup),
        at_least("cargo", cargo, RUST_VERSION, &rustup),
        present(
            "C compiler",
            cc,
            "install one: `apt install build-essential`, `dnf install gcc`, or `xcode-select --install`",
        ),
    ]
}

/// What deploying takes.
pub async fn deploy() -> Vec<Check> {
    let install = "optional, needed to deploy: `pip install cargo-lambda aws-sam-cli ziglang` in a virtual environment on the PATH";
    let (lambda, sam, python, zig, arm) = tokio::join!(
        version("cargo", &["lambda", "--version"]),
        version("sam", &["--version"]),
        version("python3", &["--version"]),
        zig(),
        arm()
    );
    vec![
        at_least("cargo-lambda", lambda, CARGO_LAMBDA_VERSION, install),
        present("sam", sam, install),
        present("python3", python, "optional, needed to deploy: install Python 3 with pip"),
        present("zig", zig, install),
        present(
            "Rust for ARM",
            arm,
            "optional, needed to deploy for arm64: `rustup target add aarch64-unknown-linux-gnu`, or deploy with `Architecture=x86_64`",
        ),
    ]
}

/// The target that functions are built for unless told otherwise.
const ARM_TARGET: &str = "aarch64-unknown-linux-gnu";

/// Whether the standard library is there for it.
async fn arm() -> Result<String, String> {
    let installed = output("rustup", &["target", "list", "--installed"]).await?;
    match installed.lines().find(|target| target.trim() == ARM_TARGET) {
        Some(target) => Ok(target.to_owned()),
        None => Err(format!("no standard library for {ARM_TARGET}")),
    }
}

/// Zig links for Lambda; it comes as a program, or as the Python package that pip installs.
async fn zig() -> Result<String, String> {
    match version("zig", &["version"]).await {
        Ok(told) => Ok(told),
        Err(why) => match version("python3", &["-m", "ziglang", "version"]).await {
            Ok(told) => Ok(format!("{told} (python3 -m ziglang)")),
            Err(_) => Err(why),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::super::Status;
    use super::*;

    #[test]
    fn versions_compare_by_number() {
        for (told, oldest, status) in [
            ("rustc 1.95.0 (59807616e 2026-04-14)", "1.94.1", Status::Ok),
            ("rustc 1.94.1 (x)", "1.94.1", Status::Ok),
            ("rustc 1.94.0 (x)", "1.94.1", Status::Warn),
            ("rustc 1.100.0-nightly (x)", "1.94.1", Status::Ok),
            ("cargo-lambda 1.9.2 (2026-01-01Z)", "1.9.2", Status::Ok),
            ("cargo-lambda 1.9.1", "1.9.2", Status::Warn),
            ("SAM CLI, version 1.150", "1.150.0", Status::Ok),
            ("nothing to read", "1.9.2", Status::Warn),
        ] {
            assert_eq!(at_least("tool", Ok(told.to_owned()), oldest, "fix").status, status, "{told}");
        }
        assert_eq!(at_least("tool", Err("not found".to_owned()), "1.0.0", "fix").status, Status::Warn);
    }
}
