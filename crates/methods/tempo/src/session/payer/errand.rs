//! What a payer does alone: asking for a channel's end, and taking back what is left.
//!
//! Each has a job, whose transaction is written down before it is sent. The same job finds it again, sends it
//! as it is while it is valid, and signs anew only once it can never be in a block any more: so at most one
//! transaction of a job ever is, in any number of processes over one store.

use std::time::Duration;

use farthing_core::{
    port::{
        method::{Fault, Outcome, Refusal},
        session_payer::Keeping,
    },
    value::{Amount, Timestamp},
};
use farthing_evm::{
    At, Batch, CallRequest, Entry, Fate, JobId, Mortality, OutboxError, RawTransaction, Receipt,
    RpcError, U256, Watched, look, request, wait,
};
use serde_json::{Map, json};

use super::{TempoSessionPayer, internal, unsupported};
use crate::{
    key::SignedKeyAuthorization,
    payer::{bounds::VALIDITY, gas::Work, outcome::reference, scope, view::Wanted},
    session::TempoChannel,
    tip20,
    token::Token,
    transaction::{Call, EXPIRING_NONCE_KEY, InvalidTransaction, Received, Transaction},
};

/// How long an errand is waited for. Whoever asks has a deadline of their own, and asks again.
const PATIENCE: Duration = Duration::from_secs(15);

/// So many errands may differ in nothing but their gas, which tells them apart while they are valid.
const TWINS: u64 = 4096;

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Errand {
    /// The channel's end is asked for.
    RequestClose,
    /// What is left is taken back.
    Withdraw,
}

impl Errand {
    fn call(self, channel: &TempoChannel) -> Call {
        match self {
            Self::RequestClose => channel.request_close(),
            Self::Withdraw => channel.withdraw(),
        }
    }

    /// The store's name for what is done once.
    fn job(self, account: &[u8], job: [u8; 16]) -> JobId {
        let kind = match self {
            Self::RequestClose => "tempo.session.request_close",
            Self::Withdraw => "tempo.session.withdraw",
        };
        JobId::new(kind, &[account, &job].concat())
    }
}

/// Why an errand came to nothing.
enum Failed {
    /// Nothing was sent, and nothing is under way.
    Refused(Refusal),
    /// It may be under way.
    Unknown(Box<dyn std::error::Error + Send + Sync>),
}

impl TempoSessionPayer {
    /// Does an errand, or finds out what became of it.
    pub(super) async fn run(&self, errand: Errand, kept: &Keeping, job: [u8; 16]) -> Outcome {
        match self.attempt(errand, kept, job).await {
            Ok(outcome) => outcome,
            Err(Failed::Refused(refusal)) => Outcome::Refused(refusal),
            Err(Failed::Unknown(error)) => Outcome::Unknown {
                source: Some(error),
            },
        }
    }

    async fn attempt(
        &self,
        errand: Errand,
        kept: &Keeping,
        job: [u8; 16],
    ) -> Result<Outcome, Failed> {
        let channel = self.channel(kept)?;
        let call = errand.call(&channel);
        let id = errand.job(self.account().as_slice(), job);
        if let Some(entry) = self.outbox.find(&id).await? {
            let signed = read(&entry, &call)?;
            match look(self.node(), &watched(&signed)).await? {
                Fate::Dead(_) => self.outbox.forget(&entry).await?,
                fate if fate.is_final() => return Ok(self.outcome(&fate)),
                _ => return self.see_through(&signed).await,
            }
        }
        let plan = self.plan(&channel, call.clone()).await?;
        let entry = self
            .lane
            .prepare(&id, |index| plan.sign(self, index))
            .await?;
        // Another process may have been first.
        let signed = read(&entry, &call)?;
        self.see_through(&signed).await
    }

    /// Sends a transaction, again if need be, and waits until it is in a block.
    async fn see_through(&self, signed: &Received) -> Result<Outcome, Failed> {
        let watched = watched(signed);
        if let Some(raw) = &watched.raw
            && let Err(error) = self.node().send_raw(raw).await
        {
            // What a node says against it is no proof: it may be in a block already.
            tracing::debug!(hash = %watched.hash, %error, "a node did not take an errand at once");
        }
        let fate = wait(self.node(), &watched, PATIENCE).await?;
        Ok(self.outcome(&fate))
    }

    fn outcome(&self, fate: &Fate) -> Outcome {
        let settled = |receipt: &Receipt| {
            let mut details = Map::new();
            details.insert("fee".to_owned(), json!(tip20::fee_of(receipt)));
            Some(Outcome::Settled {
                reference: reference(receipt.transaction_hash)?,
                at: receipt.time().unwrap_or_else(|| self.clock.now()),
                details,
            })
        };
        match fate {
            Fate::Included(receipt) => {
                settled(receipt).unwrap_or(Outcome::Unknown { source: None })
            }
            Fate::Reverted(_) => Outcome::Refused(Refusal {
                at_cost: true,
                ..Refusal::new(
                    Fault::Invalid,
                    "the contract refused it: nothing moved but the fee",
                )
            }),
            Fate::Dead(_) => Outcome::Refused(Refusal::new(
                Fault::Unavailable,
                "the transaction was in no block in its time: nothing moved",
            )),
            _ => Outcome::Pending {
                ask_after: self.network().block_time(),
            },
        }
    }

    /// Asks what has to be known, in which an errand that would fail is found out.
    async fn plan(&self, channel: &TempoChannel, call: Call) -> Result<Plan, Failed> {
        let token = self.fee_token(channel)?;
        if let Some(grant) = self.wallet.grant() {
            scope::check_any(grant, std::slice::from_ref(&call))?;
        }
        let used = self.try_it(&call).await?;
        let now = self.clock.now();
        let wanted = Wanted {
            balances: vec![(token.address, self.account())],
            key: self.wallet.key_question(token, None),
            gas: None,
        };
        let view = self
            .wallet
            .views()
            .look(wanted, now)
            .await
            .map_err(|error| {
                let silent = Refusal::new(Fault::Unavailable, "the chain does not answer");
                silent.caused_by(error)
            })?;
        let until = self.wallet.until(None, VALIDITY, &view, now)?;
        let authorization = self.wallet.authorization(&view)?.cloned();
        // A plain call's estimate holds no key and no nonce of Tempo's kind.
        let beside = Work {
            transfers: 1,
            new: 0,
            lane: false,
            key: self.wallet.key(),
            grant: authorization
                .as_ref()
                .map(SignedKeyAuthorization::authorization),
        };
        let gas = used.saturating_add(used / 2).saturating_add(beside.gas());
        let plan = Plan {
            call,
            gas: self.bounded(gas.saturating_add(TWINS))? - TWINS,
            price: self.wallet.gas_price(super::lock::random()?, &view)?,
            until,
            fee_token: token.address,
            authorization,
        };
        let most = tip20::fee(plan.gas + TWINS, plan.price);
        self.wallet
            .check_funds(token, Amount::ZERO, Some(token), most, &view)?;
        Ok(plan)
    }

    /// What fees are paid in.
    fn fee_token(&self, channel: &TempoChannel) -> Result<&Token, Refusal> {
        let network = self.network();
        let locked = network.token_at(channel.origin().token());
        let locked = locked.unwrap_or_else(|| network.token());
        let token = self.wallet.options().fee_token(network, locked);
        token.ok_or_else(|| unsupported("this payer knows no token that pays fees"))
    }

    /// The gas that the call alone uses. One that the contract refuses now is not sent.
    async fn try_it(&self, call: &Call) -> Result<u64, Failed> {
        let to = call
            .to
            .ok_or_else(|| internal("an errand is to a contract"))?;
        let mut batch = Batch::new();
        let asked = CallRequest {
            from: Some(self.account()),
            to,
            data: call.input.clone(),
            value: U256::ZERO,
        };
        let gas = batch.ask(request::estimate_gas(&asked));
        let tried = batch.ask(request::call(&asked, At::Latest));
        let mut answers = self.node().ask_batch(&batch).await?;
        if let Err(RpcError::Reverted(revert)) = answers.take(&tried) {
            let refused = format!("the contract refuses it: {revert}");
            return Err(Refusal::new(Fault::Invalid, refused).into());
        }
        let gas = answers.take(&gas).map_or(GAS, |gas| gas.to());
        Ok(gas)
    }
}

/// The gas of an errand where the node cannot say how much it would use.
const GAS: u64 = 400_000;

/// An errand that can be signed.
struct Plan {
    call: Call,
    gas: u64,
    price: u128,
    until: Timestamp,
    fee_token: farthing_evm::Address,
    authorization: Option<SignedKeyAuthorization>,
}

impl Plan {
    fn sign(
        &self,
        payer: &TempoSessionPayer,
        index: u64,
    ) -> Result<RawTransaction, InvalidTransaction> {
        let mut transaction = Transaction::new(payer.network().chain(), vec![self.call.clone()]);
        transaction.gas_limit = self.gas + index % TWINS;
        transaction.max_fee_per_gas = self.price;
        transaction.nonce_key = EXPIRING_NONCE_KEY;
        transaction.valid_before = Some(self.until.as_secs());
        transaction.fee_token = Some(self.fee_token);
        transaction.key_authorization = self.authorization.clone();
        let signed = transaction.sign(payer.wallet.key())?.whole();
        let signed = signed.expect("an errand pays its own fee");
        Ok(signed.raw().clone())
    }
}

/// What was written down for a job: this call, and no other.
fn read(entry: &Entry, call: &Call) -> Result<Received, Failed> {
    let signed = Received::decode(entry.raw.bytes())
        .map_err(|error| internal("what was written down is no transaction").caused_by(error))?;
    if signed.authored().transaction().calls != std::slice::from_ref(call) {
        return Err(internal("the job was of another channel").into());
    }
    Ok(signed)
}

fn watched(signed: &Received) -> Watched {
    let end = signed.authored().transaction().valid_before;
    let raw = signed.clone().whole().map(|whole| whole.raw().clone());
    Watched {
        hash: raw.as_ref().map(RawTransaction::hash).unwrap_or_default(),
        dies: Mortality {
            nonce: None,
            valid_before: end.map(Timestamp::from_secs),
        },
        raw,
    }
}

impl From<Refusal> for Failed {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<RpcError> for Failed {
    fn from(error: RpcError) -> Self {
        Self::Unknown(error.into())
    }
}

impl From<OutboxError> for Failed {
    fn from(error: OutboxError) -> Self {
        Self::Unknown(error.into())
    }
}
