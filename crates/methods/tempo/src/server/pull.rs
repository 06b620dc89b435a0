//! A transaction that the buyer signed and we send: what it may be, before anybody is asked about it.

use std::time::Duration;

use farthing_core::{
    port::method::Presented,
    value::{Amount, Timestamp},
};
use farthing_evm::{Address, Bytes, U256};

use super::{Bounds, Flaw, Sponsor, TempoOptions, demand::Demand};
use crate::{
    charge::{Mode, match_calls},
    transaction::{Authored, Received, Transaction},
};

/// The first byte of lanes of nonces that belong to the chain itself.
const RESERVED_LANES: u8 = 0x5b;

/// The longest that the chain takes a nonce that expires before its end. What is valid for longer is refused by
/// every node until then, and would be looked for all the while.
const EXPIRING: Duration = Duration::from_secs(30);

/// A transaction that is the payment and nothing else, as far as its bytes say.
#[derive(Debug)]
pub(crate) struct Pull {
    pub(crate) received: Received,
    /// The account that pays.
    pub(crate) payer: Address,
    /// The token that is paid.
    pub(crate) token: Address,
    /// How much of it, over all legs.
    pub(crate) amount: Amount,
    /// The chain's time from which on it is not valid any more.
    pub(crate) valid_before: Timestamp,
}

impl Pull {
    /// Reads a transaction and looks at everything that can be looked at here.
    pub(super) fn read(
        demand: &Demand<'_>,
        bytes: &Bytes,
        options: &TempoOptions,
    ) -> Result<Self, Flaw> {
        let legs = demand.legs(Mode::Pull)?;
        demand.is_open()?;
        let received = Received::decode(bytes).map_err(Flaw::Transaction)?;
        let authored = received.authored();
        let transaction = authored.transaction();
        if transaction.chain != demand.details.chain {
            return Err(Flaw::OtherChain {
                expected: demand.details.chain,
                found: transaction.chain,
            });
        }
        let source = demand.source()?;
        if source.is_some_and(|source| source != authored.sender()) {
            return Err(Flaw::OtherPayer);
        }
        let sponsor = options.sponsor.as_ref();
        let sponsor = sponsor.filter(|_| demand.details.fee_payer);
        let Presented { now, expires, .. } = demand.presented;
        let valid_before = frame(&received, (now, expires), &options.bounds, sponsor)?;
        match_calls(&transaction.calls, legs).map_err(Flaw::Calls)?;
        Ok(Self {
            payer: authored.sender(),
            token: legs.token(),
            amount: demand.presented.request.amount,
            valid_before,
            received,
        })
    }

    pub(crate) const fn authored(&self) -> &Authored {
        self.received.authored()
    }

    pub(crate) const fn transaction(&self) -> &Transaction {
        self.authored().transaction()
    }
}

/// Everything about a transaction but what its calls do: nothing smuggled in, gas, window, and who pays the
/// fee. `between` is now and the end of its challenge. What is returned is its end.
pub(crate) fn frame(
    received: &Received,
    between: (Timestamp, Timestamp),
    bounds: &Bounds,
    sponsor: Option<&Sponsor>,
) -> Result<Timestamp, Flaw> {
    let transaction = received.authored().transaction();
    nothing_smuggled(transaction)?;
    gas(transaction, bounds)?;
    let valid_before = validity(transaction, between, bounds)?;
    match sponsor {
        Some(sponsor) => sponsored(received, sponsor, between.0)?,
        None => unsponsored(received)?,
    }
    Ok(valid_before)
}

/// Everything beside the calls that a transaction can do. An access list does nothing; it costs gas, which
/// somebody pays for, and no payment needs one.
fn nothing_smuggled(transaction: &Transaction) -> Result<(), Flaw> {
    if !transaction.access_list.is_empty() {
        return Err(Flaw::Smuggled("an access list"));
    }
    if !transaction.authorizations.is_empty() {
        return Err(Flaw::Smuggled("a delegation of an account to code"));
    }
    if !transaction.is_expiring_nonce()
        && transaction.nonce_key.to_be_bytes::<32>()[0] == RESERVED_LANES
    {
        return Err(Flaw::Lane);
    }
    if transaction.is_expiring_nonce() && transaction.nonce != 0 {
        return Err(Flaw::Lane);
    }
    Ok(())
}

fn gas(transaction: &Transaction, bounds: &Bounds) -> Result<(), Flaw> {
    let Transaction {
        gas_limit,
        max_fee_per_gas,
        max_priority_fee_per_gas,
        ..
    } = *transaction;
    if gas_limit > bounds.gas {
        return Err(Flaw::Gas {
            found: gas_limit,
            most: bounds.gas,
        });
    }
    if max_fee_per_gas > bounds.gas_price {
        return Err(Flaw::GasPrice {
            found: max_fee_per_gas,
            most: bounds.gas_price,
        });
    }
    if max_priority_fee_per_gas > max_fee_per_gas {
        return Err(Flaw::Tip);
    }
    Ok(())
}

/// A payment ends, and soon: until then it can be sent by whoever has it, and its claim is kept. The draft
/// has it end with the challenge ("Request Schema"); a clock that is a little off is no reason to refuse.
fn validity(
    transaction: &Transaction,
    (now, expires): (Timestamp, Timestamp),
    bounds: &Bounds,
) -> Result<Timestamp, Flaw> {
    let valid_before = Timestamp::from_secs(transaction.valid_before.ok_or(Flaw::Endless)?);
    if valid_before <= now.saturating_add(bounds.margin) {
        return Err(Flaw::Over);
    }
    let most = match transaction.is_expiring_nonce() {
        true => bounds.validity.min(EXPIRING),
        false => bounds.validity,
    };
    let longest = now
        .saturating_add(most)
        .min(expires)
        .saturating_add(bounds.skew);
    if valid_before > longest {
        return Err(Flaw::TooLong);
    }
    let after = transaction.valid_after.map(Timestamp::from_secs);
    if after.is_some_and(|after| after > now) {
        return Err(Flaw::TooEarly);
    }
    Ok(valid_before)
}

/// The buyer pays the fee, and nobody else does.
fn unsponsored(received: &Received) -> Result<(), Flaw> {
    match received {
        Received::Whole(whole) if whole.sponsor().is_none() => Ok(()),
        Received::Whole(_) | Received::Half(_) => Err(Flaw::Sponsored),
    }
}

/// We pay the fee: within our own bounds, and only for a transaction that cannot live long. A nonce that
/// expires is that, and cannot be blocked by another of the same lane.
fn sponsored(received: &Received, sponsor: &Sponsor, now: Timestamp) -> Result<(), Flaw> {
    let Received::Half(half) = received else {
        return Err(Flaw::NotSponsored);
    };
    let authored = half.authored();
    let transaction = authored.transaction();
    if authored.sender() == sponsor.key.address() {
        return Err(Flaw::OwnSponsor);
    }
    if !transaction.is_expiring_nonce() {
        return Err(Flaw::Lane);
    }
    if transaction.key_authorization.is_some() && !sponsor.authorizations {
        return Err(Flaw::Smuggled("the authorization of an access key"));
    }
    if transaction.gas_limit > sponsor.gas {
        return Err(Flaw::Gas {
            found: transaction.gas_limit,
            most: sponsor.gas,
        });
    }
    let fee = transaction.max_fee();
    if fee > U256::from(sponsor.fee.units()) {
        return Err(Flaw::Fee {
            found: fee,
            most: sponsor.fee,
        });
    }
    let longest = now.saturating_add(sponsor.validity);
    let ends = transaction.valid_before.map(Timestamp::from_secs);
    if ends.is_none_or(|ends| ends > longest) {
        return Err(Flaw::TooLong);
    }
    Ok(())
}
