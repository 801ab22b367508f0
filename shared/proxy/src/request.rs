//! Owns what a request names: its tables, and for each the attributes and how they are used.
//!
//! A request that DynamoDB would not read either names less than it seems to; it is passed on, and refused
//! there in DynamoDB's own words.

use evercount_core::resolve::{Naming, Unreadable, Use, compared, projected, updated};
use evercount_pipeline::transform::DECLARED_BY;
use serde_json::{Map, Value};

use crate::operation::Operation;
use crate::statement;

/// What a request names of one table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Asked {
    /// The table.
    pub table: String,
    /// The attributes, in the order of the request.
    pub namings: Vec<Naming>,
    /// Whether items are read as a whole.
    pub whole: bool,
    /// Whether it writes, or would.
    pub writes: bool,
    /// For which schema version an item says that it was written, by its attribute [`DECLARED_BY`]. Whether
    /// that is one of its own, the schema tells.
    pub declared: Option<String>,
}

/// What a request names: one entry for each read of a table and for each item that is written, in the order
/// of the request.
#[must_use]
pub fn asked(operation: Operation, body: &Value) -> Vec<Asked> {
    match operation {
        Operation::GetItem | Operation::Query | Operation::Scan => one(body, false).into_iter().collect(),
        Operation::PutItem | Operation::UpdateItem | Operation::DeleteItem => {
            one(body, true).into_iter().collect()
        }
        Operation::BatchGetItem => by_table(body, false, |keys| {
            let mut namings = Vec::new();
            for key in array(keys.get("Keys")) {
                attributes(Some(key), Use::Key, &mut namings);
            }
            parts(keys, &mut namings);
            vec![(namings, None)]
        }),
        Operation::BatchWriteItem => by_table(body, true, |requests| {
            let each = array(Some(requests)).iter().map(|request| {
                let mut namings = Vec::new();
                let item = request.pointer("/PutRequest/Item");
                attributes(item, Use::Written, &mut namings);
                attributes(request.pointer("/DeleteRequest/Key"), Use::Key, &mut namings);
                (namings, declared(item))
            });
            each.collect()
        }),
        Operation::TransactGetItems | Operation::TransactWriteItems => {
            let actions = array(body.get("TransactItems")).iter().filter_map(Value::as_object);
            let writes = operation == Operation::TransactWriteItems;
            actions.flat_map(Map::values).filter_map(|action| one(action, writes)).collect()
        }
        Operation::ExecuteStatement => statement_of(body).into_iter().collect(),
        Operation::BatchExecuteStatement => {
            array(body.get("Statements")).iter().filter_map(statement_of).collect()
        }
        Operation::ExecuteTransaction => {
            array(body.get("TransactStatements")).iter().filter_map(statement_of).collect()
        }
    }
}

pub(crate) fn array(value: Option<&Value>) -> &[Value] {
    value.and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// A table's name, where it is named by its ARN as well.
pub(crate) fn table_name(text: &str) -> String {
    let of_arn = text.strip_prefix("arn:").and_then(|rest| rest.split_once(":table/"));
    let name = of_arn.map_or(text, |(_, name)| name.split('/').next().unwrap_or(name));
    name.to_owned()
}

fn one(body: &Value, writes: bool) -> Option<Asked> {
    let table = table_name(body.get("TableName")?.as_str()?);
    let mut namings = Vec::new();
    attributes(body.get("Key"), Use::Key, &mut namings);
    attributes(body.get("Item"), Use::Written, &mut namings);
    attributes(body.get("ExclusiveStartKey"), Use::Key, &mut namings);
    parts(body, &mut namings);
    let declared = declared(body.get("Item"));
    Some(Asked { table, namings, whole: !writes && is_whole(body), writes, declared })
}

fn by_table(
    body: &Value,
    writes: bool,
    each: impl Fn(&Value) -> Vec<(Vec<Naming>, Option<String>)>,
) -> Vec<Asked> {
    let tables = body.get("RequestItems").and_then(Value::as_object).into_iter().flatten();
    let all = tables.flat_map(|(table, one)| {
        let whole = !writes && is_whole(one);
        let table = table_name(table);
        each(one).into_iter().map(move |(namings, declared)| Asked {
            table: table.clone(),
            namings,
            whole,
            writes,
            declared,
        })
    });
    all.collect()
}

/// Whether a read shows every attribute.
fn is_whole(body: &Value) -> bool {
    let names_some = ["ProjectionExpression", "AttributesToGet"].iter().any(|name| body.get(name).is_some());
    !names_some && body.get("Select").and_then(Value::as_str) != Some("COUNT")
}

/// The version that an item says it was written for, as it says it.
fn declared(item: Option<&Value>) -> Option<String> {
    let said = item?.get(DECLARED_BY)?;
    let text = said.get("N").or_else(|| said.get("S")).and_then(Value::as_str);
    Some(text.unwrap_or_default().to_owned())
}

fn statement_of(body: &Value) -> Option<Asked> {
    statement::asked(body.get("Statement")?.as_str()?)
}

fn attributes(item: Option<&Value>, usage: Use, namings: &mut Vec<Naming>) {
    let names = item.and_then(Value::as_object).into_iter().flat_map(Map::keys);
    namings.extend(names.map(|name| Naming::new(name, usage)));
}

/// What expressions name, and the parameters that came before expressions.
fn parts(body: &Value, namings: &mut Vec<Naming>) {
    let stand_for = body.get("ExpressionAttributeNames").and_then(Value::as_object);
    let names = |placeholder: &str| Some(stand_for?.get(placeholder)?.as_str()?.to_owned());
    let text = |parameter: &str| body.get(parameter).and_then(Value::as_str);
    let mut add = |found: Result<Vec<Naming>, Unreadable>| namings.extend(found.unwrap_or_default());
    if let Some(text) = text("UpdateExpression") {
        add(updated(text, &names));
    }
    if let Some(text) = text("ProjectionExpression") {
        add(projected(text, &names));
    }
    for (parameter, usage) in [
        ("ConditionExpression", Use::Condition),
        ("FilterExpression", Use::Filter),
        ("KeyConditionExpression", Use::Key),
    ] {
        if let Some(text) = text(parameter) {
            add(compared(text, &names, usage));
        }
    }
    for (parameter, usage) in [
        ("Expected", Use::Condition),
        ("QueryFilter", Use::Filter),
        ("ScanFilter", Use::Filter),
        ("KeyConditions", Use::Key),
    ] {
        attributes(body.get(parameter), usage, namings);
    }
    let read = array(body.get("AttributesToGet")).iter().filter_map(Value::as_str);
    namings.extend(read.map(|name| Naming::new(name, Use::Read)));
    for (name, update) in body.get("AttributeUpdates").and_then(Value::as_object).into_iter().flatten() {
        // To put is what is done where nothing is said.
        let usage = match update.get("Action").and_then(Value::as_str) {
            None | Some("PUT") => Use::Written,
            Some("DELETE") if update.get("Value").is_none() => Use::Written,
            Some(_) => Use::Computed,
        };
        namings.push(Naming::new(name, usage));
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use serde_json::json;

    use super::*;

    fn named(operation: Operation, body: &Value) -> Vec<String> {
        let asked = asked(operation, body);
        asked
            .iter()
            .map(|one| {
                let names: Vec<&str> = one.namings.iter().map(|naming| naming.attribute.as_str()).collect();
                format!("{}: {}", one.table, names.join(" "))
            })
            .collect()
    }

    #[test]
    fn every_place_where_a_request_names_attributes_is_looked_at() {
        let check =
            |operation, body: Value, told: &[&str]| assert_eq!(named(operation, &body), told, "{body}");
        check(
            Operation::GetItem,
            json!({"TableName": "arn:aws:dynamodb:eu-central-1:1:table/orders", "Key": {"id": {"S": "a"}},
                "ProjectionExpression": "#s, a.b", "ExpressionAttributeNames": {"#s": "state"}}),
            &["orders: id state a"],
        );
        check(
            Operation::UpdateItem,
            json!({"TableName": "t", "Key": {"id": {"S": "a"}}, "UpdateExpression": "SET x = y ADD n :one",
                "ConditionExpression": "attribute_exists(z)"}),
            &["t: id x y n z"],
        );
        check(
            Operation::UpdateItem,
            json!({"TableName": "t", "Key": {"id": {"S": "a"}}, "AttributeUpdates": {"x": {"Action": "ADD"}},
                "Expected": {"y": {"Exists": false}}}),
            &["t: id y x"],
        );
        check(
            Operation::Query,
            json!({"TableName": "t", "KeyConditionExpression": "id = :a", "FilterExpression": "size(f) > :n",
                "AttributesToGet": ["g"], "QueryFilter": {"q": {}}, "KeyConditions": {"k": {}}, "ExclusiveStartKey": {"e": {}}}),
            &["t: e f id q k g"],
        );
        check(
            Operation::BatchGetItem,
            json!({"RequestItems": {"t": {"Keys": [{"id": {}}], "ProjectionExpression": "p"}, "u": {"Keys": [{"k": {}}]}}}),
            &["t: id p", "u: k"],
        );
        check(
            Operation::BatchWriteItem,
            json!({"RequestItems": {"t": [{"PutRequest": {"Item": {"id": {}, "x": {}}}}, {"DeleteRequest": {"Key": {"id": {}}}}]}}),
            &["t: id x", "t: id"],
        );
        check(
            Operation::TransactWriteItems,
            json!({"TransactItems": [
                {"Put": {"TableName": "t", "Item": {"id": {}, "x": {}}}},
                {"ConditionCheck": {"TableName": "u", "Key": {"k": {}}, "ConditionExpression": "c = :a"}}]}),
            &["t: id x", "u: k c"],
        );
        check(
            Operation::ExecuteTransaction,
            json!({"TransactStatements": [{"Statement": "DELETE FROM t WHERE id = ?"}, {"Statement": 1}]}),
            &["t: id"],
        );
        for malformed in [
            json!(null),
            json!([]),
            json!({"TableName": 1}),
            json!({"RequestItems": [1]}),
            json!({"TransactItems": {}}),
        ] {
            for (operation, _) in Operation::ALL {
                assert!(asked(operation, &malformed).is_empty());
            }
        }
    }

    #[test]
    fn a_write_is_told_from_what_is_computed() {
        let body = json!({"TableName": "t", "AttributeUpdates": {"a": {"Value": {}}, "b": {"Action": "DELETE"},
            "c": {"Action": "DELETE", "Value": {}}}});
        let uses: Vec<Use> = asked(Operation::UpdateItem, &body)
            .first()
            .unwrap()
            .namings
            .iter()
            .map(|one| one.usage)
            .collect();
        assert_eq!(uses, [Use::Written, Use::Written, Use::Computed]);
    }
}
