//! The contract that holds what is locked.

use std::time::Duration;

use alloy_primitives::address;
use farthing_core::intent::session::Protocol;
use farthing_evm::{Address, ChainId};

use crate::network::{MAINNET, MODERATO};

/// Where the precompile of the second protocol is, on every chain that has it (TIP-1034).
pub const RESERVE_ADDRESS: Address = address!("4d50500000000000000000000000000000000000");

/// What [`RESERVE_ADDRESS`] and the escrows of the first protocol give a payee, from the payer's request
/// on, until the payer can withdraw.
pub const GRACE: Duration = Duration::from_secs(15 * 60);

/// The escrow of the first protocol on the test network, as the draft names it ("Deployed Contracts").
const MODERATO_V1: Address = address!("9d136eEa063eDE5418A6BC7bEafF009bBb6CFa70");

/// The escrow of the first protocol that peers use on the main network. The draft names none there.
const MAINNET_V1: Address = address!("33b901018174DDabE4841042ab76ba85D4e24f25");

/// A contract that holds channels, and by which protocol. A channel's id and its vouchers are bound to all
/// three: of another chain, contract or protocol they are another channel's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Escrow {
    /// The chain it is on.
    pub chain: ChainId,
    /// Its address.
    pub contract: Address,
    /// By which protocol it keeps channels.
    pub protocol: Protocol,
}

impl Escrow {
    /// The chain's own reserve, by the second protocol.
    #[must_use]
    pub const fn reserve(chain: ChainId) -> Self {
        Self {
            chain,
            contract: RESERVE_ADDRESS,
            protocol: Protocol::V2,
        }
    }

    /// The escrow that is known on a chain before anybody is asked. By the second protocol it is the
    /// chain's own reserve; by the first one there is one only where somebody deployed it.
    #[must_use]
    pub fn known(chain: ChainId, protocol: Protocol) -> Option<Self> {
        let contract = match (protocol, chain.get()) {
            (Protocol::V2, _) => RESERVE_ADDRESS,
            (Protocol::V1, MODERATO) => MODERATO_V1,
            (Protocol::V1, MAINNET) => MAINNET_V1,
            (Protocol::V1, _) => return None,
        };
        Some(Self {
            chain,
            contract,
            protocol,
        })
    }
}

/// What a request calls a protocol.
#[must_use]
pub const fn protocol_name(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::V1 => "v1",
        Protocol::V2 => "v2",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_know_their_escrows() {
        let chain = |id| ChainId::new(id).unwrap();
        for id in [MAINNET, MODERATO, 1337] {
            let reserve = Escrow::known(chain(id), Protocol::V2);
            assert_eq!(reserve, Some(Escrow::reserve(chain(id))));
        }
        let first = |id| Escrow::known(chain(id), Protocol::V1).map(|it| it.contract);
        assert_eq!(first(MODERATO), Some(MODERATO_V1));
        assert_eq!(first(MAINNET), Some(MAINNET_V1));
        assert_eq!(first(1337), None);
    }

    #[test]
    fn a_protocols_name_is_read_as_that_protocol() {
        for protocol in [Protocol::V1, Protocol::V2] {
            assert_eq!(protocol_name(protocol).parse(), Ok(protocol));
        }
    }
}
