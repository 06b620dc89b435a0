//! What the compiler made.

use alloy_primitives::{Address, B256, address, b256};

/// A compiled contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Artifact {
    /// Its name in its source.
    pub name: &'static str,
    /// What a transaction carries that deploys it, in hexadecimal with `0x`. None of the contracts has a
    /// constructor that takes anything.
    pub creation: &'static str,
    /// What it then is, in the same form. It can also be put at an address: no contract here keeps
    /// anything in its code that is known only when it is deployed.
    pub runtime: &'static str,
    /// The compiler's account of it, as JSON: its version and settings, a digest of each source, and
    /// under `output.abi` the interface.
    pub metadata: &'static str,
}

macro_rules! artifact {
    ($name:literal) => {
        Artifact {
            name: $name,
            creation: include_str!(concat!("../artifacts/", $name, ".creation.hex")).trim_ascii(),
            runtime: include_str!(concat!("../artifacts/", $name, ".runtime.hex")).trim_ascii(),
            metadata: include_str!(concat!("../artifacts/", $name, ".json")).trim_ascii(),
        }
    };
}

/// The escrow of channels of the first protocol version.
pub const TEMPO_STREAM_CHANNEL: Artifact = artifact!("TempoStreamChannel");

/// The reserve of channels of the second protocol version, for chains without the precompile.
///
/// Before each transaction that opens channels, its hash has to be in [`CONTEXT_SLOT`]: keccak256 of the
/// payload that the sender signs, followed by the sender. The payer approves the deposit before.
pub const CHANNEL_RESERVE: Artifact = artifact!("ChannelReserve");

/// An ERC-20 token with EIP-3009 and EIP-2612, which anybody mints.
pub const TEST_DOLLAR: Artifact = artifact!("TestDollar");

/// Where the precompile is on chains that have it (TIP-1034).
pub const RESERVE_ADDRESS: Address = address!("0x4d50500000000000000000000000000000000000");

/// The slot of the reserve's storage that is written before a transaction that opens channels.
pub const CONTEXT_SLOT: B256 =
    b256!("0x71a8c73a77f5113d45011d2226eead8151d4098a92d00b80ad227d6ddac80021");
