//! What is done to fake channels, by the rules of the contracts.

use farthing_core::{
    intent::session::{ChannelId, OnChain, Protocol, RawSignature},
    value::{Amount, Timestamp},
};
use serde::{Deserialize, Serialize};

use super::{
    chain::{FakeChannel, ReserveTruth},
    descriptor::{FakeLock, checks_voucher},
};

/// How long a payer waits between asking for a channel's end and taking back what is left.
pub(super) const GRACE_SECS: u64 = 15 * 60;

/// What is handed to the rail, to be done whole or not at all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum FakeWork {
    /// Opens a channel, or locks more in one.
    Lock(FakeLock),
    /// Pays channels out, or closes them.
    Settle(Vec<FakeItem>),
    /// The payer asks for the end.
    RequestClose(ChannelId),
    /// The payer takes back what is left.
    Withdraw(ChannelId),
}

/// One channel of a settlement, as the rail is handed it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FakeItem {
    /// The channel.
    pub channel: ChannelId,
    /// Who hands it in.
    pub by: Box<str>,
    /// What the voucher says, and its signature.
    pub voucher: Option<(Amount, [u8; 32], [u8; 32])>,
    /// What is captured, where it is a close.
    pub capture: Option<Amount>,
}

/// Why the rail does not do something, and for which of its parts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Why {
    pub(super) text: Box<str>,
    pub(super) culprits: Vec<usize>,
}

impl From<&str> for Why {
    fn from(text: &str) -> Self {
        Self {
            text: text.into(),
            culprits: Vec::new(),
        }
    }
}

impl FakeWork {
    /// Does it, or changes nothing.
    pub(super) fn apply(&self, truth: &mut ReserveTruth) -> Result<(), Why> {
        match self {
            Self::Lock(lock) => apply_lock(lock, truth),
            Self::Settle(items) => settle(items, truth),
            Self::RequestClose(id) => {
                let at = truth.at;
                let channel = truth.live_mut(id)?;
                channel.close_requested_at.get_or_insert(at);
                truth.touch(id);
                Ok(())
            }
            Self::Withdraw(id) => withdraw(id, truth),
        }
    }
}

fn apply_lock(lock: &FakeLock, truth: &mut ReserveTruth) -> Result<(), Why> {
    if lock.valid_until <= truth.at {
        return Err("the transaction came too late".into());
    }
    if !lock.is_signed() {
        return Err("the transaction is not signed by the channel's payer".into());
    }
    let (id, amount) = (lock.descriptor.id(), lock.amount.units());
    let most = lock.descriptor.protocol.most();
    if lock.opens {
        if truth.channels.contains_key(&id) {
            return Err("the channel is there already".into());
        }
        if amount == 0 && lock.descriptor.protocol == Protocol::V2 {
            return Err("nothing is deposited".into());
        }
    }
    let before = match lock.opens {
        true => 0,
        false => truth.live(&id)?.deposit,
    };
    let deposit = before
        .checked_add(amount)
        .filter(|deposit| Amount::new(*deposit) <= most)
        .ok_or("the deposit is more than the protocol can say")?;
    truth
        .pay(lock.descriptor.payer.as_str(), amount)
        .ok_or("the account has too little")?;
    let channel = truth
        .channels
        .entry(id.clone())
        .or_insert_with(|| FakeChannel::new(lock.descriptor.clone()));
    channel.deposit = deposit;
    channel.close_requested_at = None;
    truth.touch(&id);
    Ok(())
}

fn settle(items: &[FakeItem], truth: &mut ReserveTruth) -> Result<(), Why> {
    let mut culprits = Vec::new();
    let mut text = None;
    for (at, item) in items.iter().enumerate() {
        let twice = items[..at].iter().any(|it| it.channel == item.channel);
        let good = match twice {
            true => Err("the channel is handed in twice"),
            false => paid_out(item, truth).map(drop),
        };
        if let Err(why) = good {
            culprits.push(at);
            text.get_or_insert(why);
        }
    }
    if let Some(text) = text {
        let text = text.into();
        return Err(Why { text, culprits });
    }
    for item in items {
        let total = paid_out(item, truth).expect("each item was just found good");
        let channel = truth.live_mut(&item.channel).expect("it was just found");
        let delta = total - channel.settled;
        channel.settled = total;
        let (payee, payer) = (
            channel.descriptor.payee.as_str().to_owned(),
            channel.descriptor.payer.as_str().to_owned(),
        );
        let mut refund = 0;
        if item.capture.is_some() {
            refund = channel.deposit - total;
            channel.finalized = true;
        }
        truth.credit(&payee, delta);
        truth.credit(&payer, refund);
        truth.touch(&item.channel);
    }
    Ok(())
}

/// What is paid out in all once an item is done.
fn paid_out(item: &FakeItem, truth: &ReserveTruth) -> Result<u128, &'static str> {
    let channel = truth.live(&item.channel)?;
    if channel.descriptor.payee.as_str() != &*item.by {
        return Err("only the payee settles");
    }
    let said = item.voucher.map(|(cumulative, ..)| cumulative.units());
    let total = match (item.capture, channel.protocol()) {
        (None, _) => said.ok_or("nothing is settled without a voucher")?,
        (Some(capture), Protocol::V2) => capture.units(),
        (Some(_), Protocol::V1) => said.ok_or("nothing is closed without a voucher")?,
    };
    if total > channel.deposit {
        return Err("the amount is more than the deposit");
    }
    if total < channel.settled || (item.capture.is_none() && total == channel.settled) {
        return Err("the amount does not rise");
    }
    if said.is_some_and(|said| said < total) || (said.is_none() && total != channel.settled) {
        return Err("more is captured than the voucher says");
    }
    // Where nothing moves, the second protocol looks at no voucher.
    let is_checked = channel.protocol() == Protocol::V1 || total > channel.settled;
    let signer = &channel.descriptor.signer;
    let is_good = item.voucher.is_some_and(|(cumulative, r, s)| {
        checks_voucher(&item.channel, signer, cumulative, &RawSignature { r, s })
    });
    if is_checked && !is_good {
        return Err("the voucher is not the signer's");
    }
    Ok(total)
}

fn withdraw(id: &ChannelId, truth: &mut ReserveTruth) -> Result<(), Why> {
    let now = truth.at;
    let channel = truth.live_mut(id)?;
    let waited = channel
        .close_requested_at
        .is_some_and(|at| now.as_secs() >= at.as_secs() + GRACE_SECS);
    if !waited {
        return Err("the time of grace is not over".into());
    }
    channel.finalized = true;
    let refund = channel.deposit - channel.settled;
    let payer = channel.descriptor.payer.as_str().to_owned();
    truth.credit(&payer, refund);
    truth.touch(id);
    Ok(())
}

impl FakeChannel {
    /// What the rail says of it.
    pub(super) fn seen(&self, tells_the_end: bool) -> OnChain {
        if self.finalized {
            let settled = tells_the_end.then(|| Amount::new(self.settled));
            return OnChain::Finalized { settled };
        }
        OnChain::Open {
            deposit: Amount::new(self.deposit),
            settled: Amount::new(self.settled),
            close_requested_at: self.close_requested_at.map(Timestamp::whole_secs),
        }
    }
}
