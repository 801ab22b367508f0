//! Questions to whoever runs functions elsewhere, and the answers.
//!
//! ```json
//! {"questions": [{"functions": ["9f86d0…", "b1946a…"], "item": {"id": {"S": "a"}, "n": {"N": "1.50"}}}]}
//! {"answers": [{"9f86d0…": true}], "unanswered": {"b1946a…": {"images": 1, "because": "it trapped: …"}}}
//! ```
//!
//! Items are in DynamoDB's form, in which functions see them. An answer is `true`, `false`, or `null` for unknown;
//! a function that gave none is not named. There may be fewer answers than questions: then there was no time for
//! the rest.

use std::collections::{BTreeMap, BTreeSet};

use evercount_core::function::{Answers, FunctionId, Question, Unanswered};
use evercount_core::predicate::Truth;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::json;

/// Why a text is not in the form above.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum AskingError {
    /// It is not the JSON that is expected.
    #[error("not what functions are asked and answer with: {0}")]
    Json(String),
    /// A function is not named by an id.
    #[error("`{0}` is no id of a function")]
    Id(String),
    /// An item is none.
    #[error("the item of question {at}: {error}")]
    Item {
        /// Which question, from 0.
        at: usize,
        /// What is wrong with it.
        error: json::JsonError,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct QuestionsJson<'a> {
    #[serde(borrow)]
    questions: Vec<QuestionJson<'a>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct QuestionJson<'a> {
    functions: Vec<String>,
    #[serde(borrow)]
    item: &'a RawValue,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AnswersJson {
    answers: Vec<BTreeMap<String, Option<bool>>>,
    unanswered: BTreeMap<String, UnansweredJson>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct UnansweredJson {
    images: u64,
    because: String,
}

/// As many of the first questions as fit into so many bytes, and how many they are: none where the first does not.
#[must_use]
pub fn questions_json(questions: &[Question], bytes_max: usize) -> (String, usize) {
    const OPEN: &str = "{\"questions\":[";
    const CLOSE: &str = "]}";
    let (mut text, mut put) = (OPEN.to_owned(), 0);
    for Question { functions, item } in questions {
        // Ids are digits, and an item is JSON already.
        let ids: Vec<String> = functions.iter().map(|id| format!("\"{id}\"")).collect();
        let comma = if put == 0 { "" } else { "," };
        let item = json::dynamodb_json(item);
        let one = format!("{comma}{{\"functions\":[{}],\"item\":{item}}}", ids.join(","));
        if text.len() + one.len() + CLOSE.len() > bytes_max {
            break;
        }
        text.push_str(&one);
        put += 1;
    }
    text.push_str(CLOSE);
    (text, put)
}

/// Reads questions.
///
/// # Errors
/// [`AskingError`] where the text is not in the form of [`questions_json`].
pub fn read_questions(text: &[u8]) -> Result<Vec<Question>, AskingError> {
    let read: QuestionsJson<'_> = serde_json::from_slice(text).map_err(wrong)?;
    let questions = read.questions.into_iter().enumerate().map(|(at, QuestionJson { functions, item })| {
        let functions = functions.iter().map(|id| function(id)).collect::<Result<BTreeSet<_>, _>>()?;
        let item = json::read_dynamodb_item(item.get()).map_err(|error| AskingError::Item { at, error })?;
        Ok(Question { functions, item })
    });
    questions.collect()
}

/// Answers as they are told.
///
/// # Errors
/// None that is known of; what the writer of JSON says, if it ever does.
pub fn answers_json(answers: &Answers) -> Result<Box<RawValue>, AskingError> {
    let truth = |(id, truth): (&FunctionId, &Truth)| {
        let truth = match truth {
            Truth::True => Some(true),
            Truth::False => Some(false),
            Truth::Unknown => None,
        };
        (id.to_string(), truth)
    };
    let unanswered = answers.unanswered.iter().map(|(id, Unanswered { images, because })| {
        (id.to_string(), UnansweredJson { images: *images, because: because.clone() })
    });
    let told = AnswersJson {
        answers: answers.given.iter().map(|given| given.iter().map(truth).collect()).collect(),
        unanswered: unanswered.collect(),
    };
    serde_json::value::to_raw_value(&told).map_err(wrong)
}

/// Reads answers.
///
/// # Errors
/// [`AskingError`] where the text is not in the form of [`answers_json`].
pub fn read_answers(text: &[u8]) -> Result<Answers, AskingError> {
    let read: AnswersJson = serde_json::from_slice(text).map_err(wrong)?;
    let truth = |(id, truth): (String, Option<bool>)| {
        let truth = match truth {
            Some(true) => Truth::True,
            Some(false) => Truth::False,
            None => Truth::Unknown,
        };
        Ok((function(&id)?, truth))
    };
    let unanswered = read
        .unanswered
        .into_iter()
        .map(|(id, UnansweredJson { images, because })| Ok((function(&id)?, Unanswered { images, because })));
    let given = read.answers.into_iter().map(|given| given.into_iter().map(truth).collect());
    Ok(Answers { given: given.collect::<Result<_, _>>()?, unanswered: unanswered.collect::<Result<_, _>>()? })
}

fn wrong(error: serde_json::Error) -> AskingError {
    AskingError::Json(error.to_string())
}

fn function(id: &str) -> Result<FunctionId, AskingError> {
    FunctionId::parse(id).ok_or_else(|| AskingError::Id(id.to_owned()))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use evercount_core::value::{Item, Value};

    use super::*;

    fn id(byte: u8) -> FunctionId {
        FunctionId::of_digest([byte; 32])
    }

    fn questions() -> Vec<Question> {
        let texts = ["a", "\"quoted\"", "ü"];
        let question = |text: &str| Question {
            functions: [id(1), id(2)].into(),
            item: Item::from([
                ("text".to_owned(), Value::String(text.to_owned())),
                ("list".to_owned(), Value::List(vec![Value::Null, Value::Bool(true)])),
            ]),
        };
        texts.into_iter().map(question).collect()
    }

    #[test]
    fn questions_read_back_as_they_were() {
        let (text, put) = questions_json(&questions(), usize::MAX);
        assert_eq!((put, read_questions(text.as_bytes())), (3, Ok(questions())));
    }

    #[test]
    fn as_many_questions_are_put_as_fit() {
        let whole = questions_json(&questions(), usize::MAX).0.len();
        let mut most = 3;
        for bytes_max in (0..=whole).rev() {
            let (text, put) = questions_json(&questions(), bytes_max);
            assert!(put <= most && (put == 0 || text.len() <= bytes_max), "{put} in {bytes_max}");
            assert!(questions().starts_with(&read_questions(text.as_bytes()).unwrap()));
            assert_eq!(read_questions(text.as_bytes()).unwrap().len(), put);
            most = put;
        }
        assert_eq!((most, questions_json(&questions(), whole).1), (0, 3));
    }

    #[test]
    fn answers_read_back_as_they_were() {
        let answers = Answers {
            given: vec![
                [(id(1), Truth::True), (id(2), Truth::Unknown)].into(),
                [(id(1), Truth::False)].into(),
                BTreeMap::new(),
            ],
            unanswered: [(id(2), Unanswered { images: 2, because: "it trapped".to_owned() })].into(),
        };
        let text = answers_json(&answers).unwrap();
        assert_eq!(read_answers(text.get().as_bytes()), Ok(answers));
    }

    #[test]
    fn what_is_no_question_and_no_answer_is_told() {
        let wrong = |text: &str| read_questions(text.as_bytes()).unwrap_err().to_string();
        assert!(wrong("{}").contains("missing field `questions`"));
        let no_id = r#"{"questions":[{"functions":["x"],"item":{}}]}"#;
        assert_eq!(wrong(no_id), "`x` is no id of a function");
        let no_item = r#"{"questions":[{"functions":[],"item":{"a":1}}]}"#;
        assert!(wrong(no_item).starts_with("the item of question 0: "), "{}", wrong(no_item));
        assert!(read_answers(br#"{"answers":[{"x":true}],"unanswered":{}}"#).is_err());
    }
}
