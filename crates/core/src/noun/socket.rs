//! Payment messages on a WebSocket, where a buyer pays on the connection it is served on.
//!
//! No draft says how; there are two forms in use, told apart by the member that says what a message
//! is. A seller answers in the form it was spoken to.
//!
//! | what | [`Form::Mpp`] | [`Form::Type`] |
//! |---|---|---|
//! | a credential | `{"mpp":"authorization","authorization":"Payment …"}` | `{"type":"credential","credential":"Payment …"}` |
//! | what the buyer has to say | any other text | `{"type":"message","data":…}` |
//! | the buyer wants to end | `{"mpp":"payment-close-request"}` | |
//! | what is asked for | | `{"type":"challenge","challenge":{…}}` |
//! | what is paid for | `{"mpp":"message","data":"…"}` | `{"type":"message","data":"…"}` |
//! | the balance is out | `{"mpp":"payment-need-voucher","data":{…}}` | `{"type":"needVoucher",…}` |
//! | a receipt | `{"mpp":"payment-receipt","data":{…}}` | `{"type":"receipt","receipt":{…}}` |
//! | the last receipt | `{"mpp":"payment-close-ready","data":{…}}` | as any |
//! | it went wrong | `{"mpp":"payment-error","status":402,"message":"…"}` | `{"type":"error","error":"…"}` |
//!
//! What is paid for is always a text inside a message, so nothing in it is ever taken for a message.
//!
//! ```
//! use farthing_core::noun::socket::{Form, FromBuyer, FromSeller};
//!
//! let (form, said) = FromBuyer::read(r#"{"mpp":"authorization","authorization":"Payment e30"}"#)?;
//! assert!(matches!((form, said), (Some(Form::Mpp), FromBuyer::Credential(_))));
//! let word = FromSeller::Message("sunny".into());
//! assert_eq!(word.to_text(Form::Mpp), r#"{"data":"sunny","mpp":"message"}"#);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use serde_json::{Map, Value, json};

use super::{
    Challenge, CredentialError, CredentialRef, Receipt, ReceiptError,
    problem::ProblemKind,
    session::{NeedVoucher, NeedVoucherError},
};
use crate::{
    bounds,
    encoding::json::{self, JsonError},
    value::Secret,
};

#[cfg(test)]
mod tests;

/// By which member a message says what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Form {
    /// By `mpp`.
    Mpp,
    /// By `type`.
    Type,
}

/// What a buyer says.
#[derive(Clone, Debug)]
pub enum FromBuyer {
    /// A credential, as a header would have it.
    Credential(Secret),
    /// It wants no more, and its last receipt.
    Close,
    /// Something for the service. It pays for nothing.
    Own(Value),
}

/// What a seller says.
#[derive(Clone, Debug, PartialEq)]
pub enum FromSeller {
    /// What is asked for, and why it is asked again.
    Challenge {
        /// The challenge.
        challenge: Box<Challenge>,
        /// Why the credential before it was not taken.
        error: Option<String>,
    },
    /// What is paid for.
    Message(String),
    /// The balance is out.
    NeedVoucher(NeedVoucher),
    /// A credential was taken, or it is the end.
    Receipt(Receipt),
    /// It is the end, and the channel can be closed with this.
    CloseReady(Receipt),
    /// It went wrong.
    Error {
        /// The status that an HTTP answer would have, where the form says it.
        status: Option<u16>,
        /// What went wrong.
        message: String,
    },
}

/// Why a text is no message. It holds no piece of the text.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SocketError {
    /// It is larger than [`bounds::SOCKET_MESSAGE`].
    #[error("the message is larger than {} bytes", bounds::SOCKET_MESSAGE)]
    TooLarge,
    /// A seller's message is no JSON object.
    #[error("the message is {0}")]
    Json(#[from] JsonError),
    /// It says of itself that it is one of the scheme's, and lacks what that has.
    #[error("the message has no {0}")]
    Missing(&'static str),
    /// It says that it is something which nobody knows.
    #[error("the message is none that is known")]
    Unknown,
    /// It has a challenge that is none.
    #[error("the message has a challenge that cannot be read: {0}")]
    Challenge(#[source] CredentialError),
    /// It has a receipt that is none.
    #[error("the message's receipt cannot be read: {0}")]
    Receipt(#[from] ReceiptError),
    /// It does not say what the channel needs.
    #[error(transparent)]
    NeedVoucher(#[from] NeedVoucherError),
}

impl FromBuyer {
    /// Reads what a buyer sent, and the form, where it has one. A text that does not say of itself
    /// that it is one of the scheme's messages is the service's own.
    ///
    /// # Errors
    /// When it is too large, or one of the scheme's and broken.
    pub fn read(text: &str) -> Result<(Option<Form>, Self), SocketError> {
        if text.len() > bounds::SOCKET_MESSAGE {
            return Err(SocketError::TooLarge);
        }
        let Ok(mut fields) = json::parse_object(text) else {
            return Ok((None, Self::Own(text.into())));
        };
        let credential = |fields: &Map<String, Value>, name: &'static str| {
            let text = self::text(fields, name)?;
            Ok::<_, SocketError>(Self::Credential(Secret::new(text.as_bytes())))
        };
        match (tag(&fields, "mpp"), tag(&fields, "type")) {
            (Some("authorization"), _) => {
                Ok((Some(Form::Mpp), credential(&fields, "authorization")?))
            }
            (Some("payment-close-request"), _) => Ok((Some(Form::Mpp), Self::Close)),
            (Some(_), _) => Err(SocketError::Unknown),
            (None, Some("credential")) => {
                Ok((Some(Form::Type), credential(&fields, "credential")?))
            }
            (None, Some("message")) => {
                let data = fields.remove("data");
                let data = data.ok_or(SocketError::Missing("data"))?;
                Ok((Some(Form::Type), Self::Own(data)))
            }
            _ => Ok((None, Self::Own(text.into()))),
        }
    }

    /// Writes it. Whoever writes to the service in the form that has no message for it writes the
    /// text as it is; one that is no text is written as JSON.
    #[must_use]
    pub fn to_text(&self, form: Form) -> String {
        match (self, form) {
            (Self::Credential(secret), form) => {
                let text = String::from_utf8_lossy(secret.expose());
                match form {
                    Form::Mpp => json!({"mpp": "authorization", "authorization": text}),
                    Form::Type => json!({"type": "credential", "credential": text}),
                }
                .to_string()
            }
            // The other form has no word for it: the connection is closed instead.
            (Self::Close, _) => json!({"mpp": "payment-close-request"}).to_string(),
            (Self::Own(data), Form::Type) => json!({"type": "message", "data": data}).to_string(),
            (Self::Own(Value::String(text)), Form::Mpp) => text.clone(),
            (Self::Own(data), Form::Mpp) => data.to_string(),
        }
    }
}

impl FromSeller {
    /// Writes it.
    #[must_use]
    pub fn to_text(&self, form: Form) -> String {
        match form {
            Form::Mpp => self.to_mpp(),
            Form::Type => self.to_type(),
        }
        .to_string()
    }

    fn to_mpp(&self) -> Value {
        match self {
            // Whoever speaks this form asked for the challenge over HTTP before, so it only learns
            // that another is needed.
            Self::Challenge { error, .. } => {
                let message = error.as_deref().unwrap_or("A payment is required.");
                let status = ProblemKind::PaymentRequired.status();
                json!({"mpp": "payment-error", "status": status, "message": message})
            }
            Self::Message(data) => json!({"mpp": "message", "data": data}),
            Self::NeedVoucher(need) => json!({"mpp": "payment-need-voucher", "data": need}),
            Self::Receipt(receipt) => json!({"mpp": "payment-receipt", "data": receipt}),
            Self::CloseReady(receipt) => json!({"mpp": "payment-close-ready", "data": receipt}),
            Self::Error { status, message } => json!({
                "mpp": "payment-error", "status": status.unwrap_or(ProblemKind::Internal.status()), "message": message,
            }),
        }
    }

    fn to_type(&self) -> Value {
        match self {
            Self::Challenge { challenge, error } => {
                let mut message = json!({"type": "challenge", "challenge": challenge});
                if let Some(error) = error {
                    message["error"] = error.as_str().into();
                }
                message
            }
            Self::Message(data) => json!({"type": "message", "data": data}),
            Self::NeedVoucher(need) => {
                let mut message = json!(need);
                message["type"] = "needVoucher".into();
                message
            }
            Self::Receipt(receipt) | Self::CloseReady(receipt) => {
                json!({"type": "receipt", "receipt": receipt})
            }
            Self::Error { message, .. } => json!({"type": "error", "error": message}),
        }
    }

    /// Reads what a seller sent, and its form.
    ///
    /// # Errors
    /// When it is too large, none of the scheme's messages, or broken.
    pub fn read(text: &str) -> Result<(Form, Self), SocketError> {
        // What is paid for may be as large as an event of a stream.
        if text.len() > bounds::EVENT {
            return Err(SocketError::TooLarge);
        }
        let fields = json::parse_object(text)?;
        if let Some(tag) = tag(&fields, "mpp") {
            return Ok((Form::Mpp, Self::from_mpp(tag, &fields)?));
        }
        let tag = tag(&fields, "type").ok_or(SocketError::Missing("mpp or type"))?;
        Ok((Form::Type, Self::from_type(tag, &fields)?))
    }

    fn from_mpp(tag: &str, fields: &Map<String, Value>) -> Result<Self, SocketError> {
        Ok(match tag {
            "message" => Self::Message(self::text(fields, "data")?.to_owned()),
            "payment-need-voucher" => Self::NeedVoucher(need(member(fields, "data")?)?),
            "payment-receipt" => Self::Receipt(receipt(member(fields, "data")?)?),
            "payment-close-ready" => Self::CloseReady(receipt(member(fields, "data")?)?),
            "payment-error" => Self::Error {
                status: Some(self::status(fields)?),
                message: self::text(fields, "message")?.to_owned(),
            },
            _ => return Err(SocketError::Unknown),
        })
    }

    fn from_type(tag: &str, fields: &Map<String, Value>) -> Result<Self, SocketError> {
        Ok(match tag {
            "challenge" => Self::Challenge {
                challenge: Box::new(challenge(member(fields, "challenge")?)?),
                error: fields
                    .get("error")
                    .and_then(|error| error.as_str().map(str::to_owned)),
            },
            "message" => Self::Message(self::text(fields, "data")?.to_owned()),
            "needVoucher" => Self::NeedVoucher(need(&Value::Object(fields.clone()))?),
            "receipt" => Self::Receipt(receipt(member(fields, "receipt")?)?),
            "error" => Self::Error {
                status: None,
                message: self::text(fields, "error")?.to_owned(),
            },
            _ => return Err(SocketError::Unknown),
        })
    }
}

fn tag<'a>(fields: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    fields.get(name).and_then(Value::as_str)
}

fn member<'a>(
    fields: &'a Map<String, Value>,
    name: &'static str,
) -> Result<&'a Value, SocketError> {
    fields.get(name).ok_or(SocketError::Missing(name))
}

fn text<'a>(fields: &'a Map<String, Value>, name: &'static str) -> Result<&'a str, SocketError> {
    let text = fields.get(name).and_then(Value::as_str);
    text.ok_or(SocketError::Missing(name))
}

fn status(fields: &Map<String, Value>) -> Result<u16, SocketError> {
    let status = fields.get("status").and_then(Value::as_u64);
    let status = status.and_then(|status| status.try_into().ok());
    status.ok_or(SocketError::Missing("status"))
}

fn need(value: &Value) -> Result<NeedVoucher, SocketError> {
    Ok(NeedVoucher::parse(&value.to_string())?)
}

fn receipt(value: &Value) -> Result<Receipt, SocketError> {
    let text = value.to_string();
    if text.len() > bounds::RECEIPT {
        return Err(ReceiptError::TooLarge.into());
    }
    Ok(Receipt::from_json(&text)?)
}

/// A challenge by itself is what a credential echoes, so what reads that reads this.
fn challenge(value: &Value) -> Result<Challenge, SocketError> {
    let echo = json!({"challenge": value, "payload": {}}).to_string();
    if echo.len() > bounds::CREDENTIAL {
        return Err(SocketError::TooLarge);
    }
    let credential = CredentialRef::from_json(&echo).and_then(|credential| credential.to_owned());
    Ok(credential.map_err(SocketError::Challenge)?.challenge)
}
