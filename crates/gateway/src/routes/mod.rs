//! Which rule decides about a request.
//!
//! The rules are a tree by the segments of their paths. Of all rules that take a request the most
//! specific decides: segment by segment from the left, one that is written out comes before
//! `{name}`, and that before `*`. On one path a rule for the method comes before one for any.
//!
//! # Paths that can be read in two ways
//! A segment is compared with its escapes decoded, so `/p%61id` is `/paid`. What an upstream makes
//! of `/PAID`, `/paid/`, `/paid.json` or `/paid;x=1` nobody can tell from here: many take them for `/paid`.
//! Where such a path falls to another rule than its plain form would, [`Found::TwoWays`] says so,
//! and who asked has to refuse, unless the two rules are the same to them.

mod segment;
mod tree;

use http::Method;

use crate::config::{RuleKey, Segment, Verb};
use segment::{decoded, is_odd, plain};
use tree::{Node, Reading};

/// The rules of a gateway, each with what it leads to.
#[derive(Clone, Debug)]
pub struct Table<T> {
    rules: Vec<(RuleKey, T)>,
    tree: Node,
    /// Whether a path in plain form could be another rule's in another form.
    odd: bool,
}

/// What a table says about a request.
#[derive(Debug, PartialEq, Eq)]
pub enum Found<'t, T> {
    /// This rule decides.
    Rule(&'t T),
    /// One rule takes the path as it is written, another one in its plain form. What is behind
    /// may serve either.
    TwoWays {
        /// What the path leads to as it is written.
        written: &'t T,
        /// What its plain form leads to.
        plain: &'t T,
    },
    /// There are rules for this path, for these methods only.
    OtherMethod(Vec<Method>),
    /// No rule takes this path.
    None,
}

/// A rule that no request reaches, because another one has the same method and path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{rule}` takes the same requests as `{by}`")]
pub struct Shadowed {
    /// The place of the rule among those that were given.
    pub index: usize,
    /// The rule.
    pub rule: RuleKey,
    /// The place of the rule that takes all its requests.
    pub by_index: usize,
    /// That rule.
    pub by: RuleKey,
}

impl<T> Table<T> {
    /// Makes a table.
    ///
    /// # Errors
    /// Every rule that no request would reach.
    pub fn new(rules: impl IntoIterator<Item = (RuleKey, T)>) -> Result<Self, Vec<Shadowed>> {
        let rules: Vec<_> = rules.into_iter().collect();
        let (mut tree, mut shadowed, mut odd) = (Node::default(), Vec::new(), false);
        for (index, (key, _)) in rules.iter().enumerate() {
            let leaves = tree.leaves(key.pattern.segments());
            match leaves.add(&key.verb, index) {
                Ok(()) => {}
                Err(by_index) => shadowed.push(Shadowed {
                    index,
                    rule: key.clone(),
                    by_index,
                    by: rules[by_index].0.clone(),
                }),
            }
            odd = odd
                || key.pattern.segments().any(|segment| {
                    matches!(segment, Segment::Literal(text)
                        if plain(decoded(text)).ne(text.bytes()) || text.is_empty())
                });
        }
        if shadowed.is_empty() {
            Ok(Self { rules, tree, odd })
        } else {
            Err(shadowed)
        }
    }

    /// The rule that decides about a method and a path. The path is what the client sent, without
    /// its query.
    ///
    /// Nothing is allocated unless the answer is [`Found::OtherMethod`].
    #[must_use]
    pub fn find(&self, method: &Method, path: &str) -> Found<'_, T> {
        let Some(path) = path.strip_prefix('/') else {
            return Found::None;
        };
        let Some(written) = self.tree.find(method, path, Reading::Written) else {
            let methods = self.methods(path);
            return if methods.is_empty() {
                Found::None
            } else {
                Found::OtherMethod(methods)
            };
        };
        if self.odd || is_odd(path) {
            let plain = self.tree.find(method, path, Reading::Plain);
            if let Some(plain) = plain.filter(|plain| *plain != written) {
                return Found::TwoWays {
                    written: &self.rules[written].1,
                    plain: &self.rules[plain].1,
                };
            }
        }
        Found::Rule(&self.rules[written].1)
    }

    /// Every rule that takes a path, the most specific first, whatever their methods.
    #[must_use]
    pub fn matching(&self, path: &str) -> Vec<(&RuleKey, &T)> {
        let mut found = Vec::new();
        if let Some(path) = path.strip_prefix('/') {
            self.tree
                .all(path, &mut |leaves| found.extend(leaves.indices()));
        }
        let rule = |index: usize| {
            let (key, value) = &self.rules[index];
            (key, value)
        };
        found.into_iter().map(rule).collect()
    }

    /// The rules, in the order they were given.
    pub fn rules(&self) -> impl Iterator<Item = (&RuleKey, &T)> {
        self.rules.iter().map(|(key, value)| (key, value))
    }

    /// The methods there are rules for on a path.
    fn methods(&self, path: &str) -> Vec<Method> {
        let mut methods = Vec::new();
        let mut add = |method: &Method| {
            if !methods.contains(method) {
                methods.push(method.clone());
            }
        };
        self.tree.all(path, &mut |leaves| {
            for index in leaves.indices() {
                if let Verb::One(method) = &self.rules[index].0.verb {
                    add(method);
                    if *method == Method::GET {
                        add(&Method::HEAD);
                    }
                }
            }
        });
        methods
    }
}
