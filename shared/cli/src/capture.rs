//! Captures: files of JSON lines as records for a stream.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use anyhow::Context;
use evercount_local::put::Entry;
use serde::Deserialize;
use serde_json::value::RawValue;

/// Largest record that Kinesis takes, in bytes, partition key included.
/// <https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecord.html>
pub const RECORD_BYTES_MAX: usize = 1_048_576 - 256;

/// One line of a capture.
#[derive(Debug)]
pub enum Line {
    /// A record that can travel through a stream.
    Record(Entry),
    /// A line longer than a stream takes.
    TooLong(Vec<u8>),
}

/// The lines of several captures, one after the other, blank lines left out.
pub struct Captures {
    rest: std::vec::IntoIter<PathBuf>,
    current: Option<(PathBuf, Box<dyn BufRead + Send>)>,
    /// Lines taken so far, blank ones included.
    pub line: u64,
}

impl Captures {
    /// Opens the first capture, so that a wrong name is told at once.
    ///
    /// # Errors
    /// Where a file cannot be opened.
    pub fn open(paths: Vec<PathBuf>) -> anyhow::Result<Self> {
        for path in paths.iter().filter(|path| path.as_path() != Path::new("-")) {
            File::open(path).with_context(|| format!("could not open capture {}", path.display()))?;
        }
        Ok(Self { rest: paths.into_iter(), current: None, line: 0 })
    }

    /// The next line; `None` after the last one of the last capture.
    ///
    /// # Errors
    /// Where a file cannot be read.
    pub fn next_line(&mut self) -> anyhow::Result<Option<Line>> {
        loop {
            let Some((path, reader)) = &mut self.current else {
                let Some(path) = self.rest.next() else { return Ok(None) };
                let reader: Box<dyn BufRead + Send> = if path == Path::new("-") {
                    Box::new(BufReader::new(io::stdin()))
                } else {
                    let file = File::open(&path)
                        .with_context(|| format!("could not open capture {}", path.display()))?;
                    Box::new(BufReader::with_capacity(1 << 20, file))
                };
                self.current = Some((path, reader));
                continue;
            };
            let mut bytes = Vec::new();
            let read = reader.read_until(b'\n', &mut bytes);
            if read.with_context(|| format!("could not read capture {}", path.display()))? == 0 {
                self.current = None;
                continue;
            }
            self.line += 1;
            while bytes.last().is_some_and(u8::is_ascii_whitespace) {
                bytes.pop();
            }
            if !bytes.is_empty() {
                return Ok(Some(line(bytes)));
            }
        }
    }
}

fn line(data: Vec<u8>) -> Line {
    if data.len() > RECORD_BYTES_MAX {
        return Line::TooLong(data);
    }
    Line::Record(Entry { partition_key: partition_key(&data), data })
}

/// The parts of a record that say which row it is of. Only a guide to a shard: a record that has
/// none of them is counted all the same.
#[derive(Deserialize)]
struct Keyed<'a> {
    #[serde(borrow)]
    key: Option<&'a RawValue>,
    #[serde(borrow)]
    dynamodb: Option<Keys<'a>>,
}

#[derive(Deserialize)]
struct Keys<'a> {
    #[serde(borrow, rename = "Keys")]
    keys: Option<&'a RawValue>,
}

/// Records of one row share a partition key, as the sources' own connectors see to.
fn partition_key(data: &[u8]) -> String {
    let keyed: Option<Keyed<'_>> = serde_json::from_slice(data).ok();
    let key = keyed.and_then(|keyed| keyed.key.or(keyed.dynamodb.and_then(|dynamodb| dynamodb.keys)));
    let hashed = key.map_or(data, |key| key.get().as_bytes());
    format!("{:016x}", xxhash_rust::xxh3::xxh3_64(hashed))
}
