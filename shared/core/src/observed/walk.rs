//! Which paths an image has. A list's elements share one path, and so do the attributes of a map
//! whose keys are data.

use crate::fingerprint::SHAPE_DEPTH_MAX;
use crate::schema::FieldPath;
use crate::value::{Item, Value};

/// Values looked at in one row.
pub const NODES_MAX: usize = 2_048;
/// Elements looked at in one list.
pub const LIST_ELEMENTS_MAX: usize = 64;
/// A map with more attributes than this in one row has data for keys.
pub const MAP_KEYS_MAX: usize = 64;
/// A longer path, in bytes, is not looked at: what is stored of a subject must stay small.
pub const PATH_BYTES_MAX: usize = 192;
/// Stands for the attributes of a map whose keys are data.
pub const DATA_KEYS: &str = "{}";

/// Visits each value of an image with its path, parents first, and says whether that was all of
/// them. What is visited depends on the image alone.
pub fn walk<'a>(image: &'a Item, visit: &mut impl FnMut(&FieldPath, &'a Value)) -> bool {
    let mut left = NODES_MAX;
    let mut whole = true;
    for (name, value) in image {
        whole &= below(&FieldPath::column(name), value, 1, &mut left, visit);
    }
    whole
}

fn below<'a>(
    path: &FieldPath,
    value: &'a Value,
    depth: usize,
    left: &mut usize,
    visit: &mut impl FnMut(&FieldPath, &'a Value),
) -> bool {
    if *left == 0 || path.as_str().len() > PATH_BYTES_MAX {
        return false;
    }
    *left -= 1;
    visit(path, value);
    let mut whole = true;
    if depth >= SHAPE_DEPTH_MAX {
        return !matches!(value, Value::Map(_) | Value::List(_));
    }
    match value {
        Value::Map(fields) => {
            let keys_are_data = fields.len() > MAP_KEYS_MAX;
            for (name, value) in fields {
                let child = if keys_are_data || looks_like_data(name) {
                    FieldPath::new(format!("{path}.{DATA_KEYS}"))
                } else {
                    path.child(name)
                };
                whole &= below(&child, value, depth + 1, left, visit);
            }
        }
        Value::List(elements) if !elements.is_empty() => {
            let element = path.element();
            for value in elements.iter().take(LIST_ELEMENTS_MAX) {
                whole &= below(&element, value, depth + 1, left, visit);
            }
            whole &= elements.len() <= LIST_ELEMENTS_MAX;
        }
        _ => {}
    }
    whole
}

/// Whether the key of a nested map is a value rather than a name: a number, a date, a UUID, an
/// address, or a long run of hexadecimal digits.
fn looks_like_data(name: &str) -> bool {
    let digits = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit());
    let hexadecimal = name.len() >= 16 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
    digits || hexadecimal || super::format_mask(name) != 0
}

/// The paths of an image with the families each shows, as bits by [`super::Family`]; sorted.
#[must_use]
pub fn families(image: &Item) -> Vec<(FieldPath, u16)> {
    let mut found: Vec<(FieldPath, u16)> = Vec::with_capacity(image.len());
    walk(image, &mut |path, value| found.push((path.clone(), super::Family::bit_of(value))));
    found.sort_unstable();
    found.dedup_by(|later, kept| {
        let same = later.0 == kept.0;
        if same {
            kept.1 |= later.1;
        }
        same
    });
    found
}

/// How deep a path stands: 1 for a column.
#[must_use]
pub fn depth(path: &FieldPath) -> usize {
    let mut quoted = false;
    let steps = path.as_str().bytes().filter(|byte| {
        quoted ^= *byte == b'"';
        !quoted && matches!(byte, b'.' | b'[')
    });
    1 + steps.count()
}
