//! Decoded rows as a file has them, a line each: how often the row is added, and its columns.

use std::error::Error;

/// A row of the table of orders.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Row {
    /// 1 where it is there from now on, -1 where it is gone.
    pub times: i64,
    /// Its columns.
    pub status: String,
    /// See `status`.
    pub country: String,
    /// See `status`.
    pub plan: String,
    /// Its amount, in hundredths.
    pub hundredths: i64,
}

/// What a program is asked for: the rows, in chunks, and how many chunks of them.
pub struct Asked {
    /// The rows of one chunk; it is counted again and again.
    pub chunk: Vec<Row>,
    /// How often.
    pub chunks: usize,
}

/// Reads the arguments `FILE CHUNKS`.
///
/// # Errors
/// Where they are missing, or the file is no file of rows.
pub fn asked() -> Result<Asked, Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, file, chunks] = arguments.as_slice() else { return Err("usage: FILE CHUNKS".into()) };
    let text = std::fs::read_to_string(file)?;
    let chunk: Result<Vec<Row>, Box<dyn Error>> = text.lines().map(row).collect();
    Ok(Asked { chunk: chunk?, chunks: chunks.parse()? })
}

fn row(line: &str) -> Result<Row, Box<dyn Error>> {
    let parts: Vec<&str> = line.split('\t').collect();
    let [times, status, country, plan, hundredths] = parts.as_slice() else {
        return Err(format!("`{line}` is no row").into());
    };
    Ok(Row {
        times: times.parse()?,
        status: (*status).to_owned(),
        country: (*country).to_owned(),
        plan: (*plan).to_owned(),
        hundredths: hundredths.parse()?,
    })
}
