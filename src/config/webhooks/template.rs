//! Bodies of webhooks with placeholders: `{"text": "{{summary}}"}`.

use serde::de::IgnoredAny;

/// The fields that a placeholder may name. A field that a notice does not have becomes an empty text.
pub const FIELDS: [&str; 47] = [
    "summary",
    "event",
    "id",
    "time",
    "node",
    "severity",
    "action",
    "key",
    "lost",
    "notice",
    "impact",
    "impact_more",
    "endpoint",
    "monitor",
    "endpoints",
    "down",
    "datacenter",
    "held",
    "pools",
    "from",
    "to",
    "seen",
    "outcome",
    "status",
    "error",
    "took_ms",
    "connect_ms",
    "handshake_ms",
    "first_byte_ms",
    "reason",
    "taken",
    "errors",
    "warnings",
    "began",
    "happening",
    "override",
    "pool",
    "mode",
    "target",
    "until",
    "who",
    "name",
    "value",
    "set",
    "host",
    "days",
    "expires",
];

/// Fields whose values are JSON already.
const RAW: [&str; 1] = ["notice"];

/// Fields that are a number in every notice.
const NUMBERS: [&str; 3] = ["id", "time", "lost"];

/// A body with placeholders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
    /// True if values are escaped for strings of JSON.
    escapes: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Field(&'static str),
}

impl Template {
    /// Parses a body. Fails with the text of a placeholder that is none of [`FIELDS`], or that has no end.
    pub fn parse(text: &str, escapes: bool) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(start) = rest.find("{{") {
            parts.push(Part::Text(rest[..start].to_owned()));
            let behind = &rest[start + 2..];
            let end = behind.find("}}").ok_or_else(|| rest[start..].to_owned())?;
            let name = behind[..end].trim();
            let field = FIELDS.into_iter().find(|field| *field == name);
            parts.push(Part::Field(field.ok_or_else(|| rest[start..start + end + 4].to_owned())?));
            rest = &behind[end + 2..];
        }
        parts.push(Part::Text(rest.to_owned()));
        Ok(Self { parts, escapes })
    }

    /// Returns the body; `value` returns the value of a field.
    pub fn fill(&self, value: impl Fn(&'static str) -> String) -> String {
        let mut body = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => body.push_str(text),
                Part::Field(field) if self.escapes && !RAW.contains(field) => body.push_str(&escaped(&value(field))),
                Part::Field(field) => body.push_str(&value(field)),
            }
        }
        body
    }

    /// Returns the reason if the filled body is not JSON.
    pub(super) fn fault(&self) -> Option<String> {
        let filled = |text: &'static str| {
            self.fill(|field| match field {
                _ if RAW.contains(&field) => "{\"a\":1}".to_owned(),
                _ if NUMBERS.contains(&field) => "1".to_owned(),
                _ => text.to_owned(),
            })
        };
        // A missing field is empty, others may hold any text.
        ["", "a \"b\" \\ c\n"]
            .into_iter()
            .find_map(|text| serde_json::from_str::<IgnoredAny>(&filled(text)).err().map(|error| error.to_string()))
    }
}

/// Escapes a text for a JSON string.
fn escaped(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_filled_and_escaped_where_it_is_json() {
        let template = Template::parse("{\"text\": \"{{ summary }}\", \"all\": {{notice}}}", true).unwrap();
        let fill = |field| if field == "notice" { "{\"a\":1}".to_owned() } else { "a \"b\"\n\u{1}".to_owned() };
        assert_eq!(template.fill(fill), "{\"text\": \"a \\\"b\\\"\\n\\u0001\", \"all\": {\"a\":1}}");
        let plain = Template::parse("{{event}}: {{summary}}", false).unwrap();
        assert_eq!(plain.fill(|field| format!("<{field}>\n")), "<event>\n: <summary>\n");
    }

    #[test]
    fn what_is_no_placeholder_is_given_back() {
        assert_eq!(Template::parse("a {{ sumary }} b", true).unwrap_err(), "{{ sumary }}");
        assert_eq!(Template::parse("{{event}} {{", true).unwrap_err(), "{{");
        assert_eq!(Template::parse("{{}}", true).unwrap_err(), "{{}}");
    }

    #[test]
    fn what_comes_to_no_json_is_found_without_a_notice() {
        let fault = |text: &str| Template::parse(text, true).unwrap().fault();
        assert_eq!(fault("{\"a\": \"{{summary}}\", \"b\": {{id}}, \"c\": [{{notice}}]}"), None);
        for bad in ["{{summary}}", "{\"a\": {{endpoint}}}", "{\"a\": \"{{summary}}\"", "{\"a\": \"{{notice}}{\"}", ""] {
            assert!(fault(bad).is_some(), "{bad}");
        }
    }

    #[test]
    fn a_value_cannot_fill_in_another() {
        let template = Template::parse("{{name}}", false).unwrap();
        assert_eq!(template.fill(|_| "{{value}}".to_owned()), "{{value}}");
    }
}
