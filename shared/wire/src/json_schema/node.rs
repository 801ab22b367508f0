//! What a JSON Schema says of one place, before it is laid out as fields.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use evercount_core::schema::{Constraints, Field, FieldPath, FieldType, Format, Schema, TypeSet};

use super::merge::{join_types, meet_types};
use super::read::type_of;

/// What is said of one place.
#[derive(Clone, Debug, Default)]
pub(super) struct Node {
    /// The types, where they are stated. Text has no length here.
    pub types: Option<TypeSet>,
    /// Longest text.
    pub max_length: Option<u64>,
    /// The format of texts.
    pub format: Option<Format>,
    /// Further bounds; `closed` is of its map.
    pub constraints: Constraints,
    /// The value that stands for a missing one, as JSON.
    pub default: Option<Arc<str>>,
    /// Named attributes of its map.
    pub properties: BTreeMap<String, Node>,
    /// Attributes whose names match a pattern.
    pub patterns: BTreeMap<String, Node>,
    /// All other attributes, where something is said of them.
    pub unnamed: Option<Box<Node>>,
    /// Attributes that its map must have.
    pub required: BTreeSet<String>,
    /// The elements of its list, where something is said of them.
    pub items: Option<Box<Node>>,
}

/// The types of a value of which nothing is said.
pub(super) fn anything() -> TypeSet {
    [FieldType::Null, FieldType::Bool, FieldType::DECIMAL, FieldType::STRING, FieldType::List, FieldType::Map]
        .into_iter()
        .collect()
}

impl Node {
    /// The types: those stated, or else those that something is said of. A schema that bounds a
    /// length and states no type is, as written, met by every number; as meant, it is of texts.
    pub fn effective_types(&self) -> TypeSet {
        if let Some(types) = &self.types {
            return types.clone();
        }
        let bounds = &self.constraints;
        let map = bounds.closed
            || self.unnamed.is_some()
            || !(self.properties.is_empty() && self.patterns.is_empty() && self.required.is_empty());
        let list = self.items.is_some() || bounds.min_items.is_some() || bounds.max_items.is_some();
        let text = self.max_length.is_some()
            || self.format.is_some()
            || bounds.min_length.is_some()
            || bounds.pattern.is_some();
        let number = bounds.minimum.is_some() || bounds.maximum.is_some();
        let said = [
            (map, FieldType::Map),
            (list, FieldType::List),
            (text, FieldType::STRING),
            (number, FieldType::DECIMAL),
        ];
        let types: TypeSet = said.into_iter().filter(|(said, _)| *said).map(|(_, one)| one).collect();
        if types.0.is_empty() { anything() } else { types }
    }

    /// Whether a value of this place can be of such a type.
    pub fn has(&self, wanted: fn(&FieldType) -> bool) -> bool {
        match &self.types {
            Some(types) => types.0.iter().any(wanted),
            None => self.effective_types().0.iter().any(wanted),
        }
    }

    /// The types, which the node is to lose.
    pub fn take_types(&mut self) -> TypeSet {
        self.types.take().unwrap_or_else(|| self.effective_types())
    }

    /// Leaves of the types those that the listed values have, and of the values those that the
    /// types let through. Values that are all texts are a type of their own.
    fn settle(&mut self) {
        let Some(values) = self.constraints.values.take() else { return };
        let types = self.take_types();
        let mut left = TypeSet::default();
        let mut kept = BTreeSet::new();
        for value in values {
            let Ok(json) = serde_json::from_str::<serde_json::Value>(&value) else { continue };
            let of = match &json {
                serde_json::Value::String(text) => FieldType::Enum([Arc::from(text.as_str())].into()),
                other => type_of(other),
            };
            let met = meet_types(&types, &TypeSet::of(of));
            if !met.0.is_empty() {
                left = join_types(left, met);
                kept.insert(value);
            }
        }
        let listed = |one: &FieldType| matches!(one, FieldType::Enum(_));
        let all_texts = left.values().all(listed);
        if !all_texts && left.values().any(listed) {
            left.0.retain(|one| !listed(one));
            left.0.insert(FieldType::STRING);
        }
        self.types = Some(left.nullable(types.is_nullable()));
        self.constraints.values = (!all_texts).then_some(kept);
    }

    /// Whether no value is let through.
    fn is_nothing(&self) -> bool {
        self.types.as_ref().is_some_and(|types| types.0.is_empty())
    }
}

/// Most bytes of all paths of a schema.
const PATH_BYTES_MAX: usize = 16 << 20;

/// Lays a document out as fields; `None` where their paths take more memory than is sane.
pub(super) fn schema(root: Node) -> Option<Schema> {
    let mut layout = Layout { schema: Schema::default(), bytes_left: PATH_BYTES_MAX };
    layout.field(FieldPath::root(), root, false)?;
    Some(layout.schema)
}

struct Layout {
    schema: Schema,
    bytes_left: usize,
}

impl Layout {
    fn field(&mut self, path: FieldPath, mut node: Node, required: bool) -> Option<()> {
        node.settle();
        self.bytes_left = self.bytes_left.checked_sub(path.as_str().len())?;
        let types = node.effective_types();
        let Node { max_length, default, .. } = node;
        let format = node.format.filter(|_| types.0.contains(&FieldType::STRING));
        let constraints = applicable(node.constraints, &types);
        if types.0.contains(&FieldType::Map) {
            let mut properties = node.properties;
            for name in &node.required {
                properties.entry(name.clone()).or_default();
            }
            for (name, mut below) in properties {
                below.settle();
                let required = node.required.contains(&name);
                // An attribute that lets nothing through is one that must not be there.
                if required || !below.is_nothing() {
                    self.field(path.child(&name), below, required)?;
                }
            }
            for (pattern, below) in node.patterns {
                self.field(path.matching(&pattern), below, false)?;
            }
            if let Some(below) = node.unnamed.filter(|_| !constraints.closed) {
                self.rest(path.unnamed(), *below)?;
            }
        }
        if let Some(below) = node.items.filter(|_| types.0.contains(&FieldType::List)) {
            self.rest(path.element(), *below)?;
        }
        let types = types
            .0
            .into_iter()
            .map(|one| if one == FieldType::STRING { FieldType::String { max_length } } else { one })
            .collect();
        let field = Field { types, required, default, format, constraints, ..Field::default() };
        self.schema.fields.insert(path, field);
        Some(())
    }

    /// Lays out what holds of all elements, or of all unnamed attributes, where it says anything.
    fn rest(&mut self, path: FieldPath, node: Node) -> Option<()> {
        let fields = self.schema.fields.len();
        self.field(path.clone(), node, false)?;
        let alone = self.schema.fields.len() == fields + 1;
        if alone && self.schema.fields.get(&path) == Some(&Field::of(anything())) {
            self.schema.fields.remove(&path);
        }
        Some(())
    }
}

/// The bounds that values of these types can meet or miss. Listed texts need none.
fn applicable(bounds: Constraints, types: &TypeSet) -> Constraints {
    let number = types.0.iter().any(is_number);
    let text = types.0.contains(&FieldType::STRING);
    let list = types.0.contains(&FieldType::List);
    Constraints {
        minimum: bounds.minimum.filter(|_| number),
        maximum: bounds.maximum.filter(|_| number),
        min_length: bounds.min_length.filter(|_| text),
        min_items: bounds.min_items.filter(|_| list),
        max_items: bounds.max_items.filter(|_| list),
        pattern: bounds.pattern.filter(|_| text),
        values: bounds.values,
        closed: bounds.closed && types.0.contains(&FieldType::Map),
    }
}

/// Whether values of the type are numbers.
pub(super) fn is_number(one: &FieldType) -> bool {
    matches!(one, FieldType::Integer { .. } | FieldType::Decimal { .. } | FieldType::Float { .. })
}
