//! Owns how writes are carried out by the agent: those of tables whose items carry versions or have values
//! beside the table, and those that were written for another version of the schema.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use evercount_core::change::TableName;
use evercount_core::expression::Shown;
use evercount_core::mutation::Kind;
use evercount_core::mutation::decide::Decision;
use evercount_core::mutation::once::{Once, TOKEN_CHARS_MAX};
use evercount_core::mutation::refusal::Refusal as Why;
use evercount_core::order::{ItemVersion, Micros};
use evercount_core::value::Item;
use evercount_pipeline::mutate::together::Applied;
use evercount_pipeline::mutate::{self, Agent, Mutated, Request as Wanted};
use evercount_pipeline::ports::StoreError;
use evercount_wire::json::dynamodb_json;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use serde_json::{Map, Value as Json, json};
use xxhash_rust::xxh3::xxh3_128;

use crate::answer::{OUTCOME_HEADER, Reason, Refusal, body_answer};
use crate::functions::AtHand;
use crate::operation::Operation;
use crate::proxy::{Part, Proxy, ProxyStore, ProxyTable};
use crate::request::array;
use crate::upstream::Upstream;
use crate::wish::{Change, Wish, json_of};

/// The header in which a writer says which version of an item it read, and the proxy which one it wrote.
pub const ITEM_VERSION_HEADER: HeaderName = HeaderName::from_static("x-evercount-item-version");

/// Bytes of a write unit (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html>).
const UNIT_BYTES: usize = 1_024;

impl<U: Upstream, S: ProxyStore, T: ProxyTable> Proxy<U, S, T> {
    /// Carries out a write of one item.
    pub(crate) async fn write_one(
        &self,
        operation: Operation,
        headers: &HeaderMap,
        body: &Json,
        part: &Part,
    ) -> Result<Response<Bytes>, Refusal> {
        let kind = match operation {
            Operation::PutItem => Kind::Put,
            Operation::UpdateItem => Kind::Update,
            _ => Kind::Delete,
        };
        let returned = Returned::of(kind, body)?;
        let wish = self.wish(kind, body, part, version_read(headers)?).await?;
        let mutated = self.carry_out(&wish, part.declared).await.map_err(|error| unwritten(part, &error))?;
        let decision = match &mutated.outcome {
            Ok(decision) => decision,
            Err(why) => return Err(told(operation, part, &wish, why)),
        };
        let mut answer = Map::new();
        answer.extend(
            returned.of_decision(&wish, decision).map(|item| ("Attributes".to_owned(), json_of(&item))),
        );
        if wants_capacity(body) {
            let capacity = capacity(part.table(), units(decision));
            answer.insert("ConsumedCapacity".to_owned(), capacity);
        }
        let mut answer = body_answer(StatusCode::OK, &Json::Object(answer));
        let outcome = HeaderValue::from_static(decision.outcome());
        answer.headers_mut().insert(OUTCOME_HEADER, outcome);
        answer.headers_mut().insert(ITEM_VERSION_HEADER, HeaderValue::from(decision.version.0));
        Ok(answer)
    }

    /// Carries out the writes of a batch that are the agent's; the others go on as they are.
    pub(crate) async fn write_batch(
        &self,
        request: &Request<Bytes>,
        body: &Json,
        parts: &[Part],
    ) -> Result<Response<Bytes>, Refusal> {
        let (mut straight, mut unprocessed) = (Map::new(), BTreeMap::<&String, Vec<Json>>::new());
        let (mut seen, mut consumed) = (BTreeSet::new(), BTreeMap::<&str, usize>::new());
        let mut mine = Vec::new();
        let mut parts = parts.iter();
        for (name, writes) in body.get("RequestItems").and_then(Json::as_object).into_iter().flatten() {
            let parts: Vec<&Part> = parts.by_ref().take(array(Some(writes)).len()).collect();
            if !parts.iter().any(|part| part.needs_agent) {
                straight.insert(name.clone(), writes.clone());
                continue;
            }
            for (write, part) in array(Some(writes)).iter().zip(parts) {
                let (kind, action) = match (write.get("PutRequest"), write.get("DeleteRequest")) {
                    (Some(put), None) => (Kind::Put, put),
                    (None, Some(delete)) => (Kind::Delete, delete),
                    _ => return Err(Refusal::Validation("Supplied AttributeValue is empty".to_owned())),
                };
                let mut action = action.clone();
                if let Some(action) = action.as_object_mut() {
                    action.insert("TableName".to_owned(), name.clone().into());
                }
                let wish = self.wish(kind, &action, part, None).await?;
                if !seen.insert(wish.row.clone()) {
                    return Err(Refusal::Validation(
                        "Provided list of item keys contains duplicates".to_owned(),
                    ));
                }
                mine.push((name, write, part, wish));
            }
        }
        for (name, write, part, wish) in &mine {
            match self.carry_out(wish, part.declared).await {
                Ok(Mutated { outcome: Ok(decision), .. }) => {
                    *consumed.entry(part.table()).or_default() += units(&decision);
                }
                // What may work later is the client's to send again, as DynamoDB has it.
                Ok(Mutated { outcome: Err(Why::AttemptsUsedUp { .. }), .. })
                | Err(StoreError::Unavailable(_)) => {
                    unprocessed.entry(name).or_default().push((*write).clone());
                }
                Ok(Mutated { outcome: Err(why), .. }) => {
                    return Err(told(Operation::BatchWriteItem, part, wish, &why));
                }
                Err(error) => return Err(unwritten(part, &error)),
            }
        }
        let mut answer = self.rest_of_batch(request, body, straight).await?;
        if answer.status() != StatusCode::OK {
            return Ok(answer);
        }
        let mut told: Json = serde_json::from_slice(answer.body()).unwrap_or_else(|_| json!({}));
        if let Some(object) = told.as_object_mut() {
            let left = object.entry("UnprocessedItems").or_insert_with(|| json!({}));
            for (name, writes) in unprocessed {
                if let Some(left) = left.as_object_mut() {
                    left.insert(name.clone(), writes.into());
                }
            }
            if wants_capacity(body) {
                let all = object.entry("ConsumedCapacity").or_insert_with(|| json!([]));
                let mine = consumed.into_iter().map(|(table, units)| capacity(table, units));
                if let Some(all) = all.as_array_mut() {
                    all.extend(mine);
                }
            }
        }
        crate::answer::replace_body(&mut answer, Bytes::from(told.to_string()));
        Ok(answer)
    }

    async fn rest_of_batch(
        &self,
        request: &Request<Bytes>,
        body: &Json,
        straight: Map<String, Json>,
    ) -> Result<Response<Bytes>, Refusal> {
        if straight.is_empty() {
            return Ok(body_answer(StatusCode::OK, &json!({})));
        }
        let mut body = body.clone();
        if let Some(body) = body.as_object_mut() {
            body.insert("RequestItems".to_owned(), Json::Object(straight));
        }
        self.send_body(request, &body).await
    }

    /// Carries out a transaction, all of it or nothing.
    pub(crate) async fn write_together(
        &self,
        body: &Json,
        parts: &[Part],
    ) -> Result<Response<Bytes>, Refusal> {
        let mut wishes = Vec::with_capacity(parts.len());
        for (action, part) in array(body.get("TransactItems")).iter().zip(parts) {
            let kinds = [
                ("Put", Kind::Put),
                ("Update", Kind::Update),
                ("Delete", Kind::Delete),
                ("ConditionCheck", Kind::Check),
            ];
            let found = kinds.iter().find_map(|(name, kind)| Some((*kind, action.get(name)?)));
            let Some((kind, action)) = found else {
                return Err(Refusal::Validation(
                    "TransactItems can only contain one of Check, Put, Update or Delete".to_owned(),
                ));
            };
            wishes.push(self.wish(kind, action, part, None).await?);
        }
        let rows: BTreeSet<_> = wishes.iter().map(|wish| &wish.row).collect();
        if rows.len() < wishes.len() {
            return Err(Refusal::Validation(
                "Transaction request cannot include multiple operations on one item".to_owned(),
            ));
        }
        let tables: BTreeSet<&TableName> = wishes.iter().map(|wish| &wish.row.table).collect();
        let functions =
            self.functions_of(tables).await.map_err(|error| Refusal::Unavailable(error.to_string()))?;
        let agent = self.agent(&functions);
        let wanted: Vec<Wanted<'_>> =
            wishes.iter().zip(parts).map(|(wish, part)| wanted(wish, part.declared)).collect();
        let now = (self.clock)();
        let once = once(body, parts, now)?;
        let done = mutate::together::run(&agent, &self.warm, &wanted, once.as_ref(), now).await;
        let done = done.map_err(|error| match parts.first() {
            Some(part) => unwritten(part, &error),
            None => Refusal::Unavailable(error.to_string()),
        })?;
        let done = match done {
            Applied::Now(done) => done,
            Applied::Before => return Ok(repeated(body, parts)),
            Applied::OtherRequest => return Err(Refusal::OtherRequest),
        };
        done.0.iter().for_each(|mutated| self.tally.mutated(mutated));
        if let Some((at, why)) = done.refused() {
            let (Some(part), Some(wish)) = (parts.get(at), wishes.get(at)) else {
                return Err(Refusal::Internal(why.to_string()));
            };
            return Err(canceled(at, wishes.len(), told(Operation::TransactWriteItems, part, wish, why)));
        }
        let mut answer = Map::new();
        if wants_capacity(body) {
            let mut consumed = BTreeMap::<&str, usize>::new();
            for (part, mutated) in parts.iter().zip(&done.0) {
                let units = mutated.outcome.as_ref().map_or(0, units);
                *consumed.entry(part.table()).or_default() += 2 * units;
            }
            let all = consumed.into_iter().map(|(table, units)| capacity(table, units));
            answer.insert("ConsumedCapacity".to_owned(), all.collect());
        }
        let mut answer = body_answer(StatusCode::OK, &Json::Object(answer));
        let words: BTreeSet<&str> = done.0.iter().map(Mutated::word).collect();
        let words: Vec<&str> = words.into_iter().collect();
        if let Ok(words) = HeaderValue::from_str(&words.join(", ")) {
            answer.headers_mut().insert(OUTCOME_HEADER, words);
        }
        Ok(answer)
    }

    async fn wish(
        &self,
        kind: Kind,
        action: &Json,
        part: &Part,
        read: Option<ItemVersion>,
    ) -> Result<Wish, Refusal> {
        let table = TableName::new(part.table());
        let keys = self.table.key_attributes(&table).await.map_err(|error| unwritten(part, &error))?;
        let mut wish = Wish::of(kind, action, &keys, part.defaults(), read)?;
        if let (Change::Put(item), true) = (&mut wish.change, part.declared_by_item) {
            item.remove(evercount_pipeline::transform::DECLARED_BY);
        }
        Ok(wish)
    }

    /// Carries out what is wanted of one item.
    async fn carry_out(&self, wish: &Wish, declared: Option<u32>) -> Result<Mutated, StoreError> {
        let functions = self.functions_of([&wish.row.table]).await?;
        let agent = self.agent(&functions);
        let mutated = mutate::run(&agent, &self.warm, &wanted(wish, declared), (self.clock)()).await?;
        self.tally.mutated(&mutated);
        if let Some(entry) = &mutated.entry {
            tracing::info!(
                table = wish.row.table.as_str(),
                outcome = entry.outcome,
                attempts = mutated.attempts,
                written_for = mutated.written_for,
                in_force = mutated.in_force,
                summary = entry.summary,
                "a mutation was not applied as it came"
            );
        }
        if let Some(error) = &mutated.unnoted {
            tracing::warn!(table = wish.row.table.as_str(), %error, "what became of a mutation could not be noted");
        }
        Ok(mutated)
    }

    /// The functions that requests on these tables may need.
    pub(crate) async fn functions_of<'t>(
        &self,
        tables: impl IntoIterator<Item = &'t TableName>,
    ) -> Result<AtHand, StoreError> {
        let mut named = BTreeSet::new();
        for table in tables {
            let kept = self.shelf.written(&self.store, table, (self.clock)()).await?;
            named.extend(self.options.functions_of(table, &kept));
        }
        if named.is_empty() { Ok(AtHand::default()) } else { self.shelf.bring(&self.store, &named).await }
    }

    /// The agent.
    pub(crate) fn agent<'a>(&'a self, functions: &'a AtHand) -> Agent<'a, S, S, T> {
        Agent {
            registry: &self.store,
            store: &self.store,
            table: &self.table,
            settings: &self.options.mutations,
            written: &self.options.written,
            functions,
        }
    }
}

/// The transaction as a request that takes effect once, where it has a token. The same transaction for another
/// version of a schema is another.
fn once(body: &Json, parts: &[Part], at: Micros) -> Result<Option<Once>, Refusal> {
    let Some(token) = body.get("ClientRequestToken").filter(|token| !token.is_null()) else {
        return Ok(None);
    };
    let token = token.as_str().filter(|token| (1..=TOKEN_CHARS_MAX).contains(&token.chars().count()));
    let Some(token) = token else {
        return Err(Refusal::Validation(format!(
            "ClientRequestToken must have at least 1 and at most {TOKEN_CHARS_MAX} characters"
        )));
    };
    let declared: Vec<Option<u32>> = parts.iter().map(|part| part.declared).collect();
    let asked = json!([body.get("TransactItems"), declared]).to_string();
    Ok(Some(Once { token: token.to_owned(), request: xxh3_128(asked.as_bytes()), at }))
}

/// The answer to a transaction that was carried out before: as DynamoDB has it, it is told what reading its items
/// would take.
fn repeated(body: &Json, parts: &[Part]) -> Response<Bytes> {
    let mut answer = Map::new();
    if wants_capacity(body) {
        let mut consumed = BTreeMap::<&str, usize>::new();
        parts.iter().for_each(|part| *consumed.entry(part.table()).or_default() += 2);
        let all = consumed.into_iter().map(|(table, units)| capacity(table, units));
        answer.insert("ConsumedCapacity".to_owned(), all.collect());
    }
    let mut answer = body_answer(StatusCode::OK, &Json::Object(answer));
    answer.headers_mut().insert(OUTCOME_HEADER, HeaderValue::from_static("carried-out-before"));
    answer
}

fn wanted(wish: &Wish, declared: Option<u32>) -> Wanted<'_> {
    Wanted { row: &wish.row, key: &wish.key, intent: wish, declared, expected: wish.expected }
}

/// The version of the item that a header says was read.
fn version_read(headers: &HeaderMap) -> Result<Option<ItemVersion>, Refusal> {
    let Some(said) = headers.get(ITEM_VERSION_HEADER) else { return Ok(None) };
    let number = said.to_str().ok().and_then(|text| text.trim().parse().ok());
    let wrong =
        || Refusal::Validation(format!("`{ITEM_VERSION_HEADER}` is not the number of an item's version"));
    number.map(ItemVersion).map(Some).ok_or_else(wrong)
}

/// A refusal as DynamoDB would tell its like, with the word for it.
fn told(operation: Operation, part: &Part, wish: &Wish, why: &Why) -> Refusal {
    let message = || format!("{} on `{}`: {why}", operation.name(), part.table());
    let told = match why {
        Why::Condition => {
            let failed = wish.failed();
            match failed.invalid {
                Some(invalid) => Refusal::Validation(invalid.to_string()),
                None => Refusal::Condition {
                    message: "The conditional request failed".to_owned(),
                    item: failed.item.as_ref().map(json_of),
                },
            }
        }
        Why::DataConflict { .. } | Why::Undecided { .. } => {
            Refusal::Condition { message: message(), item: None }
        }
        Why::AttemptsUsedUp { .. } => Refusal::Conflict(message()),
        _ => Refusal::Validation(message()),
    };
    Refusal::Mutation { outcome: why.reason(), told: Box::new(told) }
}

/// The refusal of a transaction because of one of its actions.
fn canceled(at: usize, actions: usize, refusal: Refusal) -> Refusal {
    let Refusal::Mutation { outcome, told } = refusal else { return refusal };
    let reason = match *told {
        Refusal::Condition { message, item } => {
            Reason { code: "ConditionalCheckFailed", message: Some(message), item }
        }
        Refusal::Conflict(message) => {
            Reason { code: "TransactionConflict", message: Some(message), item: None }
        }
        Refusal::Validation(message) if outcome == "condition" => {
            Reason { code: "ValidationError", message: Some(message), item: None }
        }
        told => return Refusal::Mutation { outcome, told: Box::new(told) },
    };
    let mut reasons = vec![Reason::NONE; actions];
    if let Some(slot) = reasons.get_mut(at) {
        *slot = reason;
    }
    Refusal::Mutation { outcome, told: Box::new(Refusal::Canceled(reasons)) }
}

/// What a store's answer means for the client.
pub(crate) fn unwritten(part: &Part, error: &StoreError) -> Refusal {
    let told = format!("`{}`: {error}", part.table());
    match error {
        StoreError::Rejected(_) => Refusal::Validation(told),
        _ => Refusal::Unavailable(told),
    }
}

/// What a write gives back.
enum Returned {
    Nothing,
    Old,
    New,
    UpdatedOld,
    UpdatedNew,
}

impl Returned {
    fn of(kind: Kind, body: &Json) -> Result<Self, Refusal> {
        let said = body.get("ReturnValues").and_then(Json::as_str).unwrap_or("NONE");
        Ok(match (said, kind) {
            ("NONE", _) => Self::Nothing,
            ("ALL_OLD", _) => Self::Old,
            ("ALL_NEW", Kind::Update) => Self::New,
            ("UPDATED_OLD", Kind::Update) => Self::UpdatedOld,
            ("UPDATED_NEW", Kind::Update) => Self::UpdatedNew,
            _ => return Err(Refusal::Validation("Return values set to invalid value".to_owned())),
        })
    }

    fn of_decision(&self, wish: &Wish, decision: &Decision) -> Option<Item> {
        let (before, after) = (decision.before.as_ref(), decision.after.as_ref());
        let updated = |item: Option<&Item>| match &wish.change {
            Change::Update(update) => {
                Some(Shown::of(update.places()).show(item?)).filter(|shown| !shown.is_empty())
            }
            _ => None,
        };
        match self {
            Self::Nothing => None,
            Self::Old => before.cloned(),
            Self::New => after.cloned(),
            Self::UpdatedOld => updated(before),
            Self::UpdatedNew => updated(after),
        }
    }
}

fn wants_capacity(body: &Json) -> bool {
    matches!(body.get("ReturnConsumedCapacity").and_then(Json::as_str), Some("TOTAL" | "INDEXES"))
}

fn capacity(table: &str, units: usize) -> Json {
    json!({ "TableName": table, "CapacityUnits": units })
}

/// Write units that a mutation took, about: of the larger of the items before and after, and of what went
/// beside the table, which makes it a transaction.
fn units(decision: &Decision) -> usize {
    let units = |item: Option<&Item>| item.map_or(0, |item| dynamodb_json(item).len()).div_ceil(UNIT_BYTES);
    let item = units(decision.before.as_ref()).max(units(decision.item.as_ref())).max(1);
    if decision.row.is_some() { 2 * (item + 1) } else { item }
}
