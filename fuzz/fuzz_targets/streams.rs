//! Streams: whatever a handler sends stays an event of its own, whatever a stream holds is read the
//! same in any pieces, and what a socket's message says is what is written of it.
#![no_main]

use farthing_core::{
    encoding::sse::{Event, Payment, Reader, write_payment},
    noun::socket::{Form, FromBuyer, FromSeller},
};
use farthing_fuzz::text;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let cut = data.first().map_or(0, |at| usize::from(*at) % data.len());
    let whole = Reader::default().push(data);
    let mut reader = Reader::default();
    let pieces = reader.push(&data[..cut]).and_then(|mut first| {
        first.extend(reader.push(&data[cut..])?);
        Ok(first)
    });
    assert_eq!(whole, pieces);
    for message in whole.into_iter().flatten() {
        let payment = message.payment();
        let sent_on = Event::try_from(message);
        assert!(payment.is_none() || sent_on.is_err());
    }

    let Some(text) = text(data) else { return };
    let mut event = Event::data(text).with_comment(text);
    if let Ok(named) = event.clone().named(text) {
        event = named;
    }
    if let Ok(with_id) = event.clone().with_id(text) {
        event = with_id;
    }
    let mut wire = event.to_bytes();
    write_payment(Payment::Receipt, "{}", &mut wire);
    if let Ok(read) = Reader::new(usize::MAX).push(&wire) {
        let payments: Vec<_> = read.iter().map(|it| it.payment()).collect();
        assert_eq!(payments, [None, Some(Payment::Receipt)]);
    }

    let _ = FromBuyer::read(text);
    if let Ok((form, said)) = FromSeller::read(text) {
        let again = FromSeller::read(&said.to_text(form));
        assert_eq!(again.expect("what was read is written"), (form, said));
    }
    for form in [Form::Mpp, Form::Type] {
        let said = FromSeller::Message(text.to_owned());
        if let Ok(read) = FromSeller::read(&said.to_text(form)) {
            assert_eq!(read, (form, said));
        }
    }
});
