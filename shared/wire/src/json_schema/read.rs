//! JSON Schema keywords as what they say, references followed.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;
use std::sync::Arc;

use evercount_core::decimal::Decimal;
use evercount_core::schema::{FieldType, Format, TypeSet};
use serde_json::{Map, Value};

use super::merge::{both, either, join_types, meet_types};
use super::node::{Node, anything};
use super::{DEPTH_MAX, JsonSchemaError, PARTS_MAX, Problem};

/// Reads a document.
pub(super) fn document(document: &Value) -> Result<Node, JsonSchemaError> {
    let base = ["$id", "id"].iter().find_map(|key| document.get(key)?.as_str());
    let base = base.map(|id| id.trim_end_matches('#')).filter(|id| !id.is_empty());
    let mut anchors = BTreeMap::new();
    anchors_in(document, &mut anchors);
    let mut reader = Reader { document, base, anchors, followed: Vec::new(), parts_left: PARTS_MAX };
    reader.schema(document, &Place { above: None, step: "#", whole: true })
}

/// Where a schema stands; its pointer is put together only for an error.
struct Place<'a> {
    above: Option<&'a Place<'a>>,
    step: &'a str,
    /// Whether the step is a pointer from the start: that of the document, or of a reference.
    whole: bool,
}

impl<'a> Place<'a> {
    fn below(&'a self, step: &'a str) -> Self {
        Self { above: Some(self), step, whole: false }
    }

    fn referred(&'a self, pointer: &'a str) -> Self {
        Self { above: Some(self), step: pointer, whole: true }
    }

    fn depth(&self) -> usize {
        std::iter::successors(self.above, |place| place.above).count()
    }

    fn pointer(&self) -> String {
        let mut steps: Vec<String> = Vec::new();
        let mut place = Some(self);
        while let Some(Place { above, step, whole }) = place {
            if *whole {
                steps.push((*step).to_owned());
                break;
            }
            steps.push(step.replace('~', "~0").replace('/', "~1"));
            place = *above;
        }
        steps.reverse();
        steps.join("/")
    }

    fn error(&self, problem: Problem) -> JsonSchemaError {
        JsonSchemaError::At { pointer: self.pointer(), problem }
    }

    fn keyword(&self, keyword: &str, expected: &'static str) -> JsonSchemaError {
        self.error(Problem::Keyword { keyword: keyword.to_owned(), expected })
    }
}

struct Reader<'a> {
    document: &'a Value,
    /// The schemas that give themselves a name.
    anchors: BTreeMap<&'a str, &'a Value>,
    /// The document's own id: references that start with it stay within the document.
    base: Option<&'a str>,
    /// The references being followed.
    followed: Vec<String>,
    parts_left: usize,
}

impl Reader<'_> {
    fn spend(&mut self, parts: usize, place: &Place<'_>) -> Result<(), JsonSchemaError> {
        self.parts_left = self.parts_left.checked_sub(parts).ok_or_else(|| place.error(Problem::TooLarge))?;
        Ok(())
    }

    /// Text that is copied into what is read counts by its length, a part for each 256 bytes.
    fn spend_text(&mut self, text: &str, place: &Place<'_>) -> Result<(), JsonSchemaError> {
        self.spend(text.len() / 256, place)
    }

    fn schema(&mut self, schema: &Value, place: &Place<'_>) -> Result<Node, JsonSchemaError> {
        self.spend(1, place)?;
        if place.depth() > DEPTH_MAX {
            return Err(place.error(Problem::TooDeep));
        }
        let keywords = match schema {
            Value::Bool(true) => return Ok(Node::default()),
            Value::Bool(false) => return Ok(Node { types: Some(TypeSet::default()), ..Node::default() }),
            Value::Object(keywords) => keywords,
            _ => return Err(place.error(Problem::NotASchema)),
        };
        let mut node = self.own(keywords, place)?;
        if let Some(reference) = keywords.get("$ref") {
            let Some(reference) = reference.as_str() else {
                return Err(place.keyword("$ref", "a text such as `#/$defs/address`"));
            };
            node = both(node, self.follow(reference, place)?);
        }
        for one in self.alternatives(keywords, "allOf", place)? {
            node = both(node, one);
        }
        for keyword in ["anyOf", "oneOf"] {
            if let Some(one) = self.alternatives(keywords, keyword, place)?.into_iter().reduce(either) {
                node = both(node, one);
            }
        }
        Ok(node)
    }

    fn alternatives(
        &mut self,
        keywords: &Map<String, Value>,
        keyword: &str,
        place: &Place<'_>,
    ) -> Result<Vec<Node>, JsonSchemaError> {
        let Some(all) = keywords.get(keyword) else { return Ok(Vec::new()) };
        let all = all.as_array().ok_or_else(|| place.keyword(keyword, "a list of schemas"))?;
        let at = place.below(keyword);
        all.iter().enumerate().map(|(index, one)| self.schema(one, &at.below(&index.to_string()))).collect()
    }

    fn follow(&mut self, reference: &str, place: &Place<'_>) -> Result<Node, JsonSchemaError> {
        let unresolved = || place.error(Problem::Unresolved(reference.to_owned()));
        let fragment = match self.base.and_then(|base| reference.strip_prefix(base)) {
            Some("") => "#",
            Some(rest) if rest.starts_with('#') => rest,
            _ => reference,
        };
        let name = percent_decoded(fragment.strip_prefix('#').ok_or_else(unresolved)?);
        let document = self.document;
        let target = if name.is_empty() || name.starts_with('/') {
            document.pointer(&name)
        } else {
            self.anchors.get(name.as_str()).copied()
        };
        let target = target.ok_or_else(unresolved)?;
        let pointer = format!("#{name}");
        if self.followed.contains(&pointer) {
            // Something that holds itself: its type is known, and its fields are above.
            let types = target.as_object().map(|keywords| types(keywords, place)).transpose()?.flatten();
            return Ok(Node { types, ..Node::default() });
        }
        self.followed.push(pointer.clone());
        let node = self.schema(target, &place.referred(&pointer));
        self.followed.pop();
        node
    }

    /// What a schema says itself, without what it refers to.
    fn own(&mut self, keywords: &Map<String, Value>, place: &Place<'_>) -> Result<Node, JsonSchemaError> {
        let mut node = Node { types: types(keywords, place)?, ..Node::default() };
        self.listed(keywords, place, &mut node)?;
        numbers(keywords, place, &mut node)?;
        texts(keywords, place, &mut node)?;
        node.constraints.min_items = size(keywords, "minItems", place)?;
        node.constraints.max_items = size(keywords, "maxItems", place)?;
        node.default = keywords.get("default").map(canonical);
        for text in [&node.default, &node.constraints.pattern].into_iter().flatten() {
            self.spend_text(text, place)?;
        }
        self.map(keywords, place, &mut node)?;
        self.list(keywords, place, &mut node)?;
        if keywords.get("nullable") == Some(&Value::Bool(true)) {
            node.types = node.types.map(|types| types.nullable(true));
        }
        Ok(node)
    }

    /// `enum` and `const`.
    fn listed(
        &mut self,
        keywords: &Map<String, Value>,
        place: &Place<'_>,
        node: &mut Node,
    ) -> Result<(), JsonSchemaError> {
        let listed = match (keywords.get("enum"), keywords.get("const")) {
            (_, Some(only)) => std::slice::from_ref(only),
            (Some(Value::Array(values)), None) => values.as_slice(),
            (Some(_), None) => return Err(place.keyword("enum", "a list of values")),
            (None, None) => return Ok(()),
        };
        for value in listed {
            self.spend(1, place)?;
            self.spend_text(value.as_str().unwrap_or_default(), place)?;
        }
        let allowed: Vec<&Value> = listed
            .iter()
            .filter(|value| {
                let of = TypeSet::of(type_of(value));
                node.types.as_ref().is_none_or(|types| !meet_types(types, &of).0.is_empty())
            })
            .collect();
        let nullable = allowed.iter().any(|value| value.is_null());
        let values: Vec<&Value> = allowed.into_iter().filter(|value| !value.is_null()).collect();
        let texts: Option<BTreeSet<Arc<str>>> =
            values.iter().map(|value| value.as_str().map(Arc::from)).collect();
        let types = match texts.filter(|texts| !texts.is_empty()) {
            Some(texts) => TypeSet::of(FieldType::Enum(texts)),
            None => {
                node.constraints.values =
                    (!values.is_empty()).then(|| values.iter().map(|value| canonical(value)).collect());
                let types = values.iter().map(|value| TypeSet::of(type_of(value)));
                types.fold(TypeSet::default(), join_types)
            }
        };
        node.types = Some(types.nullable(nullable));
        Ok(())
    }

    fn map(
        &mut self,
        keywords: &Map<String, Value>,
        place: &Place<'_>,
        node: &mut Node,
    ) -> Result<(), JsonSchemaError> {
        for (keyword, named) in [("properties", true), ("patternProperties", false)] {
            let Some(below) = keywords.get(keyword) else { continue };
            let below = below.as_object().ok_or_else(|| place.keyword(keyword, "an object of schemas"))?;
            let at = place.below(keyword);
            for (name, one) in below {
                self.spend_text(name, place)?;
                let read = self.schema(one, &at.below(name))?;
                // Draft 3 says with the attribute that it is required.
                if named && one.get("required") == Some(&Value::Bool(true)) {
                    node.required.insert(name.clone());
                }
                let into = if named { &mut node.properties } else { &mut node.patterns };
                into.insert(name.clone(), read);
            }
        }
        match keywords.get("required") {
            None | Some(Value::Bool(_)) => {}
            Some(Value::Array(names)) => {
                for name in names {
                    let name = name.as_str().ok_or_else(|| place.keyword("required", "a list of names"))?;
                    self.spend(1, place)?;
                    self.spend_text(name, place)?;
                    node.required.insert(name.to_owned());
                }
            }
            Some(_) => return Err(place.keyword("required", "a list of names")),
        }
        for keyword in ["additionalProperties", "unevaluatedProperties"] {
            match keywords.get(keyword) {
                None | Some(Value::Bool(true)) => {}
                Some(Value::Bool(false)) => node.constraints.closed = true,
                Some(one) => {
                    let said = one.as_object().is_none_or(|keywords| !keywords.is_empty());
                    if said {
                        node.unnamed = Some(Box::new(self.schema(one, &place.below(keyword))?));
                    }
                }
            }
        }
        if size(keywords, "maxProperties", place)? == Some(0) {
            node.constraints.closed = true;
            node.properties.clear();
        }
        Ok(())
    }

    fn list(
        &mut self,
        keywords: &Map<String, Value>,
        place: &Place<'_>,
        node: &mut Node,
    ) -> Result<(), JsonSchemaError> {
        let mut elements: Vec<Node> = Vec::new();
        for keyword in ["prefixItems", "items", "additionalItems"] {
            let at = place.below(keyword);
            match keywords.get(keyword) {
                None | Some(Value::Bool(_)) => {}
                Some(Value::Object(one)) if one.is_empty() => {}
                Some(Value::Array(all)) => {
                    for (index, one) in all.iter().enumerate() {
                        elements.push(self.schema(one, &at.below(&index.to_string()))?);
                    }
                }
                Some(one) => elements.push(self.schema(one, &at)?),
            }
        }
        node.items = elements.into_iter().reduce(either).map(Box::new);
        Ok(())
    }
}

/// The types that `type` states.
fn types(keywords: &Map<String, Value>, place: &Place<'_>) -> Result<Option<TypeSet>, JsonSchemaError> {
    let named = |name: &Value| -> Result<TypeSet, JsonSchemaError> {
        let Some(name) = name.as_str() else {
            return Err(place.keyword("type", "the name of a type, or a list of them"));
        };
        Ok(TypeSet::of(match name {
            "null" => FieldType::Null,
            "boolean" => FieldType::Bool,
            "integer" => integer(keywords),
            "number" => number(keywords),
            "string" => FieldType::STRING,
            "array" => FieldType::List,
            "object" => FieldType::Map,
            "any" => return Ok(anything()),
            other => return Err(place.error(Problem::UnknownType(other.to_owned()))),
        }))
    };
    match keywords.get("type") {
        None => Ok(None),
        Some(Value::Array(names)) => {
            let mut types = TypeSet::default();
            // A list of many names can only repeat them; it is read as far as it can say something.
            for name in names.iter().take(64) {
                types = join_types(types, named(name)?);
            }
            Ok(Some(types))
        }
        Some(name) => named(name).map(Some),
    }
}

/// OpenAPI writes the width of a number as its format.
fn integer(keywords: &Map<String, Value>) -> FieldType {
    let bits = match keywords.get("format").and_then(Value::as_str) {
        Some("int32") => Some(32),
        Some("int64") => Some(64),
        _ => None,
    };
    FieldType::Integer { bits, unsigned: false }
}

fn number(keywords: &Map<String, Value>) -> FieldType {
    let whole = |step: &Value| {
        let Value::Number(step) = step else { return false };
        Decimal::from_str(&step.to_string()).is_ok_and(|step| step.is_integer() && !step.is_zero())
    };
    if keywords.get("multipleOf").is_some_and(whole) {
        return FieldType::INTEGER;
    }
    match keywords.get("format").and_then(Value::as_str) {
        Some("float") => FieldType::Float { bits: Some(32) },
        Some("double") => FieldType::Float { bits: Some(64) },
        _ => FieldType::DECIMAL,
    }
}

fn numbers(keywords: &Map<String, Value>, place: &Place<'_>, node: &mut Node) -> Result<(), JsonSchemaError> {
    let bound = |keyword: &str| match keywords.get(keyword) {
        // Draft 4 says with a boolean that the bound is exclusive.
        None | Some(Value::Bool(_)) => Ok(None),
        Some(Value::Number(number)) => Decimal::from_str(&number.to_string())
            .map(Some)
            .map_err(|_| place.keyword(keyword, "a number of at most 1000 digits")),
        Some(_) => Err(place.keyword(keyword, "a number")),
    };
    let whole = node.types.as_ref().is_some_and(|types| {
        let mut numbers = types.0.iter().filter(|one| !matches!(one, FieldType::Null));
        numbers.all(|one| matches!(one, FieldType::Integer { .. }))
    });
    // The next whole number is the bound that includes itself.
    let inner = |bound: Decimal, step: i64| match bound.as_i64().and_then(|bound| bound.checked_add(step)) {
        Some(next) if whole => Decimal::from(next),
        _ => bound,
    };
    let exclusive = |keyword: &str| keywords.get(keyword) == Some(&Value::Bool(true));
    let edge = |plain: &str, strict: &str, step: i64, take: fn(Decimal, Decimal) -> Decimal| {
        let plain = bound(plain)?.map(|bound| if exclusive(strict) { inner(bound, step) } else { bound });
        let strict = bound(strict)?.map(|bound| inner(bound, step));
        Ok(match (plain, strict) {
            (Some(plain), Some(strict)) => Some(take(plain, strict)),
            (plain, strict) => plain.or(strict),
        })
    };
    node.constraints.minimum = edge("minimum", "exclusiveMinimum", 1, Ord::max)?;
    node.constraints.maximum = edge("maximum", "exclusiveMaximum", -1, Ord::min)?;
    Ok(())
}

fn texts(keywords: &Map<String, Value>, place: &Place<'_>, node: &mut Node) -> Result<(), JsonSchemaError> {
    node.max_length = size(keywords, "maxLength", place)?;
    node.constraints.min_length = size(keywords, "minLength", place)?;
    let text = |keyword: &str| match keywords.get(keyword) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.as_str())),
        Some(_) => Err(place.keyword(keyword, "a text")),
    };
    node.constraints.pattern = text("pattern")?.map(Arc::from);
    node.format = text("format")?.and_then(|name| {
        Some(match name {
            "date" => Format::Date,
            "date-time" => Format::Timestamp,
            "uuid" => Format::Uuid,
            "email" => Format::Email,
            "uri" => Format::Uri,
            "ip" => Format::IpAddress,
            // These are widths of numbers; see [`integer`].
            "int32" | "int64" | "float" | "double" => return None,
            other => Format::Other(other.into()),
        })
    });
    Ok(())
}

/// A keyword that counts something.
fn size(
    keywords: &Map<String, Value>,
    keyword: &str,
    place: &Place<'_>,
) -> Result<Option<u64>, JsonSchemaError> {
    let Some(value) = keywords.get(keyword) else { return Ok(None) };
    let Value::Number(number) = value else {
        return Err(place.keyword(keyword, "a whole number that is not negative"));
    };
    let whole = Decimal::from_str(&number.to_string()).ok().and_then(|number| number.as_i64());
    match whole.and_then(|whole| u64::try_from(whole).ok()) {
        Some(size) => Ok(Some(size)),
        // Larger than anything that exists is no bound.
        None if whole.is_none() && !number.to_string().contains(['.', '-']) => Ok(None),
        None => Err(place.keyword(keyword, "a whole number that is not negative")),
    }
}

/// The type of a value.
pub(super) fn type_of(value: &Value) -> FieldType {
    match value {
        Value::Null => FieldType::Null,
        Value::Bool(_) => FieldType::Bool,
        Value::Number(number) => match Decimal::from_str(&number.to_string()) {
            Ok(number) if number.is_integer() => FieldType::INTEGER,
            _ => FieldType::DECIMAL,
        },
        Value::String(_) => FieldType::STRING,
        Value::Array(_) => FieldType::List,
        Value::Object(_) => FieldType::Map,
    }
}

/// A value as one text: `1.0` and `1` are one number.
fn canonical(value: &Value) -> Arc<str> {
    match value {
        Value::Number(number) => match Decimal::from_str(&number.to_string()) {
            Ok(number) => number.to_string().into(),
            Err(_) => number.to_string().into(),
        },
        other => other.to_string().into(),
    }
}

/// The schemas that give themselves a name: `$anchor`, or before 2019-09 an id that is a
/// fragment. JSON text nests at most 128 levels when it is read.
fn anchors_in<'a>(value: &'a Value, anchors: &mut BTreeMap<&'a str, &'a Value>) {
    match value {
        Value::Object(keywords) => {
            let named = |keyword: &str| keywords.get(keyword).and_then(Value::as_str);
            let by_id = |keyword: &str| named(keyword).and_then(|id| id.strip_prefix('#'));
            for name in [named("$anchor"), by_id("$id"), by_id("id")].into_iter().flatten() {
                anchors.entry(name).or_insert(value);
            }
            keywords.values().for_each(|below| anchors_in(below, anchors));
        }
        Value::Array(all) => all.iter().for_each(|below| anchors_in(below, anchors)),
        _ => {}
    }
}

/// A pointer within a URI may be percent-encoded.
fn percent_decoded(text: &str) -> String {
    let mut bytes: Vec<u8> = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let mut ahead = rest.clone();
        let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
        match (byte, digit(ahead.next()), digit(ahead.next())) {
            (b'%', Some(high), Some(low)) => {
                bytes.push((high * 16 + low) as u8);
                rest = ahead;
            }
            _ => bytes.push(byte),
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}
