//! The claim: a proof becomes ours alone.
//!
//! What is there if the process dies after each step, as `tests/crash` proves:
//!
//! | step | policy, rail | in the store | what becomes of it |
//! |---|---|---|---|
//! | before the claim | | nothing | nothing moved; the credential is as good as before |
//! | claim | first, books | settled, started, receipt kept | runs again if it may, else owed |
//! | claim | first, outside | sent, effect journaled | the rail is asked |
//! | the rail's answer | first, outside | settled, started, receipt kept | runs again if it may, else owed |
//! | the rail took it | first, on credit | credited, started | the rail is asked; settled as above, refused it is defaulted |
//! | claim | after, books | claimed, amount held | voided, hold released |
//! | claim | after, outside | claimed | voided |
//!
//! On credit the claim reserves on two counters more. Where they have no room it is made without, and
//! waits for the rail. A process that dies before the rail took the payment leaves one that is sent:
//! whoever takes that over gives no credit.
//!
//! Under `first` the settlement and the start of the handler are one write, so nobody can know
//! whether the handler had begun: one that must not run twice does not run again.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use farthing_core::{
    binding::{Secrets, Slots},
    domain::{
        claims::{Claim, Claimed, Debit, Debts, Held},
        credit,
        payments::Payments,
    },
    header::authorization,
    intent::session::SESSION,
    noun::CredentialRef,
    payment::{Answer, Event, Moved, Payment, SettlePolicy, State},
    port::{
        backend::{StoreError, Write},
        method::{Booking, Fault, Rail, Refusal},
    },
    value::{ChallengeId, ClaimKey, Fingerprint, PaymentId, Secret, Timestamp},
};
use http::{Response, request::Parts};

use super::{
    Admission, Asked, Gate,
    charged::Charged,
    seal, settle,
    steps::{Parsed, Proven},
};
use crate::{abort, body::GateBody, fingerprint, random, refused::Refused};

/// The least time in which a handler may be expected to serve before a payment has to be sent.
const LEAST_TIME: Duration = Duration::from_secs(1);

/// Why a credential does not lead to a permit.
pub(super) enum Stop {
    /// It is refused.
    Refused(Refused),
    /// It is refused, and this payment is why.
    About(Refused, Box<Payment>),
    /// It was paid for before, and this is the answer.
    Replay(Box<(Response<Bytes>, Held<Payment>)>),
}

impl<T: Into<Refused>> From<T> for Stop {
    fn from(refused: T) -> Self {
        Self::Refused(refused.into())
    }
}

impl Gate {
    pub(super) async fn admit_credential<B>(
        &self,
        asked: Asked,
        value: &[u8],
        parts: &Parts,
    ) -> Admission<B>
    where
        B: http_body::Body<Data = Bytes>,
    {
        let mut buffer = Vec::new();
        let credential = match authorization::decode(value, &mut buffer) {
            Ok(credential) => credential,
            Err(error) => {
                let refused = Refused::Malformed(error);
                let response = self.refuse(&asked, parts, &refused).await;
                return Admission::Respond(response.map(GateBody::held));
            }
        };
        let slots = match credential.slots() {
            Ok(slots) => slots,
            Err(error) => {
                let response = self.refuse(&asked, parts, &Refused::Slot(error)).await;
                return Admission::Respond(response.map(GateBody::held));
            }
        };
        if slots.intent() == SESSION {
            return self
                .admit_session(&asked, (&credential, &slots), parts)
                .await;
        }
        if asked.asks_for_its_channel(&slots) {
            let answered = Box::pin(self.tell_channel(&asked, &credential, slots)).await;
            let response = match answered {
                Ok(response) => response,
                Err(refused) => self.refuse(&asked, parts, &refused).await,
            };
            return Admission::Respond(response.map(GateBody::held));
        }
        // Apart from the requests that a channel pays for, whose task is a fraction of it.
        let stop = match Box::pin(self.pass(&asked, &credential, slots)).await {
            Ok(charged) => return Admission::Proceed(Box::new(charged.into())),
            Err(stop) => stop,
        };
        Admission::Respond(match stop {
            Stop::Refused(refused) => self
                .refuse(&asked, parts, &refused)
                .await
                .map(GateBody::held),
            Stop::About(refused, payment) => {
                refused.log(asked.id.as_str(), asked.now);
                let problem = refused.problem_about(&payment);
                self.answer(&asked, parts, problem)
                    .await
                    .map(GateBody::held)
            }
            Stop::Replay(replay) => self.deliver_again(*replay),
        })
    }

    async fn pass(
        &self,
        asked: &Asked,
        credential: &CredentialRef<'_>,
        slots: Slots<'_>,
    ) -> Result<Charged, Stop> {
        let parsed = Parsed::new(credential, slots)?;
        let (challenge, proof) = (parsed.challenge.clone(), parsed.proof);
        // A claim we hold is answered whatever became of its challenge, so it is looked for when
        // a check fails. When none fails the claim itself finds it, and that saves a read.
        let proven = match parsed
            .authenticate(self, asked)
            .and_then(|credential| credential.bind(asked))
        {
            Ok(bound) => bound.prove(self, asked).await,
            Err(refused) => Err(refused),
        };
        // Nothing is claimed that could not be served. What is claimed already is answered.
        let proven = proven.and_then(|proven| match asked.route.is_ready() {
            true if self.is_in_time(asked, &proven) => Ok(proven),
            true => Err(Refused::TooLate),
            false => Err(Refused::NotReady),
        });
        match proven {
            Ok(proven) => self.claim(asked, proven).await,
            Err(refused) => {
                self.0.finishing.wait(&challenge).await;
                let held = self
                    .0
                    .payments
                    .claims()
                    .find(&ClaimKey::challenge(&challenge))
                    .await;
                match held.map_err(Refused::StoreUnread)? {
                    Some(held) => self.known(asked, held, Some(proof)).await,
                    None => Err(refused.into()),
                }
            }
        }
    }

    /// Whether there is time to send the payment, and before it to serve, where the answer is held
    /// until value moved.
    fn is_in_time(&self, asked: &Asked, proven: &Proven) -> bool {
        let first = proven.policy(&asked.route) == SettlePolicy::First;
        let serving = if first { Duration::ZERO } else { LEAST_TIME };
        let until = proven.verified.send_before;
        until.is_none_or(|until| self.now().saturating_add(serving) < until)
    }

    async fn claim(&self, asked: &Asked, proven: Proven) -> Result<Charged, Stop> {
        let slot = Arc::clone(&self.0.at_once)
            .try_acquire_owned()
            .map_err(|_| Refused::Overloaded)?;
        abort::point("proven");
        let (mut claim, charge) = self.new_claim(asked, &proven)?;
        let lent = asked.route.credit(&proven);
        let effect = proven.verified.effect;
        open(
            &mut claim,
            charge.rail(),
            self.0.binder.secrets(),
            effect.as_ref(),
            asked.now,
        )
        .map_err(|broken| match broken {
            Broken::Illegal => Refused::Internal,
            Broken::Store(error) => Refused::Store(error),
        })?;
        let proof = proven.proof;
        let claimed = match self.claim_on(claim, lent).await {
            Ok(claimed) => claimed,
            Err(error) => return Err(self.not_claimed(error, &proven.challenge, proof).await),
        };
        match claimed {
            Claimed::New(held) => {
                abort::point("claimed");
                self.0.events.payment(Moved::No, &held.record);
                let permit = Charged::new(self.clone(), asked, held, charge, effect, slot);
                settle::at_once(permit).await
            }
            Claimed::Taken(key) => {
                // What is already paid takes a place of its own, and must find ours free.
                drop(slot);
                self.0.finishing.wait(&proven.challenge).await;
                let held = self
                    .0
                    .payments
                    .claims()
                    .find(&key)
                    .await
                    .map_err(Refused::StoreUnread)?;
                let held = held.ok_or(Refused::InFlight)?;
                if held.record.challenge == proven.challenge {
                    self.known(asked, held, Some(proof)).await
                } else if Some(&key) == claim_key(asked, &held.record).as_ref() {
                    self.known_by_idempotency(asked, held).await
                } else {
                    Err(Refused::Spent.into())
                }
            }
            Claimed::Exceeded(debit) => {
                let which = proven.charge.exceeded(&debit);
                tracing::warn!(route = %asked.id, counter = %debit.counter, "a payment was not taken: a limit of the seller's would be exceeded");
                Err(Refused::Limit(which).into())
            }
            Claimed::Guarded(_) => Err(Refused::Limit(None).into()),
            Claimed::Short(_) => Err(Refused::Method(too_little()).into()),
        }
    }

    /// Claims on credit where there is room for it, else without.
    async fn claim_on(
        &self,
        claim: Claim<Payment>,
        credit: Option<[Debit; 2]>,
    ) -> Result<Claimed<Payment>, StoreError> {
        let claims = self.0.payments.claims();
        let Some(debits) = credit else {
            return claims.claim(claim).await;
        };
        let mut lent = claim.clone();
        lent.debits.extend(debits);
        match claims.claim(lent).await? {
            Claimed::Exceeded(debit) if credit::is_of_credit(&debit) => {
                tracing::info!(payment = %claim.record.id, counter = %debit.counter, "no more credit: a payment waits for its rail");
                claims.claim(claim).await
            }
            claimed => Ok(claimed),
        }
    }

    /// The store took no claim. Whether this payment moved depends on whether it was presented
    /// before, so what can be read is read; where nothing can, nobody knows.
    async fn not_claimed(
        &self,
        error: StoreError,
        challenge: &ChallengeId,
        proof: Fingerprint,
    ) -> Stop {
        let held = self
            .0
            .payments
            .claims()
            .find(&ClaimKey::challenge(challenge))
            .await;
        match held {
            Ok(Some(held)) if held.record.proof == proof => {
                Stop::About(Refused::Store(error), Box::new(held.record))
            }
            Ok(_) => Refused::Store(error).into(),
            Err(_) => Refused::StoreUnread(error).into(),
        }
    }

    /// The claim as it is before anything is known of its settlement.
    fn new_claim(
        &self,
        asked: &Asked,
        proven: &Proven,
    ) -> Result<(Claim<Payment>, Arc<dyn farthing_core::port::method::Charge>), Refused> {
        let id = PaymentId::made_at(asked.now, random::entropy()?);
        let verified = &proven.verified;
        let mut keys = vec![ClaimKey::challenge(&proven.challenge)];
        keys.extend(verified.keys.iter().cloned());
        let payer = verified.payer.as_ref();
        let idempotency = asked.idempotency.as_ref().map(|key| {
            let scope = payer.map_or(proven.challenge.as_str(), |payer| payer.as_str());
            fingerprint::of_idempotency(scope, key)
        });
        keys.extend(idempotency.as_ref().map(ClaimKey::idempotency));
        let charge = Arc::clone(&proven.charge);
        let record = Payment {
            id,
            method: charge.method().clone(),
            intent: farthing_core::intent::charge::id(),
            challenge: proven.challenge.clone(),
            realm: self.0.realm.clone(),
            route: asked.id.clone(),
            fingerprint: asked.whole_fingerprint(),
            proof: proven.proof,
            amount: proven.request.amount,
            currency: proven.request.currency.clone(),
            payee: proven.request.recipient.clone(),
            payer: payer.cloned(),
            policy: proven.policy(&asked.route),
            rerunnable: asked.route.is_rerunnable(&asked.method),
            proof_until: verified.proof_until,
            redeliver: asked.route.route.redeliver,
            claimed_at: asked.now,
            state: State::Claimed,
            answer: Answer::None,
            attempts: 0,
            // The check of the proof may have taken its time.
            lease_until: self.now().saturating_add(self.0.options.lease),
            asked: 0,
            awaits: verified.reference.clone(),
            send_before: verified.send_before,
            returned: None,
            reference: None,
            settled_at: None,
            confirmed_at: None,
            details: serde_json::Map::new(),
            idempotency,
            remember_until: idempotency
                .map(|_| asked.now.saturating_add(asked.route.route.remember_answers)),
        };
        let claim = Claim {
            id: id.to_key(),
            record,
            keys,
            debits: verified.debits.clone(),
            guards: Vec::new(),
            effect: Vec::new(),
            debts: Debts::Keep,
        };
        Ok((claim, charge))
    }
}

fn claim_key(asked: &Asked, payment: &Payment) -> Option<ClaimKey> {
    asked
        .idempotency
        .as_ref()
        .and(payment.idempotency.as_ref())
        .map(ClaimKey::idempotency)
}

enum Broken {
    Illegal,
    Store(StoreError),
}

impl From<farthing_core::payment::Illegal> for Broken {
    fn from(_: farthing_core::payment::Illegal) -> Self {
        Self::Illegal
    }
}

impl From<StoreError> for Broken {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Does as much as can be done in the claim's own batch: the whole settlement where value is
/// rows of our own store, the journal entry where it is not.
fn open(
    claim: &mut Claim<Payment>,
    rail: Rail<'_>,
    secrets: &Secrets,
    effect: Option<&Secret>,
    now: Timestamp,
) -> Result<(), Broken> {
    let payment = &mut claim.record;
    match (payment.policy, rail) {
        (SettlePolicy::First, Rail::Books(books)) => {
            let reference = books.reference(payment);
            claim
                .effect
                .extend(books.writes(Booking::Transfer, payment));
            payment.advance(
                Event::Settle {
                    reference,
                    at: now,
                    details: serde_json::Map::new(),
                },
                now,
            )?;
            claim.effect.push(settle::keep_receipt(payment)?);
            payment.advance(Event::Run, now)?;
            claim.debts = Debts::Settle;
        }
        (SettlePolicy::First, Rail::Outside(_)) => {
            payment.advance(Event::Send, now)?;
            claim.effect.extend(journal(secrets, payment, effect)?);
        }
        (SettlePolicy::After, Rail::Books(books)) => {
            claim.effect.extend(books.writes(Booking::Hold, payment));
            payment.advance(Event::Run, now)?;
        }
        (SettlePolicy::After, Rail::Outside(_)) => payment.advance(Event::Run, now)?,
    }
    Ok(())
}

/// The journal entry of an effect, sealed. A method without one settles by what the payment says.
pub(super) fn journal(
    secrets: &Secrets,
    payment: &Payment,
    effect: Option<&Secret>,
) -> Result<Option<Write>, StoreError> {
    let Some(effect) = effect else {
        return Ok(None);
    };
    let sealed = seal::seal(secrets, payment, effect)?;
    Payments::journal(payment, &sealed).map(Some)
}

fn too_little() -> Refusal {
    Refusal::new(
        Fault::Insufficient,
        "the account has too little for this payment",
    )
}
