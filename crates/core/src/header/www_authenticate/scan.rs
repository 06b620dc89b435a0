//! From a header line to the parameters of its `Payment` challenges, in one pass.
//!
//! A line is a list of challenges, whose parameters are separated by the same comma that separates
//! the challenges (RFC 9110, section 11.6.1). So a word after a comma starts a challenge unless a
//! `=` follows it. Every step goes forward, and nothing is looked at twice but the word after a
//! scheme.

use super::{
    super::{SCHEME, syntax},
    challenge::{ChallengeError, KNOWN},
};
use crate::bounds;

/// The values of the known parameters, in the order of [`KNOWN`].
pub(super) type Parameters = [Option<Vec<u8>>; KNOWN.len()];

pub(super) fn payment_challenges(line: &[u8]) -> Vec<Result<Parameters, ChallengeError>> {
    let mut found = Vec::new();
    let mut current = Current::Other;
    for piece in pieces(line) {
        match piece {
            Piece::Scheme { name, .. } => {
                current.finish(&mut found);
                current = Current::start(name);
            }
            Piece::Parameter(parameter) => current.parameter(parameter),
        }
    }
    current.finish(&mut found);
    found
}

/// What a line is made of.
pub(super) enum Piece<'a> {
    /// The name a challenge begins with, and where it stands.
    Scheme {
        name: &'a [u8],
        at: usize,
    },
    Parameter(Parameter<'a>),
}

/// A parameter of a challenge as it stands in a line. Only its syntax was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter<'a> {
    /// Its name, as it is written.
    pub name: &'a [u8],
    /// The offset of the name.
    pub at: usize,
    /// Its value, unescaped.
    pub value: Result<Vec<u8>, ValueFault>,
    /// The offset of the value, or of the quote before it.
    pub value_at: usize,
    /// The offset of what stands between the value and the next comma, where anything does.
    /// Readers pass over it.
    pub stray: Option<usize>,
}

/// Why a value cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ValueFault {
    /// The quoted text has no end.
    #[error("the quoted text is not closed")]
    Unclosed,
    /// There is none, and no quotes either.
    #[error("there is no value")]
    Empty,
    /// It stands without quotes and holds a character that needs them.
    #[error("a character needs quotes around the value")]
    Unquoted {
        /// The offset of the character.
        at: usize,
    },
}

/// The pieces of a line, in their order.
pub(super) fn pieces(line: &[u8]) -> impl Iterator<Item = Piece<'_>> {
    let mut scan = Scan { line, at: 0 };
    std::iter::from_fn(move || scan.piece())
}

/// The challenge that is being read.
enum Current<'a> {
    /// Of another scheme, or none yet.
    Other,
    Payment {
        values: Box<Parameters>,
        /// Every name so far, to find one that stands twice.
        names: Vec<&'a [u8]>,
        fault: Option<ChallengeError>,
    },
}

impl<'a> Current<'a> {
    fn start(scheme: &[u8]) -> Self {
        if scheme.eq_ignore_ascii_case(SCHEME.as_bytes()) {
            Self::Payment {
                values: Box::default(),
                names: Vec::new(),
                fault: None,
            }
        } else {
            Self::Other
        }
    }

    fn finish(&mut self, found: &mut Vec<Result<Parameters, ChallengeError>>) {
        if let Self::Payment { values, fault, .. } = std::mem::replace(self, Self::Other) {
            found.push(fault.map_or(Ok(*values), Err));
        }
    }

    /// Keeps the value of a parameter where it is known.
    fn parameter(&mut self, parameter: Parameter<'a>) {
        let Parameter { name, value, .. } = parameter;
        let Self::Payment {
            values,
            names,
            fault,
        } = self
        else {
            return;
        };
        if fault.is_some() {
            return;
        }
        let index = KNOWN
            .iter()
            .position(|known| known.as_bytes().eq_ignore_ascii_case(name));
        if names
            .iter()
            .any(|earlier| earlier.eq_ignore_ascii_case(name))
        {
            *fault = Some(ChallengeError::Repeated);
        } else if names.len() >= bounds::PARAMETERS {
            *fault = Some(ChallengeError::TooMany("parameters"));
        } else if let Some(index) = index {
            match value {
                Ok(value) => values[index] = Some(value),
                Err(_) => *fault = Some(ChallengeError::Malformed(KNOWN[index])),
            }
        }
        names.push(name);
    }
}

/// A place in a line. It only goes forward.
struct Scan<'a> {
    line: &'a [u8],
    at: usize,
}

impl<'a> Scan<'a> {
    fn peek(&self) -> Option<u8> {
        self.line.get(self.at).copied()
    }

    fn take_while(&mut self, ok: impl Fn(u8) -> bool) -> &'a [u8] {
        let rest = &self.line[self.at..];
        let length = rest.iter().position(|b| !ok(*b)).unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    /// The next piece. What stands between two of them is passed over.
    fn piece(&mut self) -> Option<Piece<'a>> {
        while self.skip_separators() {
            let at = self.at;
            let name = self.token();
            let spaced = self.skip_spaces();
            match self.peek() {
                Some(b'=') if !name.is_empty() => {
                    self.at += 1;
                    self.skip_spaces();
                    let value_at = self.at;
                    let value = self.value();
                    let stray = self.skip_to_comma();
                    return Some(Piece::Parameter(Parameter {
                        name,
                        at,
                        value,
                        value_at,
                        stray,
                    }));
                }
                next if !name.is_empty() && (spaced || matches!(next, None | Some(b','))) => {
                    self.skip_token68();
                    return Some(Piece::Scheme { name, at });
                }
                // Bare words where there is no name say nothing.
                _ => {
                    self.skip_to_comma();
                }
            }
        }
        None
    }

    fn token(&mut self) -> &'a [u8] {
        self.take_while(syntax::is_token)
    }

    /// Whether there were any.
    fn skip_spaces(&mut self) -> bool {
        !self.take_while(syntax::is_space).is_empty()
    }

    /// Whether something follows.
    fn skip_separators(&mut self) -> bool {
        self.take_while(|b| b == b',' || syntax::is_space(b));
        self.at < self.line.len()
    }

    /// Where something else than spaces was passed over, if anything was.
    fn skip_to_comma(&mut self) -> Option<usize> {
        self.skip_spaces();
        let at = self.at;
        (!self.take_while(|b| b != b',').is_empty()).then_some(at)
    }

    /// Passes over `token68`, the other form of what may follow a scheme. It looks like a
    /// parameter without a value.
    fn skip_token68(&mut self) {
        let start = self.at;
        self.take_while(|b| syntax::is_token(b) || b == b'/');
        self.take_while(|b| b == b'=');
        self.skip_spaces();
        if !matches!(self.peek(), None | Some(b',')) {
            self.at = start;
        }
    }

    /// A token or a quoted text, unescaped.
    fn value(&mut self) -> Result<Vec<u8>, ValueFault> {
        if self.peek() == Some(b'"') {
            self.at += 1;
            return self.quoted().ok_or(ValueFault::Unclosed);
        }
        let token = self.token();
        let ends = self.peek().is_none_or(|b| b == b',' || syntax::is_space(b));
        match (ends, token.is_empty()) {
            (true, false) => Ok(token.to_vec()),
            (true, true) => Err(ValueFault::Empty),
            (false, _) => Err(ValueFault::Unquoted { at: self.at }),
        }
    }

    fn quoted(&mut self) -> Option<Vec<u8>> {
        let mut text = Vec::new();
        loop {
            text.extend_from_slice(self.take_while(|b| b != b'"' && b != b'\\'));
            let special = self.peek()?;
            self.at += 1;
            if special == b'"' {
                return Some(text);
            }
            text.push(self.peek()?);
            self.at += 1;
        }
    }
}
