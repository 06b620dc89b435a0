//! Paying channels out: all of a job in one batch, or none.

use farthing_core::{
    port::{
        backend::{Commit, Guard, Which, Write},
        session::{Handing, SettleItem, SettleJob},
    },
    value::{Amount, Reference, Timestamp},
};

use super::{
    descriptor::{PROTOCOL, hex},
    escrow::{Escrow, EscrowError, TRIES, add, news, unchanged},
    row::{Done, Kept, Why},
    signed::checks_voucher,
};
use crate::{
    books::{BALANCES, HELD, delta},
    entry::{Holder, Kind, Transfer},
    transfer::TransferId,
};

/// How many channels a job may have.
pub(super) const LIMIT: usize = 64;

/// What a job does to one channel.
struct Payout {
    before: Kept,
    version: u64,
    /// What is paid now.
    paid: Amount,
    /// What goes back to the payer.
    returned: Amount,
    after: Kept,
}

impl Escrow {
    /// Settles and closes what a job says, once.
    pub(super) async fn settle(&self, job: &SettleJob) -> Result<Done, EscrowError> {
        let name = name(job);
        for _ in 0..TRIES {
            if let Some(done) = self.done(&name).await? {
                return Ok(done);
            }
            let payouts = match self.payouts(job).await? {
                Ok(payouts) => payouts,
                Err(culprits) => return self.refuse(&name, Why::Settlement, culprits).await,
            };
            let at = self.now();
            let mut batch = self.step(&name, at);
            batch.guards.extend(guards(job, &payouts));
            batch.writes.extend(writes(job, &payouts, at));
            match self.backend.commit(batch).await? {
                Commit::Committed => {
                    self.tell();
                    return Ok(Done::At(at));
                }
                // An account would hold more than is counted: never what one has to wait for.
                Commit::Conflict(Which::Write(_)) => {
                    let culprits = (0..job.items.len()).collect();
                    return self.refuse(&name, Why::Settlement, culprits).await;
                }
                Commit::Conflict(Which::Guard(_)) => {}
            }
        }
        Err(EscrowError::Contended)
    }

    /// What each item leads to, or which of them cannot be.
    async fn payouts(
        &self,
        job: &SettleJob,
    ) -> Result<Result<Vec<Payout>, Vec<usize>>, EscrowError> {
        let (mut payouts, mut culprits) = (Vec::new(), Vec::new());
        if job.items.is_empty() || job.items.len() > LIMIT {
            return Ok(Err(culprits));
        }
        for (at, item) in job.items.iter().enumerate() {
            let twice = job.items[..at].iter().any(|it| it.channel == item.channel);
            let row = self.kept(&item.channel).await?;
            match row.and_then(|(kept, version)| payout(item, kept, version)) {
                Some(payout) if !twice => payouts.push(payout),
                _ => culprits.push(at),
            }
        }
        Ok(match culprits.is_empty() {
            true => Ok(payouts),
            false => Err(culprits),
        })
    }
}

/// What a job is called.
pub(super) fn name(job: &SettleJob) -> Reference {
    name_of(&job.id)
}

/// What the job of an id is called.
pub(super) fn name_of(id: &[u8; 16]) -> Reference {
    let name = format!("settlement-{}", hex(id));
    Reference::new(name).expect("a word and hexadecimal digits are a reference")
}

/// What an item leads to. Nothing where the books do not allow it: the same rules as those of the
/// contract that keeps channels on a chain.
fn payout(item: &SettleItem, before: Kept, version: u64) -> Option<Payout> {
    if before.is_closed || !before.is_of(&item.terms) {
        return None;
    }
    let (voucher, total, closes) = match &item.how {
        Handing::Settle(voucher) => (Some(voucher), voucher.cumulative(), false),
        Handing::Close { capture, voucher } => (voucher.as_ref(), *capture, true),
    };
    let paid = total.checked_sub(before.settled)?;
    if total > before.deposit || total > PROTOCOL.most() || (paid.is_zero() && !closes) {
        return None;
    }
    let is_allowed = paid.is_zero()
        || voucher.is_some_and(|voucher| {
            let (cumulative, signature) = (voucher.cumulative(), voucher.signature());
            let (signer, realm) = (&before.channel.signer, &before.channel.realm);
            total <= cumulative
                && checks_voucher(signer, &item.channel, cumulative, realm, signature)
        });
    if !is_allowed {
        return None;
    }
    let left = before.deposit.checked_sub(total)?;
    let after = Kept {
        settled: total,
        is_closed: closes,
        ..before.clone()
    };
    Some(Payout {
        before,
        version,
        paid,
        returned: if closes { left } else { Amount::ZERO },
        after,
    })
}

fn guards<'a>(job: &'a SettleJob, payouts: &'a [Payout]) -> impl Iterator<Item = Guard> + 'a {
    let items = job.items.iter().zip(payouts);
    items.map(|(item, payout)| unchanged(&item.channel, Some(payout.version)))
}

fn writes(job: &SettleJob, payouts: &[Payout], at: Timestamp) -> Vec<Write> {
    let mut writes = Vec::with_capacity(8 * payouts.len());
    for (number, (item, payout)) in job.items.iter().zip(payouts).enumerate() {
        let Payout {
            before,
            paid,
            returned,
            after,
            ..
        } = payout;
        let (payer, payee) = (&before.channel.payer, &before.channel.payee);
        let currency = &before.channel.currency;
        if !paid.is_zero() {
            writes.push(add(HELD, payer, currency, delta(*paid, -1)));
            writes.push(add(BALANCES, payee, currency, delta(*paid, 1)));
            let id = format!("{}.{number}", name(job).as_str());
            let transfer = Transfer {
                id: TransferId::new(id).expect("a job's name and a number are an id"),
                kind: Kind::Payment,
                from: Holder::from(payer),
                to: Holder::from(payee),
                currency,
                amount: *paid,
                at,
            };
            writes.extend(transfer.entries());
        }
        if !returned.is_zero() {
            writes.push(add(HELD, payer, currency, delta(*returned, -1)));
            writes.push(add(BALANCES, payer, currency, delta(*returned, 1)));
        }
        writes.push(after.put(&item.channel));
        writes.push(news(&item.channel));
    }
    writes
}
