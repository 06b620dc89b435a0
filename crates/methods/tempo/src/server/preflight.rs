//! What the chain says of a transaction before it is sent: one round trip.
//!
//! Every call is tried on its own, because not every node can try a whole Tempo transaction. What that
//! leaves open (all legs together, the fee, the limits of an access key) is asked for in the same batch. It
//! is a look at one moment: a payer can spend its money elsewhere before the block. Then the settlement
//! fails, and nothing was served for it.

use alloy_primitives::U64;
use farthing_core::value::{Amount, Timestamp};
use farthing_evm::{
    Address, Answered, Asked, At, Batch, Block, Bytes, CallRequest, NonceRead, Receipt, Request,
    RpcError, U256, request,
};

use super::{
    Bounds, Flaw, Sponsor,
    pull::Pull,
    tries::{Tries, Trying},
};
use crate::{
    key::keychain::{self, KeyState},
    nonce,
    tip20::{balance_request, fee, read_balance},
    token::Token,
    transaction::Transaction,
};

/// What is asked of the chain.
#[derive(Debug)]
pub(crate) struct Preflight<'a, 's> {
    pull: &'a Pull,
    sponsor: Option<&'s Sponsor>,
    batch: Batch,
    latest: Asked<Option<Block>>,
    tries: Tries,
    balance: Asked<Bytes>,
    fees: Vec<Asked<Bytes>>,
    key: Option<(Asked<Bytes>, Asked<Bytes>)>,
    sent: Option<Asked<Option<Receipt>>>,
    next: Option<Next>,
}

/// The next nonce of a lane.
#[derive(Debug)]
enum Next {
    /// As an account counts it.
    Count(Asked<U64>),
    /// As the contract of the lanes does.
    Word(Asked<Bytes>),
}

/// What a transaction may be like, as far as the chain is asked about it.
#[derive(Debug)]
pub(crate) struct Rules<'a> {
    pub(crate) bounds: &'a Bounds,
    /// Whether one is sent that the node cannot try beforehand.
    pub(crate) send_untried: bool,
}

/// What the chain said, where it would take the transaction.
#[derive(Debug)]
pub(crate) struct Cleared<'s> {
    /// The token we pay the fee in, where we do.
    pub(crate) fee_token: Option<&'s Token>,
    /// How much the payer has of the token that is paid.
    pub(crate) has: Amount,
}

impl<'a, 's> Preflight<'a, 's> {
    /// The questions about a transaction. `is_marked` says that its memo is made of the challenge: one that is
    /// not could be the payment of somebody else who sent it, and is asked for.
    pub(crate) fn new(
        pull: &'a Pull,
        sponsor: Option<&'s Sponsor>,
        is_marked: bool,
        trying: Trying,
    ) -> Self {
        let mut batch = Batch::new();
        let latest = batch.ask(request::block(At::Latest));
        let transaction = pull.transaction();
        let tries = Tries::ask(&mut batch, pull.payer, &transaction.calls, trying);
        let balance = batch.ask(balance_request(pull.token, pull.payer));
        let fees = match sponsor {
            Some(sponsor) => sponsor
                .fee_tokens
                .iter()
                .map(|token| batch.ask(balance_request(token.address, sponsor.key.address())))
                .collect(),
            None => transaction
                .fee_token
                .map(|token| batch.ask(balance_request(token, pull.payer)))
                .into_iter()
                .collect(),
        };
        // A key that is authorized by this very transaction is not known to the chain yet.
        let access_key = pull
            .authored()
            .access_key()
            .filter(|_| transaction.key_authorization.is_none());
        let key = access_key.map(|key| {
            let asked = keychain::ask_key(pull.payer, key);
            let remaining = keychain::ask_remaining(pull.payer, key, pull.token);
            (
                batch.ask(view(keychain::ADDRESS, asked)),
                batch.ask(view(keychain::ADDRESS, remaining)),
            )
        });
        let own_hash = match &pull.received {
            crate::transaction::Received::Whole(whole) if !is_marked => Some(whole.hash()),
            _ => None,
        };
        let sent = own_hash.map(|hash| batch.ask(request::receipt(hash)));
        let next = (!transaction.is_expiring_nonce()).then(|| {
            match nonce::read(pull.payer, transaction.nonce_key) {
                NonceRead::Account(account) => {
                    Next::Count(batch.ask(request::transaction_count(account, At::Latest)))
                }
                NonceRead::Call { to, data } => Next::Word(batch.ask(view(to, data))),
            }
        });
        Self {
            pull,
            sponsor,
            batch,
            latest,
            tries,
            balance,
            fees,
            key,
            sent,
            next,
        }
    }

    /// Asks, and judges what is answered.
    pub(crate) async fn run(
        self,
        node: &farthing_evm::Node,
        rules: &Rules<'_>,
    ) -> Result<Cleared<'s>, Flaw> {
        let mut answers = node.ask_batch(&self.batch).await.map_err(Flaw::Chain)?;
        let latest = answers.take(&self.latest).map_err(Flaw::Chain)?;
        let latest = latest.ok_or_else(|| nonsense("the chain has no last block"))?;
        let transaction = self.pull.transaction();
        self.in_time(&latest, rules.bounds)?;
        if let Some(base) = latest.base_fee_per_gas
            && U256::from(transaction.max_fee_per_gas) < base
        {
            return Err(Flaw::BelowBaseFee);
        }
        if let Some(sent) = &self.sent
            && answers.take(sent).map_err(Flaw::Chain)?.is_some()
        {
            return Err(Flaw::SentBefore);
        }
        self.in_turn(&mut answers)?;
        let has = balance(&mut answers, self.pull.token, &self.balance)?;
        let needs = self.pull.amount;
        if has < needs {
            return Err(Flaw::Balance { has, needs });
        }
        let untried = rules.send_untried && self.sponsor.is_none();
        let gas_limit = transaction.gas_limit;
        self.tries.judge(&mut answers, gas_limit, untried)?;
        self.key_may_spend(&mut answers, latest.time(), needs)?;
        let fee_token = self.fee(&mut answers, &latest, has, needs)?;
        Ok(Cleared { fee_token, has })
    }

    /// The chain goes by its own clock.
    fn in_time(&self, latest: &Block, bounds: &Bounds) -> Result<(), Flaw> {
        let ends = self.pull.valid_before;
        if ends <= latest.time().saturating_add(bounds.margin) {
            return Err(Flaw::Over);
        }
        let begins = self.pull.transaction().valid_after;
        let latest_allowed = latest.time().saturating_add(bounds.skew);
        if begins.is_some_and(|begins| Timestamp::from_secs(begins) > latest_allowed) {
            return Err(Flaw::TooEarly);
        }
        Ok(())
    }

    /// What waits for another transaction of its lane may wait for as long as it is valid, and never come: it
    /// would be looked for all the time, and costs whoever made it nothing. One whose nonce is used is not
    /// refused here: it may be this very one, and then it paid.
    fn in_turn(&self, answers: &mut Answered) -> Result<(), Flaw> {
        let next = match &self.next {
            None => return Ok(()),
            Some(Next::Count(asked)) => answers.take(asked).map_err(Flaw::Chain)?.to::<u64>(),
            Some(Next::Word(asked)) => {
                let word = answers.take(asked).map_err(Flaw::Chain)?;
                let word = <[u8; 32]>::try_from(&word[..]).ok();
                let number = word.and_then(|word| u64::try_from(U256::from_be_bytes(word)).ok());
                number.ok_or_else(|| nonsense("a nonce is a number of 32 bytes"))?
            }
        };
        if self.pull.transaction().nonce > next {
            return Err(Flaw::Gap);
        }
        Ok(())
    }

    fn key_may_spend(
        &self,
        answers: &mut Answered,
        now: Timestamp,
        needs: Amount,
    ) -> Result<(), Flaw> {
        let Some((state, remaining)) = &self.key else {
            return Ok(());
        };
        let state = keychain::read_key(&answers.take(state).map_err(Flaw::Chain)?);
        let state = state.map_err(|error| Flaw::Chain(not_understood(error)))?;
        let KeyState::Active {
            expiry, limited, ..
        } = state
        else {
            return Err(Flaw::AccessKey);
        };
        if expiry.is_some_and(|expiry| Timestamp::from_secs(expiry) <= now) {
            return Err(Flaw::AccessKey);
        }
        if limited {
            let remaining = answers.take(remaining).map_err(Flaw::Chain)?;
            let remaining = keychain::read_remaining(&remaining);
            let has = remaining
                .map_err(|error| Flaw::Chain(not_understood(error)))?
                .amount;
            if has < U256::from(needs.units()) {
                return Err(Flaw::KeyLimit { has, needs });
            }
        }
        Ok(())
    }

    /// What is offered on top of the base fee is spent for every unit of gas that is used, and the one who offers it here is not the
    /// one who pays it.
    fn tip(&self, latest: &Block) -> Result<(), Flaw> {
        let found = self.pull.transaction().max_priority_fee_per_gas;
        let base = latest.base_fee_per_gas.unwrap_or_default();
        let most = u128::try_from(base).unwrap_or(u128::MAX).max(TIP);
        if found > most {
            return Err(Flaw::SponsoredTip { found, most });
        }
        Ok(())
    }

    /// Whether whoever pays the fee can. The protocol takes the whole of it before the transaction runs, and
    /// gives back what was not used.
    fn fee(
        &self,
        answers: &mut Answered,
        latest: &Block,
        has: Amount,
        pays: Amount,
    ) -> Result<Option<&'s Token>, Flaw> {
        if let Some(sponsor) = self.sponsor {
            self.tip(latest)?;
            let floor = sponsor.fees_in_flight;
            let mut most = Amount::ZERO;
            for (token, asked) in sponsor.fee_tokens.iter().zip(&self.fees) {
                let has = balance(answers, token.address, asked)?;
                if has >= floor {
                    return Ok(Some(token));
                }
                most = most.max(has);
            }
            let sponsor = sponsor.key.address();
            tracing::error!(%sponsor, has = %most, %floor, "the sponsor has too little for more fees: fund it");
            return Err(Flaw::SponsorDry);
        }
        let transaction = self.pull.transaction();
        // Where no fee token is named, the chain picks one by rules that depend on the account.
        let (Some(fee_token), Some(asked)) = (transaction.fee_token, self.fees.first()) else {
            return Ok(None);
        };
        let fee = fee_at(transaction, latest);
        let same = fee_token == self.pull.token;
        let (has, needs) = if same {
            (has, pays.checked_add(fee).unwrap_or(Amount::new(u128::MAX)))
        } else {
            (balance(answers, fee_token, asked)?, fee)
        };
        if has < needs {
            return Err(Flaw::FeeBalance { has, needs });
        }
        Ok(None)
    }
}

/// What a block's maker may be given for a unit of gas whatever the base fee is, in attodollars.
const TIP: u128 = 1_000_000_000;

/// What is taken of the payer before the transaction runs, at the price of the last block.
fn fee_at(transaction: &Transaction, latest: &Block) -> Amount {
    let most = transaction.max_fee_per_gas;
    let price = latest.base_fee_per_gas.map_or(most, |base| {
        let base = u128::try_from(base).unwrap_or(u128::MAX);
        base.saturating_add(transaction.max_priority_fee_per_gas)
            .min(most)
    });
    fee(transaction.gas_limit, price)
}

fn view(to: Address, data: Bytes) -> Request<Bytes> {
    let call = CallRequest {
        to,
        data,
        ..CallRequest::default()
    };
    request::call(&call, At::Latest)
}

/// How much of a token somebody has. A token that does not tell is not there: the configuration is wrong, or
/// the node is.
fn balance(answers: &mut Answered, token: Address, asked: &Asked<Bytes>) -> Result<Amount, Flaw> {
    let answer = answers.take(asked).map_err(Flaw::Chain)?;
    read_balance(token, &answer).map_err(|error| {
        Flaw::Chain(RpcError::Nonsense {
            endpoint: "the node".to_owned(),
            what: "a token does not tell a balance",
            source: Some(error.into()),
        })
    })
}

fn nonsense(what: &'static str) -> Flaw {
    Flaw::Chain(RpcError::Nonsense {
        endpoint: "the node".to_owned(),
        what,
        source: None,
    })
}

fn not_understood(error: keychain::KeychainError) -> RpcError {
    RpcError::Nonsense {
        endpoint: "the node".to_owned(),
        what: "the keychain's answer is another than its interface has",
        source: Some(error.into()),
    }
}
