//! The bytes of a claim's row: its form, what the store keeps beside the record, the record.

use serde::Deserialize;

use super::{Debit, Envelope, Record};
use crate::{
    bounds,
    encoding::packed::{Packer, UnpackError, Unpacker},
    value::ClaimKey,
};

/// The form that is written. A later one gets another number, and this one is still read.
///
/// | form | what came with it |
/// |---|---|
/// | 1 | |
/// | 2 | of a payment: what it awaits, until when it may be sent, and how it was sent back |
const FORM: u8 = 2;

/// Room for the row of a usual record, so that it is allocated once.
const USUAL_ROW: usize = 512;

/// The form before there were numbers: JSON, which begins with a brace.
#[derive(Deserialize)]
struct Json<R> {
    keys: Vec<ClaimKey>,
    #[serde(default)]
    debits: Vec<Debit>,
    record: R,
}

pub(super) fn write<R: Record>(
    envelope: &Envelope,
    record: &R,
) -> Result<Vec<u8>, serde_json::Error> {
    let mut out = Packer::new(FORM, USUAL_ROW);
    envelope.pack(&mut out);
    record.pack(&mut out)?;
    Ok(out.finish())
}

pub(super) fn read<R: Record>(bytes: &[u8]) -> Result<(Envelope, R), UnpackError> {
    if bytes.first() == Some(&b'{') {
        let Json {
            keys,
            debits,
            record,
        } = serde_json::from_slice(bytes)?;
        return Ok((Envelope { keys, debits }, record));
    }
    let mut from = Unpacker::new(bytes, FORM)?;
    let read = (Envelope::unpack(&mut from)?, R::unpack(&mut from)?);
    from.end()?;
    Ok(read)
}

impl Envelope {
    fn pack(&self, out: &mut Packer) {
        let Self { keys, debits } = self;
        out.number(keys.len() as u64);
        for key in keys {
            out.text(key.as_str());
        }
        out.number(debits.len() as u64);
        for debit in debits {
            debit.pack(out);
        }
    }

    fn unpack(from: &mut Unpacker<'_>) -> Result<Self, UnpackError> {
        let keys = (0..from.number(bounds::CLAIM_KEYS)?)
            .map(|_| from.text())
            .collect::<Result<_, _>>()?;
        let debits = (0..from.number(bounds::DEBITS)?)
            .map(|_| Debit::unpack(from))
            .collect::<Result<_, _>>()?;
        Ok(Self { keys, debits })
    }
}

impl Debit {
    fn pack(&self, out: &mut Packer) {
        let Self {
            counter,
            amount,
            limit,
            keep,
        } = self;
        out.text(counter);
        out.amount(*amount);
        out.amount(*limit);
        out.byte(u8::from(*keep));
    }

    fn unpack(from: &mut Unpacker<'_>) -> Result<Self, UnpackError> {
        Ok(Self {
            counter: from.text::<String>()?.into(),
            amount: from.amount()?,
            limit: from.amount()?,
            keep: match from.byte()? {
                0 => false,
                1 => true,
                _ => return Err(UnpackError::Code("flag")),
            },
        })
    }
}
