//! Questions to functions, asked ahead: what a batch of changes asks is collected, whoever runs functions
//! answers all of it, and then each image is given its answers. So whoever counts need not run anything.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::vec::IntoIter;

use super::{FunctionId, Functions, Images, NoFunctions, is_partial};
use crate::change::Change;
use crate::predicate::Truth;
use crate::value::Item;

/// What is asked of one item.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Question {
    /// The functions that are asked, predicates all of them.
    pub functions: BTreeSet<FunctionId>,
    /// The item, of which every value is known.
    pub item: Item,
}

/// A function that gave no answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unanswered {
    /// How many images it was asked of in vain; 0 where it is not at hand.
    pub images: u64,
    /// Why, the first time. It holds nothing of an item.
    pub because: String,
}

/// What became of questions.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Answers {
    /// The answers to the first questions, in their order; a function that gave none is not named. Fewer than
    /// were asked where that took long.
    pub given: Vec<BTreeMap<FunctionId, Truth>>,
    /// Functions that gave no answer to some of them.
    pub unanswered: BTreeMap<FunctionId, Unanswered>,
}

impl Answers {
    /// Adds what became of the questions that follow.
    pub fn extend(&mut self, further: Self) {
        self.given.extend(further.given);
        add_unanswered(&mut self.unanswered, further.unanswered);
    }
}

/// Adds what functions failed to answer to what is known of that. The reason that was known first stays.
pub fn add_unanswered(
    known: &mut BTreeMap<FunctionId, Unanswered>,
    further: BTreeMap<FunctionId, Unanswered>,
) {
    for (id, Unanswered { images, because }) in further {
        let one = known.entry(id).or_insert(Unanswered { images: 0, because });
        one.images = one.images.saturating_add(images);
    }
}

/// What a change asks of functions, in the order in which [`super::answer`] does.
#[must_use]
pub fn questions(change: &Change, named: &BTreeSet<FunctionId>, images: Images) -> Vec<Question> {
    if named.is_empty() {
        return Vec::new();
    }
    let before = change.before.as_ref().filter(|_| images == Images::Both);
    let items = before.into_iter().chain(change.after.as_ref()).map(|image| image.item());
    let whole = items.filter(|item| !is_partial(item));
    whole.map(|item| Question { functions: named.clone(), item: item.into_owned() }).collect()
}

/// Answers that were given, handed on in the order of their questions.
#[derive(Debug)]
pub struct Told(RefCell<Telling>);

#[derive(Debug)]
struct Telling {
    rest: IntoIter<(BTreeSet<FunctionId>, BTreeMap<FunctionId, Truth>)>,
    now: (BTreeSet<FunctionId>, BTreeMap<FunctionId, Truth>),
    ended: bool,
}

impl Told {
    /// What was given to these questions.
    #[must_use]
    pub fn new(questions: Vec<Question>, given: Vec<BTreeMap<FunctionId, Truth>>) -> Self {
        let told: Vec<_> = questions.into_iter().map(|question| question.functions).zip(given).collect();
        Self(RefCell::new(Telling { rest: told.into_iter(), now: Default::default(), ended: false }))
    }

    /// Whether more was asked than there are answers to yet.
    #[must_use]
    pub fn ended(&self) -> bool {
        self.0.borrow().ended
    }
}

impl Functions for Told {
    fn judge(&self, function: &FunctionId, _: &Item) -> Option<Truth> {
        let telling = &mut *self.0.borrow_mut();
        if telling.now.0.is_empty() {
            match telling.rest.next() {
                Some(next) => telling.now = next,
                None => telling.ended = true,
            }
        }
        // Asked of something else than the question was, it says nothing: that is for quarantine, and no count.
        let is_asked = telling.now.0.remove(function);
        telling.now.1.remove(function).filter(|_| is_asked)
    }

    fn migrate(&self, function: &FunctionId, item: &Item) -> Result<Item, String> {
        NoFunctions.migrate(function, item)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::{RowIdentity, RowKey, TableName};
    use crate::function::answer;
    use crate::order::OrderVersion;
    use crate::value::Value;

    const ONE: FunctionId = FunctionId([1; 32]);
    const TWO: FunctionId = FunctionId([2; 32]);

    fn item(n: i64) -> Item {
        Item::from([("n".to_owned(), Value::String(n.to_string()))])
    }

    /// [`ONE`] finds the attribute `n` of an item odd; [`TWO`] fails.
    struct Odd;

    impl Functions for Odd {
        fn judge(&self, function: &FunctionId, item: &Item) -> Option<Truth> {
            let Value::String(n) = item.get("n")? else { return None };
            (*function == ONE).then(|| if n.ends_with(['1', '3']) { Truth::True } else { Truth::False })
        }

        fn migrate(&self, function: &FunctionId, item: &Item) -> Result<Item, String> {
            NoFunctions.migrate(function, item)
        }
    }

    fn given(questions: &[Question]) -> Vec<BTreeMap<FunctionId, Truth>> {
        let judged = |question: &Question| {
            let truth = |id: &FunctionId| Some((*id, Odd.judge(id, &question.item)?));
            question.functions.iter().filter_map(truth).collect()
        };
        questions.iter().map(judged).collect()
    }

    fn change(before: Option<Item>, after: Option<Item>) -> Change {
        let row = RowKey { table: TableName::new("orders"), identity: RowIdentity::Key("k".into()) };
        let (before, after) = (before.map(Item::into), after.map(Item::into));
        Change { row, before, after, version: OrderVersion::clock(0, 1), at: 1, whole: None }
    }

    fn changes() -> Vec<Change> {
        let mut partial = item(3);
        partial.insert("list".to_owned(), Value::List(vec![Value::Unavailable]));
        vec![change(Some(item(1)), Some(item(2))), change(None, Some(partial)), change(Some(item(3)), None)]
    }

    #[test]
    fn answers_that_were_asked_for_ahead_are_those_of_asking_at_once() {
        let named = BTreeSet::from([ONE, TWO]);
        for images in [Images::Both, Images::After] {
            let asked: Vec<Question> =
                changes().iter().flat_map(|change| questions(change, &named, images)).collect();
            assert_eq!(asked.len(), if images == Images::Both { 3 } else { 1 });
            let given = given(&asked);
            let told = Told::new(asked, given);
            let (mut ahead, mut at_once) = (changes(), changes());
            ahead.iter_mut().for_each(|change| answer(change, &told, &named, images));
            at_once.iter_mut().for_each(|change| answer(change, &Odd, &named, images));
            assert_eq!(ahead, at_once);
            assert!(!told.ended());
        }
    }

    #[test]
    fn what_has_no_answer_yet_is_noticed() {
        let named = BTreeSet::from([ONE]);
        let asked: Vec<Question> =
            changes().iter().flat_map(|change| questions(change, &named, Images::Both)).collect();
        let mut given = given(&asked);
        given.pop();
        let told = Told::new(asked, given);
        let ended: Vec<bool> = changes()
            .iter_mut()
            .map(|change| {
                answer(change, &told, &named, Images::Both);
                told.ended()
            })
            .collect();
        assert_eq!(ended, [false, false, true]);
    }

    #[test]
    fn an_answer_is_of_the_function_that_was_asked_or_there_is_none() {
        let question = Question { functions: [ONE].into(), item: item(1) };
        let told = Told::new(vec![question], vec![[(ONE, Truth::True), (TWO, Truth::True)].into()]);
        assert_eq!(told.judge(&TWO, &item(1)), None);
        assert_eq!(told.judge(&ONE, &item(1)), Some(Truth::True));
    }

    #[test]
    fn what_failed_is_added_up_and_the_first_reason_stays() {
        let failed = |images, because: &str| {
            BTreeMap::from([(ONE, Unanswered { images, because: because.to_owned() })])
        };
        let mut answers = Answers { given: vec![BTreeMap::new()], unanswered: failed(1, "a trap") };
        answers.extend(Answers { given: vec![BTreeMap::new()], unanswered: failed(2, "no memory") });
        assert_eq!(answers, Answers { given: vec![BTreeMap::new(); 2], unanswered: failed(3, "a trap") });
    }
}
