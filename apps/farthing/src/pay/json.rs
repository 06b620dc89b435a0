//! The answer as one JSON object.

use std::io;

use farthing::{
    client::{Bill, Outlay, Response},
    core::{encoding::sse::Reader, payment::Moved},
};
use http::HeaderMap;
use serde_json::{Map, Value, json};

use super::{
    answer::{Sink, denies, exit_of},
    session,
};
use crate::{
    error::{Error, as_json},
    exit::Exit,
    screen,
};

/// Bytes of the largest body that goes into an object, whatever the server says that its length
/// is. A larger one goes to a file, with `-o`.
const LARGEST: usize = 64 * 1024 * 1024;

pub(super) async fn print(mut response: Response, mut sink: Sink) -> Result<Exit, Error> {
    let moved = response.paid().map_or(Moved::No, Outlay::moved);
    let mut object = json!({
        "status": response.status().as_u16(),
        "url": response.url().as_str(),
        "headers": headers(response.headers()),
        "paid": response.paid().map(paid),
        "receipt": response.receipt(),
        "session": response.bill().map(session),
    });
    if session::is_stream(&response) && response.bill().is_some() && sink.path().is_none() {
        return events(response, object).await;
    }
    let (exit, denied) = (exit_of(&response), denies(&response));
    if let Some(path) = sink.path() {
        object["bodyFile"] = json!(path.display().to_string());
        sink.take(&mut response).await?;
    } else {
        let body = read(response, moved).await?;
        match String::from_utf8(body) {
            Ok(text) => object["body"] = json!(text),
            Err(bytes) => {
                use base64::{Engine as _, engine::general_purpose::STANDARD};
                object["bodyBase64"] = json!(STANDARD.encode(bytes.as_bytes()));
            }
        }
    }
    if exit != Exit::Done {
        object["error"] = json!(exit.name());
        object["exitCode"] = json!(exit.code());
        object["moneyMoved"] = as_json(moved);
    }
    if denied {
        object["serverDenies"] = json!(true);
    }
    screen::data(object).map_err(|source| Error::Answer { source, moved })?;
    Ok(exit)
}

/// A stream that is paid for while it flows: a line for its head, one for each event, and one for its end,
/// which is not written here.
async fn events(mut response: Response, mut head: Value) -> Result<Exit, Error> {
    let moved = response.paid().map_or(Moved::No, Outlay::moved);
    let failed = |source| Error::Answer { source, moved };
    let bill = response.bill().cloned();
    head["event"] = json!("answer");
    screen::data(head).map_err(failed)?;
    let mut reader = Reader::default();
    while let Some(bytes) = response.chunk().await? {
        let messages = reader.push(&bytes);
        for message in messages.map_err(|error| failed(io::Error::other(error)))? {
            let line = json!({
                "event": "message",
                "name": message.name,
                "data": message.data,
                "cost": bill.as_ref().map(Bill::cost),
            });
            screen::data(line).map_err(failed)?;
        }
    }
    Ok(exit_of(&response))
}

pub(super) fn session(bill: &Bill) -> Value {
    json!({
        "id": bill.purse(),
        "channel": bill.channel(),
        "unitPrice": bill.unit_price(),
    })
}

/// Reads the body whole: a paid one that breaks off is fetched again, with the same payment.
async fn read(response: Response, moved: Moved) -> Result<Vec<u8>, Error> {
    let body = response.bytes_up_to(LARGEST).await?;
    body.map(Vec::from).ok_or(Error::TooLarge {
        bytes: LARGEST as u64,
        moved,
    })
}

pub(super) fn paid(outlay: &Outlay) -> Value {
    json!({
        "amount": outlay.amount,
        "currency": outlay.currency.code,
        "decimals": outlay.currency.decimals,
        "price": outlay.price(),
        "method": outlay.currency.rail,
        "reference": outlay.reference,
        "recipient": outlay.payee,
        "payment": outlay.payment,
        "standing": outlay.standing,
        "recorded": outlay.recorded,
    })
}

/// A name that stands once has its value, one that stands more often a list. A value that is no
/// text is written as well as it can be.
fn headers(headers: &HeaderMap) -> Map<String, Value> {
    let mut map = Map::new();
    for name in headers.keys() {
        let mut values: Vec<Value> = headers
            .get_all(name)
            .iter()
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into())
            .collect();
        let value = if values.len() == 1 {
            values.remove(0)
        } else {
            Value::Array(values)
        };
        map.insert(name.as_str().to_owned(), value);
    }
    map
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeated_header_is_a_list() {
        let mut map = HeaderMap::new();
        map.append("x-a", "1".parse().unwrap());
        map.append("x-b", "1".parse().unwrap());
        map.append("x-b", "2".parse().unwrap());
        assert_eq!(
            Value::from(headers(&map)),
            json!({"x-a": "1", "x-b": ["1", "2"]})
        );
    }
}
