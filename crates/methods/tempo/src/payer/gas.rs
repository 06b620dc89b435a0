//! How much gas a payment may use: enough whatever state it finds, because what is left over costs
//! nothing, and one unit too little costs the fee and pays nobody.
//!
//! The prices are those of TIP-1000, where new state is what is dear: the first of a token that an account
//! ever gets costs five times what a transfer does. So what is known of the recipients decides what the
//! fee can be at the most. What was measured on a chain of the fork T4, and what is given here:
//!
//! | payment | used | given |
//! |---|---|---|
//! | to one who has some | 51,000 | 80,000 |
//! | to one who has none | 298,000 | 335,000 |
//! | eleven transfers, to such who have some | 225,000 | 380,000 |
//! | eleven, to such who have none | 2,697,000 | 3,185,000 |
//! | with a key on P-256 | 56,000 | 90,000 |
//! | in a lane of its own | 288,000 | 335,000 |
//! | with an access key of every restriction | 70,000 | 120,000 |
//! | the same, and its authorization | 3,339,000 | 3,690,000 |

use crate::key::{AccountKey, Key, KeyAuthorization};

/// A transaction, its signature, its nonce that expires, and the handling of its fee.
const BASE: u64 = 50_000;
/// A transfer to an account that has some of the token.
const TRANSFER: u64 = 30_000;
/// Something that was not there before.
const NEW: u64 = 255_000;
/// A signature on P-256 instead.
const P256: u64 = 10_000;
/// The chain's looking after an access key, and after its limits for each call.
const ACCESS: u64 = 20_000;

/// What a payment does, as far as it costs gas.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Work<'a> {
    /// The transfers.
    pub(crate) transfers: u64,
    /// How many of them go to accounts that have none of the token.
    pub(crate) new: u64,
    /// Whether a lane of nonces is begun.
    pub(crate) lane: bool,
    /// What signs.
    pub(crate) key: &'a AccountKey,
    /// A key that is authorized with it.
    pub(crate) grant: Option<&'a KeyAuthorization>,
}

impl Work<'_> {
    /// The gas it needs at the most.
    pub(crate) fn gas(&self) -> u64 {
        let mut gas = BASE + TRANSFER * self.transfers + NEW * self.new;
        if self.lane {
            gas += NEW;
        }
        let key = match self.key {
            AccountKey::Root(key) => key,
            AccountKey::Access(access) => {
                gas += ACCESS * (1 + self.transfers);
                &access.key
            }
        };
        if matches!(key, Key::P256(_)) {
            gas += P256;
        }
        gas + self.grant.map_or(0, grant)
    }
}

/// Each entry of a grant is new state, and those of some kinds are several.
fn grant(grant: &KeyAuthorization) -> u64 {
    let limits = grant.limits.iter().flatten().count();
    let scopes = grant.calls.iter().flatten();
    let (mut targets, mut rules, mut recipients) = (0, 0, 0);
    for scope in scopes {
        targets += 1;
        rules += scope.rules.len();
        recipients += scope
            .rules
            .iter()
            .map(|rule| rule.recipients.len())
            .sum::<usize>();
    }
    let entries = 2 + 2 * limits + 4 * targets + 4 * rules + 2 * recipients;
    NEW * u64::try_from(entries).unwrap_or(u64::MAX / NEW)
}
