//! A channel's row: until when it is leased, when it was last used, and the channel.

use super::Held;
use crate::{
    encoding::packed::{Packer, UnpackError, Unpacker},
    intent::session::{Channel, ChannelId},
    port::backend::{Key, Row, StoreError},
    value::Timestamp,
};

const FORM: u8 = 1;

/// About what a channel with one voucher takes.
const USUAL: usize = 160;

pub(super) fn pack(channel: &Channel, leased_until: Timestamp, active_at: Timestamp) -> Vec<u8> {
    let mut out = Packer::new(FORM, USUAL);
    out.time(leased_until);
    out.time(active_at);
    channel.pack(&mut out);
    out.finish()
}

pub(super) fn held(id: &ChannelId, row: &Row) -> Result<Held, StoreError> {
    let (leased_until, active_at, channel) =
        unpack(&row.value).map_err(|error| StoreError::Corrupt(error.into()))?;
    Ok(Held {
        id: id.clone(),
        channel,
        version: row.version,
        fence: row.fence,
        leased_until,
        active_at,
        is_ours: false,
    })
}

/// The channel that a row of the store's partition is about.
pub(super) fn id(key: &Key) -> Result<ChannelId, StoreError> {
    let id =
        std::str::from_utf8(key.as_bytes()).map_err(|error| StoreError::Corrupt(error.into()))?;
    ChannelId::new(id).map_err(|error| StoreError::Corrupt(error.into()))
}

fn unpack(bytes: &[u8]) -> Result<(Timestamp, Timestamp, Channel), UnpackError> {
    let mut from = Unpacker::new(bytes, FORM)?;
    let (leased_until, active_at) = (from.time()?, from.time()?);
    let channel = Channel::unpack(&mut from)?;
    from.end()?;
    Ok((leased_until, active_at, channel))
}
