//! The tree of segments.
//!
//! Each node stands for one beginning of a pattern, so a search visits each at most once, and what
//! it costs is bounded by the rules and not by the path.

use http::Method;

use crate::config::{Segment, Verb};

use super::segment::{decoded, plain};

/// What may follow one beginning of a path.
#[derive(Clone, Debug, Default)]
pub(super) struct Node {
    /// Segments that are written out, sorted by their plain form and then by themselves.
    literals: Vec<Literal>,
    name: Option<Box<Self>>,
    rest: Leaves,
    here: Leaves,
}

/// A segment that is written out, decoded, and what may follow it.
#[derive(Clone, Debug)]
struct Literal {
    plain: Box<[u8]>,
    text: Box<[u8]>,
    node: Node,
}

/// The rules of one pattern, by their methods.
#[derive(Clone, Debug, Default)]
pub(super) struct Leaves {
    named: Vec<(Method, usize)>,
    any: Option<usize>,
}

/// How a path is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// As it is written, with escapes decoded.
    Written,
    /// Without regard to capitals, parameters and a last slash.
    Plain,
}

impl Node {
    /// The place of a pattern, made where it is missing.
    pub(super) fn leaves<'a>(
        &mut self,
        mut segments: impl Iterator<Item = Segment<'a>>,
    ) -> &mut Leaves {
        match segments.next() {
            None => &mut self.here,
            Some(Segment::Rest) => &mut self.rest,
            Some(Segment::Name(_)) => self.name.get_or_insert_default().leaves(segments),
            Some(Segment::Literal(text)) => {
                let at = self.place(text).unwrap_or_else(|at| {
                    let literal = Literal {
                        plain: plain(decoded(text)).collect(),
                        text: decoded(text).collect(),
                        node: Self::default(),
                    };
                    self.literals.insert(at, literal);
                    at
                });
                self.literals[at].node.leaves(segments)
            }
        }
    }

    /// The most specific rule for a method, below this node. `rest` is what is left of the path,
    /// without the slash before it.
    pub(super) fn find(&self, method: &Method, rest: &str, reading: Reading) -> Option<usize> {
        let (first, tail) = split(match reading {
            Reading::Written => rest,
            Reading::Plain => without_blanks(rest),
        });
        let below = |node: &Self| match tail {
            Some(tail) => node.find(method, tail, reading),
            None => node.end(method, reading),
        };
        // A last slash may be no part of the path for what is behind.
        let trimmed = (reading == Reading::Plain && first.is_empty() && tail.is_none())
            .then(|| self.here.pick(method))
            .flatten();
        self.literal(first)
            .and_then(below)
            .or_else(|| match reading {
                Reading::Written => None,
                Reading::Plain => self.alike(first).find_map(below).or_else(|| {
                    // `/paid.json` is often `/paid` in another form, and so is `/paid.json/`.
                    let stem = stem(first).filter(|_| tail.is_none_or(is_blank))?;
                    self.formed(stem).find_map(|known| below(&known.node))
                }),
            })
            .or(trimmed)
            .or_else(|| {
                let name = self.name.as_deref().filter(|_| !first.is_empty());
                name.and_then(below)
            })
            .or_else(|| self.rest.pick(method))
    }

    /// The rules of a path that ends here.
    fn end(&self, method: &Method, reading: Reading) -> Option<usize> {
        self.here.pick(method).or_else(|| {
            let slash = self.literal("").filter(|_| reading == Reading::Plain)?;
            slash.here.pick(method)
        })
    }

    /// Every pattern that takes a path, the most specific first.
    pub(super) fn all(&self, rest: &str, each: &mut impl FnMut(&Leaves)) {
        let (first, tail) = split(rest);
        let literal = self.literal(first);
        let name = self.name.as_deref().filter(|_| !first.is_empty());
        for node in literal.into_iter().chain(name) {
            match tail {
                Some(tail) => node.all(tail, each),
                None => each(&node.here),
            }
        }
        each(&self.rest);
    }

    fn literal(&self, segment: &str) -> Option<&Self> {
        let at = self.place(segment).ok()?;
        Some(&self.literals[at].node)
    }

    /// Where a segment stands among those that are written out, or would.
    fn place(&self, segment: &str) -> Result<usize, usize> {
        let text = decoded(segment);
        self.literals.binary_search_by(|known| {
            let order = bytes(&known.plain).cmp(plain(text.clone()));
            order.then_with(|| bytes(&known.text).cmp(text.clone()))
        })
    }

    /// The other segments that have the same plain form.
    fn alike<'a>(&'a self, segment: &'a str) -> impl Iterator<Item = &'a Self> {
        self.formed(plain(decoded(segment)))
            .filter(move |known| bytes(&known.text).ne(decoded(segment)))
            .map(|known| &known.node)
    }

    /// The segments that have a plain form.
    fn formed<'a>(
        &'a self,
        form: impl Iterator<Item = u8> + Clone + 'a,
    ) -> impl Iterator<Item = &'a Literal> {
        let first = self
            .literals
            .partition_point(|known| bytes(&known.plain).lt(form.clone()));
        self.literals[first..]
            .iter()
            .take_while(move |known| bytes(&known.plain).eq(form.clone()))
            .filter(|known| !known.plain.is_empty())
    }
}

fn bytes(of: &[u8]) -> impl Iterator<Item = u8> {
    of.iter().copied()
}

impl Leaves {
    /// Adds a rule, unless there is one for this method.
    pub(super) fn add(&mut self, verb: &Verb, index: usize) -> Result<(), usize> {
        match verb {
            Verb::Any => match self.any {
                Some(known) => return Err(known),
                None => self.any = Some(index),
            },
            Verb::One(method) => match self.named.iter().find(|(known, _)| known == method) {
                Some((_, known)) => return Err(*known),
                None => self.named.push((method.clone(), index)),
            },
        }
        Ok(())
    }

    /// The rule for a method. A HEAD falls to the rule of its GET.
    fn pick(&self, method: &Method) -> Option<usize> {
        let of = |method: &Method| {
            let found = self.named.iter().find(|(known, _)| known == method);
            found.map(|(_, index)| *index)
        };
        of(method)
            .or_else(|| of(&Method::GET).filter(|_| *method == Method::HEAD))
            .or(self.any)
    }

    pub(super) fn indices(&self) -> impl Iterator<Item = usize> {
        let named = self.named.iter().map(|(_, index)| *index);
        named.chain(self.any)
    }
}

/// What follows segments that are empty in their plain form, which many servers leave out. One that
/// is empty as it is written stays: it is a last slash.
fn without_blanks(mut rest: &str) -> &str {
    loop {
        let (first, tail) = split(rest);
        if first.is_empty() || !is_blank(first) {
            return rest;
        }
        rest = tail.unwrap_or_default();
    }
}

/// Whether nothing is left of what may be several segments, in their plain form.
fn is_blank(rest: &str) -> bool {
    rest.split('/').all(|segment| {
        let first = decoded(segment).find(|byte| *byte != b' ');
        first.is_none_or(|byte| matches!(byte, b';' | b'?' | b'#'))
    })
}

/// The plain form of a segment up to its last dot.
fn stem(segment: &str) -> Option<impl Iterator<Item = u8> + Clone> {
    let form = plain(decoded(segment));
    let dots = form.clone().enumerate().filter(|(_, byte)| *byte == b'.');
    let (at, _) = dots.last()?;
    Some(form.take(at))
}

/// The first segment, and what follows its slash.
fn split(rest: &str) -> (&str, Option<&str>) {
    match rest.split_once('/') {
        Some((first, tail)) => (first, Some(tail)),
        None => (rest, None),
    }
}
