//! An answer's head on its way to the client.

use farthing::core::header::{SCHEME, www_authenticate};
use http::{HeaderMap, HeaderValue, header};

use super::{names, pools::Way, request_head};

/// Takes out what is not for the client: what is of the connection, and every word about payment,
/// which only the gate speaks. The map is edited in place.
pub(super) fn clean(headers: &mut HeaderMap, way: &Way) {
    // Who reads chunks does not look at it, and who comes next would (RFC 9112, section 6.3).
    if headers.contains_key(header::TRANSFER_ENCODING) {
        headers.remove(header::CONTENT_LENGTH);
    }
    names::remove(headers, names::is_held_back);
    without_payment(headers);
    for name in [header::LOCATION, header::CONTENT_LOCATION] {
        if let Some(value) = headers.get_mut(name)
            && let Some(own) = request_head::without_upstream(value, way)
        {
            *value = own;
        }
    }
}

/// Takes the `Payment` challenges out of `WWW-Authenticate`, and leaves those of other schemes.
fn without_payment(headers: &mut HeaderMap) {
    let lines = headers.get_all(header::WWW_AUTHENTICATE);
    if !lines.iter().any(|line| may_hold_payment(line.as_bytes())) {
        return;
    }
    let others: Vec<_> = lines.iter().filter_map(others).collect();
    headers.remove(header::WWW_AUTHENTICATE);
    for line in others {
        headers.append(header::WWW_AUTHENTICATE, line);
    }
}

fn may_hold_payment(line: &[u8]) -> bool {
    line.windows(SCHEME.len())
        .any(|word| word.eq_ignore_ascii_case(SCHEME.as_bytes()))
}

/// The challenges of a line that are of other schemes, as they are written.
fn others(line: &HeaderValue) -> Option<HeaderValue> {
    if !may_hold_payment(line.as_bytes()) {
        return Some(line.clone());
    }
    let mut kept: Vec<u8> = Vec::new();
    let mut is_payment = false;
    for element in elements(line.as_bytes()) {
        if let Some(scheme) = scheme(element) {
            is_payment = scheme.eq_ignore_ascii_case(SCHEME.as_bytes());
        }
        if !is_payment && !element.is_empty() {
            if !kept.is_empty() {
                kept.extend_from_slice(b", ");
            }
            kept.extend_from_slice(element);
        }
    }
    // A line that is so broken that a buyer's reader finds one still is left out whole.
    let is_clean = !kept.is_empty() && www_authenticate::parse([&kept]).is_empty();
    is_clean.then(|| HeaderValue::try_from(kept).ok())?
}

/// What stands between the commas of a list that are in no quotes.
fn elements(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let (mut quoted, mut escaped) = (false, false);
    line.split(move |byte| {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b',' => return !quoted,
            _ => {}
        }
        false
    })
    .map(<[u8]>::trim_ascii)
}

/// The scheme that an element begins a challenge of; `None` where it is a parameter of the
/// challenge before (RFC 9110, section 11.6.1).
fn scheme(element: &[u8]) -> Option<&[u8]> {
    let is_end = |byte: &u8| matches!(byte, b' ' | b'\t' | b'=' | b'"');
    let end = element.iter().position(is_end).unwrap_or(element.len());
    let (name, rest) = element.split_at(end);
    let is_parameter = rest.trim_ascii_start().first() == Some(&b'=');
    (!name.is_empty() && !is_parameter).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(lines: &[&str], expect: &[&str]) {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_str(line).unwrap(),
            );
        }
        without_payment(&mut headers);
        let left: Vec<_> = headers.get_all(header::WWW_AUTHENTICATE).iter().collect();
        assert_eq!(left, expect, "{lines:?}");
    }

    const PAYMENT: &str =
        r#"Payment id="i1", realm="a, b", method="tempo", intent="charge", request="e30""#;

    #[test]
    fn payment_challenges_go_and_others_stay() {
        check(&[PAYMENT], &[]);
        check(&[&PAYMENT.to_uppercase()], &[]);
        check(&["Payment"], &[]);
        let basic = r#"Basic realm="x, Payment id=1", charset="UTF-8""#;
        check(&[basic], &[basic]);
        check(&[&format!("{basic}, {PAYMENT}")], &[basic]);
        check(&[&format!("{PAYMENT}, {basic}")], &[basic]);
        check(&[&format!("{PAYMENT} ,, {basic} , {PAYMENT}")], &[basic]);
        check(&[PAYMENT, basic], &[basic]);
        check(
            &[&format!(
                "Negotiate abc/+==, {PAYMENT}, Bearer realm = \"r\""
            )],
            &["Negotiate abc/+==, Bearer realm = \"r\""],
        );
        check(&["Bearer, Payments id=1"], &["Bearer, Payments id=1"]);
    }

    #[test]
    fn what_a_reader_could_still_take_for_a_challenge_goes_whole() {
        // One who does not know escapes sees the quotes end earlier.
        for line in [
            format!(r#"Basic realm=x", {PAYMENT}"#),
            format!(r#"Basic realm="x"y", {PAYMENT}"#),
        ] {
            let mut headers = HeaderMap::new();
            headers.append(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_str(&line).unwrap(),
            );
            without_payment(&mut headers);
            let left = headers.get_all(header::WWW_AUTHENTICATE).iter();
            let left: Vec<_> = left.map(HeaderValue::as_bytes).collect();
            assert!(www_authenticate::parse(&left).is_empty(), "{line}");
        }
    }
}
