//! A release: its `evercount` command, and its `evercount local` on a folder that others had before.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use evercount_local::client;
use serde_json::Value;

const REGION: &str = "eu-central-1";
/// Far more than anything here takes.
const PATIENCE: Duration = Duration::from_secs(90);
const LOOK_PAUSE: Duration = Duration::from_millis(300);

/// Tells how far the test has come.
pub fn say(text: &str) {
    println!("upgrade: {text}");
}

/// The two commands.
pub struct Releases {
    /// Of the release that was deployed.
    pub before: PathBuf,
    /// Of the one that comes.
    pub after: PathBuf,
}

impl Releases {
    /// The releases that the environment names; says so where it names none.
    pub fn of_environment() -> Option<Self> {
        let command = |name: &str| std::env::var_os(name).filter(|path| !path.is_empty()).map(PathBuf::from);
        match (command("EVERCOUNT_BEFORE_BIN"), command("EVERCOUNT_AFTER_BIN")) {
            (Some(before), Some(after)) => Some(Self { before, after }),
            _ => {
                say(
                    "SKIPPED: no releases are given (EVERCOUNT_BEFORE_BIN and EVERCOUNT_AFTER_BIN are not set); infra/upgrade builds two and runs this",
                );
                None
            }
        }
    }
}

/// A release's `evercount local`, which ends with the test.
pub struct Running {
    /// What it is called here.
    pub name: &'static str,
    /// A client of its DynamoDB.
    pub dynamodb: aws_sdk_dynamodb::Client,
    command: PathBuf,
    home: PathBuf,
    child: Child,
    /// What it prints is read to its end, or a full pipe would stop it.
    printed: Option<JoinHandle<Vec<String>>>,
}

impl Running {
    /// Takes a folder over.
    pub fn start(name: &'static str, command: &Path, home: &Path) -> Self {
        let mut child =
            evercount(command, home).args(["local", "--json"]).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let ready =
            lines.next().unwrap_or_else(|| panic!("{name}: `evercount local` did not start")).unwrap();
        let ready: Value = serde_json::from_str(&ready).unwrap_or_else(|_| panic!("{name}: {ready}"));
        let running = Self {
            name,
            dynamodb: client::dynamodb(ready["dynamodb"].as_str().unwrap(), REGION),
            command: command.to_owned(),
            home: home.to_owned(),
            child,
            printed: Some(std::thread::spawn(move || lines.map_while(Result::ok).collect())),
        };
        running.say("takes over");
        running
    }

    /// Asks it to finish, and waits until it has.
    pub fn stop(mut self) {
        let asked = Command::new("kill").arg("-INT").arg(self.child.id().to_string()).status().unwrap();
        assert!(asked.success());
        let ended = self.child.wait().unwrap();
        let printed = self.printed.take().unwrap().join().unwrap();
        assert!(ended.success(), "{}: {ended}: {}", self.name, printed.join("\n"));
    }

    /// Ends it at once.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Tells how far the test has come with this release.
    pub fn say(&self, text: &str) {
        say(&format!("{:6}  {text}", self.name));
    }

    /// Runs a command and reads what it prints.
    pub fn evercount(&self, arguments: &[&str]) -> Value {
        let output = evercount(&self.command, &self.home).args(arguments).arg("--json").output().unwrap();
        let (said, printed) =
            (String::from_utf8_lossy(&output.stderr), String::from_utf8_lossy(&output.stdout));
        assert!(output.status.success(), "{}: evercount {arguments:?}: {said}{printed}", self.name);
        serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{}: evercount {arguments:?}: {error}: {printed}", self.name))
    }

    /// Waits until something is so, as long as patience lasts.
    pub async fn comes_true(&self, is_so: impl Fn() -> bool) -> bool {
        let start = Instant::now();
        while !is_so() {
            if start.elapsed() > PATIENCE {
                return false;
            }
            tokio::time::sleep(LOOK_PAUSE).await;
        }
        true
    }

    /// Waits until something is so, and says how long that took.
    pub async fn until(&self, what: &str, is_so: impl Fn() -> bool) {
        let start = Instant::now();
        assert!(self.comes_true(is_so).await, "{}: {what}: not within {} s", self.name, PATIENCE.as_secs());
        self.say(&format!("{what}: {:.1} s", start.elapsed().as_secs_f64()));
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It has ended already unless the test failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A release's command on a folder, and on nothing else that the environment may name.
fn evercount(command: &Path, home: &Path) -> Command {
    let mut command = Command::new(command);
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("AWS_") || name.starts_with("EVERCOUNT_")) {
            command.env_remove(name);
        }
    }
    command.env("EVERCOUNT_HOME", home);
    command
}
