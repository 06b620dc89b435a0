//! `Payment-Receipt`: the receipt, on a paid response.

use http::HeaderValue;

use crate::{
    bounds,
    encoding::base64url,
    noun::{Receipt, ReceiptError, session::SessionReceipt},
};

/// Reads a receipt.
///
/// # Errors
/// When it is too large, not base64url, or no receipt.
pub fn parse(value: impl AsRef<[u8]>) -> Result<Receipt, ReceiptError> {
    let value = value.as_ref().trim_ascii();
    if value.len() > bounds::RECEIPT {
        return Err(ReceiptError::TooLarge);
    }
    let json = base64url::decode(value)?;
    Receipt::from_json(std::str::from_utf8(&json)?)
}

/// Writes a receipt.
#[must_use]
pub fn format(receipt: &Receipt) -> String {
    base64url::encode(receipt.to_json())
}

/// Writes a receipt as a header value that is marked sensitive: it names a payment of its reader.
#[must_use]
pub fn to_header(receipt: &Receipt) -> HeaderValue {
    header(format(receipt))
}

/// Writes the receipt of a session as a header value, like any other. Every answer of a session has
/// one.
#[must_use]
pub fn session_to_header(receipt: &SessionReceipt) -> HeaderValue {
    header(base64url::encode(receipt.to_json()))
}

fn header(text: String) -> HeaderValue {
    let mut value = HeaderValue::try_from(text).expect("base64url is visible ASCII");
    value.set_sensitive(true);
    value
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn receipt() -> Receipt {
        Receipt::new(
            "ledger".parse().unwrap(),
            "2026-01-29T12:00:30Z".parse().unwrap(),
            "transfer-1".parse().unwrap(),
        )
    }

    fn check(json: &str, ok: bool) {
        let read = parse(base64url::encode(json));
        assert_eq!(read.is_ok(), ok, "{json}: {read:?}");
    }

    #[test]
    fn unknown_fields_are_kept_and_written_back() {
        let details = json!({ "challengeId": "c1", "amount": "2000", "deep": { "n": [1, null] } });
        let receipt = receipt().with_extra(details.as_object().unwrap().clone());
        let read = parse(format(&receipt)).unwrap();
        assert_eq!(read, receipt);
        assert_eq!(read.extra()["deep"], json!({ "n": [1, null] }));
    }

    #[test]
    fn details_cannot_change_what_the_receipt_says() {
        let forged = json!({ "status": "failed", "reference": "other", "note": 1 });
        let receipt = receipt().with_extra(forged.as_object().unwrap().clone());
        assert_eq!(receipt.extra().len(), 1);
        assert_eq!(
            parse(format(&receipt)).unwrap().reference().as_str(),
            "transfer-1"
        );
    }

    #[test]
    fn there_is_no_receipt_of_a_failure() {
        let fields = r#""method":"ledger","timestamp":"2026-01-29T12:00:30Z","reference":"r""#;
        check(&format!(r#"{{"status":"success",{fields}}}"#), true);
        check(&format!(r#"{{"status":"failed",{fields}}}"#), false);
        check(
            &format!(r#"{{"status":"success","status":"success",{fields}}}"#),
            false,
        );
        check("[]", false);
    }

    #[test]
    fn is_bounded_and_sensitive() {
        let large = "A".repeat(bounds::RECEIPT + 1);
        assert!(matches!(parse(large), Err(ReceiptError::TooLarge)));
        assert!(to_header(&receipt()).is_sensitive());
    }
}
