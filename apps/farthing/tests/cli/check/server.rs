//! A payment server of a hundred lines that does everything right, and breaks one rule at a time
//! when told to.

use std::{
    collections::{HashMap, HashSet},
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use farthing::core::encoding::base64url;
use serde_json::{Value, json};

use crate::shop::{PAYEE, Shop, answer};

/// Every slot of the binding.
const SLOTS: [&str; 7] = [
    "realm", "method", "intent", "request", "expires", "digest", "opaque",
];

/// Opens a server with a fault, or with none.
pub(crate) fn open(fault: &'static str) -> Shop {
    let server = Server {
        fault,
        used: Arc::default(),
        issued: Arc::default(),
    };
    Shop::open(move |head, at| server.answer(head, at))
}

struct Server {
    fault: &'static str,
    used: Arc<Mutex<HashSet<String>>>,
    issued: Arc<Mutex<HashMap<String, Value>>>,
}

impl Server {
    fn has(&self, fault: &str) -> bool {
        self.fault == fault
    }

    fn answer(&self, head: &str, at: SocketAddr) -> String {
        let mut words = head.split([' ', '\r']);
        // A client may go away before it asked for anything.
        let mut next = || words.next().unwrap_or_default();
        let (method, path) = (next(), next());
        let tricked = self.has("path") && normal(path) == "/thing"
            || self.has("forwarded") && head.contains("x-original-url: /thing")
            || self.has("override") && head.contains("x-http-method-override: GET");
        match path {
            _ if tricked => self.paid("free"),
            "/free" if !self.has("free-pages") => answer("200 OK", "", "free"),
            "/openapi.json" => self.document(),
            "/thing" | "/other" | "/free" if method != "OPTIONS" => self.priced(head, path, at),
            "/thing" => answer("405 Method Not Allowed", "", ""),
            _ => answer("404 Not Found", "", "nothing"),
        }
    }

    fn priced(&self, head: &str, path: &str, at: SocketAddr) -> String {
        let line = |name: &str| {
            let lines = head.lines().filter_map(|it| it.strip_prefix(name));
            lines.map(str::to_owned).collect::<Vec<_>>()
        };
        let accept = line("accept-payment: ").into_iter().next();
        let refuse = |kind: &str| self.refuse(head, kind, accept.as_deref(), at);
        if head.len() > 100_000 {
            let status = if self.has("oversized") {
                "500 Oh"
            } else {
                "431 Too Large"
            };
            return answer(status, "", "");
        }
        if self.has("large") && head.len() > 4000 {
            return answer("431 Too Large", "", "");
        }
        let freed = self.has("accept-none") && accept.as_deref() == Some("nosuchmethod/charge");
        if freed || self.has("accept-malformed") && accept.as_deref() == Some(";;;") {
            return answer("200 OK", "", "thing");
        }
        let credentials = line("authorization: Payment ");
        match &credentials[..] {
            [] => refuse("payment-required"),
            [one] => match self.judge(one, path) {
                Ok(()) => self.paid(head),
                Err("") => answer("200 OK", "", "thing"),
                Err(kind) => refuse(kind),
            },
            _ if self.has("two") => refuse("invalid-challenge"),
            _ if self.has("two-served") => answer("200 OK", "", "thing"),
            _ => answer("400 Bad Request", "", ""),
        }
    }

    /// What is wrong with a credential; nothing at all is served.
    fn judge(&self, encoded: &str, path: &str) -> Result<(), &'static str> {
        let served = |fault| self.has(fault).then_some("");
        let bad = served("malformed").unwrap_or("malformed-credential");
        let json = base64url::decode(encoded).map_err(|_| bad)?;
        let credential: Value = serde_json::from_slice(&json).map_err(|_| bad)?;
        let echo = &credential["challenge"];
        if !credential["payload"].is_object() {
            return Err(bad);
        }
        let is_signed = credential["source"].is_string();
        if !self.is_issued(echo, is_signed) {
            return Err("invalid-challenge");
        }
        if !is_signed {
            return Err(served("proof").unwrap_or("verification-failed"));
        }
        if self.has("refusing") {
            return Err("verification-failed");
        }
        if path != "/thing" && !self.has("other") {
            return Err("invalid-challenge");
        }
        let fresh = self.used.lock().unwrap().insert(echo.to_string());
        match fresh || self.has("replay") {
            true => Ok(()),
            false => Err("invalid-challenge"),
        }
    }

    /// Whether the echo is of a challenge of ours. A fault is named by the slot of a signed
    /// credential that is not looked at.
    fn is_issued(&self, echo: &Value, is_signed: bool) -> bool {
        let skips = |slot: &str| is_signed && self.has(slot);
        let claimed = echo["id"].as_str().unwrap_or_default();
        match self.issued.lock().unwrap().get(claimed) {
            _ if self.has("unbound") => true,
            Some(issued) => SLOTS
                .iter()
                .all(|slot| skips(slot) || issued[slot] == echo[slot]),
            None => skips("id"),
        }
    }

    fn refuse(&self, head: &str, kind: &str, accept: Option<&str>, at: SocketAddr) -> String {
        let first = self.challenge("ledger", at);
        let second = self.challenge("abacus", at);
        let mut headers = match accept {
            Some("abacus/charge") if !self.has("accept-payment") => second,
            _ => first + &second,
        };
        let status = self.status(kind);
        if !self.has("no-store") {
            headers += "cache-control: no-store\r\n";
        }
        let media = if self.has("media") {
            "text/plain"
        } else {
            "application/problem+json"
        };
        headers += &format!("content-type: {media}\r\n");
        if self.has("no-receipt") {
            headers += "payment-receipt: e30\r\n";
        }
        if self.has("x402") {
            headers += "payment-required: e30=\r\n";
        }
        let kind = if self.has("problem-type") {
            "payment-expired"
        } else {
            kind
        };
        let told = if self.has("problem") { 400 } else { 402 };
        let body = json!({
            "type": format!("https://paymentauth.org/problems/{kind}"),
            "title": "T", "status": told,
        });
        if self.has("challenge") || self.has("head") && head.starts_with("HEAD") {
            headers = headers.replace("www-authenticate", "x-www-authenticate");
        }
        let body = if head.starts_with("HEAD") {
            String::new()
        } else {
            body.to_string()
        };
        answer(status, &headers, &body)
    }

    fn status(&self, kind: &str) -> &'static str {
        match kind {
            "payment-required" if self.has("status-402") => "200 OK",
            "malformed-credential" if self.has("malformed-400") => "400 Bad Request",
            _ => "402 Payment Required",
        }
    }

    /// A header line, with the fault in it.
    fn challenge(&self, method: &str, at: SocketAddr) -> String {
        let mut issued = self.issued.lock().unwrap();
        let serial = match self.has("fresh-id") {
            true => 0,
            false => issued.len(),
        };
        let mut request = json!({ "amount": "2000", "currency": "usd6", "recipient": PAYEE });
        if self.has("charge-fields") {
            request["amount"] = json!(2000);
        }
        let mut encoded = base64url::encode(request.to_string());
        if self.has("slot-request") {
            encoded += "=";
        }
        let realm = if self.has("realm-host") {
            "other.example".into()
        } else {
            at.to_string()
        };
        let mut echo = json!({
            "realm": realm,
            "method": if self.has("slot-method") { method.to_uppercase() } else { method.into() },
            "intent": if self.has("slot-intent") { "charge_1" } else { "charge" },
            "request": encoded,
            "expires": self.expires(),
            "opaque": base64url::encode(format!(r#"{{"n":"{serial}"}}"#)),
        });
        if self.has("slot-opaque") {
            echo["opaque"] = json!(base64url::encode(r#"{"n":1}"#));
        }
        if self.has("slot-digest") {
            echo["digest"] = json!("sha-256=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
        }
        let id = match self.has("slot-id") {
            true => String::new(),
            false => format!("challenge-{method}-{serial}"),
        };
        issued.insert(id.clone(), echo.clone());
        echo["id"] = json!(id);
        if self.has("slot-realm") {
            echo["realm"] = json!("");
        }
        if self.has("challenge-size") {
            echo["description"] = json!("long ".repeat(2000));
        }
        let parameters = echo.as_object().unwrap().iter();
        let mut texts: Vec<_> = parameters
            .map(|(name, value)| format!("{name}=\"{}\"", value.as_str().unwrap()))
            .collect();
        if self.has("challenge-syntax") {
            texts.push(texts[0].clone());
        }
        format!("www-authenticate: Payment {}\r\n", texts.join(", "))
    }

    fn expires(&self) -> String {
        use farthing::{clock::SystemClock, core::port::clock::Clock};
        let ahead = |secs| {
            SystemClock
                .now()
                .saturating_add(std::time::Duration::from_secs(secs))
        };
        match self.fault {
            "slot-expires" => "tomorrow".to_owned(),
            "over" => "2020-01-01T00:00:00Z".to_owned(),
            "far" => ahead(90_000).to_string(),
            _ => ahead(300).to_string(),
        }
    }

    fn paid(&self, head: &str) -> String {
        let receipt = json!({
            "status": if self.has("receipt") { "failed" } else { "success" },
            "method": "ledger", "timestamp": "2026-01-01T00:00:00Z", "reference": "r1",
        });
        let mut headers = format!(
            "payment-receipt: {}\r\n",
            base64url::encode(receipt.to_string())
        );
        if self.has("no-receipt-paid") || head == "free" {
            headers.clear();
        }
        if !self.has("receipt-private") {
            headers += "cache-control: private\r\n";
        }
        answer("200 OK", &headers, "thing")
    }

    fn document(&self) -> String {
        if self.has("no-document") {
            return answer("404 Not Found", "", "");
        }
        let amount = if self.has("discovery-price") {
            "1"
        } else {
            "2000"
        };
        let offer = |method: &str| json!({ "intent": "charge", "method": method, "amount": amount, "currency": "usd6" });
        let mut operation = json!({
            "x-payment-info": { "offers": [offer("ledger"), offer("abacus")] },
            "responses": { "402": { "description": "Payment Required" } },
        });
        if self.has("discovery-listed") {
            operation["x-payment-info"] = json!({ "amount": 3 });
        }
        if self.has("discovery-402") {
            operation["responses"] = json!({});
        }
        let operations = json!({ "get": operation, "post": operation });
        let document = json!({
            "openapi": "3.1.0", "info": { "title": "T", "version": "1" },
            "paths": { "/thing": operations },
        });
        let media = if self.has("discovery") {
            "text/html"
        } else {
            "application/json"
        };
        let mut headers = format!("content-type: {media}\r\n");
        if !self.has("discovery-caching") {
            headers += "cache-control: max-age=300\r\n";
        }
        answer("200 OK", &headers, &document.to_string())
    }
}

/// A path as a careless server reads it.
fn normal(written: &str) -> String {
    let path = written
        .to_lowercase()
        .replace("%2e", ".")
        .replace("%2f", "/");
    let path = path.replace("%74", "t");
    let path = path.split(';').next().unwrap_or_default();
    let mut parts: Vec<&str> = Vec::new();
    for part in path
        .split('/')
        .filter(|part| !part.is_empty() && *part != ".")
    {
        match part {
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    let plain = format!("/{}", parts.join("/"));
    // The path itself is not another spelling of it.
    if written == "/thing" {
        String::new()
    } else {
        plain
    }
}
