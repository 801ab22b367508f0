//! A Lambda Runtime API on loopback: it hands events to a function one by one, and what the function
//! has used in between can be looked at.
//!
//! <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

/// A function that has not come back by then will not, not even under a tool that slows it down.
const PATIENCE: Duration = Duration::from_secs(600);
/// How often is looked whether a function that is waited for has ended.
const LOOK: Duration = Duration::from_millis(20);

/// What processors a program is built for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Processors {
    /// All of this kind.
    All,
    /// Those of Lambda, which is what cargo-lambda builds functions for.
    Lambda,
}

impl Processors {
    /// The oldest, as rustc calls it.
    fn oldest(self) -> Option<&'static str> {
        match self {
            Self::Lambda if cfg!(target_arch = "x86_64") => Some("haswell"),
            Self::Lambda if cfg!(target_arch = "aarch64") => Some("neoverse-n1"),
            _ => None,
        }
    }
}

/// Builds with the release profile, in the workspace of a folder; where that puts programs.
///
/// # Errors
/// Where it does not build.
pub fn built(folder: &Path, what: &[&str], processors: Processors) -> io::Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build.args(["build", "--release", "--locked"]).args(what).current_dir(folder);
    if let Some(oldest) = processors.oldest() {
        let given = std::env::var("RUSTFLAGS").unwrap_or_default();
        build.env("RUSTFLAGS", format!("{given} -Ctarget-cpu={oldest}"));
    }
    if !build.status()?.success() {
        return Err(io::Error::other(format!("{what:?} does not build")));
    }
    // Beside the folder of this program's own profile, whichever that is.
    let this = std::env::current_exe()?;
    Ok(this.ancestors().nth(3).unwrap_or(folder).join("release"))
}

/// What a function asks of the Runtime API.
enum Ask {
    /// The next event; it is sent where the sender says.
    Next(Sender<Vec<u8>>),
    /// What it made of the last one, and whether that was an error.
    Answer(String, bool),
}

/// A running function.
pub struct Function {
    child: Child,
    asks: Receiver<Ask>,
    next: Option<Sender<Vec<u8>>>,
    requests: u64,
}

impl Function {
    /// Starts a function, and waits until it asks for its first event.
    ///
    /// # Errors
    /// Where it cannot be started, or ends before.
    pub fn start(command: &mut Command) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?.to_string();
        let (asked, asks) = channel();
        std::thread::spawn(move || {
            for connection in listener.incoming().map_while(Result::ok) {
                let asked = asked.clone();
                // A connection that breaks is the end of the function, which the other side sees.
                std::thread::spawn(move || drop(serve(&connection, &asked)));
            }
        });
        let child = command
            .env("AWS_LAMBDA_RUNTIME_API", address)
            .env("AWS_LAMBDA_FUNCTION_NAME", "bench")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
            .stdout(Stdio::null())
            .spawn()?;
        let mut function = Self { child, asks, next: None, requests: 0 };
        function.wait_for_poll()?;
        Ok(function)
    }

    fn ask(&mut self) -> io::Result<Ask> {
        let began = Instant::now();
        loop {
            match self.asks.recv_timeout(LOOK) {
                Ok(ask) => return Ok(ask),
                Err(RecvTimeoutError::Disconnected) => return Err(io::Error::other("the API ended")),
                Err(RecvTimeoutError::Timeout) => {
                    if let Some(status) = self.child.try_wait()? {
                        return Err(io::Error::other(format!("the function ended: {status}")));
                    }
                    if began.elapsed() > PATIENCE {
                        return Err(io::Error::other("the function does not come back"));
                    }
                }
            }
        }
    }

    fn wait_for_poll(&mut self) -> io::Result<()> {
        match self.ask()? {
            Ask::Next(next) => self.next = Some(next),
            Ask::Answer(answer, _) => return Err(io::Error::other(format!("unasked: {answer}"))),
        }
        Ok(())
    }

    /// Hands over an event and waits until the function asks for another one; what it answered.
    ///
    /// # Errors
    /// Where it answers with an error, or not.
    pub fn invoke(&mut self, event: &str) -> io::Result<String> {
        self.requests += 1;
        let head = format!(
            "HTTP/1.1 200 OK\r\nlambda-runtime-aws-request-id: r-{}\r\nlambda-runtime-deadline-ms: 9999999999999\r\n\
             lambda-runtime-invoked-function-arn: arn:aws:lambda:eu-central-1:123456789012:function:bench\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n",
            self.requests,
            event.len()
        );
        let next = self.next.take().ok_or_else(|| io::Error::other("it did not ask"))?;
        next.send([head.as_bytes(), event.as_bytes()].concat()).map_err(io::Error::other)?;
        let answer = match self.ask()? {
            Ask::Answer(answer, false) => answer,
            Ask::Answer(answer, true) => return Err(io::Error::other(answer)),
            Ask::Next(_) => return Err(io::Error::other("it asked for more before it answered")),
        };
        self.wait_for_poll()?;
        Ok(answer)
    }

    fn process(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}", self.child.id()))
    }

    /// Time on a processor so far, over all threads, microseconds (proc(5), `schedstat`).
    ///
    /// # Errors
    /// Where there is no such file system.
    pub fn cpu_us(&self) -> io::Result<f64> {
        let mut nanoseconds = 0.0;
        for thread in std::fs::read_dir(self.process().join("task"))? {
            let text = std::fs::read_to_string(thread?.path().join("schedstat"))?;
            nanoseconds += text.split_whitespace().next().and_then(|n| n.parse::<f64>().ok()).unwrap_or(0.0);
        }
        Ok(nanoseconds / 1e3)
    }

    /// The largest resident set so far, bytes (proc(5), `VmHWM`).
    ///
    /// # Errors
    /// Where there is no such file system.
    pub fn peak_bytes(&self) -> io::Result<f64> {
        let text = std::fs::read_to_string(self.process().join("status"))?;
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
        let kib: f64 = line.split_whitespace().next().and_then(|n| n.parse().ok()).unwrap_or(0.0);
        Ok(kib * 1_024.0)
    }

    /// Ends the function by a signal that lets a tool around it write what it has.
    ///
    /// # Errors
    /// Where it cannot be signalled.
    pub fn end(mut self) -> io::Result<()> {
        Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status()?;
        self.child.wait().map(drop)
    }
}

impl Drop for Function {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Serves one connection until it is closed.
fn serve(connection: &TcpStream, asked: &Sender<Ask>) -> io::Result<()> {
    let mut reader = BufReader::new(connection);
    loop {
        let (mut request, mut length) = (String::new(), 0);
        if reader.read_line(&mut request)? == 0 {
            return Ok(());
        }
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            if let Some(n) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = n.trim().parse().map_err(io::Error::other)?;
            }
            if line.trim_end().is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let mut writer = connection;
        if request.contains("/invocation/next") {
            let (sender, receiver) = channel();
            asked.send(Ask::Next(sender)).map_err(io::Error::other)?;
            writer.write_all(&receiver.recv().map_err(io::Error::other)?)?;
        } else {
            let answer = String::from_utf8_lossy(&body).into_owned();
            asked.send(Ask::Answer(answer, !request.contains("/response"))).map_err(io::Error::other)?;
            writer.write_all(b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n")?;
        }
    }
}
