//! For which schema version something was written that does not say so.

/// Of the versions whose schema has every attribute as it stands ([`crate::conform::Shape::has`]), the one
/// in force, else the newest. `None` where there is none: then nothing says that it is of any other than the
/// one in force.
#[must_use]
pub fn detect(fitting: impl IntoIterator<Item = u32>, in_force: u32) -> Option<u32> {
    fitting.into_iter().max_by_key(|number| (*number == in_force, *number))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conform::Shape;
    use crate::decimal::Decimal;
    use crate::schema::{Field, FieldPath, FieldType, Schema, TypeSet};
    use crate::value::{Item, Value};

    fn shape(fields: &[(&str, FieldType)]) -> Shape {
        let field = |(name, one): &(&str, FieldType)| {
            let field = Field { required: true, ..Field::of(TypeSet::of(one.clone())) };
            (FieldPath::column(name), field)
        };
        Shape::of(&Schema { fields: fields.iter().map(field).collect(), key: Vec::new() })
    }

    #[test]
    fn the_version_in_force_goes_before_newer_and_older_ones() {
        let (text, number) = (FieldType::STRING, FieldType::INTEGER);
        let all = [
            (1, shape(&[("id", text.clone()), ("level", number)])),
            (2, shape(&[("id", text.clone()), ("level", text.clone())])),
            (3, shape(&[("id", text.clone()), ("level", text.clone()), ("tier", text)])),
        ];
        let detected = |in_force: u32, level: Value, whole: bool| {
            let id = Value::String("a".to_owned());
            let item = Item::from([("id".to_owned(), id), ("level".to_owned(), level)]);
            let fitting = all.iter().filter(|(_, shape)| shape.has(&item, whole));
            detect(fitting.map(|(number, _)| *number), in_force)
        };
        let text = || Value::String("5".to_owned());
        assert_eq!(detected(2, text(), true), Some(2));
        assert_eq!(detected(3, text(), true), Some(2));
        assert_eq!(detected(3, text(), false), Some(3));
        assert_eq!(detected(3, Value::Number(Decimal::from(5)), true), Some(1));
        assert_eq!(detected(3, Value::Bool(true), true), None);
    }
}
