//! Owns who wrote a record, as far as the record says: the source's kind, the connector that
//! carried the change, and the identity that made it.

use std::borrow::Cow;

use evercount_core::lineage::{ProducerId, ProducerKind};
use serde::Deserialize;
use serde_json::value::RawValue;

/// Longest name of a producer that is kept, in characters.
const NAME_MAX: usize = 120;

#[derive(Deserialize)]
struct Who<'a> {
    #[serde(borrow, rename = "eventSource")]
    event_source: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "userIdentity")]
    identity: Option<Identity<'a>>,
    /// Debezium's, or a plain event's: an object in the one, a text in the other.
    #[serde(borrow)]
    source: Option<&'a RawValue>,
    #[serde(borrow)]
    metadata: Option<Metadata<'a>>,
    #[serde(borrow)]
    payload: Option<&'a RawValue>,
    #[serde(borrow)]
    value: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Identity<'a> {
    #[serde(borrow, rename = "principalId", alias = "PrincipalId")]
    principal: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Connector<'a> {
    #[serde(borrow)]
    connector: Option<Cow<'a, str>>,
    #[serde(borrow)]
    name: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Metadata<'a> {
    #[serde(borrow, rename = "record-type")]
    record_type: Option<Cow<'a, str>>,
}

/// Who wrote a record; nobody where it does not say, or is no JSON.
#[must_use]
pub fn producers(data: &[u8]) -> Vec<ProducerId> {
    let mut found = Vec::new();
    if let Ok(who) = serde_json::from_slice::<Who<'_>>(data) {
        add(&who, &mut found);
        // An envelope around the record proper: Kafka Connect's `payload`, a capture's `value`.
        let mut inner = who.payload.or(who.value);
        while let Some(Ok(who)) = inner.map(|raw| serde_json::from_str::<Who<'_>>(raw.get())) {
            add(&who, &mut found);
            inner = who.payload;
        }
    }
    found
}

fn add(who: &Who<'_>, found: &mut Vec<ProducerId>) {
    let mut push = |kind, name: &str| {
        if !name.is_empty() {
            found.push(ProducerId { kind, name: name.chars().take(NAME_MAX).collect() });
        }
    };
    if let Some(source) = &who.event_source {
        push(ProducerKind::Source, source);
    }
    if who.metadata.as_ref().is_some_and(|metadata| metadata.record_type.is_some()) {
        push(ProducerKind::Source, "aws:dms");
    }
    if let Some(principal) = who.identity.as_ref().and_then(|identity| identity.principal.as_ref()) {
        push(ProducerKind::UserIdentity, principal);
    }
    let connector = who.source.and_then(|raw| serde_json::from_str::<Connector<'_>>(raw.get()).ok());
    if let Some(Connector { connector: Some(connector), name }) = connector {
        push(ProducerKind::Source, &format!("debezium:{connector}"));
        push(ProducerKind::Connector, name.as_deref().unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_says_who_wrote_it_in_its_format_s_own_place() {
        use ProducerKind::{Connector, Source, UserIdentity};
        let check = |text: &str, expected: &[(ProducerKind, &str)]| {
            let found = producers(text.as_bytes());
            let found: Vec<_> = found.iter().map(|one| (one.kind, one.name.as_str())).collect();
            assert_eq!(found, expected, "{text}");
        };
        check(r#"{"eventSource":"aws:dynamodb","userIdentity":null}"#, &[(Source, "aws:dynamodb")]);
        check(
            r#"{"eventSource":"aws:dynamodb","userIdentity":{"type":"Service","principalId":"dynamodb.amazonaws.com"}}"#,
            &[(Source, "aws:dynamodb"), (UserIdentity, "dynamodb.amazonaws.com")],
        );
        check(r#"{"metadata":{"record-type":"data"}}"#, &[(Source, "aws:dms")]);
        let debezium = r#"{"source":{"connector":"mysql","name":"shop"},"op":"c"}"#;
        let expected = [(Source, "debezium:mysql"), (Connector, "shop")];
        check(debezium, &expected);
        check(&format!(r#"{{"payload":{debezium}}}"#), &expected);
        check(&format!(r#"{{"topic":"t","value":{{"payload":{debezium}}}}}"#), &expected);
        for nothing in ["", "null", "[1]", "{\"source\":\"shop\"}", "{\"payload\":{\"payload\":1}}"] {
            check(nothing, &[]);
        }
    }
}
