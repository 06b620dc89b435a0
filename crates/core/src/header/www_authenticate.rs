//! `WWW-Authenticate`: challenges, one or several, among those of other schemes.

mod challenge;
mod outline;
mod scan;

use std::fmt::Write as _;

pub use challenge::ChallengeError;
pub use outline::{Outlined, outline};
pub use scan::{Parameter, ValueFault};

use super::SCHEME;
use crate::{
    bounds,
    noun::{Challenge, CredentialHeader, DigestText, Expires, OpaqueText},
};

/// Reads every challenge of the `Payment` scheme from all lines of the header, in their order.
/// Challenges of other schemes are passed over, and a malformed one does not hide the others.
///
/// The time it takes grows with the length and not faster, whatever the lines hold.
pub fn parse<I>(lines: I) -> Vec<Result<Challenge, ChallengeError>>
where
    I: IntoIterator<Item: AsRef<[u8]>>,
{
    let mut challenges = Vec::new();
    let mut room = bounds::AUTHENTICATE_HEADER;
    for line in lines {
        let line = line.as_ref();
        let Some(left) = room.checked_sub(line.len()) else {
            challenges.push(Err(ChallengeError::TooLarge("header")));
            break;
        };
        room = left;
        for parameters in scan::payment_challenges(line) {
            if challenges.len() >= bounds::CHALLENGES {
                challenges.push(Err(ChallengeError::TooMany("challenges")));
                return challenges;
            }
            challenges.push(parameters.and_then(challenge::build));
        }
    }
    challenges
}

/// Writes a challenge. Nothing in it can break the line, for its types hold no line breaks.
#[must_use]
pub fn format(challenge: &Challenge) -> String {
    let mut out = String::with_capacity(256 + challenge.request.as_str().len());
    out.push_str(SCHEME);
    out.push(' ');
    write_value(&mut out, "id", challenge.id.as_str());
    write_parameter(&mut out, "realm", challenge.realm.as_str());
    write_parameter(&mut out, "method", challenge.method.as_str());
    write_parameter(&mut out, "intent", challenge.intent.as_str());
    write_parameter(&mut out, "request", challenge.request.as_str());
    let options = [
        (
            "description",
            challenge.description.as_ref().map(|text| text.as_str()),
        ),
        ("digest", challenge.digest.as_ref().map(DigestText::as_str)),
        ("expires", challenge.expires.as_ref().map(Expires::as_str)),
        ("opaque", challenge.opaque.as_ref().map(OpaqueText::as_str)),
        (
            "header",
            challenge.header.as_ref().map(CredentialHeader::as_str),
        ),
    ];
    for (name, value) in options {
        if let Some(value) = value {
            write_parameter(&mut out, name, value);
        }
    }
    out
}

/// Appends a further parameter, its value quoted.
pub(crate) fn write_parameter(out: &mut String, name: &str, value: &str) {
    out.push_str(", ");
    write_value(out, name, value);
}

fn write_value(out: &mut String, name: &str, value: &str) {
    out.push_str(name);
    out.push_str("=\"");
    for piece in value.split_inclusive(['"', '\\']) {
        match piece.as_bytes().split_last() {
            Some((special @ (b'"' | b'\\'), _)) => {
                let _ = write!(
                    out,
                    "{}\\{}",
                    &piece[..piece.len() - 1],
                    char::from(*special)
                );
            }
            _ => out.push_str(piece),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests;
