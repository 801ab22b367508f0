//! Owns how reads are answered that show more than the table has, or show it as another version of the
//! schema has it: the upstream reads the items, whole, and what of them is shown is decided here.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use evercount_core::change::{RowKey, TableName};
use evercount_core::expression::{Condition, Place, Shown};
use evercount_core::mutation::VERSION_ATTRIBUTE;
use evercount_core::resolve::index::{Asks, Seen};
use evercount_core::resolve::{Use, placeholders};
use evercount_core::value::{Item, Value};
use evercount_pipeline::mutate::look;
use http::{Request, Response, StatusCode};
use serde_json::{Map, Value as Json};

use crate::answer::{Refusal, replace_body};
use crate::mutating::unwritten;
use crate::operation::Operation;
use crate::proxy::{Part, Proxy, ProxyStore, ProxyTable};
use crate::request::array;
use crate::upstream::Upstream;
use crate::wish::{Words, item_of, json_of, key_of, row_of};

/// Expressions that stay the upstream's.
const KEPT: [&str; 2] = ["KeyConditionExpression", "FilterExpression"];
/// All that a read can have.
const ALL: [&str; 3] = ["KeyConditionExpression", "FilterExpression", "ProjectionExpression"];

/// What is made of the items that the upstream read.
#[derive(Default)]
struct View {
    filter: Option<Condition>,
    shown: Option<Shown>,
    counts_only: bool,
    /// What is seen of an item, where it is read through an index.
    through: Option<Seen>,
}

/// Makes of a read what goes to the upstream; what is made of its answer.
fn take_apart(body: &mut Json, part: &Part) -> Result<View, Refusal> {
    let words = Words::of(body)?;
    words.are_used(&ALL)?;
    let by_name = |name: &Json| name.as_str().map(Place::of);
    let named: Vec<Place> = array(body.get("AttributesToGet")).iter().filter_map(by_name).collect();
    let shown = words.read("ProjectionExpression", Shown::read)?;
    let shown = shown.or_else(|| (!named.is_empty()).then(|| Shown::of(&named)));
    let filter = words.read("FilterExpression", Condition::read)?;
    let is_mine =
        |filter: &Condition| part.declared.is_some() || part.beside().iter().any(|name| filter.names(name));
    let filter = filter.filter(is_mine);
    let filters = part.asked.namings.iter().any(|one| {
        one.usage == Use::Filter
            && (part.declared.is_some() || part.beside().iter().any(|name| *name == one.attribute))
    });
    if let Some(legacy) = ["QueryFilter", "ScanFilter"].iter().find(|name| body.get(**name).is_some())
        && filters
    {
        return Err(Refusal::Validation(format!(
            "`{legacy}` is not carried out where it is about values beside the table, or about another version \
             of its schema; write a FilterExpression"
        )));
    }
    let select = body.get("Select").and_then(Json::as_str);
    let counts_only = select == Some("COUNT");
    let selects = counts_only || select == Some("SPECIFIC_ATTRIBUTES");
    let view = View { counts_only, through: None, shown, filter };
    if let Some(body) = body.as_object_mut() {
        body.remove("ProjectionExpression");
        body.remove("AttributesToGet");
        if selects {
            body.remove("Select");
        }
        if view.filter.is_some() {
            body.remove("FilterExpression");
        }
        keep_used(body);
    }
    Ok(view)
}

/// Leaves out the placeholders that nothing uses any more: DynamoDB refuses such.
fn keep_used(body: &mut Map<String, Json>) {
    let texts = KEPT.iter().filter_map(|name| body.get(*name)?.as_str());
    let used: BTreeSet<String> = texts.flat_map(|text| placeholders(text).unwrap_or_default()).collect();
    for given in ["ExpressionAttributeNames", "ExpressionAttributeValues"] {
        let Some(all) = body.get_mut(given).and_then(Json::as_object_mut) else { continue };
        all.retain(|name, _| used.contains(name));
        if all.is_empty() {
            body.remove(given);
        }
    }
}

impl<U: Upstream, S: ProxyStore, T: ProxyTable> Proxy<U, S, T> {
    /// Answers a read.
    pub(crate) async fn read(
        &self,
        operation: Operation,
        request: &Request<Bytes>,
        body: &Json,
        parts: &[Part],
    ) -> Result<Response<Bytes>, Refusal> {
        match operation {
            Operation::BatchGetItem => self.read_batch(request, body, parts).await,
            Operation::TransactGetItems => self.read_together(request, body, parts).await,
            _ => match parts.first() {
                Some(part) => self.read_one(operation, request, body, part).await,
                None => self.send_body(request, body).await,
            },
        }
    }

    async fn read_one(
        &self,
        operation: Operation,
        request: &Request<Bytes>,
        body: &Json,
        part: &Part,
    ) -> Result<Response<Bytes>, Refusal> {
        let mut sent = body.clone();
        let mut view = take_apart(&mut sent, part)?;
        view.through = self.through(operation, body, part).await?;
        let answer = self.send_body(request, &sent).await?;
        self.edited(answer, async |told: &mut Map<String, Json>| {
            if operation == Operation::GetItem {
                return self.show_item(told, part, &view).await;
            }
            let items = told.remove("Items").unwrap_or_default();
            let shown = self.shown(part, &view, array(Some(&items))).await?;
            told.insert("Count".to_owned(), shown.len().into());
            if !view.counts_only {
                told.insert("Items".to_owned(), shown.into());
            }
            Ok(())
        })
        .await
    }

    async fn read_batch(
        &self,
        request: &Request<Bytes>,
        body: &Json,
        parts: &[Part],
    ) -> Result<Response<Bytes>, Refusal> {
        let mut sent = body.clone();
        let mut views = BTreeMap::new();
        let tables = sent.get_mut("RequestItems").and_then(Json::as_object_mut).into_iter().flatten();
        for ((name, keys), part) in tables.zip(parts).filter(|(_, part)| part.needs_agent) {
            views.insert(name.clone(), (part, take_apart(keys, part)?));
        }
        let answer = self.send_body(request, &sent).await?;
        self.edited(answer, async |told: &mut Map<String, Json>| {
            let responses = told.get_mut("Responses").and_then(Json::as_object_mut).into_iter().flatten();
            for (name, items) in responses {
                let Some((part, view)) = views.get(name) else { continue };
                *items = self.shown(part, view, array(Some(&*items))).await?.into();
            }
            // What is left is asked for again, and by then as it was asked for first.
            let left = told.get_mut("UnprocessedKeys").and_then(Json::as_object_mut).into_iter().flatten();
            for (name, keys) in left {
                let first = body.pointer("/RequestItems").and_then(|all| all.get(name));
                let (Some(first), Some(keys)) = (first.and_then(Json::as_object), keys.as_object_mut())
                else {
                    continue;
                };
                let rest = first.iter().filter(|(name, _)| *name != "Keys");
                keys.extend(rest.map(|(name, value)| (name.clone(), value.clone())));
            }
            Ok(())
        })
        .await
    }

    async fn read_together(
        &self,
        request: &Request<Bytes>,
        body: &Json,
        parts: &[Part],
    ) -> Result<Response<Bytes>, Refusal> {
        let mut sent = body.clone();
        let mut views = Vec::with_capacity(parts.len());
        let actions = sent.get_mut("TransactItems").and_then(Json::as_array_mut).into_iter().flatten();
        for (action, part) in actions.zip(parts) {
            let get = action.get_mut("Get").filter(|_| part.needs_agent);
            views.push(get.map(|get| take_apart(get, part)).transpose()?);
        }
        let answer = self.send_body(request, &sent).await?;
        self.edited(answer, async |told: &mut Map<String, Json>| {
            let responses = told.get_mut("Responses").and_then(Json::as_array_mut).into_iter().flatten();
            for ((response, part), view) in responses.zip(parts).zip(&views) {
                let (Some(view), Some(response)) = (view, response.as_object_mut()) else { continue };
                self.show_item(response, part, view).await?;
            }
            Ok(())
        })
        .await
    }

    /// What is seen of items through the index that a read names; `None` where it names none.
    async fn through(&self, operation: Operation, body: &Json, part: &Part) -> Result<Option<Seen>, Refusal> {
        let Some(name) = body.get("IndexName").and_then(Json::as_str) else { return Ok(None) };
        let index = self.table.index(&TableName::new(part.table()), name).await;
        // One that there is not is refused upstream.
        let Some(index) = index.map_err(|error| unwritten(part, &error))? else {
            return Ok(Some(Seen::Whole));
        };
        let asks = Asks {
            namings: &part.asked.namings,
            all: body.get("Select").and_then(Json::as_str) == Some("ALL_ATTRIBUTES"),
            version: part.other_version(),
            beside: part.beside(),
        };
        index.seen(asks).map(Some).map_err(|unseen| {
            let (operation, table) = (operation.name(), part.table());
            Refusal::Validation(format!("{operation} on `{table}`, through the index `{name}`: {unseen}"))
        })
    }

    /// Puts in the place of the one item of an answer what a reader sees of it.
    async fn show_item(&self, told: &mut Map<String, Json>, part: &Part, view: &View) -> Result<(), Refusal> {
        let Some(item) = told.remove("Item") else { return Ok(()) };
        let shown = self.shown(part, view, &[item]).await?.pop();
        told.extend(shown.map(|item| ("Item".to_owned(), item)));
        Ok(())
    }

    /// Changes the body of an answer that is none of an error.
    async fn edited(
        &self,
        mut answer: Response<Bytes>,
        edit: impl AsyncFnOnce(&mut Map<String, Json>) -> Result<(), Refusal>,
    ) -> Result<Response<Bytes>, Refusal> {
        if answer.status() != StatusCode::OK {
            return Ok(answer);
        }
        let told: Result<Map<String, Json>, _> = serde_json::from_slice(answer.body());
        let mut told =
            told.map_err(|_| Refusal::Internal("the upstream's answer cannot be read".to_owned()))?;
        edit(&mut told).await?;
        replace_body(&mut answer, Bytes::from(Json::Object(told).to_string()));
        Ok(answer)
    }

    /// What a reader sees of items that were read.
    async fn shown(&self, part: &Part, view: &View, items: &[Json]) -> Result<Vec<Json>, Refusal> {
        let table = TableName::new(part.table());
        let failed = |error| unwritten(part, &error);
        let keys = self.table.key_attributes(&table).await.map_err(failed)?;
        let mut read: Vec<(RowKey, Item)> = Vec::with_capacity(items.len());
        for item in items {
            let item = item_of(item)?;
            read.push((row_of(part.table(), &key_of(&item, &keys)?), item));
        }
        let functions = self.functions_of([&table]).await.map_err(failed)?;
        let agent = self.agent(&functions);
        let now = (self.clock)();
        let stamps =
            read.iter().filter_map(|(row, item)| Some((row.clone(), item.get(VERSION_ATTRIBUTE)?.clone())));
        let stamps: BTreeMap<RowKey, Value> = stamps.collect();
        let seen = match &view.through {
            None => {
                look::items(&agent, &self.warm, &table, read, part.declared, now).await.map_err(failed)?
            }
            Some(through) => {
                // From what an index has nobody can tell what is beside it, nor what it is in another version.
                let mut seen = Vec::with_capacity(read.len());
                for (row, _) in read {
                    let whole =
                        look::item(&agent, &self.warm, &row, part.declared, now).await.map_err(failed)?;
                    let Some(mut whole) = whole.transpose() else { continue };
                    if let (Ok(item), Seen::Only(names)) = (&mut whole, through) {
                        item.retain(|name, _| names.contains(name));
                    }
                    seen.push((row, whole));
                }
                seen
            }
        };
        let mut shown = Vec::with_capacity(seen.len());
        for (row, item) in seen {
            let mut item = item.map_err(|why| {
                let told = Refusal::Validation(format!("`{}`: an item cannot be shown: {why}", part.table()));
                Refusal::Mutation { outcome: why.reason(), told: Box::new(told) }
            })?;
            // An older version than the item has by now makes a writer read again, and no more.
            item.extend(stamps.get(&row).map(|version| (VERSION_ATTRIBUTE.to_owned(), version.clone())));
            if view.filter.as_ref().is_some_and(|filter| !filter.holds(&item)) {
                continue;
            }
            shown.push(json_of(&view.shown.as_ref().map_or_else(|| item.clone(), |shown| shown.show(&item))));
        }
        Ok(shown)
    }

    /// Sends a request on with another body.
    pub(crate) async fn send_body(
        &self,
        request: &Request<Bytes>,
        body: &Json,
    ) -> Result<Response<Bytes>, Refusal> {
        let mut sent = Request::new(Bytes::from(body.to_string()));
        *sent.method_mut() = request.method().clone();
        *sent.uri_mut() = request.uri().clone();
        *sent.headers_mut() = request.headers().clone();
        sent.headers_mut().remove(http::header::CONTENT_LENGTH);
        self.send_on(sent).await
    }
}
