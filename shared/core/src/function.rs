//! Functions of users: how counting logic names one, and what it takes of its answers.
//!
//! A condition that data cannot express is a module that somebody wrote. It is named by the digest
//! of its bytes, so that what a logic version means never changes. Core neither loads nor runs
//! it: whoever evaluates hands over an evaluator ([`Functions`]), and each answer becomes one more
//! attribute of the item, which a predicate compares like any other:
//!
//! ```text
//! "function:9f86d0…" = true AND status = 'OPEN'
//! ```
//!
//! So predicates, plans, memos and the stored form of logic stay as they are. A function that
//! fails leaves a value that cannot be judged ([`Value::Unavailable`]), and what that means is
//! settled already: where the active version needs it the record goes into quarantine, and a shadow's
//! failure is evidence. Answers are taken of the image whose values that were not sent are filled in.

mod asking;
mod entry;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

use crate::change::Change;
use crate::path::Path;
use crate::predicate::Truth;
use crate::value::{self, Item, Value};

pub use asking::{Answers, Question, Told, Unanswered, add_unanswered, questions};
pub use entry::{Answer, DESCRIPTION_BYTES_MAX, EXAMPLES_MAX, Example, FunctionEntry, FunctionName};

/// What the name of a function's attribute starts with. No attribute that a person writes without
/// quotes has a colon in its name.
const PREFIX: &str = "function:";

/// The content address of a function: the SHA-256 of its bytes. As text, 64 lower-case hexadecimal
/// digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct FunctionId([u8; 32]);

impl FunctionId {
    /// The address with this digest.
    #[must_use]
    pub fn of_digest(digest: [u8; 32]) -> Self {
        Self(digest)
    }

    /// Reads the text form, and no other spelling of it: an id is part of keys.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Some(byte - b'0'),
            b'a'..=b'f' => Some(byte - b'a' + 10),
            _ => None,
        };
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        if pairs.len() != 32 || !rest.is_empty() {
            return None;
        }
        let mut digest = [0; 32];
        for (slot, [high, low]) in digest.iter_mut().zip(pairs) {
            *slot = digit(*high)? << 4 | digit(*low)?;
        }
        Some(Self(digest))
    }

    /// The attribute that holds the function's answer for an item.
    #[must_use]
    pub fn path(&self) -> Path {
        Path::column(format!("{PREFIX}{self}"))
    }

    /// The function whose answer a path reads; `None` for a path to an attribute of the item.
    #[must_use]
    pub fn of_path(path: &Path) -> Option<Self> {
        Self::of_column(path.column_name())
    }

    fn of_column(column: &str) -> Option<Self> {
        Self::parse(column.strip_prefix(PREFIX)?)
    }
}

impl fmt::Display for FunctionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// What a function is for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum FunctionKind {
    /// It brings an item to another shape.
    Migration,
    /// It says whether an item counts.
    Predicate,
}

impl FunctionKind {
    /// Both kinds with their stored names.
    pub const ALL: [(Self, &'static str); 2] =
        [(Self::Migration, "migration"), (Self::Predicate, "predicate")];

    /// Its stored name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Migration => "migration",
            Self::Predicate => "predicate",
        }
    }
}

/// Runs functions. Asked twice for one item it answers the same: functions are pure.
pub trait Functions {
    /// Whether an item counts; `None` where the function is not at hand or failed.
    fn judge(&self, function: &FunctionId, item: &Item) -> Option<Truth>;

    /// The item as the function makes it.
    ///
    /// # Errors
    /// In a sentence that holds nothing of the item, where the function is not at hand, refused the
    /// item or failed.
    fn migrate(&self, function: &FunctionId, item: &Item) -> Result<Item, String>;
}

/// Where no function is at hand.
#[derive(Clone, Copy, Debug)]
pub struct NoFunctions;

impl Functions for NoFunctions {
    fn judge(&self, _: &FunctionId, _: &Item) -> Option<Truth> {
        None
    }

    fn migrate(&self, _: &FunctionId, _: &Item) -> Result<Item, String> {
        Err("it is not at hand".to_owned())
    }
}

/// What the path of a function's answer says where it holds no id: somebody meant a name.
#[must_use]
pub fn misnamed(path: &Path) -> Option<&str> {
    path.column_name().strip_prefix(PREFIX).filter(|id| FunctionId::parse(id).is_none())
}

/// A condition's text with the ids of the functions that it names: `"function:paid" = true` asks the
/// one that is called `paid` now. What is no name on the list stays as it is.
#[must_use]
pub fn with_ids(condition: &str, list: &[FunctionEntry]) -> String {
    let quoted = format!("\"{PREFIX}");
    let mut parts = condition.split(&quoted);
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part.split_once('"').map_or((part, None), |(name, rest)| (name, Some(rest)));
        let id = list.iter().find(|entry| entry.name.as_str() == name).map(|entry| entry.id.to_string());
        text.push_str(&quoted);
        text.push_str(id.as_deref().unwrap_or(name));
        if let Some(rest) = rest {
            text.push('"');
            text.push_str(rest);
        }
    }
    text
}

/// Whether a column of an item holds a function's answer, and nothing of the source's.
#[must_use]
pub fn is_answer(column: &str) -> bool {
    FunctionId::of_column(column).is_some()
}

/// The functions whose answers these paths read.
#[must_use]
pub fn named<'a>(paths: impl IntoIterator<Item = &'a Path>) -> BTreeSet<FunctionId> {
    paths.into_iter().filter_map(FunctionId::of_path).collect()
}

/// The item with the answers of these functions as attributes: true, false, NULL for unknown, and
/// [`Value::Unavailable`] for one that failed, or that would have to judge an item of which a value was
/// not sent. Functions see the item without answers. An attribute of the source's that has the name of
/// an answer does not count as one: it is replaced.
#[must_use]
pub fn with_answers<'a>(
    functions: &impl Functions,
    named: &BTreeSet<FunctionId>,
    item: &'a Item,
) -> Cow<'a, Item> {
    let mut answered = Cow::Borrowed(item);
    let is_partial = is_partial(item);
    for function in named {
        let judged = if is_partial { None } else { functions.judge(function, item) };
        let answer = match judged {
            Some(Truth::True) => Value::Bool(true),
            Some(Truth::False) => Value::Bool(false),
            Some(Truth::Unknown) => Value::Null,
            None => Value::Unavailable,
        };
        answered.to_mut().insert(function.path().column_name().to_owned(), answer);
    }
    answered
}

/// Whether the source did not send a value of an item, so that nobody knows what a function makes of it.
#[must_use]
pub fn is_partial(item: &Item) -> bool {
    item.values().any(is_unavailable)
}

fn is_unavailable(value: &Value) -> bool {
    match value {
        Value::Unavailable => true,
        Value::List(values) => values.iter().any(is_unavailable),
        Value::Map(item) => is_partial(item),
        _ => false,
    }
}

/// Which images of a change are judged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Images {
    /// The one after it: the ledger knows what was before.
    After,
    /// Both: what is counted is their difference.
    Both,
}

/// Gives the images of a change the answers of these functions. Its digests stay those of the images
/// as the source has them, so that a change is known again whichever functions are asked.
pub fn answer(change: &mut Change, functions: &impl Functions, named: &BTreeSet<FunctionId>, images: Images) {
    if named.is_empty() {
        return;
    }
    change.whole = Some(change.digests());
    let before = change.before.as_mut().filter(|_| images == Images::Both);
    for image in before.into_iter().chain(change.after.as_mut()) {
        let answered = match with_answers(functions, named, &image.item()) {
            Cow::Owned(answered) => answered,
            Cow::Borrowed(_) => continue,
        };
        *image = answered.into();
    }
}

/// The digest of an item as the source has it, without the answers it was given.
#[must_use]
pub fn digest_of_source(item: &Item) -> u64 {
    if !item.keys().any(|column| is_answer(column)) {
        return value::digest(Some(item));
    }
    let source = item.iter().filter(|(column, _)| !is_answer(column));
    value::digest(Some(&source.map(|(column, value)| (column.clone(), value.clone())).collect()))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;
    use crate::change::TableName;
    use crate::counting::{Unavailable, contribution, fill_unavailable};
    use crate::definition::{CountDefinition, DefinitionName, GROUPS_MAX_DEFAULT, Headroom};
    use crate::logic::{Coverage, LogicState, LogicVersion};
    use crate::predicate::{Atom, Comparison, Operand, Predicate};

    /// Judges by the attribute `paid`; fails where there is none.
    struct ByPaid;

    impl Functions for ByPaid {
        fn judge(&self, _: &FunctionId, item: &Item) -> Option<Truth> {
            match item.get("paid")? {
                Value::Bool(true) => Some(Truth::True),
                Value::Bool(false) => Some(Truth::False),
                _ => Some(Truth::Unknown),
            }
        }

        fn migrate(&self, function: &FunctionId, item: &Item) -> Result<Item, String> {
            NoFunctions.migrate(function, item)
        }
    }

    fn item(paid: Option<Value>) -> Item {
        paid.map(|value| ("paid".to_owned(), value)).into_iter().collect()
    }

    fn counted(paid: Option<Value>) -> Result<i64, Unavailable> {
        let function = FunctionId::of_digest([7; 32]);
        let filter = Predicate::Atom(Atom::Compare {
            left: Operand::Path(function.path()),
            op: Comparison::Equal,
            right: Operand::Literal(Value::Bool(true)),
        });
        let named = named(filter.paths());
        assert_eq!(named, [function].into());
        let definition = CountDefinition {
            name: DefinitionName::parse("paid").unwrap(),
            table: TableName::new("orders"),
            group_by: Vec::new(),
            filter: Some(filter),
            distinct: None,
            groups_max: GROUPS_MAX_DEFAULT,
            headroom: Headroom::default(),
        };
        let logic = LogicVersion::new(1, definition, LogicState::Active, Coverage::Whole, 0);
        let item = item(paid);
        let answered = with_answers(&ByPaid, &named, &item);
        contribution(&logic, Some(&answered), None).map(|cells| cells.values().sum())
    }

    #[test]
    fn an_item_counts_where_the_function_says_so() {
        assert_eq!(counted(Some(Value::Bool(true))), Ok(1));
        assert_eq!(counted(Some(Value::Bool(false))), Ok(0));
        assert_eq!(counted(Some(Value::Null)), Ok(0));
    }

    #[test]
    fn a_function_that_fails_leaves_the_item_unjudged() {
        assert_eq!(counted(None), Err(Unavailable));
    }

    #[test]
    fn a_failure_is_not_filled_from_the_answer_before() {
        let column = FunctionId::of_digest([7; 32]).path().column_name().to_owned();
        let image = |answer| Item::from([(column.clone(), answer), ("note".to_owned(), Value::Unavailable)]);
        let mut before = image(Value::Bool(true));
        before.insert("note".to_owned(), Value::Null);
        let image = image(Value::Unavailable);
        let filled = fill_unavailable(&image, &before);
        assert_eq!(filled.get(&column), Some(&Value::Unavailable));
        assert_eq!(filled.get("note"), Some(&Value::Null));
    }

    #[test]
    fn an_attribute_named_like_an_answer_is_none() {
        let function = FunctionId::of_digest([7; 32]);
        let mut forged = item(Some(Value::Bool(false)));
        forged.insert(function.path().column_name().to_owned(), Value::Bool(true));
        let answered = with_answers(&ByPaid, &[function].into(), &forged);
        assert_eq!(function.path().lookup(&answered), Some(&Value::Bool(false)));
    }

    #[test]
    fn names_on_the_list_become_ids_and_nothing_else_changes() {
        let id = FunctionId::of_digest([7; 32]);
        let entry = FunctionEntry {
            name: FunctionName::parse("paid").unwrap(),
            id,
            kind: FunctionKind::Predicate,
            abi: 1,
            description: String::new(),
            added_at: 0,
            examples: Vec::new(),
        };
        let text = |name: &str| format!("NOT \"function:{name}\" = true AND \"function:other\" = false");
        assert_eq!(with_ids(&text("paid"), std::slice::from_ref(&entry)), text(&id.to_string()));
        for same in ["", "status = 'paid'", "\"function:paid", "\"function:\" = 1"] {
            assert_eq!(with_ids(same, &[]), same);
        }
        assert_eq!(misnamed(&Path::column("function:other")), Some("other"));
        assert_eq!((misnamed(&id.path()), misnamed(&Path::column("paid"))), (None, None));
    }

    #[test]
    fn an_id_has_one_spelling() {
        let id = FunctionId::of_digest(std::array::from_fn(|n| (n * 8) as u8));
        assert_eq!(FunctionId::parse(&id.to_string()), Some(id));
        assert_eq!(FunctionId::parse(&id.to_string().to_uppercase()), None);
        assert_eq!(FunctionId::parse(&format!("{id}00")), None);
        assert_eq!(FunctionId::parse(&id.to_string()[1..]), None);
        assert_eq!(FunctionId::of_path(&id.path()), Some(id));
        assert_eq!(FunctionId::of_path(&Path::column("status")), None);
    }

    #[test]
    fn the_path_of_an_answer_is_text_that_reads_back() {
        let path = FunctionId::of_digest([7; 32]).path();
        assert_eq!(Path::parse(&path.to_string()), Ok(path));
    }
}
