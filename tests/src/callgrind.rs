//! Instructions that a benchmark takes, counted by callgrind in a run of the benchmark's own program
//! with other arguments, or of another program (<https://valgrind.org/docs/manual/cl-manual.html>).

use std::io;
use std::process::Command;

/// Why nothing is counted where [`is_there`] says no.
pub const MISSING: &str = "valgrind is not installed";

/// Whether there is a valgrind to count with.
#[must_use]
pub fn is_there() -> bool {
    Command::new("valgrind").arg("--version").output().is_ok()
}

/// Instructions of this program with these arguments, from its start to its end.
///
/// # Errors
/// Where valgrind cannot be run, or counts nothing.
pub fn instructions(arguments: &[&str]) -> io::Result<u64> {
    of_command(Command::new(std::env::current_exe()?).args(arguments))
}

/// Instructions of a program, from its start to its end.
///
/// # Errors
/// As [`instructions`].
pub fn of_command(command: &Command) -> io::Result<u64> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(command.get_program())
        .args(command.get_args())
        .output()?;
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    let line = told.lines().find(|line| line.contains("Collected"));
    let counted = line.and_then(|line| line.rsplit(' ').next()).and_then(|number| number.parse().ok());
    counted.ok_or_else(|| io::Error::other(format!("callgrind told nothing: {told}")))
}
