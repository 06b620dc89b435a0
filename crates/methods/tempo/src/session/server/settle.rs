//! Settlements: many channels in one transaction, each once, whatever happens.
//!
//! A job has an id. Its transaction is valid for less than half a minute and needs no number, so it waits
//! for no other and blocks none. If the process dies after
//! - nothing was written: the same job signs, as if it were new,
//! - the signed bytes were written, and sent or not: the same job finds them, and sends them again as they
//!   are while they are valid. When they are not any more, and the chain has them in no block, they are dead
//!   for good: the job is signed anew.
//!
//! So for one job at most one transaction can ever be in a block. A transaction is all or nothing, so each of
//! its calls is tried on its own before anything is signed, and the ones that would fail are named.

use farthing_core::{
    intent::session::Voucher,
    port::{
        backend::Source,
        method::{Fault, Refusal},
        session::{Cost, Handing, SettleItem, SettleJob, Settled},
    },
    value::Amount,
};
use farthing_evm::{
    At, Batch, CallRequest, Entry, Fate, JobId, Mortality, OutboxError, RawTransaction, Receipt,
    RpcError, SendError, Signature, Watched, look, request, wait,
};
use serde_json::{Map, json};

use super::{Flaw, TempoSession, look::of, settling::Sheet};
use crate::{
    server::{push::time_of, reference},
    session::{ChannelEvent, Happened, TempoChannel, sendable},
    tip20::fee_of,
    transaction::{Call, Received},
};

/// What is handed in of one channel, as a call.
pub(super) struct Item {
    channel: TempoChannel,
    pub(super) call: Call,
    /// What the contract then says.
    done: Happened,
}

/// A settlement that was written down.
struct Kept {
    entry: Entry,
    watched: Watched,
}

/// Why nothing can be said of a job, or it is refused. It is no error where it is the answer.
pub(super) enum Stop {
    Refused(Vec<usize>, Refusal),
    Unknown(Option<Refusal>),
}

impl TempoSession {
    pub(super) async fn settle_job(&self, job: &SettleJob) -> Settled {
        let done = match self.items(job) {
            Ok(items) => self.hand_in(job, &items).await,
            Err(stop) => Err(stop),
        };
        done.unwrap_or_else(|stop| match stop {
            Stop::Refused(culprits, refusal) => Settled::Refused {
                culprits,
                refusal,
                fee: None,
            },
            Stop::Unknown(refusal) => Settled::Unknown { refusal },
        })
    }

    async fn hand_in(&self, job: &SettleJob, items: &[Item]) -> Result<Settled, Stop> {
        let id = self.job(job);
        if let Some(kept) = self.find(&id, items).await? {
            let fate = look(&self.node, &kept.watched).await.map_err(Stop::rpc)?;
            if let Fate::Dead(_) = fate {
                let forgotten = self.outbox.forget(&kept.entry).await;
                forgotten.map_err(Stop::outbox)?;
            } else if fate.is_final() {
                return self.settled_as(items, fate).await;
            } else {
                return self.send(items, &kept).await;
            }
        }
        let sheet = match self.sheet(items).await {
            Ok(sheet) => sheet,
            // What refuses it may be this very job, done by another process since.
            Err(stop) => {
                let kept = self.find(&id, items).await?.ok_or(stop)?;
                return self.send(items, &kept).await;
            }
        };
        let sign = |index| sheet.sign(items, &self.options.key, index);
        let prepared = self.lane.prepare(&id, sign).await;
        prepared.map_err(Stop::outbox)?;
        // Another process may have been first.
        let kept = self.find(&id, items).await?.ok_or(Stop::Unknown(None))?;
        self.send(items, &kept).await
    }

    /// Forgets the transaction of a job that is over: nobody sends it again.
    pub(super) async fn forget_job(&self, id: [u8; 16]) -> Result<bool, Refusal> {
        let forgotten = async {
            let found = self.outbox.find(&self.job_of(id)).await?;
            match found {
                Some(entry) => self.outbox.forget(&entry).await,
                None => Ok(()),
            }
        };
        let forgotten: Result<(), OutboxError> = forgotten.await;
        forgotten.map(|()| true).map_err(|error| {
            Refusal::new(Fault::Internal, "a settlement could not be forgotten").caused_by(error)
        })
    }

    /// The store's name for what is done once for a job.
    fn job(&self, job: &SettleJob) -> JobId {
        self.job_of(job.id)
    }

    fn job_of(&self, id: [u8; 16]) -> JobId {
        let account = self.options.key.account();
        JobId::new("tempo.session", &[account.as_slice(), &id].concat())
    }

    /// What a job is as calls. The same job is the same calls, by whomever it is asked for.
    fn items(&self, job: &SettleJob) -> Result<Vec<Item>, Stop> {
        let limit = self.options.settling.channels;
        if job.items.is_empty() || job.items.len() > limit {
            let beyond = (limit..job.items.len()).collect();
            return Err(Stop::refused(
                beyond,
                "a settlement has one channel at least, and no more than its limit",
            ));
        }
        let item = |(at, item): (usize, &SettleItem)| {
            self.item(item)
                .map_err(|flaw| Stop::Refused(vec![at], flaw.into()))
        };
        job.items.iter().enumerate().map(item).collect()
    }

    fn item(&self, item: &SettleItem) -> Result<Item, Flaw> {
        let channel = of(&item.channel, &item.terms)?;
        if !channel.may_settle(self.options.key.account()) {
            return Err(Flaw::OtherTerms("payee and operator"));
        }
        if channel.escrow().chain != self.node.chain() {
            return Err(Flaw::OtherTerms("chain"));
        }
        let (call, done) = match &item.how {
            Handing::Settle(voucher) => {
                let (settled, signature) =
                    (voucher.cumulative(), self.signature(&channel, voucher)?);
                let call = channel.settle(settled, &signature)?;
                (call, Happened::Settled { settled })
            }
            Handing::Close { capture, voucher } => {
                let signature = voucher.as_ref();
                let signature = signature
                    .map(|it| self.signature(&channel, it))
                    .transpose()?;
                let said = voucher.as_ref().map_or(*capture, Voucher::cumulative);
                let call = channel.close(said, *capture, signature.as_ref())?;
                // What goes back depends on the deposit, which the chain knows.
                let refunded = Amount::ZERO;
                let settled = *capture;
                (call, Happened::Closed { settled, refunded })
            }
        };
        Ok(Item {
            channel,
            call,
            done,
        })
    }

    /// The signature of a voucher in the one form that the contract takes.
    fn signature(&self, channel: &TempoChannel, voucher: &Voucher) -> Result<Signature, Flaw> {
        let vouchers = self.vouchers(channel.escrow());
        let digest = vouchers.digest(channel.id(), voucher.cumulative())?;
        let signer = channel.origin().signer();
        sendable(voucher.signature(), digest, signer).map_err(Flaw::Signature)
    }

    async fn find(&self, id: &JobId, items: &[Item]) -> Result<Option<Kept>, Stop> {
        let found = self.outbox.find(id).await.map_err(Stop::outbox)?;
        found.map(|entry| self.kept(entry, items)).transpose()
    }

    /// What was written down has to be this job's: what was signed on another chain or for other items is
    /// none of ours to judge.
    fn kept(&self, entry: Entry, items: &[Item]) -> Result<Kept, Stop> {
        let read = Received::decode(entry.raw.bytes());
        let read =
            read.map_err(|error| Stop::bug("a settlement that was kept cannot be read", error))?;
        let transaction = read.authored().transaction();
        let is_same = transaction
            .calls
            .iter()
            .eq(items.iter().map(|item| &item.call));
        if entry.lane.chain != self.node.chain() || !is_same {
            let other = "the job was used for another settlement";
            return Err(Stop::bug(other, other));
        }
        let watched = Watched {
            hash: entry.hash(),
            dies: Mortality {
                nonce: None,
                valid_before: transaction
                    .valid_before
                    .map(farthing_core::value::Timestamp::from_secs),
            },
            raw: Some(entry.raw.clone()),
        };
        Ok(Kept { entry, watched })
    }

    async fn send(&self, items: &[Item], kept: &Kept) -> Result<Settled, Stop> {
        let raw: &RawTransaction = &kept.entry.raw;
        match self.node.send_raw_sync(raw).await {
            Ok(Some(receipt)) if receipt.succeeded() => {
                return self.settled_in(items, &receipt).await;
            }
            Ok(_) => {}
            Err(SendError::NotSent(error)) => return Err(Stop::rpc(error)),
            Err(error) => {
                let hash = raw.hash();
                tracing::warn!(%hash, error = &error as &dyn std::error::Error, "nobody says that a settlement was taken");
            }
        }
        let fate = wait(&self.node, &kept.watched, self.options.patience).await;
        let fate = fate.map_err(Stop::rpc)?;
        self.settled_as(items, fate).await
    }

    async fn settled_as(&self, items: &[Item], fate: Fate) -> Result<Settled, Stop> {
        match fate {
            Fate::Included(receipt) => self.settled_in(items, &receipt).await,
            Fate::Reverted(receipt) => {
                let hash = receipt.transaction_hash;
                tracing::warn!(%hash, "a settlement failed: what it was for changed before its block");
                // Who it was is asked now: what failed then may not fail any more.
                let culprits = match self.sheet(items).await {
                    Err(Stop::Refused(culprits, _)) => culprits,
                    _ => Vec::new(),
                };
                let refusal = Refusal::new(
                    Fault::Invalid,
                    "the chain ran the settlement, and it failed",
                );
                Ok(Settled::Refused {
                    culprits,
                    refusal: refusal.at_cost(),
                    fee: Some(self.cost(&receipt)),
                })
            }
            // It is dead for good, and signed anew when it is asked for again.
            _ => Ok(Settled::Pending {
                ask_after: self.ask_after(),
            }),
        }
    }

    /// A transaction is in a block and succeeded: does the contract say so of every channel?
    async fn settled_in(&self, items: &[Item], receipt: &Receipt) -> Result<Settled, Stop> {
        let hash = receipt.transaction_hash;
        if let Some(missing) = items.iter().find(|item| !item.is_done(receipt)) {
            tracing::error!(%hash, channel = %missing.channel.id(), "a receipt says success and the contract nothing of a channel: look at the node and at the chain");
            return Err(Stop::rpc(
                self.nonsense("a receipt lacks what the contract says"),
            ));
        }
        let at = time_of(&self.node, receipt).await.map_err(Stop::rpc)?;
        let mut details = Map::new();
        let mut put = |name: &str, value| details.insert(name.to_owned(), value);
        put("chainId", json!(self.node.chain().get()));
        put("channels", json!(items.len()));
        put("gasUsed", json!(receipt.gas_used()));
        Ok(Settled::Done {
            reference: reference(hash),
            at,
            fee: Some(self.cost(receipt)),
            details,
        })
    }

    /// What a settlement's transaction cost, which the settling account paid in its fee token.
    fn cost(&self, receipt: &Receipt) -> Cost {
        Cost {
            currency: self.options.settling.fee_token.currency().code,
            amount: fee_of(receipt),
        }
    }

    /// Tries every call, and reckons what they cost.
    async fn sheet(&self, items: &[Item]) -> Result<Sheet, Stop> {
        let settling = &self.options.settling;
        let account = self.options.key.account();
        let mut batch = Batch::new();
        let block = batch.ask(request::block(At::Latest));
        let fee_token = settling.fee_token.address;
        let balance = batch.ask(crate::tip20::balance_request(fee_token, account));
        let tries: Vec<_> = items
            .iter()
            .map(|item| {
                let call = CallRequest {
                    from: Some(account),
                    to: item.channel.escrow().contract,
                    data: item.call.input.clone(),
                    ..CallRequest::default()
                };
                batch.ask(request::estimate_gas(&call))
            })
            .collect();
        let mut answers = self.node.ask_batch(&batch).await.map_err(Stop::rpc)?;
        let block = answers.take(&block).map_err(Stop::rpc)?;
        let block = block.ok_or_else(|| Stop::rpc(self.nonsense("there is no last block")))?;
        let balance = answers.take(&balance).map_err(Stop::rpc)?;
        let balance = crate::tip20::read_balance(fee_token, &balance);
        let balance =
            balance.map_err(|error| Stop::bug("the fee token tells no balance", error))?;
        let mut used = Vec::with_capacity(items.len());
        let (mut culprits, mut why) = (Vec::new(), None);
        for (at, tried) in tries.iter().enumerate() {
            match answers.take(tried) {
                Ok(gas) => used.push(Some(gas.to::<u64>())),
                Err(RpcError::Unsupported { .. }) => used.push(None),
                Err(error @ RpcError::Reverted(_)) => {
                    culprits.push(at);
                    why.get_or_insert(error);
                }
                Err(error) => return Err(Stop::rpc(error)),
            }
        }
        if let Some(why) = why {
            let refusal = Refusal::new(
                Fault::Invalid,
                "the contract would refuse channels of the settlement",
            );
            return Err(Stop::Refused(culprits, refusal.caused_by(why)));
        }
        Sheet::new(
            self.node.chain(),
            settling,
            &block,
            &used,
            balance,
            self.clock.now(),
        )
    }
}

impl Item {
    fn is_done(&self, receipt: &Receipt) -> bool {
        let contract = self.channel.escrow().contract;
        let logs = receipt.logs.iter().filter(|log| log.address == contract);
        let events = logs.filter_map(ChannelEvent::read);
        let mut own = events.filter(|event| event.channel == self.channel.id());
        own.any(|event| match (self.done, event.what) {
            (Happened::Closed { settled: ours, .. }, Happened::Closed { settled, .. }) => {
                ours == settled
            }
            (ours, what) => ours == what,
        })
    }
}

impl Stop {
    pub(super) fn refused(culprits: Vec<usize>, why: &'static str) -> Self {
        Self::Refused(culprits, Refusal::new(Fault::Internal, why))
    }

    pub(super) fn unavailable(why: &'static str) -> Self {
        Self::Unknown(Some(Refusal::new(Fault::Unavailable, why)))
    }

    fn rpc(error: RpcError) -> Self {
        Self::Unknown(Some(super::look::unavailable(error)))
    }

    fn outbox(error: OutboxError) -> Self {
        Self::bug(
            "a settlement could not be written down: nothing was sent",
            error,
        )
    }

    fn bug(why: &'static str, error: impl Into<Source>) -> Self {
        let error = error.into();
        tracing::error!(cause = &*error, "{why}");
        Self::Unknown(Some(Refusal::new(Fault::Internal, why).caused_by(error)))
    }
}
