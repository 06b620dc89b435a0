//! The input taken apart: messages with heads and bodies, or one bare text.

use std::borrow::Cow;

/// Messages that are read; what follows them is left out.
const MESSAGES: usize = 64;

/// Header lines of one message that are read.
const HEADERS: usize = 512;

/// The headers that carry payments. A head without a first line is known by them.
const PAYMENT_HEADERS: [&str; 10] = [
    "www-authenticate",
    "authorization",
    "payment-authorization",
    "payment-receipt",
    "accept-payment",
    "x-payment",
    "x-payment-response",
    "payment-required",
    "payment-signature",
    "payment-response",
];

#[derive(Debug)]
pub(crate) enum Input {
    Messages(Vec<Message>),
    Text(Vec<u8>),
}

/// A request or a response, as far as it was saved.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) start: Start,
    pub(crate) headers: Vec<Header>,
    pub(crate) body: Vec<u8>,
    /// Lines of the head that are no headers, counted from 1.
    pub(crate) odd: Vec<usize>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    Response(u16),
    Request(String),
    /// Header lines alone.
    None,
}

#[derive(Debug)]
pub(crate) struct Header {
    /// In lower case.
    pub(crate) name: String,
    pub(crate) value: Vec<u8>,
    /// The line of the input, from 1.
    pub(crate) line: usize,
    /// Whether it went on in the next line.
    pub(crate) folded: bool,
}

impl Message {
    pub(crate) fn values(&self, name: &str) -> impl Iterator<Item = &Header> {
        self.headers
            .iter()
            .filter(move |header| header.name == name)
    }

    /// Whether a header has a member, such as `no-store`.
    pub(crate) fn has_member(&self, name: &str, member: &str) -> bool {
        self.values(name).any(|header| {
            let value = String::from_utf8_lossy(&header.value);
            value
                .split(',')
                .any(|one| one.trim().eq_ignore_ascii_case(member))
        })
    }

    /// The media type, without its parameters.
    pub(crate) fn media_type(&self) -> Option<String> {
        let header = self.values("content-type").next()?;
        let value = String::from_utf8_lossy(&header.value).to_ascii_lowercase();
        value.split(';').next().map(|it| it.trim().to_owned())
    }
}

/// Takes the input apart. Any bytes are an input.
pub(crate) fn read(input: &[u8]) -> Input {
    let input = unmark(input);
    let first = lines(&input).find(|(_, line)| !line.trim_ascii().is_empty());
    let is_head = first.is_some_and(|(at, line)| {
        start(line).is_some() || (header(line).is_some() && carries_payment(&input[at..]))
    });
    if is_head {
        Input::Messages(messages(&input))
    } else {
        Input::Text(input.trim_ascii().to_vec())
    }
}

/// What `curl -v` shows, without its marks; other input as it is.
fn unmark(input: &[u8]) -> Cow<'_, [u8]> {
    let marked = |line: &[u8]| {
        let rest = line.strip_prefix(b"< ").or(line.strip_prefix(b"> "));
        rest.is_some_and(|rest| start(rest).is_some())
    };
    if !lines(input).any(|(_, line)| marked(line)) {
        return Cow::Borrowed(input);
    }
    let mut plain = Vec::with_capacity(input.len());
    for (_, line) in lines(input) {
        let bare = match line {
            [b'*', b' ', ..] | [b'{' | b'}', b' ', b'[', ..] => continue,
            [b'<' | b'>', b' ', rest @ ..] => rest,
            [b'<' | b'>'] | [b'<' | b'>', b'\r'] => b"",
            other => other,
        };
        plain.extend_from_slice(bare);
        plain.push(b'\n');
    }
    Cow::Owned(plain)
}

/// Whether a head without a first line has a header that is ours to look at.
fn carries_payment(head: &[u8]) -> bool {
    lines(head)
        .take_while(|(_, line)| !line.trim_ascii().is_empty())
        .filter_map(|(_, line)| header(line))
        .any(|(name, _)| PAYMENT_HEADERS.contains(&&*name))
}

fn messages(input: &[u8]) -> Vec<Message> {
    let (mut found, mut at, mut line) = (Vec::new(), 0, 1);
    while at < input.len() && found.len() < MESSAGES {
        let (mut message, head) = head(&input[at..], line);
        let rest = &input[at + head..];
        let body = body_length(&message, rest);
        message.body = rest[..body].to_vec();
        if message.start != Start::None || !message.headers.is_empty() {
            found.push(message);
        }
        let next = at + head + body;
        line += input[at..next].iter().filter(|b| **b == b'\n').count();
        at = next;
    }
    found
}

/// Reads a head, and says how many bytes it has.
fn head(input: &[u8], first_line: usize) -> (Message, usize) {
    let mut message = Message {
        start: Start::None,
        headers: Vec::new(),
        body: Vec::new(),
        odd: Vec::new(),
    };
    let mut begun = false;
    for ((at, line), number) in lines(input).zip(first_line..) {
        let text = line.strip_suffix(b"\r").unwrap_or(line);
        let end = (at + line.len() + 1).min(input.len());
        if text.trim_ascii().is_empty() {
            if begun {
                return (message, end);
            }
            continue;
        }
        match (start(text), header(text)) {
            (Some(start), _) if !begun => message.start = start,
            // Another message begins, with no empty line between the two.
            (Some(_), None) => return (message, at),
            (_, Some((name, value))) if message.headers.len() < HEADERS => {
                message.headers.push(Header {
                    name,
                    value: value.to_vec(),
                    line: number,
                    folded: false,
                });
            }
            _ => fold(&mut message, text, number),
        }
        begun = true;
    }
    (message, input.len())
}

/// A line that begins with a space goes on with the header before it.
fn fold(message: &mut Message, text: &[u8], number: usize) {
    match message.headers.last_mut() {
        Some(last) if matches!(text, [b' ' | b'\t', ..]) => {
            last.value.push(b' ');
            last.value.extend_from_slice(text.trim_ascii());
            last.folded = true;
        }
        _ => message.odd.push(number),
    }
}

/// How many bytes belong to the body: what Content-Length says where another message follows
/// there, else everything up to the next line that begins one.
fn body_length(message: &Message, rest: &[u8]) -> usize {
    let declared = message.values("content-length").next();
    let declared =
        declared.and_then(|header| std::str::from_utf8(&header.value).ok()?.parse().ok());
    let begins = |at: usize| {
        let after = rest[at..].trim_ascii_start();
        after.is_empty()
            || lines(after)
                .next()
                .is_some_and(|(_, line)| start(line).is_some())
    };
    if let Some(length) = declared.filter(|length: &usize| *length <= rest.len() && begins(*length))
    {
        return length;
    }
    let next = lines(rest).find(|(_, line)| start(line).is_some());
    next.map_or(rest.len(), |(at, _)| at)
}

/// A first line: of a response, in HTTP/1.1's form or HTTP/2's, or of a request.
fn start(line: &[u8]) -> Option<Start> {
    let line = std::str::from_utf8(line).ok()?.trim_end();
    if let Some(rest) = line.strip_prefix("HTTP/") {
        let (version, rest) = rest.split_once(' ')?;
        let status = rest.split(' ').next()?;
        let ok = version.bytes().all(|b| b.is_ascii_digit() || b == b'.') && status.len() == 3;
        return status.parse().ok().filter(|_| ok).map(Start::Response);
    }
    let mut words = line.split(' ');
    let (method, target, version) = (words.next()?, words.next()?, words.next()?);
    let ok = words.next().is_none()
        && !method.is_empty()
        && method.bytes().all(|b| b.is_ascii_uppercase())
        && !target.is_empty()
        && version.starts_with("HTTP/");
    ok.then(|| Start::Request(format!("{method} {target}")))
}

/// A header's name in lower case, and its value.
fn header(line: &[u8]) -> Option<(String, &[u8])> {
    let colon = line.iter().position(|b| *b == b':')?;
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    let ok = !name.is_empty()
        && name
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    let name = ok.then(|| String::from_utf8_lossy(name).to_ascii_lowercase())?;
    Some((name, value.trim_ascii()))
}

/// The lines, without their line feeds, and where each begins.
fn lines(text: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut at = 0;
    let lines = text.split(|b| *b == b'\n').map(move |line| {
        let begin = at;
        at += line.len() + 1;
        (begin, line)
    });
    lines.filter(move |(at, _)| *at < text.len() || text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn starts(input: &str) -> Vec<(Start, usize, String)> {
        match read(input.as_bytes()) {
            Input::Messages(messages) => messages
                .into_iter()
                .map(|it| {
                    let body = String::from_utf8(it.body).unwrap();
                    (it.start, it.headers.len(), body)
                })
                .collect(),
            Input::Text(_) => Vec::new(),
        }
    }

    #[test]
    fn a_saved_response_has_a_head_for_each_redirect() {
        let text = "HTTP/1.1 100 Continue\r\n\r\nHTTP/2 302 \r\nlocation: /x\r\n\r\n\
                    HTTP/2 402 \r\na: 1\r\nb: 2\r\n\r\n{\"x\":1}\nHTTP is a word\n";
        let expect = [
            (Start::Response(100), 0, String::new()),
            (Start::Response(302), 1, String::new()),
            (
                Start::Response(402),
                2,
                "{\"x\":1}\nHTTP is a word\n".into(),
            ),
        ];
        assert_eq!(starts(text), expect);
        assert_eq!(starts(&text.replace('\r', "")), expect, "line feeds alone");
    }

    #[test]
    fn a_body_ends_where_its_length_says() {
        let text = "HTTP/1.1 402 No\ncontent-length: 3\n\nabcHTTP/1.1 200 OK\n\nx";
        let expect = [
            (Start::Response(402), 1, "abc".to_owned()),
            (Start::Response(200), 0, "x".to_owned()),
        ];
        assert_eq!(starts(text), expect);
        // A wrong length is not believed.
        let text = text.replace("length: 3", "length: 2");
        assert_eq!(starts(&text)[0].2, "abcHTTP/1.1 200 OK\n\nx");
    }

    #[test]
    fn a_dump_of_curl_is_read_without_its_marks() {
        let text = "* Trying\n> GET /x HTTP/1.1\n> Host: a\n>\n* more\n< HTTP/1.1 402 No\n< b: 1\n<\n{ [2 bytes data]\nok\n";
        let expect = [
            (Start::Request("GET /x".into()), 1, String::new()),
            (Start::Response(402), 1, "ok\n".into()),
        ];
        assert_eq!(starts(text), expect);
    }

    #[test]
    fn header_lines_alone_are_known_by_their_names() {
        let folded = "WWW-Authenticate: Payment id=\"a\",\n    realm=\"b\"\nnonsense\n";
        let Input::Messages(found) = read(folded.as_bytes()) else {
            panic!("these are headers")
        };
        assert!(found[0].headers[0].folded);
        assert_eq!(found[0].headers[0].value, br#"Payment id="a", realm="b""#);
        assert_eq!(found[0].odd, [3]);
        assert!(starts("note: nothing of ours\n").is_empty());
        assert!(starts("Payment id=\"a:b\"").is_empty());
    }
}
