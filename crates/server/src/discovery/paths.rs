//! The paths of a document while they are put together.

use std::collections::{HashMap, HashSet};

use http::Method;
use serde_json::{Map, Value};

use super::{
    llms::Line,
    operation::Operation,
    pattern::{self, Pattern},
};

/// The operations to tell of, and what was told of them so far.
pub(super) struct Paths<'a> {
    operations: &'a [Operation],
    /// Which of them somebody described already.
    described: Vec<bool>,
    items: Map<String, Value>,
    /// The paths by their shapes: a document must not have two that differ in names only.
    by_shape: HashMap<String, String>,
    lines: Vec<Told>,
}

/// An operation as the list for people has it.
pub(super) struct Told {
    method: String,
    path: String,
    summary: Option<String>,
    price: Option<String>,
}

impl<'a> Paths<'a> {
    pub(super) fn new(operations: &'a [Operation]) -> Self {
        Self {
            operations,
            described: vec![false; operations.len()],
            items: Map::new(),
            by_shape: HashMap::new(),
            lines: Vec::new(),
        }
    }

    /// The operation whose price a request by this method and path pays: the most specific of
    /// those that take it, and on one path one for the method before one for any.
    pub(super) fn decide(&self, method: &Method, path: &Pattern) -> Option<usize> {
        let taking = self
            .operations
            .iter()
            .enumerate()
            .filter_map(|(at, operation)| {
                let rank = match &operation.method {
                    Some(own) if own == method => 0,
                    Some(own) if *own == Method::GET && *method == Method::HEAD => 1,
                    Some(_) => return None,
                    None => 2,
                };
                operation.pattern.covers(path).then_some((at, rank))
            });
        let decides = taking.min_by(|(one, rank), (other, other_rank)| {
            let breadth = |at: usize| self.operations[at].pattern.breadth();
            breadth(*one)
                .cmp(breadth(*other))
                .then(rank.cmp(other_rank))
        });
        decides.map(|(at, _)| at)
    }

    /// Adds a path that was described elsewhere, with its price in it already. `decided` has the
    /// methods, and which operations decided about them.
    pub(super) fn add_item(
        &mut self,
        path: &str,
        item: Map<String, Value>,
        decided: &[(Method, usize)],
    ) {
        for (method, at) in decided {
            let operation = &self.operations[*at];
            let said = item.get(&method.as_str().to_ascii_lowercase());
            let said = said.and_then(|said| said.get("summary")?.as_str());
            let summary = said.or(operation.about()).map(ToOwned::to_owned);
            self.tell(method.as_str(), path, summary, *at);
            self.described[*at] = true;
        }
        self.by_shape
            .insert(Pattern::template(path).shape(), path.to_owned());
        self.items.insert(path.to_owned(), Value::Object(item));
    }

    /// One of the operations.
    pub(super) const fn operation(&self, at: usize) -> &'a Operation {
        &self.operations[at]
    }

    /// Adds every operation that nobody else described.
    pub(super) fn describe_the_rest(&mut self) {
        let named: HashSet<_> = self
            .operations
            .iter()
            .filter_map(|operation| {
                let method = operation.method.as_ref()?.as_str().to_ascii_lowercase();
                Some((method, operation.pattern.identity()))
            })
            .collect();
        // The narrower ones first, and apart from that by their names: what is told does not
        // depend on the order the routes were given in.
        let mut rest: Vec<usize> = (0..self.operations.len())
            .filter(|at| !self.described[*at])
            .collect();
        rest.sort_by(|one, other| {
            let (one, other) = (&self.operations[*one], &self.operations[*other]);
            let by_name = || one.name().cmp(&other.name());
            let breadth = one.pattern.breadth().cmp(other.pattern.breadth());
            breadth.then_with(by_name)
        });
        for at in rest {
            let operation = &self.operations[at];
            let method = operation.method.as_ref().map_or("ANY", Method::as_str);
            let summary = operation.about().map(ToOwned::to_owned);
            self.tell(method, &operation.pattern.to_template(), summary, at);
            for field in operation.fields() {
                let other = (field.to_owned(), operation.pattern.identity());
                if operation.method.is_some() || !named.contains(&other) {
                    self.add(operation, field);
                }
            }
        }
    }

    fn add(&mut self, operation: &Operation, field: &str) {
        let mut pattern = operation.pattern.clone();
        loop {
            let path = self
                .by_shape
                .entry(pattern.shape())
                .or_insert_with(|| pattern.to_template());
            let item = self.items.entry(path.clone());
            let item = item.or_insert_with(|| Value::Object(Map::new()));
            if item.get(field).is_none() {
                item[field] = operation.to_openapi(pattern::parameters(path));
                return;
            }
            // What takes everything below is told one level down where a narrower route has the
            // level itself.
            match pattern.one_below() {
                Some(below) => pattern = below,
                None => return,
            }
        }
    }

    fn tell(&mut self, method: &str, path: &str, summary: Option<String>, at: usize) {
        let price = self.operations[at].price.as_ref();
        self.lines.push(Told {
            method: method.to_owned(),
            path: path.to_owned(),
            summary,
            price: price.map(|price| price.text.clone()),
        });
    }

    /// The paths, and the list by path and method.
    pub(super) fn done(mut self) -> (Map<String, Value>, Vec<Told>) {
        self.lines
            .sort_by(|a, b| (&a.path, &a.method).cmp(&(&b.path, &b.method)));
        (self.items, self.lines)
    }
}

impl Told {
    pub(super) fn line(&self) -> Line<'_> {
        Line {
            method: &self.method,
            path: &self.path,
            summary: self.summary.as_deref(),
            price: self.price.as_deref(),
        }
    }
}
