//! A notice for a webhook: with the name of its node, and with a summary in words.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::{Notice, to_json_line};

/// A notice with the fields that are added for a webhook.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivery {
    fields: Map<String, Value>,
    /// The impact in words, for use in a sentence.
    impact: String,
}

impl Delivery {
    /// Makes the delivery. `lost` is the number of earlier notices that could not be delivered.
    pub fn new(notice: &Arc<Notice>, node: &str, lost: u64) -> Self {
        let kind = &notice.kind;
        let Ok(Value::Object(mut fields)) = serde_json::to_value(&**notice) else {
            unreachable!("a notice is an object")
        };
        let losses = if lost > 0 { format!(" ({lost} earlier notices were lost)") } else { String::new() };
        let summary = format!("{node}: {kind}{losses}");
        let key = format!("truenorth {node} {}", kind.subject());
        let action = if kind.is_good() { "resolve" } else { "trigger" };
        fields.insert("summary".to_owned(), summary.into());
        fields.insert("node".to_owned(), node.into());
        fields.insert("severity".to_owned(), kind.severity().as_str().into());
        fields.insert("action".to_owned(), action.into());
        fields.insert("key".to_owned(), key.into());
        fields.insert("lost".to_owned(), lost.into());
        Self { fields, impact: kind.impact().map(ToString::to_string).unwrap_or_default() }
    }

    /// Returns all fields as JSON, in one line.
    pub fn to_json(&self) -> String {
        to_json_line(&self.fields)
    }

    /// Returns a field as text. A list has commas, `impact` is in words, and `notice` is JSON with all fields. Returns
    /// an empty text if there is no such field.
    pub fn field(&self, name: &str) -> String {
        match name {
            "notice" => self.to_json(),
            "impact" => self.impact.clone(),
            _ => self.fields.get(name).map(text).unwrap_or_default(),
        }
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(text).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::EventKind;

    #[test]
    fn it_tells_the_node_and_what_was_lost_besides_the_notice() {
        let kind = EventKind::Reload { reason: "signal".into(), taken: false, errors: 2, warnings: 0 };
        let notice = Arc::new(Notice { id: 7, time: 8, kind });
        let delivery = Delivery::new(&notice, "fra", 3);
        let expected = "fra: configuration not reloaded (signal): 2 errors, the old one stays in use (3 earlier notices were lost)";
        assert_eq!(delivery.field("summary"), expected);
        let json: Value = serde_json::from_str(&delivery.to_json()).unwrap();
        assert_eq!((&json["id"], &json["event"], &json["lost"]), (&7.into(), &"reload".into(), &3.into()));
        let fields = ["node", "action", "severity", "key", "errors", "taken", "endpoint", "impact"];
        let told = fields.map(|field| delivery.field(field));
        assert_eq!(told, ["fra", "trigger", "error", "truenorth fra reload", "2", "false", "", ""]);
        assert_eq!(delivery.field("notice"), delivery.to_json());
    }
}
