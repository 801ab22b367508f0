//! Trains the model that is shipped, on the histories of a folder, and prints it.
//!
//! ```sh
//! cargo run --release -p evercount-forecast --example train -- DIR > shared/forecast/src/shipped.json
//! ```

use std::error::Error;

use evercount_forecast::history::read;
use evercount_forecast::trained::Model;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1).ok_or("usage: train DIR")?;
    let mut paths: Vec<_> = std::fs::read_dir(folder)?.flatten().map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "csv"));
    paths.sort();
    let mut histories = Vec::new();
    for path in paths {
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        histories.push(read(&name, &std::fs::read(&path)?)?.history);
    }
    let model = Model::train(&histories);
    for part in &model.parts {
        eprintln!("{:?} {:?} {:?}", part.target, part.model.calibration, part.measured);
    }
    eprintln!("{:?}", model.naming);
    print!("{}", model.text()?);
    Ok(())
}
