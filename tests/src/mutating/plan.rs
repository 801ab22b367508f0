//! What a seed is about: how much is wanted, and which faults are on.

use fastrand::Rng;

use super::shop::Facts;

/// How often each fault strikes, of a thousand times that it could.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// A call fails before it does anything.
    pub refuse: u32,
    /// A write happens, its reply is lost.
    pub lost_reply: u32,
    /// Somebody else was faster, or so it seems.
    pub conflict: u32,
    /// Somebody dies between two calls.
    pub crash: u32,
    /// A mutation whose outcome is not known is wanted again.
    pub retry: u32,
    /// A mutation is wanted twice.
    pub duplicate: u32,
}

/// A plan.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Items.
    pub keys: usize,
    /// Mutations.
    pub mutations: u32,
    /// Agents, readers and movers at once.
    pub at_once: usize,
    /// Whether the table's items carry a version and their schema version. Where they do not, nothing but
    /// their attributes tells what they were written for, so the versions that write items otherwise are
    /// over when the run begins.
    pub stamps: bool,
    /// Whether items are there from before the proxy, without a version.
    pub is_old: bool,
    /// How often mutations of several items belong together, of a thousand.
    pub together: u32,
    /// How often the schema goes on, of a thousand steps.
    pub pace: u32,
    /// Faults.
    pub faults: Faults,
}

impl Plan {
    /// The plan of a seed.
    #[must_use]
    pub fn of(seed: u64, mutations: u32) -> Self {
        let mut rng = Rng::with_seed(seed ^ 0x9e37_79b9);
        let mut fault = |most: u32| if rng.bool() { rng.u32(0..most) } else { 0 };
        let faults = Faults {
            refuse: fault(60),
            lost_reply: fault(120),
            conflict: fault(60),
            crash: fault(60),
            retry: fault(600),
            duplicate: fault(150),
        };
        Self {
            keys: rng.usize(1..5),
            mutations,
            at_once: rng.usize(1..7),
            stamps: rng.u32(0..4) > 0,
            is_old: rng.bool(),
            pace: rng.u32(4..40),
            together: if rng.bool() { rng.u32(50..500) } else { 0 },
            faults,
        }
    }
}

/// What a writer wants of an item.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Wanted {
    /// The item with these facts and no others.
    Put(Facts),
    /// These facts set, and those marked gone.
    Update {
        /// What is set.
        set: Facts,
        /// What goes, by `Field`.
        gone: [bool; 5],
    },
    /// No item.
    Delete,
}

/// A mutation.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Op {
    /// Its number; nobody else has it.
    pub id: u32,
    /// Of which item.
    pub key: usize,
    /// The schema version that its writer knows.
    pub version: u32,
    /// Whether it says so.
    pub declared: bool,
    /// What is wanted.
    pub wanted: Wanted,
    /// The item's version that the writer read.
    pub expected: Option<u64>,
    /// When it began.
    pub began: u64,
}

impl Op {
    /// A mutation of a writer of some version up to the one in force.
    pub fn of(rng: &mut Rng, id: u32, key: usize, in_force: u32, began: u64) -> Self {
        let version = rng.u32(1..=in_force);
        let is_update = rng.u32(0..10) >= 4;
        // An update of version 1 that does not say so is one of version 2 as well, and a new item of that
        // has no tier.
        let declared = rng.bool() || (is_update && version == 1);
        // Undeclared, a mutation of an earlier version cannot be told from others by a mood.
        let may_mood = declared || version >= 5;
        let wanted = match (is_update, rng.u32(0..4)) {
            (false, 0) => Wanted::Delete,
            (false, _) => {
                let some = |rng: &mut Rng| (!declared || rng.u32(0..5) > 0).then_some(id);
                let mut facts =
                    Facts { name: some(rng), status: some(rng), level: some(rng), tier: None, mood: None };
                facts.tier = some(rng).filter(|_| version >= 2);
                // Whether a put of a version that may have moods removes one rests on when they came.
                facts.mood = (may_mood && (version >= 5 || rng.bool())).then_some(id);
                Wanted::Put(facts)
            }
            (true, _) => {
                let mut set = Facts::default();
                let mut gone = [false; 5];
                for _ in 0..rng.u32(1..4) {
                    let field = rng.usize(0..5);
                    let is_known = match field {
                        3 => version >= 2,
                        4 => may_mood,
                        _ => true,
                    };
                    if !is_known {
                        continue;
                    }
                    let goes = declared && rng.u32(0..5) == 0;
                    gone[field] = goes;
                    *slot(&mut set, field) = (!goes).then_some(id);
                }
                Wanted::Update { set, gone }
            }
        };
        Self { id, key, version, declared, wanted, expected: None, began }
    }
}

/// A fact by its place: name, status, level, tier, mood.
pub fn slot(facts: &mut Facts, field: usize) -> &mut Option<u32> {
    match field {
        0 => &mut facts.name,
        1 => &mut facts.status,
        2 => &mut facts.level,
        3 => &mut facts.tier,
        _ => &mut facts.mood,
    }
}
