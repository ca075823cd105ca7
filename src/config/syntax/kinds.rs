//! The kind of value that each key takes, as the schemas of the two files say it.

use std::collections::HashMap;
use std::sync::LazyLock;

use serde_json::Value;

const SCHEMAS: [&str; 2] =
    [include_str!("../../../schemas/server.schema.json"), include_str!("../../../schemas/zone.schema.json")];

/// The end of the pattern of durations in the schemas.
const UNITS: &str = "(ms|s|m|h|d)";

/// The kind of a value. A key that takes several kinds, in different tables, has the first of them in this list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Boolean,
    Number,
    Duration,
    /// A list of texts.
    List,
}

/// Returns the kind of value that a key takes; `None` for texts, tables and unknown keys.
pub(super) fn of(key: &str) -> Option<Kind> {
    static KINDS: LazyLock<HashMap<String, Kind>> = LazyLock::new(|| {
        let mut kinds = HashMap::new();
        for schema in SCHEMAS {
            let schema = serde_json::from_str(schema).expect("a test reads the schemas");
            gather(&schema, &schema, &mut kinds);
        }
        kinds
    });
    KINDS.get(key).copied()
}

/// Gathers the keys of a part of a schema.
fn gather(part: &Value, whole: &Value, kinds: &mut HashMap<String, Kind>) {
    for (key, of_key) in part.get("properties").and_then(Value::as_object).into_iter().flatten() {
        if let Some(kind) = kind(of_key, whole) {
            let known = kinds.entry(key.clone()).or_insert(kind);
            *known = kind.min(*known);
        }
    }
    let parts: Vec<&Value> = match part {
        Value::Object(members) => members.values().collect(),
        Value::Array(items) => items.iter().collect(),
        _ => Vec::new(),
    };
    for part in parts {
        gather(part, whole, kinds);
    }
}

fn kind(schema: &Value, whole: &Value) -> Option<Kind> {
    if let Some(path) = schema.get("$ref").and_then(Value::as_str) {
        return kind(whole.pointer(path.strip_prefix('#')?)?, whole);
    }
    if let Some(choices) = ["anyOf", "allOf"].into_iter().find_map(|word| schema.get(word)?.as_array()) {
        return kind(choices.first()?, whole);
    }
    if schema.get("const").is_some_and(Value::is_boolean) {
        return Some(Kind::Boolean);
    }
    match schema.get("type")?.as_str()? {
        "boolean" => Some(Kind::Boolean),
        "integer" => Some(Kind::Number),
        "array" if schema.pointer("/items/type").is_none_or(|items| items != "object") => Some(Kind::List),
        "string" if schema.get("pattern")?.as_str()?.contains(UNITS) => Some(Kind::Duration),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_the_kinds_that_the_schemas_give_them() {
        for (key, expected) in [
            ("port", Some(Kind::Number)),
            ("payload", Some(Kind::Number)),
            ("ttl_min", Some(Kind::Number)),
            ("interval", Some(Kind::Duration)),
            ("gather", Some(Kind::Duration)),
            ("failback", Some(Kind::Duration)),
            ("slow_start", Some(Kind::Duration)),
            ("tls", Some(Kind::Boolean)),
            ("reflect", Some(Kind::Boolean)),
            ("only", Some(Kind::Boolean)),
            ("steer", Some(Kind::List)),
            ("pools", Some(Kind::List)),
            ("endpoints", Some(Kind::List)),
            ("quic", Some(Kind::List)),
            ("type", None),
            ("host", None),
            ("windows", None),
            ("colour", None),
        ] {
            assert_eq!(of(key), expected, "{key}");
        }
    }
}
