//! One operation of a service, with what it costs.

use farthing_core::noun::discovery::{PaymentInfo, openapi::METHODS};
use http::Method;
use serde_json::{Map, Value, json};

use super::{DiscoveryError, pattern::Pattern};
use crate::gate::PreparedRoute;

/// An operation as it is told: a method, a path pattern, and what it costs.
///
/// The price is that of the prepared route, so what is told beforehand is what its 402 asks for.
#[derive(Clone, Debug)]
pub struct Operation {
    /// `None` is any method for which there is no other operation.
    pub(super) method: Option<Method>,
    pub(super) pattern: Pattern,
    pub(super) price: Option<Told>,
    summary: Option<Box<str>>,
    request: Option<Value>,
    answer: Option<Value>,
}

/// A price, for programs and for people.
#[derive(Clone, Debug)]
pub(super) struct Told {
    pub(super) info: PaymentInfo,
    pub(super) text: String,
}

/// The methods that an operation for any is told under.
const ANY: [&str; 5] = ["get", "put", "post", "delete", "patch"];

impl Operation {
    /// An operation; without a route it is free. The summary is the route's description.
    ///
    /// The pattern may have parameters, `{name}`, and end with `{*name}` or `*` for everything
    /// below.
    ///
    /// # Errors
    /// When the pattern is none.
    pub fn new(
        method: Method,
        pattern: &str,
        route: Option<&PreparedRoute>,
    ) -> Result<Self, DiscoveryError> {
        Self::with(Some(method), pattern, route)
    }

    /// The same for every method for which there is no other operation.
    ///
    /// # Errors
    /// When the pattern is none.
    pub fn any(pattern: &str, route: Option<&PreparedRoute>) -> Result<Self, DiscoveryError> {
        Self::with(None, pattern, route)
    }

    fn with(
        method: Option<Method>,
        pattern: &str,
        route: Option<&PreparedRoute>,
    ) -> Result<Self, DiscoveryError> {
        Ok(Self {
            method,
            pattern: Pattern::parse(pattern)?,
            price: route.map(|route| Told {
                info: route.payment_info(),
                text: route.price_text(),
            }),
            summary: route.and_then(PreparedRoute::description).map(Into::into),
            request: None,
            answer: None,
        })
    }

    /// What it does, in a line.
    #[must_use]
    pub fn summary(mut self, text: &str) -> Self {
        self.summary = Some(one_line(text).into());
        self
    }

    /// The JSON Schema of the body it wants. Programs that have it can ask without reading
    /// anything else.
    #[must_use]
    pub fn accepts(mut self, schema: Value) -> Self {
        self.request = Some(schema);
        self
    }

    /// The JSON Schema of what it answers.
    #[must_use]
    pub fn answers(mut self, schema: Value) -> Self {
        self.answer = Some(schema);
        self
    }

    /// How it is called in a message.
    pub(super) fn name(&self) -> String {
        let method = self.method.as_ref().map_or("*", Method::as_str);
        format!("{method} {}", self.pattern.to_template())
    }

    /// What it does, where that was said.
    pub(super) fn about(&self) -> Option<&str> {
        self.summary.as_deref()
    }

    /// The method's name in OpenAPI, which has no word for most of them; any method is told as the
    /// usual ones.
    pub(super) fn fields(&self) -> Vec<&'static str> {
        let Some(method) = &self.method else {
            return ANY.to_vec();
        };
        METHODS
            .into_iter()
            .filter(|name| method.as_str().eq_ignore_ascii_case(name))
            .collect()
    }

    /// The operation object, where nobody else describes it.
    pub(super) fn to_openapi<'a>(&self, parameters: impl Iterator<Item = &'a str>) -> Value {
        let mut operation = Map::new();
        if let Some(summary) = &self.summary {
            operation.insert("summary".into(), json!(summary));
        }
        let parameters: Vec<_> = parameters.map(parameter).collect();
        if !parameters.is_empty() {
            operation.insert("parameters".into(), Value::Array(parameters));
        }
        if let Some(schema) = &self.request {
            operation.insert(
                "requestBody".into(),
                json!({ "required": true, "content": of_json(schema) }),
            );
        }
        let mut served = json!({ "description": "Successful response" });
        if let Some(schema) = &self.answer {
            served["content"] = of_json(schema);
        }
        operation.insert("responses".into(), json!({ "200": served }));
        self.tell_price(&mut operation);
        Value::Object(operation)
    }

    /// Puts the price into an operation object, over what it says itself. A free one asks for
    /// nothing, whatever it says.
    pub(super) fn tell_price(&self, operation: &mut Map<String, Value>) {
        operation.remove("x-payment-info");
        let responses = operation.entry("responses").or_insert_with(|| json!({}));
        if !responses.is_object() {
            *responses = json!({});
        }
        match &self.price {
            Some(price) => {
                responses["402"] = json!({ "description": "Payment Required" });
                operation.insert("x-payment-info".into(), json!(price.info));
            }
            None => {
                let responses = responses.as_object_mut();
                responses.and_then(|responses| responses.remove("402"));
            }
        }
    }
}

fn parameter(name: &str) -> Value {
    json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } })
}

fn of_json(schema: &Value) -> Value {
    json!({ "application/json": { "schema": schema } })
}

/// A text on one line.
pub(super) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
