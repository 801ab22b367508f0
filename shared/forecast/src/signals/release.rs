//! Release schedules: when which feature comes, and which tables and columns it needs.
//!
//! As CSV with the header `date,feature,tables,columns`, columns optional, several with `;` between them:
//!
//! ```csv
//! 2026-03-01,gift wrapping,orders;carts,orders.gift_note:TEXT;orders.gift:BOOL
//! ```
//!
//! As iCalendar, an event for each feature: its summary is the feature, its start the date, and lines of its
//! description that begin with `tables:` or `columns:` name them as above.

use super::{ColumnHint, LeftOut, Planned, Plans, SIGNALS_MAX, date, hints, shortened};

/// Reads a CSV file.
#[must_use]
pub fn read_csv(bytes: &[u8]) -> Plans {
    let mut plans = Plans::default();
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(bytes);
    let header = reader.headers().cloned().unwrap_or_default();
    let position =
        |name: &str| header.iter().position(|one| one.trim_start_matches('\u{feff}').trim() == name);
    let (at, feature, tables, columns) =
        (position("date"), position("feature"), position("tables"), position("columns"));
    if !bytes.is_empty() && (at.is_none() || feature.is_none()) {
        let because = "the first line is not `date,feature,tables,columns`".to_owned();
        plans.left_out.push(LeftOut { place: 1, because });
        return plans;
    }
    for record in reader.records().take(SIGNALS_MAX) {
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                let place = error.position().map_or(0, csv::Position::line);
                plans.left_out.push(LeftOut { place, because: error.to_string() });
                continue;
            }
        };
        let field =
            |position: Option<usize>| position.and_then(|at| record.get(at)).unwrap_or_default().trim();
        match planned(field(at), field(feature), field(tables), field(columns)) {
            Ok(planned) => plans.planned.push(planned),
            Err(because) => {
                let place = record.position().map_or(0, csv::Position::line);
                plans.left_out.push(LeftOut { place, because });
            }
        }
    }
    plans
}

/// Reads a calendar.
#[must_use]
pub fn read_calendar(bytes: &[u8]) -> Plans {
    let mut plans = Plans::default();
    let text = String::from_utf8_lossy(bytes);
    let unfolded = icalendar::parser::unfold(&text);
    let calendar = match icalendar::parser::read_calendar(&unfolded) {
        Ok(calendar) => calendar,
        Err(because) => {
            plans.left_out.push(LeftOut { place: 0, because: shortened(&because) });
            return plans;
        }
    };
    let events = calendar.components.iter().filter(|one| one.name == "VEVENT");
    for (place, event) in (1..).zip(events.take(SIGNALS_MAX)) {
        let property = |name: &str| {
            let found = event.properties.iter().find(|one| one.name == name);
            found.map(|one| one.val.as_str().to_owned()).unwrap_or_default()
        };
        // The format writes the end of a line, a comma and a semicolon of a text with a backslash.
        let text = property("DESCRIPTION").replace("\\n", "\n").replace("\\N", "\n").replace('\\', "");
        let named = |name: &str| {
            let lines = text.lines().filter_map(|line| line.trim().strip_prefix(name));
            lines.collect::<Vec<_>>().join(";")
        };
        let feature = property("SUMMARY").replace('\\', "");
        match planned(&property("DTSTART"), &feature, &named("tables:"), &named("columns:")) {
            Ok(planned) => plans.planned.push(planned),
            Err(because) => plans.left_out.push(LeftOut { place, because }),
        }
    }
    plans
}

fn planned(at: &str, feature: &str, tables: &str, columns: &str) -> Result<Planned, String> {
    let at = date(at)?;
    if feature.is_empty() {
        return Err("no feature".to_owned());
    }
    let mut named = hints(columns)?;
    for table in hints(tables)? {
        if !named.iter().any(|one| one.table == table.table) {
            named.push(ColumnHint { column: None, typed: None, ..table });
        }
    }
    Ok(Planned { name: shortened(feature), at, columns: named })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_release_is_the_same_in_a_file_and_in_a_calendar() {
        let file = read_csv(
            b"date,feature,tables,columns\n\
              2026-03-01,gift wrapping,orders;carts,orders.gift_note:TEXT;orders.gift\n\
              2026-04-01,,orders,\nsoon,x,orders,\n",
        );
        let calendar = read_calendar(
            b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nUID:1\r\nDTSTAMP:20260101T000000Z\r\n\
              DTSTART;VALUE=DATE:20260301\r\nSUMMARY:gift wrapping\r\n\
              DESCRIPTION:Wrap it.\\ntables: orders\\;carts\\ncolumns: orders.gift_note:\r\n TEXT\\;orders.gift\r\n\
              END:VEVENT\r\nBEGIN:VEVENT\r\nUID:2\r\nSUMMARY:no date\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n",
        );
        assert_eq!(file.planned, calendar.planned);
        let planned = file.planned.first().unwrap();
        let columns: Vec<(&str, Option<&str>, Option<&str>)> = planned
            .columns
            .iter()
            .map(|one| (one.table.as_str(), one.column.as_deref(), one.typed.as_deref()))
            .collect();
        let expected = [
            ("orders", Some("gift_note"), Some("TEXT")),
            ("orders", Some("gift"), None),
            ("carts", None, None),
        ];
        assert_eq!(columns, expected);
        let places: Vec<u64> = file.left_out.iter().map(|one| one.place).collect();
        assert_eq!(places, [3, 4]);
        assert_eq!(calendar.left_out.len(), 1);
    }

    proptest! {
        #[test]
        fn nothing_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300), text in "[A-Z:;=\\\\\r\n ,0-9]{0,200}") {
            let _ = (read_csv(&bytes), read_calendar(&bytes));
            let mut calendar = b"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\n".to_vec();
            calendar.extend(text.as_bytes());
            let _ = (read_calendar(&calendar), read_csv(text.as_bytes()));
        }
    }
}
