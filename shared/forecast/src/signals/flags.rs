//! Experiments: the configuration of A/B tests, as JSON.
//!
//! ```json
//! [{"flag": "gift_wrap", "start": "2026-03-01", "attributes": ["orders.gift_note:TEXT", "orders.gift"]}]
//! ```
//!
//! or the same list under `flags`. A flag's attributes are written from its start on.

use serde_json::Value;

use super::{LeftOut, Planned, Plans, SIGNALS_MAX, date, hint, shortened};

/// Reads a configuration.
#[must_use]
pub fn read(bytes: &[u8]) -> Plans {
    let mut plans = Plans::default();
    let whole =
        |because: String| Plans { planned: Vec::new(), left_out: vec![LeftOut { place: 0, because }] };
    let value: Value = match serde_json::from_slice(bytes) {
        Ok(value) => value,
        Err(error) => return whole(error.to_string()),
    };
    let Some(list) = value.as_array().or_else(|| value.get("flags")?.as_array()) else {
        return whole("no list of flags".to_owned());
    };
    for (place, one) in (1..).zip(list.iter().take(SIGNALS_MAX)) {
        match flag(one) {
            Ok(planned) => plans.planned.push(planned),
            Err(because) => plans.left_out.push(LeftOut { place, because }),
        }
    }
    plans
}

fn flag(value: &Value) -> Result<Planned, String> {
    let text = |name: &str| value.get(name).and_then(Value::as_str).ok_or_else(|| format!("no `{name}`"));
    let list = value.get("attributes").and_then(Value::as_array).ok_or("no `attributes`")?;
    let columns = list.iter().map(|one| hint(one.as_str().ok_or("an attribute is no text")?));
    Ok(Planned {
        name: shortened(text("flag")?),
        at: date(text("start")?)?,
        columns: columns.collect::<Result<_, String>>()?,
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_flag_names_its_attributes_and_a_broken_one_costs_no_more_than_itself() {
        let plans = read(
            br#"[{"flag":"gift","start":"2026-03-01","attributes":["orders.gift:BOOL"]},
                 {"flag":"x","start":"soon","attributes":[]}, 7]"#,
        );
        assert_eq!(plans.planned.len(), 1);
        assert_eq!(plans.planned[0].columns[0].column.as_deref(), Some("gift"));
        let why: Vec<&str> = plans.left_out.iter().map(|one| one.because.as_str()).collect();
        assert_eq!(why, ["`soon` is no date", "no `attributes`"]);
        let under = read(br#"{"flags":[{"flag":"a","start":"20260301","attributes":[]}]}"#);
        assert_eq!(under.planned.first().unwrap().name, "a");
    }

    proptest! {
        #[test]
        fn nothing_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&bytes);
        }
    }
}
