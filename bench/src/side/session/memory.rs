//! What a channel takes of memory.

use std::sync::Arc;

use farthing::core::memory::MemoryBackend;

use super::shop::{Prices, Shop};
use crate::side::call::runtime;

/// The bytes that so many channels take which are brought into memory, beside their store: what
/// `measure` counts of the work it is given.
pub(crate) fn bytes_a_channel(channels: usize, measure: &mut dyn FnMut(&mut dyn FnMut())) {
    let runtime = runtime();
    let shop = Shop::open(
        &runtime,
        Arc::new(MemoryBackend::new()),
        channels,
        &Prices::default(),
    );
    measure(&mut || shop.load_all(&runtime));
}
