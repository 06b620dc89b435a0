//! A channel's row: until when it is leased, and the channel.

use super::Held;
use crate::{
    encoding::packed::{Packer, UnpackError, Unpacker},
    intent::session::{Channel, ChannelId},
    port::backend::{Row, StoreError},
    value::Timestamp,
};

const FORM: u8 = 1;

/// About what a channel with one voucher takes.
const USUAL: usize = 160;

pub(super) fn pack(channel: &Channel, leased_until: Timestamp) -> Vec<u8> {
    let mut out = Packer::new(FORM, USUAL);
    out.time(leased_until);
    channel.pack(&mut out);
    out.finish()
}

pub(super) fn held(id: &ChannelId, row: &Row) -> Result<Held, StoreError> {
    let (leased_until, channel) =
        unpack(&row.value).map_err(|error| StoreError::Corrupt(error.into()))?;
    Ok(Held {
        id: id.clone(),
        channel,
        version: row.version,
        fence: row.fence,
        leased_until,
        is_ours: false,
    })
}

fn unpack(bytes: &[u8]) -> Result<(Timestamp, Channel), UnpackError> {
    let mut from = Unpacker::new(bytes, FORM)?;
    let leased_until = from.time()?;
    let channel = Channel::unpack(&mut from)?;
    from.end()?;
    Ok((leased_until, channel))
}
