//! The item of a count's last audit.

use evercount_core::audit::Audited;
use evercount_core::definition::DefinitionName;
use evercount_core::value::{Item, Value};

use super::fields::{Fields, number, text, time_value};
use super::registry::change::{malformed, put};
use super::{FORMAT, ItemError, ItemKey};

/// The partition of the last audits, one for each count.
pub const AUDITS_PK: &str = "audits";

/// The key of a count's last audit.
#[must_use]
pub fn audit_key(definition: &DefinitionName) -> ItemKey {
    ItemKey::new(AUDITS_PK, definition.as_str())
}

/// The item of an audit.
#[must_use]
pub fn audit_item(audit: &Audited) -> Item {
    let mut item = audit_key(&audit.definition).item();
    let differing = audit.differing.iter().map(|(cause, n)| (cause.clone(), number(*n))).collect();
    for (name, value) in [
        ("entity", text("audit")),
        ("format", number(FORMAT)),
        ("definition", text(audit.definition.as_str())),
        ("version", number(u64::from(audit.version))),
        ("began_at", time_value(audit.began)),
        ("ended_at", time_value(audit.ended)),
        ("one_in", number(audit.one_in)),
        ("repair", Value::Bool(audit.repair)),
        ("rows", number(audit.rows)),
        ("agreeing", number(audit.agreeing)),
        ("in_flux", number(audit.in_flux)),
        ("differing", Value::Map(differing)),
        ("repaired", number(audit.repaired)),
        ("cells_judged", Value::Bool(audit.cells_judged)),
        ("cells_off", number(audit.cells_off)),
        ("summary", text(audit.summary())),
    ] {
        put(&mut item, name, value);
    }
    item
}

/// Reads an audit.
///
/// # Errors
/// [`ItemError`].
pub fn audit_from_item(item: &Item) -> Result<Audited, ItemError> {
    let fields = Fields::of_format(item)?;
    let differing = fields.map("differing")?;
    let of = Fields(differing);
    let differing = differing.keys().map(|cause| Ok((cause.clone(), of.unsigned(cause)?)));
    Ok(Audited {
        definition: fields.parsed("definition", "a definition's name", DefinitionName::parse)?,
        version: u32::try_from(fields.unsigned("version")?)
            .map_err(|_| malformed("version", "a version number"))?,
        began: fields.time("began_at")?,
        ended: fields.time("ended_at")?,
        one_in: fields.unsigned("one_in")?,
        repair: fields.flag("repair")?,
        rows: fields.unsigned("rows")?,
        agreeing: fields.unsigned("agreeing")?,
        in_flux: fields.unsigned("in_flux")?,
        differing: differing.collect::<Result<_, ItemError>>()?,
        repaired: fields.unsigned("repaired")?,
        cells_judged: fields.flag("cells_judged")?,
        cells_off: fields.unsigned("cells_off")?,
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    #[test]
    fn an_audit_is_made_to_be_read_and_reads_back() {
        let audit = Audited {
            definition: DefinitionName::parse("by_status").unwrap(),
            version: 2,
            began: 1_769_851_800_000_000,
            ended: 1_769_851_801_000_000,
            one_in: 1,
            repair: true,
            rows: 100,
            agreeing: 97,
            in_flux: 1,
            differing: [("stale".to_owned(), 2)].into(),
            repaired: 2,
            cells_judged: false,
            cells_off: 0,
        };
        let item = audit_item(&audit);
        let told =
            "100 rows read: 97 counted right, 2 counted wrong, 1 changed too lately to judge; 2 repaired.";
        assert_eq!(item.get("summary"), Some(&Value::String(told.to_owned())));
        assert_eq!(item.get("ended_at"), Some(&Value::String("2026-01-31T09:30:01.000000Z".to_owned())));
        assert_eq!(audit_from_item(&item).unwrap(), audit);
        assert!(audit.is_clean());
    }
}
