//! Which descriptors hash to which channels, of those that were hashed lately.

use std::sync::{Mutex, PoisonError};

use farthing_evm::B256;

use crate::session::{Descriptor, Escrow, Origin, TempoChannel};

/// How many are remembered: some 240 bytes each. A seller with more channels in use at once hashes some of
/// them again.
const REMEMBERED: usize = 4096;

/// Channels whose descriptors hash to their ids, each in the one place that its id has.
///
/// Of a channel that pays for many requests the descriptor comes with each of them, and is the same each time. It
/// is hashed when it comes first. What is remembered is the whole of what was hashed, the contract included,
/// and nothing is taken for known that differs in any of it. So there is nothing here to be led astray: who makes up
/// channels to fill the places has theirs and others' hashed again, as if there were none.
pub(super) struct Hashed {
    places: Box<[Mutex<Option<TempoChannel>>]>,
}

impl Hashed {
    pub(super) fn new() -> Self {
        Self {
            places: (0..REMEMBERED).map(|_| Mutex::default()).collect(),
        }
    }

    /// Whether a descriptor hashes to an id at a contract.
    pub(super) fn is_of(&self, escrow: &Escrow, descriptor: &Descriptor, id: B256) -> bool {
        let place = self.place(id);
        let known = *place.lock().unwrap_or_else(PoisonError::into_inner);
        let origin = Origin::V2(*descriptor);
        if known.is_some_and(|known| {
            known.id() == id && *known.origin() == origin && known.escrow() == escrow
        }) {
            return true;
        }
        match TempoChannel::new(*escrow, origin) {
            Ok(channel) if channel.id() == id => {
                *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(channel);
                true
            }
            _ => false,
        }
    }

    fn place(&self, id: B256) -> &Mutex<Option<TempoChannel>> {
        let [.., high, low] = id.0;
        &self.places[usize::from(u16::from_be_bytes([high, low])) % REMEMBERED]
    }
}

#[cfg(test)]
mod tests {
    use farthing_core::intent::session::Protocol;
    use farthing_evm::{Address, ChainId};

    use super::*;

    fn descriptor() -> Descriptor {
        Descriptor {
            payer: Address::repeat_byte(1),
            payee: Address::repeat_byte(2),
            operator: Address::repeat_byte(3),
            token: Address::repeat_byte(4),
            salt: B256::repeat_byte(5),
            authorized_signer: Address::repeat_byte(6),
            expiring_nonce_hash: B256::repeat_byte(7),
        }
    }

    fn escrow() -> Escrow {
        Escrow::reserve(ChainId::new(1337).unwrap())
    }

    /// All that differ from the one in a single bit of a single field.
    fn others() -> Vec<(&'static str, Escrow, Descriptor)> {
        let mut others = Vec::new();
        let mut of_descriptor = |name, change: &dyn Fn(&mut Descriptor)| {
            let mut other = descriptor();
            change(&mut other);
            others.push((name, escrow(), other));
        };
        of_descriptor("payer", &|it| it.payer.0[0] ^= 1);
        of_descriptor("payee", &|it| it.payee.0[19] ^= 0x80);
        of_descriptor("operator", &|it| it.operator.0[10] ^= 2);
        of_descriptor("token", &|it| it.token.0[19] ^= 1);
        of_descriptor("salt", &|it| it.salt.0[31] ^= 1);
        of_descriptor("authorizedSigner", &|it| it.authorized_signer.0[0] ^= 1);
        of_descriptor("expiringNonceHash", &|it| {
            it.expiring_nonce_hash.0[0] ^= 0x80;
        });
        let chain = ChainId::new(1336).unwrap();
        others.push(("chain", Escrow { chain, ..escrow() }, descriptor()));
        let mut contract = escrow().contract;
        contract.0[0] ^= 1;
        let elsewhere = Escrow {
            contract,
            ..escrow()
        };
        others.push(("contract", elsewhere, descriptor()));
        let protocol = Protocol::V1;
        let first = Escrow {
            protocol,
            ..escrow()
        };
        others.push(("protocol", first, descriptor()));
        others
    }

    #[test]
    fn what_differs_in_one_field_is_not_the_channel_that_is_known() {
        let id = descriptor().id(&escrow());
        for (name, other_escrow, other) in others() {
            let hashed = Hashed::new();
            assert!(!hashed.is_of(&other_escrow, &other, id), "{name}, first");
            // Known from here on, and more than once.
            assert!(hashed.is_of(&escrow(), &descriptor(), id));
            assert!(hashed.is_of(&escrow(), &descriptor(), id));
            assert!(!hashed.is_of(&other_escrow, &other, id), "{name}");
            assert!(hashed.is_of(&escrow(), &descriptor(), id), "{name}, after");
        }
        let hashed = Hashed::new();
        assert!(hashed.is_of(&escrow(), &descriptor(), id));
        for byte in 0..32 {
            let mut other = id;
            other.0[byte] ^= 1;
            assert!(!hashed.is_of(&escrow(), &descriptor(), other), "{byte}");
        }
    }

    #[test]
    fn channels_of_one_place_take_turns_in_it() {
        let hashed = Hashed::new();
        let of = |number: u64| Descriptor {
            salt: B256::left_padding_from(&number.to_be_bytes()),
            ..descriptor()
        };
        let first = of(0).id(&escrow());
        let place = |id| std::ptr::from_ref(hashed.place(id));
        let second = (1..).find(|at| place(of(*at).id(&escrow())) == place(first));
        let other = of(second.unwrap());
        let second = other.id(&escrow());
        for _ in 0..2 {
            assert!(hashed.is_of(&escrow(), &of(0), first));
            assert!(!hashed.is_of(&escrow(), &of(0), second));
            assert!(hashed.is_of(&escrow(), &other, second));
            assert!(!hashed.is_of(&escrow(), &other, first));
        }
    }
}
