//! Reading the members of an object, with the place in every error.

use std::str::FromStr;

use serde_json::{Map, Value};

use crate::value::{AmountError, TextError};

/// Why a part of a discovery document cannot be read. Each says where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InfoError {
    /// It has to be there.
    #[error("{at} is missing")]
    Missing {
        /// Where.
        at: Box<str>,
    },
    /// It is other JSON than it should be.
    #[error("{at} is not {what}")]
    Shape {
        /// Where.
        at: Box<str>,
        /// What should be there.
        what: &'static str,
    },
    /// The amount is none.
    #[error("{at} is no amount")]
    Amount {
        /// Where.
        at: Box<str>,
        /// Why.
        source: AmountError,
    },
    /// A name, a currency or a link is none.
    #[error("{at} cannot be read")]
    Text {
        /// Where.
        at: Box<str>,
        /// Why.
        source: TextError,
    },
    /// There has to be at least one.
    #[error("{at} is empty")]
    Empty {
        /// Where.
        at: Box<str>,
    },
    /// There are more than anybody reads.
    #[error("{at} has more than {most} elements")]
    TooMany {
        /// Where.
        at: Box<str>,
        /// How many are read.
        most: usize,
    },
    /// Both forms of payment information at once: one of the two would have to be dropped.
    #[error("{at} has offers and, beside them, the field {field:?} of a single one")]
    Mixed {
        /// Where.
        at: Box<str>,
        /// The field.
        field: &'static str,
    },
}

impl InfoError {
    pub(super) fn shape(at: impl Into<Box<str>>, what: &'static str) -> Self {
        Self::Shape {
            at: at.into(),
            what,
        }
    }
}

/// The members of an object that are still to be read, and where it stands.
pub(super) struct Members {
    at: Box<str>,
    left: Map<String, Value>,
}

impl Members {
    pub(super) fn of(at: impl Into<Box<str>>, value: &Value) -> Result<Self, InfoError> {
        let at = at.into();
        match value {
            Value::Object(object) => Ok(Self {
                at,
                left: object.clone(),
            }),
            _ => Err(InfoError::shape(at, "an object")),
        }
    }

    pub(super) fn place(&self, name: &str) -> Box<str> {
        format!("{}.{name}", self.at).into()
    }

    pub(super) fn take(&mut self, name: &str) -> Option<Value> {
        self.left.remove(name)
    }

    pub(super) fn require(&mut self, name: &str) -> Result<Value, InfoError> {
        self.take(name).ok_or_else(|| InfoError::Missing {
            at: self.place(name),
        })
    }

    /// A text that may be absent.
    pub(super) fn text(&mut self, name: &str) -> Result<Option<String>, InfoError> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(InfoError::shape(self.place(name), "a string")),
        }
    }

    /// A text with a grammar, that may be absent.
    pub(super) fn parse<T: FromStr<Err = TextError>>(
        &mut self,
        name: &str,
    ) -> Result<Option<T>, InfoError> {
        let Some(text) = self.text(name)? else {
            return Ok(None);
        };
        let parsed = text.parse().map_err(|source| InfoError::Text {
            at: self.place(name),
            source,
        });
        parsed.map(Some)
    }

    /// The same, where it has to be there.
    pub(super) fn require_parsed<T: FromStr<Err = TextError>>(
        &mut self,
        name: &str,
    ) -> Result<T, InfoError> {
        self.parse(name)?.ok_or_else(|| InfoError::Missing {
            at: self.place(name),
        })
    }

    /// What nobody asked for.
    pub(super) fn rest(self) -> Map<String, Value> {
        self.left
    }
}
