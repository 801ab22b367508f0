//! The timeline of a definition: which of its versions readers saw when.

use crate::adoption::TrailEntry;
use crate::logic::LogicVersion;
use crate::order::Micros;

/// The number of the version that was active at a time, by the versions of one definition and its
/// trail, oldest entry first; `None` before the first one.
///
/// A definition starts with a version that a person wrote. From there on the trail tells: a
/// promotion puts a version before the one in force, and taking it back puts that one in force
/// again.
#[must_use]
pub fn active_at(versions: &[LogicVersion], trail: &[TrailEntry], at: Micros) -> Option<u32> {
    let written = versions.iter().filter(|version| version.plan.is_none() && version.created_at <= at);
    // A name may be used again after its definition was deleted: what was before is gone.
    let first = written.max_by_key(|version| (version.created_at, version.id.number))?;
    let mut in_force = vec![first.id.number];
    for entry in trail.iter().filter(|entry| (first.created_at..=at).contains(&entry.at)) {
        match (entry.what.as_str(), entry.version) {
            ("promoted", Some(number)) => in_force.push(number),
            ("reverted", Some(number)) => in_force.retain(|one| *one != number),
            _ => {}
        }
    }
    in_force.last().copied()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;
    use crate::change::TableName;
    use crate::definition::{CountDefinition, DefinitionName, GROUPS_MAX_DEFAULT, Headroom};
    use crate::logic::{Coverage, LogicState, PlanId};

    fn version(number: u32, created_at: Micros, plan: Option<&str>) -> LogicVersion {
        let definition = CountDefinition {
            name: DefinitionName::parse("a").unwrap(),
            table: TableName::new("orders"),
            group_by: Vec::new(),
            filter: None,
            distinct: None,
            groups_max: GROUPS_MAX_DEFAULT,
            headroom: Headroom::default(),
        };
        let version = LogicVersion::new(number, definition, LogicState::Active, Coverage::Whole, created_at);
        LogicVersion { plan: plan.map(PlanId::new), ..version }
    }

    fn entry(at: Micros, what: &str, version: u32) -> TrailEntry {
        TrailEntry {
            at,
            definition: DefinitionName::parse("a").unwrap(),
            what: what.to_owned(),
            version: Some(version),
            plan: None,
            summary: String::new(),
        }
    }

    #[test]
    fn promotions_and_what_was_taken_back_are_followed() {
        let versions = [version(1, 10, None), version(2, 20, Some("p")), version(3, 40, Some("q"))];
        let trail = [
            entry(20, "planned", 2),
            entry(30, "promoted", 2),
            entry(50, "promoted", 3),
            entry(60, "reverted", 3),
            entry(70, "reverted", 2),
        ];
        let at = |time| active_at(&versions, &trail, time);
        assert_eq!(at(9), None);
        assert_eq!([at(10), at(29), at(30), at(49)], [Some(1), Some(1), Some(2), Some(2)]);
        assert_eq!([at(50), at(60), at(70), at(99)], [Some(3), Some(2), Some(1), Some(1)]);
    }

    #[test]
    fn a_name_that_is_used_again_starts_anew() {
        let versions = [version(1, 10, None), version(3, 50, None)];
        let trail = [entry(30, "promoted", 2)];
        assert_eq!(active_at(&versions, &trail, 40), Some(2));
        assert_eq!(active_at(&versions, &trail, 50), Some(3));
    }
}
