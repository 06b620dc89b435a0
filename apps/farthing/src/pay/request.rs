//! The request, from curl's flags.

use std::{
    fs,
    io::{self, Read},
    str::FromStr,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};

use super::socket;
use crate::{args::Pay, error::Error};

/// Bytes of the largest body that is sent. It is kept in memory, because a payment sends it twice.
const LARGEST: u64 = 256 * 1024 * 1024;

/// A header as curl takes it: `Name: value`, or `Name;` for an empty value.
#[derive(Clone)]
pub(crate) struct HeaderLine {
    name: HeaderName,
    value: HeaderValue,
}

impl HeaderLine {
    pub(crate) const fn parts(&self) -> (&HeaderName, &HeaderValue) {
        (&self.name, &self.value)
    }
}

impl FromStr for HeaderLine {
    type Err = &'static str;

    fn from_str(line: &str) -> Result<Self, Self::Err> {
        let (name, value) = match line.split_once(':') {
            Some((name, value)) if !value.trim().is_empty() => (name, value.trim()),
            Some(_) => return Err("an empty header is written 'Name;'"),
            None => (
                line.strip_suffix(';')
                    .ok_or("a header is written 'Name: value'")?,
                "",
            ),
        };
        let name = HeaderName::from_str(name.trim()).map_err(|_| "this is no header's name")?;
        let mut value = HeaderValue::from_str(value).map_err(|_| "this is no header's value")?;
        // Nobody but the server needs to see what a caller brings along.
        value.set_sensitive(true);
        Ok(Self { name, value })
    }
}

impl std::fmt::Debug for HeaderLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: …", self.name)
    }
}

/// A request that is ready to be sent.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) method: Method,
    pub(super) url: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Option<Bytes>,
    /// Whether it opens a WebSocket, which a dry run only asks for its price.
    pub(super) is_socket: bool,
    /// What is said on it.
    pub(super) messages: Vec<String>,
}

impl Prepared {
    pub(super) fn new(pay: &Pay) -> Result<Self, Error> {
        if pay.url.starts_with("ws://") || pay.url.starts_with("wss://") {
            return Self::socket(pay);
        }
        if !pay.url.starts_with("http://") && !pay.url.starts_with("https://") {
            return Err(Error::Usage {
                what: "the URL does not start with http://, https://, ws:// or wss://".to_owned(),
                next: "write it whole, for example https://api.example.com/weather",
            });
        }
        let body = body(&pay.data)?;
        let default = if body.is_some() {
            Method::POST
        } else {
            Method::GET
        };
        let mut headers = HeaderMap::new();
        for HeaderLine { name, value } in &pay.headers {
            headers.append(name.clone(), value.clone());
        }
        let star = || HeaderValue::from_static("*/*");
        headers.entry(header::ACCEPT).or_insert_with(star);
        if body.is_some() {
            let form = || HeaderValue::from_static("application/x-www-form-urlencoded");
            headers.entry(header::CONTENT_TYPE).or_insert_with(form);
        }
        Ok(Self {
            method: pay.request.clone().unwrap_or(default),
            url: pay.url.clone(),
            headers,
            body,
            is_socket: false,
            messages: Vec::new(),
        })
    }

    /// Each piece of data is a message of its own.
    fn socket(pay: &Pay) -> Result<Self, Error> {
        if let Some(what) = socket::refused(pay) {
            return Err(Error::Usage {
                what: what.to_owned(),
                next: "see `farthing pay --help`",
            });
        }
        let said = pay.data.iter().map(|piece| {
            let text = body(std::slice::from_ref(piece))?.unwrap_or_default();
            String::from_utf8(text.into()).map_err(|_| Error::Usage {
                what: "a message of a WebSocket is text, and the data is not".to_owned(),
                next: "say something else with -d",
            })
        });
        let mut headers = HeaderMap::new();
        for HeaderLine { name, value } in &pay.headers {
            headers.append(name.clone(), value.clone());
        }
        Ok(Self {
            method: Method::GET,
            // What it costs is asked over HTTP, at the same address.
            url: match pay.dry_run {
                true => pay.url.replacen("ws", "http", 1),
                false => pay.url.clone(),
            },
            headers,
            body: None,
            is_socket: !pay.dry_run,
            messages: said.collect::<Result<_, _>>()?,
        })
    }
}

/// The pieces joined as a form is. As with curl, a file's line ends are left out.
fn body(data: &[String]) -> Result<Option<Bytes>, Error> {
    if data.is_empty() {
        return Ok(None);
    }
    let mut body = Vec::new();
    for (at, piece) in data.iter().enumerate() {
        if at > 0 {
            body.push(b'&');
        }
        match piece.strip_prefix('@') {
            None => body.extend(piece.as_bytes()),
            Some(path) => {
                let content = read(path).map_err(|source| Error::Data {
                    path: path.into(),
                    source,
                })?;
                body.extend(content.into_iter().filter(|byte| !b"\r\n".contains(byte)));
            }
        }
    }
    Ok(Some(body.into()))
}

fn read(path: &str) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    let read = match path {
        "-" => io::stdin()
            .lock()
            .take(LARGEST + 1)
            .read_to_end(&mut content)?,
        path => fs::File::open(path)?
            .take(LARGEST + 1)
            .read_to_end(&mut content)?,
    };
    if read as u64 > LARGEST {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            "it is too large for a body that a payment sends twice",
        ));
    }
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_written_as_for_curl() {
        let check = |line: &str, expect: Option<(&str, &str)>| {
            let parsed = line.parse::<HeaderLine>().ok();
            let parsed = parsed
                .as_ref()
                .map(|HeaderLine { name, value }| (name.as_str(), value.to_str().unwrap()));
            assert_eq!(parsed, expect, "{line:?}");
        };
        check("X-A: b: c ", Some(("x-a", "b: c")));
        check("x-a:b", Some(("x-a", "b")));
        check("X-A;", Some(("x-a", "")));
        for bad in [
            "",
            "X-A",
            "X-A:",
            ": b",
            "X A: b",
            "X-A: b\u{7}",
            "X-A: b\r\nX-B: c",
        ] {
            check(bad, None);
        }
    }

    #[test]
    fn a_header_is_not_shown() {
        let line: HeaderLine = "Authorization: Bearer hunter2".parse().unwrap();
        assert!(!format!("{line:?}").contains("hunter2"));
        assert!(line.value.is_sensitive());
    }

    #[test]
    fn data_is_joined_as_a_form() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("data");
        fs::write(&file, "c=3\r\n\n").unwrap();
        let data = ["a=1", "b=@2", &format!("@{}", file.display())].map(str::to_owned);
        assert_eq!(body(&data).unwrap().unwrap(), "a=1&b=@2&c=3");
        assert_eq!(body(&[]).unwrap(), None);
        assert_eq!(body(&[String::new()]).unwrap().unwrap(), "");
        assert!(body(&[format!("@{}/none", dir.path().display())]).is_err());
    }
}
