use proptest::prelude::*;

use super::*;

fn read(wire: &[u8]) -> Vec<Message> {
    Reader::default().push(wire).unwrap()
}

fn message(name: &str, data: &str) -> Message {
    Message {
        name: name.into(),
        id: None,
        data: data.into(),
        retry: None,
    }
}

#[test]
fn an_event_is_written_as_the_living_standard_has_it() {
    let event = Event::data("one\ntwo").named("word").unwrap();
    let event = event.with_id("7").unwrap();
    let event = event
        .with_retry(Duration::from_millis(1500))
        .with_comment("hello\nthere");
    assert_eq!(
        String::from_utf8(event.to_bytes()).unwrap(),
        ": hello\n: there\nid: 7\nevent: word\nretry: 1500\ndata: one\ndata: two\n\n"
    );
    assert_eq!(Event::data("").to_bytes(), b"data: \n\n");
    assert_eq!(Event::comment("").to_bytes(), b": \n\n");
    let mut out = Vec::new();
    write_payment(Payment::NeedVoucher, r#"{"deposit":"5"}"#, &mut out);
    assert_eq!(
        out,
        b"event: payment-need-voucher\ndata: {\"deposit\":\"5\"}\n\n"
    );
}

#[test]
fn names_that_are_the_schemes_or_could_not_be_read_are_refused() {
    let check = |name: &str, expect: Result<(), EventError>| {
        assert_eq!(Event::data("x").named(name).map(drop), expect, "{name:?}");
    };
    check("word", Ok(()));
    check("payment", Ok(()));
    for name in [
        "payment-receipt",
        "payment-",
        "Payment-Need-Voucher",
        "PAYMENT-x",
    ] {
        check(name, Err(EventError::Reserved));
    }
    for name in [
        "",
        " payment-receipt",
        "payment-receipt ",
        "a\nevent: payment-receipt",
        "a\rb",
        "wört",
        "\u{a0}payment-receipt",
    ] {
        check(name, Err(EventError::Name));
    }
    check(&"a".repeat(bounds::EVENT_NAME), Ok(()));
    check(&"a".repeat(bounds::EVENT_NAME + 1), Err(EventError::Name));
    for id in ["1\nevent: payment-receipt", "1\r2", "\0"] {
        assert_eq!(Event::data("x").with_id(id), Err(EventError::Id), "{id:?}");
    }
    let long = "a".repeat(bounds::EVENT_ID + 1);
    assert_eq!(Event::data("x").with_id(&long), Err(EventError::Id));
}

#[test]
fn a_stream_is_read_as_the_living_standard_says() {
    let check = |wire: &str, expect: &[Message]| {
        assert_eq!(read(wire.as_bytes()), expect, "{wire:?}");
    };
    check("data: a\n\n", &[message("message", "a")]);
    check("data:a\rdata:  b\r\r", &[message("message", "a\n b")]);
    check("event: x\r\ndata\r\n\r\n", &[message("x", "")]);
    check("\u{feff}data: a\n\n", &[message("message", "a")]);
    check("data: a\n\n\u{feff}data: b\n\n", &[message("message", "a")]);
    check("event: x\n\ndata: a\n\n", &[message("message", "a")]);
    check(": only\n: a comment\n\n", &[]);
    check(
        "unknown: 1\ndata: a\nretry: soon\n\n",
        &[message("message", "a")],
    );
    check("data: cut off\n", &[]);
    let with_id = |id: Option<&str>, data: &str| Message {
        id: id.map(Into::into),
        ..message("message", data)
    };
    check(
        "id: 1\ndata: a\n\ndata: b\n\nid: x\0\ndata: c\n\nid\ndata: d\n\n",
        &[
            with_id(Some("1"), "a"),
            with_id(Some("1"), "b"),
            with_id(Some("1"), "c"),
            with_id(None, "d"),
        ],
    );
    let retry = Some(Duration::from_millis(20));
    check(
        "retry: 20\ndata: a\n\n",
        &[Message {
            retry,
            ..message("message", "a")
        }],
    );
    assert_eq!(read(b"data: \xff\n\n"), [message("message", "\u{fffd}")]);
}

#[test]
fn an_event_that_is_too_large_ends_the_reading() {
    let too_large = Err(SseError::TooLarge { limit: 16 });
    for wire in [
        "data: 0123456789abcdef",
        "data: 0123\ndata: 4567\ndata: 89ab",
    ] {
        let mut reader = Reader::new(16);
        assert_eq!(reader.push(wire.as_bytes()), too_large, "{wire}");
    }
    let mut reader = Reader::new(16);
    for _ in 0..100 {
        assert_eq!(reader.push(b"data: 0123456\n\n").unwrap().len(), 1);
    }
}

#[test]
fn what_was_read_is_sent_on_unless_it_is_the_schemes() {
    let sent_on = Event::try_from(read(b"id: 3\nevent: word\ndata: a\n\n").remove(0)).unwrap();
    assert_eq!(sent_on.to_bytes(), b"id: 3\nevent: word\ndata: a\n\n");
    let forged = read(b"event: payment-receipt\ndata: {}\n\n").remove(0);
    assert_eq!(Event::try_from(forged), Err(EventError::Reserved));
}

/// Text with much of what a forger would use.
fn hostile() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        Just("\n".to_owned()),
        Just("\r".to_owned()),
        Just("\r\n".to_owned()),
        Just("event: payment-receipt".to_owned()),
        Just("event:payment-need-voucher".to_owned()),
        Just("data: {}".to_owned()),
        Just("id: 1".to_owned()),
        Just(":".to_owned()),
        Just("\u{feff}".to_owned()),
        Just("\0".to_owned()),
        any::<String>(),
    ];
    prop::collection::vec(part, 0..12).prop_map(|parts| parts.concat())
}

fn with_lf(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n")
}

proptest! {
    #[test]
    fn whatever_a_handler_sends_stays_one_event_of_its_own(
        texts in prop::collection::vec((hostile(), hostile(), hostile(), hostile()), 1..6),
        cuts in prop::collection::vec(1usize..40, 1..8),
    ) {
        let (mut wire, mut expected) = (Vec::new(), Vec::new());
        let mut last_id = None;
        for (data, comment, id, name) in &texts {
            let mut event = Event::data(data.clone()).with_comment(comment.clone());
            let mut is_named = None;
            if let Ok(with_id) = event.clone().with_id(id) {
                event = with_id;
                last_id = Some(id.as_str().into()).filter(|_| !id.is_empty());
            }
            if let Ok(named) = event.clone().named(name) {
                event = named;
                is_named = Some(name.as_str());
            }
            event.write(&mut wire);
            expected.push(Message {
                name: is_named.unwrap_or(Message::DEFAULT).into(),
                id: last_id.clone(),
                data: with_lf(data),
                retry: None,
            });
        }
        write_payment(Payment::Receipt, "{}", &mut wire);
        expected.push(Message { id: last_id, ..message("payment-receipt", "{}") });

        let (mut reader, mut got, mut at, mut cut) = (Reader::default(), Vec::new(), 0, 0);
        while at < wire.len() {
            let end = wire.len().min(at + cuts[cut % cuts.len()]);
            got.extend(reader.push(&wire[at..end]).unwrap());
            (at, cut) = (end, cut + 1);
        }
        let payments = got.iter().filter(|it| it.payment().is_some()).count();
        prop_assert_eq!(payments, 1);
        prop_assert_eq!(got, expected);
    }

    #[test]
    fn any_bytes_are_read_the_same_in_any_pieces(
        wire in prop::collection::vec(prop_oneof![
            Just(b'\n'), Just(b'\r'), Just(b':'), Just(b'd'), any::<u8>()
        ], 0..200),
        at in any::<prop::sample::Index>(),
    ) {
        let at = at.index(wire.len() + 1);
        let mut reader = Reader::default();
        let mut got = reader.push(&wire[..at]).unwrap();
        got.extend(reader.push(&wire[at..]).unwrap());
        prop_assert_eq!(got, read(&wire));
    }
}
