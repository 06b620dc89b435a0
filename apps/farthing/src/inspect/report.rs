//! What was found in the input: a list of things, each with its fields and findings.

use serde_json::{Map, Value, json};

use super::finding::{Finding, Severity};
use crate::{exit::Exit, screen::clean};

/// All that was found.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) items: Vec<Item>,
}

/// One thing: a challenge, a credential, the head of a message.
#[derive(Debug)]
pub(crate) struct Item {
    /// What it is, as JSON names it.
    pub(crate) kind: &'static str,
    /// What it is, for a person.
    pub(crate) title: String,
    pub(crate) fields: Vec<Field>,
    pub(crate) findings: Vec<Finding>,
}

/// A part of a thing.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) json: Value,
    /// What a person reads.
    pub(crate) shown: String,
    pub(crate) children: Vec<Field>,
}

impl Report {
    pub(crate) fn count(&self, severity: Severity) -> usize {
        let findings = self.items.iter().flat_map(|item| &item.findings);
        findings.filter(|it| it.severity == severity).count()
    }

    pub(crate) fn exit(&self) -> Exit {
        match self.count(Severity::Error) {
            0 => Exit::Done,
            _ => Exit::Findings,
        }
    }

    pub(crate) fn to_json(&self) -> Value {
        let items: Vec<Value> = self.items.iter().map(Item::to_json).collect();
        let mut told = json!({
            "items": items,
            "errors": self.count(Severity::Error),
            "warnings": self.count(Severity::Warning),
            "wellFormed": self.exit() == Exit::Done,
        });
        if self.exit() != Exit::Done {
            told["error"] = json!(self.exit().name());
            told["exitCode"] = json!(self.exit().code());
        }
        told
    }
}

impl Item {
    pub(crate) fn new(kind: &'static str, title: impl Into<String>) -> Self {
        Self {
            kind,
            title: title.into(),
            fields: Vec::new(),
            findings: Vec::new(),
        }
    }

    fn to_json(&self) -> Value {
        let findings: Vec<Value> = self.findings.iter().map(Finding::to_json).collect();
        json!({
            "kind": self.kind,
            "title": self.title,
            "fields": object(&self.fields),
            "findings": findings,
        })
    }
}

fn object(fields: &[Field]) -> Value {
    let entries = fields.iter().map(|field| {
        let value = match field.children.is_empty() {
            true => field.json.clone(),
            false => object(&field.children),
        };
        (field.name.clone(), value)
    });
    Value::Object(entries.collect::<Map<_, _>>())
}

impl Field {
    /// A field that a person reads as a program does.
    pub(crate) fn new(name: impl Into<String>, json: impl Into<Value>) -> Self {
        let json = json.into();
        let shown = match &json {
            Value::String(text) => clean(text).into_owned(),
            other => clean(&other.to_string()).into_owned(),
        };
        Self {
            name: clean(&name.into()).into_owned(),
            json,
            shown,
            children: Vec::new(),
        }
    }

    /// The same, with a remark for a person.
    #[must_use]
    pub(crate) fn remark(mut self, remark: impl AsRef<str>) -> Self {
        self.shown = format!("{} ({})", self.shown, clean(remark.as_ref()));
        self
    }

    /// A field made of others. Without any it is an empty object.
    pub(crate) fn of(name: impl Into<String>, children: Vec<Field>) -> Self {
        Self {
            shown: if children.is_empty() { "{}" } else { "" }.to_owned(),
            name: clean(&name.into()).into_owned(),
            json: Value::Object(Map::new()),
            children,
        }
    }
}

/// Any JSON as a field, each text through a function that may shorten it.
pub(crate) fn tree(name: &str, value: &Value, text: &impl Fn(&str, &str) -> String) -> Field {
    match value {
        Value::Object(members) => {
            let children = members.iter().map(|(name, value)| tree(name, value, text));
            Field::of(name, children.collect())
        }
        Value::Array(values) if values.iter().any(|it| it.is_object() || it.is_array()) => {
            let numbered = values.iter().zip(1usize..);
            let children = numbered.map(|(value, n)| tree(&n.to_string(), value, text));
            Field::of(name, children.collect())
        }
        Value::Array(values) => {
            let values = values.iter().map(|value| match value {
                Value::String(it) => Value::String(text(name, it)),
                other => other.clone(),
            });
            Field::new(name, values.collect::<Vec<_>>())
        }
        Value::String(it) => Field::new(name, text(name, it)),
        other => Field::new(name, other.clone()),
    }
}
