//! What a payment has to know of the chain: its time, its price for gas, who has what. Asked in one round
//! trip, and not again before there is another block.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use alloy_primitives::U64;
use farthing_core::value::{Amount, Timestamp};
use farthing_evm::{
    Address, At, Batch, Block, Bytes, CallRequest, Node, Request, RpcError, request,
};

use crate::{
    key::keychain,
    tip20::{balance_request, read_balance},
    token::Token,
};

/// The most balances that are remembered.
const REMEMBERED: usize = 1024;

/// What the chain was last seen to be.
#[derive(Debug)]
pub(crate) struct Views {
    node: Node,
    block_time: Duration,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    block: Option<(Timestamp, Block)>,
    /// By token and account.
    balances: HashMap<(Address, Address), (Timestamp, Amount)>,
}

/// What is to be known.
#[derive(Debug)]
pub(crate) struct Wanted {
    /// How much of these tokens these accounts have.
    pub(crate) balances: Vec<(Address, Address)>,
    /// What the chain knows of an account's access key, and what it may still spend of these tokens.
    pub(crate) key: Option<KeyQuestion>,
    /// How much gas the payment would take. A node that cannot say is not asked twice.
    pub(crate) gas: Option<Request<U64>>,
}

/// A question about an access key.
#[derive(Debug)]
pub(crate) struct KeyQuestion {
    pub(crate) account: Address,
    pub(crate) key: Address,
    pub(crate) tokens: Vec<Address>,
}

/// The chain at one moment.
#[derive(Debug)]
pub(crate) struct View {
    /// Its time.
    pub(crate) time: Timestamp,
    /// What a unit of gas costs in a block, in attodollars.
    pub(crate) base_fee: u128,
    balances: HashMap<(Address, Address), Amount>,
    /// The raw answers about the key: its state, then what is left of each token.
    pub(crate) key: Option<(Bytes, Vec<Bytes>)>,
    pub(crate) gas: Option<u64>,
}

/// Why the chain is not known.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ViewError {
    #[error("the chain does not tell")]
    Rpc(#[from] RpcError),
    #[error("the chain tells nonsense: {0}")]
    Nonsense(&'static str),
}

impl View {
    /// How much of a token an account has. Whatever was wanted is there.
    pub(crate) fn balance(&self, token: Address, account: Address) -> Amount {
        self.balances
            .get(&(token, account))
            .copied()
            .unwrap_or_default()
    }
}

impl Views {
    pub(crate) fn new(node: Node, block_time: Duration) -> Self {
        Self {
            node,
            block_time,
            kept: Mutex::default(),
        }
    }

    pub(crate) const fn node(&self) -> &Node {
        &self.node
    }

    /// What a balance was when it was seen last.
    pub(crate) fn remembered(&self, token: Address, account: Address) -> Option<Amount> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.balances
            .get(&(token, account))
            .map(|(_, amount)| *amount)
    }

    /// Takes what is about to be spent off what is remembered, so that many payments within a block do not
    /// count on the same money.
    pub(crate) fn spend(&self, token: Address, account: Address, amount: Amount) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, left)) = kept.balances.get_mut(&(token, account)) {
            *left = left.checked_sub(amount).unwrap_or_default();
        }
    }

    /// Takes down what was asked otherwise. A payment asks again.
    pub(crate) fn remember(&self, token: &Token, account: Address, amount: Amount) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.put((token.address, account), Timestamp::EPOCH, amount);
    }

    /// The chain as it is, or was less than a block ago: no round trip, or one.
    pub(crate) async fn look(&self, wanted: Wanted, now: Timestamp) -> Result<View, ViewError> {
        if wanted.key.is_none()
            && let Some(view) = self.fresh(&wanted, now)
        {
            return Ok(view);
        }
        let mut batch = Batch::new();
        let block = batch.ask(request::block(At::Latest));
        let balances: Vec<_> = wanted
            .balances
            .iter()
            .map(|(token, account)| batch.ask(balance_request(*token, *account)))
            .collect();
        let key = wanted.key.as_ref().map(|asked| {
            let state = batch.ask(call(keychain::ask_key(asked.account, asked.key)));
            let left =
                |token: &Address| call(keychain::ask_remaining(asked.account, asked.key, *token));
            let left: Vec<_> = asked
                .tokens
                .iter()
                .map(|token| batch.ask(left(token)))
                .collect();
            (state, left)
        });
        let gas = wanted.gas.map(|asked| batch.ask(asked));
        let mut answered = self.node.ask_batch(&batch).await?;
        let block = answered
            .take(&block)?
            .ok_or(ViewError::Nonsense("there is no last block"))?;
        let mut read = HashMap::with_capacity(balances.len());
        for (at, asked) in wanted.balances.iter().zip(&balances) {
            let answer = answered.take(asked)?;
            let amount = read_balance(at.0, &answer)
                .map_err(|_| ViewError::Nonsense("a balance is no amount"))?;
            read.insert(*at, amount);
        }
        let key = match key {
            None => None,
            Some((state, left)) => {
                let state = answered.take(&state)?;
                let left: Result<_, _> = left.iter().map(|asked| answered.take(asked)).collect();
                Some((state, left?))
            }
        };
        // Some nodes cannot estimate a batch of calls, and some refuse what they think would fail.
        let gas = gas
            .and_then(|asked| answered.take(&asked).ok())
            .map(|gas| gas.to());
        self.keep(&block, &read, now);
        Ok(View {
            time: block.time(),
            base_fee: base_fee(&block)?,
            balances: read,
            key,
            gas,
        })
    }

    /// Everything that is wanted, as it was less than a block ago.
    fn fresh(&self, wanted: &Wanted, now: Timestamp) -> Option<View> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let is_fresh = |at: &Timestamp| *at <= now && now < at.saturating_add(self.block_time);
        let (_, block) = kept.block.as_ref().filter(|(at, _)| is_fresh(at))?;
        let balance = |key: &(Address, Address)| {
            let (at, amount) = kept.balances.get(key)?;
            is_fresh(at).then_some((*key, *amount))
        };
        Some(View {
            // Less than a block ago: the chain's time is still that.
            time: block.time(),
            base_fee: base_fee(block).ok()?,
            balances: wanted.balances.iter().map(balance).collect::<Option<_>>()?,
            key: None,
            gas: None,
        })
    }

    fn keep(&self, block: &Block, balances: &HashMap<(Address, Address), Amount>, now: Timestamp) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.block = Some((now, block.clone()));
        for (key, amount) in balances {
            kept.put(*key, now, *amount);
        }
    }
}

impl Kept {
    fn put(&mut self, key: (Address, Address), at: Timestamp, amount: Amount) {
        if self.balances.len() >= REMEMBERED && !self.balances.contains_key(&key) {
            // What is still needed is asked again.
            self.balances.clear();
        }
        self.balances.insert(key, (at, amount));
    }
}

fn base_fee(block: &Block) -> Result<u128, ViewError> {
    let fee = block
        .base_fee_per_gas
        .ok_or(ViewError::Nonsense("a block has no price for gas"))?;
    u128::try_from(fee).map_err(|_| ViewError::Nonsense("the price for gas is no price"))
}

fn call(data: Bytes) -> Request<Bytes> {
    let call = CallRequest {
        to: keychain::ADDRESS,
        data,
        ..CallRequest::default()
    };
    request::call(&call, At::Latest)
}
