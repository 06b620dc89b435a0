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
    let mut scan = Scan { line, at: 0 };
    let mut found = Vec::new();
    let mut current = Current::Other;
    while scan.skip_separators() {
        let name = scan.token();
        let spaced = scan.skip_spaces();
        match scan.peek() {
            Some(b'=') if !name.is_empty() => {
                scan.at += 1;
                scan.skip_spaces();
                current.parameter(name, &mut scan);
            }
            next if !name.is_empty() && (spaced || matches!(next, None | Some(b','))) => {
                current.finish(&mut found);
                current = Current::start(name);
                scan.skip_token68();
                continue;
            }
            _ => {}
        }
        // Bare words after a value, or where there is no name, say nothing.
        scan.skip_to_comma();
    }
    current.finish(&mut found);
    found
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

    /// Reads the value of a parameter and keeps it where it is known.
    fn parameter(&mut self, name: &'a [u8], scan: &mut Scan<'a>) {
        let value = scan.value();
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
                Some(value) => values[index] = Some(value),
                None => *fault = Some(ChallengeError::Malformed(KNOWN[index])),
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

    fn skip_to_comma(&mut self) {
        self.take_while(|b| b != b',');
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

    /// A token or a quoted text, unescaped; `None` where it is not closed, empty without quotes,
    /// or runs into other characters.
    fn value(&mut self) -> Option<Vec<u8>> {
        if self.peek() == Some(b'"') {
            self.at += 1;
            return self.quoted();
        }
        let token = self.token();
        let ends = self.peek().is_none_or(|b| b == b',' || syntax::is_space(b));
        (ends && !token.is_empty()).then(|| token.to_vec())
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
