//! What the contracts say of channels.
//!
//! Both contracts, the deployed form of the first one and the form in the draft's appendix say the same
//! things in words of their own. What matters stands in the same places: the channel, its payer and its
//! payee in the topics, and the amounts at the end of the data.

use alloy_primitives::B256;
use alloy_sol_types::SolEvent;
use farthing_core::value::Amount;
use farthing_evm::{Address, Log, U256};

mod v1 {
    alloy_sol_types::sol! {
        event ChannelOpened(bytes32 indexed channelId, address indexed payer, address indexed payee, address token, address authorizedSigner, bytes32 salt, uint256 deposit);
        event TopUp(bytes32 indexed channelId, address indexed payer, address indexed payee, uint256 additionalDeposit, uint256 newDeposit);
        event Settled(bytes32 indexed channelId, address indexed payer, address indexed payee, uint256 cumulativeAmount, uint256 deltaPaid, uint256 newSettled);
        event CloseRequested(bytes32 indexed channelId, address indexed payer, address indexed payee, uint256 closeGraceEnd);
        event CloseRequestCancelled(bytes32 indexed channelId, address indexed payer, address indexed payee);
        event ChannelExpired(bytes32 indexed channelId, address indexed payer, address indexed payee);
        event ChannelClosed(bytes32 indexed channelId, address indexed payer, address indexed payee, uint256 settledToPayee, uint256 refundedToPayer);
    }
}

mod appendix {
    alloy_sol_types::sol! {
        event ChannelOpened(bytes32 indexed channelId, address indexed payer, address indexed payee, address token, address authorizedSigner, uint256 deposit);
    }
}

mod v2 {
    alloy_sol_types::sol! {
        event ChannelOpened(bytes32 indexed channelId, address indexed payer, address indexed payee, address operator, address token, address authorizedSigner, bytes32 salt, bytes32 expiringNonceHash, uint96 deposit);
        event TopUp(bytes32 indexed channelId, address indexed payer, address indexed payee, uint96 additionalDeposit, uint96 newDeposit);
        event Settled(bytes32 indexed channelId, address indexed payer, address indexed payee, uint96 cumulativeAmount, uint96 deltaPaid, uint96 newSettled);
        event ChannelClosed(bytes32 indexed channelId, address indexed payer, address indexed payee, uint96 settledToPayee, uint96 refundedToPayer);
    }
}

/// Something that happened to a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelEvent {
    /// The channel's id.
    pub channel: B256,
    /// Who locked the deposit.
    pub payer: Address,
    /// Who is paid out of it.
    pub payee: Address,
    /// What happened.
    pub what: Happened,
}

/// What happened to a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Happened {
    /// It was opened.
    Opened {
        /// What was locked.
        deposit: Amount,
    },
    /// More was locked in it.
    ToppedUp {
        /// How much more.
        additional: Amount,
        /// What is locked now.
        deposit: Amount,
    },
    /// The payee was paid.
    Settled {
        /// How much in all.
        settled: Amount,
    },
    /// The payer asked for its end.
    CloseRequested,
    /// The payer took that back.
    CloseCancelled,
    /// The payer takes back what is left, after the grace.
    Expired,
    /// It is over.
    Closed {
        /// What the payee was paid in all.
        settled: Amount,
        /// What went back to the payer.
        refunded: Amount,
    },
}

impl ChannelEvent {
    /// Reads a log. `None` where it says something else. Whether the contract keeps channels is for the
    /// caller to know.
    #[must_use]
    pub fn read(log: &Log) -> Option<Self> {
        let [kind, channel, payer, payee] = log.topics[..] else {
            return None;
        };
        let words: Vec<&[u8; 32]> = log.data.as_chunks::<32>().0.iter().collect();
        if words.len() * 32 != log.data.len() {
            return None;
        }
        let amounts: Option<Vec<Amount>> = match kind {
            v1::ChannelOpened::SIGNATURE_HASH if words.len() == 4 => last(&words, 1),
            appendix::ChannelOpened::SIGNATURE_HASH if words.len() == 3 => last(&words, 1),
            v2::ChannelOpened::SIGNATURE_HASH if words.len() == 6 => last(&words, 1),
            _ => last(&words, words.len()),
        };
        let what = match (kind, &amounts.as_deref()) {
            (
                v1::ChannelOpened::SIGNATURE_HASH
                | appendix::ChannelOpened::SIGNATURE_HASH
                | v2::ChannelOpened::SIGNATURE_HASH,
                Some([deposit]),
            ) => Happened::Opened { deposit: *deposit },
            (
                v1::TopUp::SIGNATURE_HASH | v2::TopUp::SIGNATURE_HASH,
                Some([additional, deposit]),
            ) => Happened::ToppedUp {
                additional: *additional,
                deposit: *deposit,
            },
            (v1::Settled::SIGNATURE_HASH | v2::Settled::SIGNATURE_HASH, Some([_, _, settled])) => {
                Happened::Settled { settled: *settled }
            }
            (
                v1::ChannelClosed::SIGNATURE_HASH | v2::ChannelClosed::SIGNATURE_HASH,
                Some([settled, refunded]),
            ) => Happened::Closed {
                settled: *settled,
                refunded: *refunded,
            },
            (v1::CloseRequested::SIGNATURE_HASH, Some([_])) => Happened::CloseRequested,
            (v1::CloseRequestCancelled::SIGNATURE_HASH, Some([])) => Happened::CloseCancelled,
            (v1::ChannelExpired::SIGNATURE_HASH, Some([])) => Happened::Expired,
            _ => return None,
        };
        Some(Self {
            channel,
            payer: address(payer)?,
            payee: address(payee)?,
            what,
        })
    }
}

/// The amounts in the last words of the data.
fn last(words: &[&[u8; 32]], count: usize) -> Option<Vec<Amount>> {
    let from = words.len().checked_sub(count)?;
    let amount = |word: &&[u8; 32]| u128::try_from(U256::from_be_bytes(**word)).ok();
    words[from..]
        .iter()
        .map(|word| amount(word).map(Amount::new))
        .collect()
}

/// The address in a topic, unless something stands before it.
fn address(topic: B256) -> Option<Address> {
    let address = Address::from_word(topic);
    (address.into_word() == topic).then_some(address)
}
