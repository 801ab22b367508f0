//! Forecasts the tables of one history, with the model that is shipped.
//!
//! ```sh
//! cargo run --release -p evercount-forecast --example predict -- FILE.csv [SECONDS] [RELEASES.csv|.ics]
//! ```
//!
//! From `SECONDS` since the epoch on, or from the end of the history.

use std::error::Error;

use evercount_forecast::candidates::Trust;
use evercount_forecast::history::read;
use evercount_forecast::online::Adjustment;
use evercount_forecast::predict::{Judgement, Outlook, Question, predict};
use evercount_forecast::signals::{Signals, release};
use evercount_forecast::trained::Model;
use evercount_forecast::units::{HORIZONS, Kind};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let file = arguments.next().ok_or("usage: predict FILE.csv [SECONDS] [RELEASES.csv|.ics]")?;
    let history = read(&file, &std::fs::read(&file)?)?.history;
    let (_, ended) = history.span().ok_or("nothing happened")?;
    let now = arguments.next().map_or(Ok(ended), |text| text.parse())?;
    let mut signals = Signals::default();
    if let Some(releases) = arguments.next() {
        let bytes = std::fs::read(&releases)?;
        let plans = if releases.ends_with(".ics") {
            release::read_calendar(&bytes)
        } else {
            release::read_csv(&bytes)
        };
        for left_out in &plans.left_out {
            eprintln!("{releases}, {}: {}", left_out.place, left_out.because);
        }
        signals.releases = plans.planned;
    }
    let (model, trust) = (Model::shipped()?, Trust::default());
    let adjustment = Adjustment::default();
    let question =
        Question { now, horizons: &HORIZONS, model: &model, adjustment, signals: &signals, trust: &trust };
    for one in predict(&history, &question) {
        match &one.judgement {
            Judgement::Outlook(outlook) => println!("{:32} {}", one.table, line(outlook, now)),
            Judgement::CannotJudge { because } => println!("{:32} cannot be judged: {because}", one.table),
        }
        for candidate in &one.candidates {
            println!(
                "    {:4} {} {}: {:.1} % ({})",
                candidate.kind.name(),
                candidate.column,
                candidate.typed.as_deref().unwrap_or("of a type that is not known"),
                candidate.p * 100.0,
                candidate.precision.words()
            );
        }
    }
    Ok(())
}

fn line(outlook: &Outlook, now: i64) -> String {
    let any = outlook.chances.iter().filter(|one| one.target.kind == Kind::Any);
    let chances: Vec<String> = any
        .map(|one| {
            let percent = [one.chance.p, one.chance.from, one.chance.to].map(|p| (p * 100.0).round());
            let [p, from, to] = percent;
            format!("{} d: {p} % [{from}, {to}]", one.target.days)
        })
        .collect();
    let days =
        |at: Option<i64>| at.map_or("ten years".to_owned(), |at| format!("{} days", (at - now) / 86_400));
    let (from, middle, to) = (outlook.expected.from, outlook.expected.middle, outlook.expected.to);
    format!(
        "{}; expected within {} [{}, {}]; {}",
        chances.join(", "),
        days(middle),
        days(from),
        days(to),
        outlook.because
    )
}
