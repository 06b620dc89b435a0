//! A line as it stands, for tools that say what is wrong with it.

use super::scan::{Parameter, Piece, pieces};

/// A challenge of any scheme, as it stands in a line. Nothing of it is checked beyond its syntax:
/// parameters may be missing, stand twice or be unknown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outlined<'a> {
    /// The name of its scheme. It is empty for parameters that stand before any scheme.
    pub scheme: &'a [u8],
    /// The offset of the scheme.
    pub at: usize,
    /// Its parameters, in their order.
    pub parameters: Vec<Parameter<'a>>,
}

/// Every challenge of a line with where its parts stand. It reads what [`parse`](super::parse)
/// reads, and keeps what that refuses.
///
/// ```
/// use farthing_core::header::www_authenticate::{ValueFault, outline};
///
/// let found = outline(b"Bearer, Payment id=\"a\", realm=\"open");
/// assert_eq!((found[1].scheme, found[1].at), (&b"Payment"[..], 8));
/// let realm = &found[1].parameters[1];
/// assert_eq!((realm.at, &realm.value), (24, &Err(ValueFault::Unclosed)));
/// ```
#[must_use]
pub fn outline(line: &[u8]) -> Vec<Outlined<'_>> {
    let mut found: Vec<Outlined<'_>> = Vec::new();
    for piece in pieces(line) {
        match (piece, found.last_mut()) {
            (Piece::Scheme { name: scheme, at }, _) => found.push(Outlined {
                scheme,
                at,
                parameters: Vec::new(),
            }),
            (Piece::Parameter(parameter), Some(last)) => last.parameters.push(parameter),
            (Piece::Parameter(parameter), None) => found.push(Outlined {
                scheme: b"",
                at: parameter.at,
                parameters: vec![parameter],
            }),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{super::ValueFault, *};

    #[test]
    fn every_part_has_its_place() {
        let line = br#"Bearer abc==, Payment id="a\"b" x, realm=r;s, method=, ID="2""#;
        let found = outline(line);
        let schemes: Vec<_> = found.iter().map(|one| (one.scheme, one.at)).collect();
        assert_eq!(schemes, [(&b"Bearer"[..], 0), (b"Payment", 14)]);
        let parameters = &found[1].parameters;
        let [id, realm, method, again] = &parameters[..] else {
            panic!("{parameters:?}")
        };
        assert_eq!((id.at, id.value_at, id.stray), (22, 25, Some(32)));
        assert_eq!(id.value.as_deref(), Ok(&b"a\"b"[..]));
        assert_eq!(realm.value, Err(ValueFault::Unquoted { at: 42 }));
        assert_eq!(method.value, Err(ValueFault::Empty));
        assert_eq!(
            (again.name, again.value.as_deref()),
            (&b"ID"[..], Ok(&b"2"[..]))
        );
    }

    #[test]
    fn parameters_without_a_scheme_are_kept() {
        let found = outline(b" id=x");
        assert_eq!((found[0].scheme, found[0].at), (&b""[..], 1));
        assert!(outline(b" , ,").is_empty());
    }
}
