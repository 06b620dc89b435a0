//! A channel as packed bytes.

use super::{
    Channel, Protocol, RawSignature, ReservationId, Voucher,
    channel::Stage,
    exposure::Grant,
    kept::Kept,
    reserve::{Reservation, Reservations},
};
use crate::{
    bounds,
    encoding::packed::{Packer, UnpackError, Unpacker},
    value::Amount,
};

const CLOSE_REQUESTED: u8 = 1;
const FAREWELL: u8 = 2;
const AWAITED: u8 = 4;
const UNSURE: u8 = 8;
const LEFT_OVER: u8 = 16;
const STREAM: u8 = 32;
const ALL: u8 = CLOSE_REQUESTED | FAREWELL | AWAITED | UNSURE | LEFT_OVER | STREAM;

impl Channel {
    /// Writes it.
    pub fn pack(&self, out: &mut Packer) {
        // Taken apart, so that a new field cannot be left out.
        let Self {
            protocol,
            stage,
            deposit,
            accepted,
            spent,
            unsure,
            left_over,
            settled,
            block,
            close_requested_at,
            kept,
            farewell,
            reservations,
            awaited,
            grant,
            stream,
        } = self;
        out.byte(match protocol {
            Protocol::V1 => 1,
            Protocol::V2 => 2,
        });
        out.byte(match stage {
            Stage::Open => 0,
            Stage::Closing => 1,
            Stage::Closed => 2,
        });
        let flag = |is_set: bool, flag: u8| if is_set { flag } else { 0 };
        out.byte(
            flag(close_requested_at.is_some(), CLOSE_REQUESTED)
                | flag(farewell.is_some(), FAREWELL)
                | flag(awaited.is_some(), AWAITED)
                | flag(!unsure.is_zero(), UNSURE)
                | flag(!left_over.is_zero(), LEFT_OVER)
                | flag(*stream != 0, STREAM),
        );
        for amount in [deposit, accepted, spent, settled, &grant.amount] {
            out.amount(*amount);
        }
        out.number(grant.number);
        out.number(*block);
        if let Some(at) = close_requested_at {
            out.time(*at);
        }
        if let Some(voucher) = farewell {
            pack_voucher(out, voucher);
        }
        if let Some(awaited) = awaited {
            out.amount(*awaited);
        }
        for amount in [unsure, left_over] {
            if !amount.is_zero() {
                out.amount(*amount);
            }
        }
        if *stream != 0 {
            out.number(*stream);
        }
        out.number(kept.as_slice().len() as u64);
        for voucher in kept.as_slice() {
            pack_voucher(out, voucher);
        }
        out.number(reservations.last);
        out.number(reservations.open.len() as u64);
        for Reservation { id, amount, until } in &reservations.open {
            out.number(id.0);
            out.amount(*amount);
            out.time(*until);
        }
    }

    /// Reads what [`Channel::pack`] wrote.
    ///
    /// # Errors
    /// When it is anything else, or breaks what holds of every channel.
    pub fn unpack(from: &mut Unpacker<'_>) -> Result<Self, UnpackError> {
        let protocol = match from.byte()? {
            1 => Protocol::V1,
            2 => Protocol::V2,
            _ => return Err(UnpackError::Code("protocol")),
        };
        let stage = match from.byte()? {
            0 => Stage::Open,
            1 => Stage::Closing,
            2 => Stage::Closed,
            _ => return Err(UnpackError::Code("stage")),
        };
        let flags = from.byte()?;
        if flags & !ALL != 0 {
            return Err(UnpackError::Code("flag"));
        }
        let has = |flag: u8| flags & flag != 0;
        let channel = Self {
            protocol,
            stage,
            deposit: from.amount()?,
            accepted: from.amount()?,
            spent: from.amount()?,
            settled: from.amount()?,
            grant: Grant {
                amount: from.amount()?,
                number: from.number(u64::MAX)?,
            },
            block: from.number(u64::MAX)?,
            close_requested_at: has(CLOSE_REQUESTED).then(|| from.time()).transpose()?,
            farewell: has(FAREWELL)
                .then(|| unpack_voucher(from, protocol))
                .transpose()?,
            awaited: has(AWAITED).then(|| from.amount()).transpose()?,
            unsure: optional_amount(from, has(UNSURE))?,
            left_over: optional_amount(from, has(LEFT_OVER))?,
            stream: optional_number(from, has(STREAM))?,
            kept: unpack_kept(from, protocol)?,
            reservations: unpack_reservations(from)?,
        };
        if channel.holds() {
            Ok(channel)
        } else {
            Err(UnpackError::Code("balance"))
        }
    }
}

/// An amount that is left out where it is nothing, and so is never written as nothing.
fn optional_amount(from: &mut Unpacker<'_>, is_there: bool) -> Result<Amount, UnpackError> {
    match is_there.then(|| from.amount()).transpose()? {
        Some(amount) if amount.is_zero() => Err(UnpackError::Number),
        amount => Ok(amount.unwrap_or_default()),
    }
}

/// A number that is left out where it is zero.
fn optional_number(from: &mut Unpacker<'_>, is_there: bool) -> Result<u64, UnpackError> {
    match is_there.then(|| from.number(u64::MAX)).transpose()? {
        Some(0) => Err(UnpackError::Number),
        number => Ok(number.unwrap_or_default()),
    }
}

fn unpack_kept(from: &mut Unpacker<'_>, protocol: Protocol) -> Result<Kept, UnpackError> {
    let count = from.number(bounds::VOUCHERS)?;
    let vouchers = (0..count).map(|_| unpack_voucher(from, protocol));
    Ok(Kept::of(vouchers.collect::<Result<_, _>>()?))
}

fn unpack_reservations(from: &mut Unpacker<'_>) -> Result<Reservations, UnpackError> {
    let last = from.number(u64::MAX)?;
    let count = from.number(bounds::RESERVATIONS)?;
    let open = (0..count).map(|_| {
        Ok::<_, UnpackError>(Reservation {
            id: ReservationId(from.number(last)?),
            amount: from.amount()?,
            until: from.time()?,
        })
    });
    let open = open.collect::<Result<_, _>>()?;
    Ok(Reservations { open, last })
}

fn pack_voucher(out: &mut Packer, voucher: &Voucher) {
    out.amount(voucher.cumulative());
    out.array(&voucher.signature().r);
    out.array(&voucher.signature().s);
}

fn unpack_voucher(from: &mut Unpacker<'_>, protocol: Protocol) -> Result<Voucher, UnpackError> {
    let cumulative = from.amount()?;
    let signature = RawSignature {
        r: from.array()?,
        s: from.array()?,
    };
    Voucher::new(protocol, cumulative, signature).map_err(|_| UnpackError::Number)
}
