//! A CloudFormation template as JSON: a short form such as `!Ref x` becomes `{"Ref": "x"}`.

use saphyr::{LoadableYamlNode, Scalar, Yaml};
use serde_json::{Map, Value, json};

/// Reads a template.
pub fn read(text: &str) -> Value {
    let documents = Yaml::load_from_str(text).unwrap();
    assert_eq!(documents.len(), 1, "one document");
    to_json(&documents[0])
}

fn to_json(node: &Yaml) -> Value {
    match node {
        Yaml::Value(scalar) => match scalar {
            Scalar::Null => Value::Null,
            Scalar::Boolean(one) => json!(one),
            Scalar::Integer(one) => json!(one),
            Scalar::FloatingPoint(one) => json!(one.into_inner()),
            Scalar::String(one) => json!(one),
        },
        Yaml::Sequence(all) => all.iter().map(to_json).collect(),
        Yaml::Mapping(all) => {
            let mut fields = Map::new();
            for (key, value) in all {
                let key = key.as_str().unwrap_or_else(|| panic!("a key that is no text: {key:?}"));
                fields.insert(key.to_owned(), to_json(value));
            }
            Value::Object(fields)
        }
        Yaml::Tagged(tag, node) => {
            let name = match tag.suffix.as_str() {
                "Ref" | "Condition" => tag.suffix.clone(),
                other => format!("Fn::{other}"),
            };
            json!({ name: to_json(node) })
        }
        other => panic!("not in a template: {other:?}"),
    }
}

/// A template.
#[derive(Clone)]
pub struct Template(pub Value);

impl Template {
    /// The resources of a type, by their logical names.
    pub fn of_type<'a>(&'a self, kind: &str) -> Vec<(&'a str, &'a Value)> {
        self.resources().into_iter().filter(|(_, one)| one["Type"] == kind).collect()
    }

    /// All resources, by their logical names.
    pub fn resources(&self) -> Vec<(&str, &Value)> {
        let all = self.0["Resources"].as_object().unwrap();
        all.iter().map(|(name, one)| (name.as_str(), one)).collect()
    }

    /// The functions.
    pub fn functions(&self) -> Vec<(&str, &Value)> {
        self.of_type("AWS::Serverless::Function")
    }

    /// The event source mappings that read a stream, by a name, with their settings.
    pub fn mappings(&self) -> Vec<(String, &Value)> {
        let mut found = Vec::new();
        for (name, function) in self.functions() {
            let Some(events) = function["Properties"]["Events"].as_object() else { continue };
            for (event, one) in events {
                if one["Type"] == "Kinesis" || one["Type"] == "DynamoDB" {
                    found.push((format!("{name}.{event}"), &one["Properties"]));
                }
            }
        }
        let plain = self.of_type("AWS::Lambda::EventSourceMapping").into_iter();
        found.extend(plain.map(|(name, one)| (name.to_owned(), &one["Properties"])));
        found
    }

    /// A variable of a function's environment.
    pub fn variables(&self, function: &Value) -> Map<String, Value> {
        let mut all = Map::new();
        for place in [&self.0["Globals"]["Function"], &function["Properties"]] {
            if let Some(variables) = place["Environment"]["Variables"].as_object() {
                all.extend(variables.clone());
            }
        }
        all
    }
}

/// The logical names that a value refers to, at any depth.
pub fn references(value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    match value {
        Value::Object(fields) => {
            for (key, inner) in fields {
                match (key.as_str(), inner) {
                    ("Ref", Value::String(name)) => found.push(name.clone()),
                    ("Fn::GetAtt", Value::String(path)) => {
                        found.push(path.split('.').next().unwrap().to_owned());
                    }
                    ("Fn::Sub", Value::String(text)) => {
                        let names = text.split("${").skip(1).filter_map(|rest| rest.split(['}', '.']).next());
                        found.extend(names.map(str::to_owned));
                    }
                    _ => found.extend(references(inner)),
                }
            }
        }
        Value::Array(all) => all.iter().for_each(|one| found.extend(references(one))),
        _ => {}
    }
    found
}

#[test]
fn short_forms_are_read_as_what_they_are_short_for() {
    let read = read("a: !Ref b\nc: !If [d, !GetAtt e.Arn, !Sub \"${f}/x\"]\ng: [1, \"2\", true]\n");
    assert_eq!(read["a"], json!({"Ref": "b"}));
    assert_eq!(read["c"], json!({"Fn::If": ["d", {"Fn::GetAtt": "e.Arn"}, {"Fn::Sub": "${f}/x"}]}));
    assert_eq!(read["g"], json!([1, "2", true]));
    assert_eq!(references(&read), ["b", "e", "f"]);
}
