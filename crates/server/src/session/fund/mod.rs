//! Funding: channels are opened, and more is locked in them.
//!
//! What comes with a request is checked with everything that can be known before anything is sent;
//! then it is claimed under its transaction and journaled, handed to the rail, and taken into the
//! channel's books when the rail has it for good. The same credential again finds the claim and gets
//! its outcome, whatever that is by then.
//!
//! What is in the store if the process dies after each step, as `tests/session_crash` proves:
//!
//! | step | in the store | what becomes of it |
//! |---|---|---|
//! | checked | nothing | nothing moved; the credential is as good as before |
//! | claimed | sent, effect journaled | the rail is handed it, or asked |
//! | handed to the rail | sent, effect journaled | the rail is asked; the same bytes move value once |
//! | the rail's answer | moved | the rail is looked at, and the channel's books are written |
//! | the channel's books | moved, the channel | the same, which changes nothing |
//! | done | done, the channel | the same credential gets the same outcome |
//!
//! Whoever presents the credential again goes on with it, once the lease of the one that died is
//! over; so does the reconciler.

mod reconcile;
mod refused;
mod send;

use std::time::Duration;

use farthing_core::{
    domain::{
        claims::{Claim, Claimed, Debit, Debts, Held},
        fundings::{FundingRecord, FundingState, Fundings},
    },
    intent::session::{ChannelId, Protocol, Standing, Terms},
    port::{
        backend::StoreError,
        method::{Fault, Refusal},
        session::{Checked, Funding, Session, Shown},
    },
    value::{Amount, ClaimKey, MethodId, PaymentId, Reference, Timestamp},
};

pub use refused::NotFunded;
pub(super) use refused::sentence;

use super::till::Till;
use crate::{abort, fingerprint, gate::seal, random};

/// What a request says to open a channel or to lock more in it.
#[derive(Clone, Copy, Debug)]
pub struct FundingAsked<'a> {
    /// The credential.
    pub shown: Shown<'a>,
    /// What its method read of it.
    pub funding: &'a Funding,
    /// The method.
    pub method: &'a MethodId,
}

/// A channel that is funded, and in the books.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Funded {
    /// The channel.
    pub channel: ChannelId,
    /// What it is.
    pub terms: Terms,
    /// What the rail calls this funding; nothing where another opened the channel and that is
    /// forgotten.
    pub reference: Option<Reference>,
}

/// A channel that is known, to have more locked in it.
struct Known {
    terms: Terms,
    deposit: Amount,
}

impl Till {
    /// Opens a channel: when it returns, the channel is in the books. One that is there already is
    /// as it was, for whoever opened it presents the same again.
    ///
    /// It belongs into a task that is not dropped with its request. One that is dropped all the same
    /// loses nothing, and leaves the rest to the reconciler.
    ///
    /// # Errors
    /// When it is refused, or not done yet. The problem says whether money moved.
    pub async fn open(&self, asked: &FundingAsked<'_>) -> Result<Funded, NotFunded> {
        let rail = self.rail_of(asked).await?;
        let known = self.0.channels.terms(&asked.funding.channel).await?;
        let funded = match known {
            Some(terms) => {
                fits(&terms, asked)?;
                let held = self.known_funding(asked, true).await?;
                let reference = held.and_then(|held| held.record.reference);
                let channel = asked.funding.channel.clone();
                Funded {
                    channel,
                    terms,
                    reference,
                }
            }
            None => match self.known_funding(asked, true).await? {
                Some(held) => self.go_on(rail, held).await?,
                None => self.fund(rail, asked, None).await?,
            },
        };
        self.holds_enough(&funded.channel, asked.shown.request.amount)
            .await?;
        Ok(funded)
    }

    /// Locks more in a channel. It takes a request to close the channel back.
    ///
    /// # Errors
    /// When it is refused, or not done yet. The problem says whether money moved.
    pub async fn top_up(&self, asked: &FundingAsked<'_>) -> Result<Funded, NotFunded> {
        let rail = self.rail_of(asked).await?;
        let id = &asked.funding.channel;
        let terms = self.0.channels.terms(id).await?;
        let terms = terms.ok_or(NotFunded::NoChannel)?;
        fits(&terms, asked)?;
        if let Some(held) = self.known_funding(asked, false).await? {
            return self.go_on(rail, held).await;
        }
        let held = self.held(id).await?;
        if let Standing::Closing | Standing::Closed = held.channel().standing() {
            return Err(NotFunded::Ended);
        }
        let deposit = held.channel().balance().deposit;
        self.fund(rail, asked, Some(Known { terms, deposit })).await
    }

    /// The rail, which has to be heard: nobody is to lock value for what is not served.
    async fn rail_of(&self, asked: &FundingAsked<'_>) -> Result<&dyn Session, NotFunded> {
        let desk = self.desk(asked.method).ok_or(NotFunded::NoRail)?;
        self.hear(asked.method).await?;
        Ok(&*desk.rail)
    }

    /// The claim of the same credential, or of another that opens the same channel.
    async fn known_funding(
        &self,
        asked: &FundingAsked<'_>,
        opens: bool,
    ) -> Result<Option<Held<FundingRecord>>, StoreError> {
        let claims = self.0.fundings.claims();
        if let Some(held) = claims.find(&payload_key(asked)).await? {
            return Ok(Some(held));
        }
        match opens {
            true => claims.find(&opening_key(asked)).await,
            false => Ok(None),
        }
    }

    /// Funds a channel with what nobody presented before.
    async fn fund(
        &self,
        rail: &dyn Session,
        asked: &FundingAsked<'_>,
        known: Option<Known>,
    ) -> Result<Funded, NotFunded> {
        let _place = self
            .0
            .at_once
            .try_acquire()
            .map_err(|_| NotFunded::Overloaded)?;
        let terms = known.as_ref().map(|known| &known.terms);
        let checking = rail.check(asked.shown, asked.funding, terms);
        let checked = self.within(checking).await?;
        self.is_good(rail, asked, &checked, known.is_none())?;
        abort::point("funding-checked");
        let id = PaymentId::made_at(self.now(), random::entropy()?);
        let claim = self.new_claim(id, asked, &checked, known.as_ref())?;
        let claims = self.0.fundings.claims();
        let held = match claims.claim(claim).await? {
            Claimed::New(held) => held,
            Claimed::Taken(key) => {
                let held = claims.find(&key).await?.ok_or(NotFunded::InFlight)?;
                let is_same = held.record.channel == asked.funding.channel
                    && held.record.opens == known.is_none();
                return match is_same {
                    true => self.go_on(rail, held).await,
                    false => Err(NotFunded::Spent),
                };
            }
            Claimed::Exceeded(debit) if is_of_openings(&debit) => {
                return Err(NotFunded::TooMany(self.next_hour()));
            }
            Claimed::Exceeded(debit) => {
                tracing::warn!(counter = %debit.counter, "a channel was not funded: a limit of the seller's would be exceeded");
                return Err(NotFunded::Limit);
            }
            Claimed::Guarded(_) | Claimed::Short(_) => return Err(NotFunded::Internal),
        };
        abort::point("funding-claimed");
        let effect = checked.verified.effect;
        self.send(rail, held, effect.as_ref()).await
    }

    /// What the draft asks of an opening and of a top-up (sections "Open Verification" and "TopUp
    /// Verification"), as far as it can be known before anything is sent.
    fn is_good(
        &self,
        rail: &dyn Session,
        asked: &FundingAsked<'_>,
        checked: &Checked,
        opens: bool,
    ) -> Result<(), NotFunded> {
        fits(&checked.terms, asked)?;
        let least = match opens {
            true => asked
                .shown
                .request
                .amount
                .max(self.min_deposit(rail, &checked.terms)?),
            false => Amount::new(1),
        };
        if checked.amount < least {
            return Err(NotFunded::TooLittle { least });
        }
        if let Some(said) = &asked.funding.voucher {
            let verifier = rail.verifier(&asked.funding.channel, &checked.terms)?;
            let voucher = verifier.check(said)?;
            if opens && voucher.cumulative() > checked.amount {
                let deposit = checked.amount;
                return Err(NotFunded::ExceedsDeposit { deposit });
            }
        }
        let until = checked.verified.send_before;
        if until.is_some_and(|until| until <= self.now()) {
            return Err(Refusal::new(Fault::Expired, "the transaction is over").into());
        }
        Ok(())
    }

    /// The least that has to be locked, in the channel's currency.
    fn min_deposit(&self, rail: &dyn Session, terms: &Terms) -> Result<Amount, NotFunded> {
        let Some(price) = &self.0.options.min_deposit else {
            return Ok(Amount::ZERO);
        };
        let currency = rail.currency(&terms.currency);
        let least = currency.and_then(|currency| price.in_currency(currency).ok());
        least.ok_or(NotFunded::Internal)
    }

    /// Whether what is locked and not paid out covers one unit.
    async fn holds_enough(&self, id: &ChannelId, amount: Amount) -> Result<(), NotFunded> {
        let balance = self.held(id).await?.channel().balance();
        let rest = balance.deposit.checked_sub(balance.settled);
        if rest.unwrap_or_default() < amount {
            return Err(NotFunded::TooLittle { least: amount });
        }
        Ok(())
    }

    fn new_claim(
        &self,
        id: PaymentId,
        asked: &FundingAsked<'_>,
        checked: &Checked,
        known: Option<&Known>,
    ) -> Result<Claim<FundingRecord>, NotFunded> {
        let (opens, verified, now) = (known.is_none(), &checked.verified, self.now());
        let deposit = known.map_or(Amount::ZERO, |known| known.deposit);
        let mut keys = vec![payload_key(asked)];
        keys.extend(verified.keys.iter().cloned());
        let mut debits = verified.debits.clone();
        if opens {
            keys.push(opening_key(asked));
            debits.push(self.opening(&checked.terms, now));
        }
        let effect = match &verified.effect {
            Some(effect) => {
                let sealed = seal::seal_for(&self.0.secrets, id.as_bytes(), effect)?;
                vec![Fundings::journal(id, &sealed)]
            }
            None => Vec::new(),
        };
        let record = FundingRecord {
            id,
            channel: asked.funding.channel.clone(),
            terms: checked.terms.clone(),
            protocol: asked.shown.request.protocol().unwrap_or(Protocol::V1),
            opens,
            challenge: asked.shown.challenge.clone(),
            amount: checked.amount,
            least: deposit.checked_add(checked.amount).unwrap_or(deposit),
            state: FundingState::Sent,
            claimed_at: now,
            lease_until: now.saturating_add(self.0.options.lease),
            proof_until: verified.proof_until,
            asked: 0,
            awaits: verified.reference.clone(),
            reference: None,
            settled_at: None,
            refused: None,
            problem: None,
        };
        Ok(Claim {
            id: id.to_key(),
            record,
            keys,
            debits,
            guards: Vec::new(),
            effect,
            debts: Debts::Keep,
        })
    }

    /// One of the openings that a payer has within an hour.
    fn opening(&self, terms: &Terms, now: Timestamp) -> Debit {
        let whose = fingerprint::of_proof(terms.payer.as_str());
        Debit {
            counter: format!(
                "{OPENINGS}{} {} {whose}",
                now.as_secs() / HOUR,
                terms.method
            )
            .into(),
            amount: Amount::new(1),
            limit: Amount::new(self.0.options.openings_an_hour.into()),
            keep: true,
        }
    }

    fn next_hour(&self) -> Duration {
        Duration::from_secs(HOUR - self.now().as_secs() % HOUR)
    }
}

/// What the counters of openings begin with; the hour follows. No method's begin so.
const OPENINGS: &str = "openings ";
const HOUR: u64 = 60 * 60;

fn is_of_openings(debit: &Debit) -> bool {
    debit.counter.starts_with(OPENINGS)
}

/// Whether a channel is what the route asks for now.
fn fits(terms: &Terms, asked: &FundingAsked<'_>) -> Result<(), NotFunded> {
    let Shown { realm, request, .. } = asked.shown;
    let fits = terms.method == *asked.method
        && terms.realm == *realm
        && terms.currency == request.currency
        && terms.payee == request.recipient;
    fits.then_some(()).ok_or(NotFunded::OtherTerms)
}

/// The key of what a credential carries, so that the same one is known again.
fn payload_key(asked: &FundingAsked<'_>) -> ClaimKey {
    let print = fingerprint::of_proof(asked.shown.payload.get());
    ClaimKey::new(format!("funding:{}:{print}", asked.method))
        .expect("a method's name and a hash are shorter than a key may be")
}

fn opening_key(asked: &FundingAsked<'_>) -> ClaimKey {
    opening_name(asked.method, &asked.funding.channel)
}

/// The key of a channel that is being opened. It is opened once, with whatever voucher.
fn opening_name(method: &MethodId, channel: &ChannelId) -> ClaimKey {
    ClaimKey::new(format!("opening:{method}:{channel}"))
        .expect("a method's name and a channel's id are shorter than a key may be")
}
