//! From an offer to a credential that is kept and may be sent.

use farthing_core::{
    domain::{
        budgets::Budget,
        claims::{ChangeError, Debit},
    },
    payment::Moved,
    port::{
        backend::{Source, StoreError},
        method::{Fault, Refusal},
        payer::{Fee, Proof},
    },
    value::{Amount, ClaimKey, Currency, Entropy, PaymentId, PriceError, Timestamp},
};
use http::{HeaderName, HeaderValue};
use ring::rand::{SecureRandom, SystemRandom};

use crate::{
    approve::Ask,
    client::Inner,
    error::{Error, PayerFault, Refused, RequestFault, ServerFault},
    legacy::formerly_counted,
    offers::{Choice, Judge},
    outgoing::{HeldPayment, KeptCredential, Loss, Outgoing, Reserved, Standing},
    target::Target,
    work::{Taken, Work},
};

/// A payment that is signed and kept, ready to be sent.
///
/// When it is dropped without having been settled, it stays pending, and the same credential is
/// sent when the request is made again.
#[derive(Debug)]
pub struct Ticket {
    pub(crate) held: HeldPayment,
    pub(crate) credential: KeptCredential,
    pub(crate) work: Work,
}

impl Ticket {
    /// What is known of the payment.
    #[must_use]
    pub const fn payment(&self) -> &Outgoing {
        &self.held.record
    }

    /// The header to send, marked sensitive. It is *added* to what the request has: a `Bearer`
    /// beside a payment stays.
    ///
    /// # Errors
    /// When what was kept is no header.
    pub fn header(&self) -> Result<(HeaderName, HeaderValue), Error> {
        let moved = self.held.record.moved();
        self.credential
            .header()
            .map_err(|source| Error::Store { source, moved })
    }
}

impl Inner {
    /// What offers are judged with, now.
    pub(crate) fn judge(&self) -> Judge<'_> {
        Judge {
            payers: &self.payers,
            policy: &self.policy,
            options: &self.options,
            now: self.clock.now(),
        }
    }

    /// Pays the first of the choices whose budgets have room.
    pub(crate) async fn pay(&self, target: &Target, choices: Vec<Choice>) -> Result<Ticket, Error> {
        let mut full = Error::Server(ServerFault::Empty);
        for choice in choices {
            let signed = match self.reserve(target, &choice).await {
                Ok(taken) => self.sign(target, &choice, taken).await,
                Err(error) => Err(error),
            };
            match signed {
                Ok(ticket) => return self.run_errand(ticket).await,
                Err(error) if leaves_others(&error) => full = error,
                Err(error) => return Err(error),
            }
        }
        Err(full)
    }

    /// Claims the challenge, and reserves its amount on every budget.
    async fn reserve(&self, target: &Target, choice: &Choice) -> Result<Taken, Error> {
        let (offer, quote) = (choice.offer(), choice.quote());
        let now = self.clock.now();
        let id = payment_id()?;
        let work = self.works.begin(id).ok_or(Error::Randomness)?;
        let debits = self
            .debits(target.host(), &quote.currency, offer.request.amount, now)
            .await?;
        let record = self.record(id, target, choice, now);
        let key = ClaimKey::new(format!(
            "{} {}",
            target.origin(),
            ClaimKey::challenge(&record.challenge)
        ))
        .map_err(|error| RequestFault::Build(error.into()))?;
        match self.book.reserve(record, key, debits).await? {
            Reserved::Held(held) => Ok(Taken { held: *held, work }),
            Reserved::Answered => Err(ServerFault::Reused(offer.challenge.id.clone()).into()),
            Reserved::Exceeded(debit) => {
                let asked = choice.price();
                Err(self.exceeded(target.host(), &quote.currency, &debit, asked, now))
            }
        }
    }

    /// What an amount reserves, on every budget it is within.
    pub(crate) async fn debits(
        &self,
        host: &str,
        currency: &Currency,
        amount: Amount,
        now: Timestamp,
    ) -> Result<Vec<Debit>, Error> {
        let worth = currency.worth(amount).ok_or_else(|| {
            let text = currency.display(amount).into();
            Refused::Limit(PriceError::Overflow { text })
        })?;
        let bounds = self.policy.budgets(host, &currency.symbol)?;
        let budgets = bounds.into_iter().map(|bound| bound.budget);
        let day = self.policy.day_count(&currency.symbol);
        let mut debits: Vec<Debit> = Vec::new();
        for budget in budgets.chain(day) {
            let debit = budget.debit(worth, now);
            if !debits.iter().any(|other| other.counter == debit.counter) {
                self.fold(&budget, currency, now).await?;
                debits.push(debit);
            }
        }
        Ok(debits)
    }

    /// Takes over what was counted before budgets counted in units.
    pub(crate) async fn fold(
        &self,
        budget: &Budget,
        currency: &Currency,
        now: Timestamp,
    ) -> Result<(), Error> {
        for former in formerly_counted(currency) {
            self.budgets.fold(budget, &former, now).await?;
        }
        Ok(())
    }

    pub(crate) fn exceeded(
        &self,
        host: &str,
        currency: &Currency,
        debit: &Debit,
        asked: String,
        now: Timestamp,
    ) -> Error {
        let bounds = self.policy.budgets(host, &currency.symbol);
        let which = bounds
            .unwrap_or_default()
            .iter()
            .find(|bound| bound.budget.counter(now) == debit.counter)
            .map_or_else(String::new, |bound| bound.limit.to_string());
        let refused = Refused::Budget {
            asked: asked.into(),
            budget: which.into(),
        };
        refused.into()
    }

    fn record(&self, id: PaymentId, target: &Target, choice: &Choice, now: Timestamp) -> Outgoing {
        let (offer, quote) = (choice.offer(), choice.quote());
        let expires = offer.challenge.expires.as_ref().map(|end| end.at());
        Outgoing {
            id,
            method: target.method().as_str().into(),
            url: target.kept_url(),
            request: target.fingerprint(),
            repeatable: target.is_repeatable(),
            rail: offer.challenge.method.clone(),
            challenge: offer.challenge.id.clone(),
            realm: offer.challenge.realm.clone(),
            amount: offer.request.amount,
            currency: quote.currency.code.clone(),
            decimals: quote.currency.decimals,
            symbol: quote.currency.symbol.clone(),
            fee: None,
            payee: offer.request.recipient.clone(),
            payer: quote.payer.clone(),
            at: now,
            standing: Standing::Reserved,
            claimed: None,
            reference: None,
            problem: None,
            worker: self.id,
            beat: 0,
            lease_until: self.lease(),
            asked: 0,
            looked_at: now,
            // A challenge without an end could be sent to us for ever, and is never forgotten.
            forget_at: expires.unwrap_or(Timestamp::FAR),
        }
    }

    /// Asks for approval, signs, and keeps what was signed. Whatever fails before the proof is
    /// kept releases the reservation, for the proof then never leaves this function.
    async fn sign(&self, target: &Target, choice: &Choice, taken: Taken) -> Result<Ticket, Error> {
        let Taken { held, work } = taken;
        let (held, proof) = self.leased(held, self.proof(target, choice)).await;
        let proof = match proof {
            Ok(proof) => proof,
            Err(error @ Error::Rail(_)) => return Err(self.release(held, error).await),
            Err(error) => {
                // Nobody signed, so the same challenge may be paid yet.
                let free = held.keys().to_vec();
                return Err(self.release_with(held, free, Loss::Nothing, error).await);
            }
        };
        let credential = KeptCredential::new(&choice.offer().challenge, choice.header(), &proof);
        let now = self.clock.now();
        let debits = match self
            .fee_debits(target.host(), proof.fee.as_ref(), now)
            .await
        {
            Ok(debits) => debits,
            Err(error) => return Err(self.release(held, error).await),
        };
        let fee = proof.fee.as_ref().map(Into::into);
        match self.book.sign(held.clone(), &credential, fee, debits).await {
            Ok(held) => Ok(Ticket {
                held,
                credential,
                work,
            }),
            Err(ChangeError::Store(source)) if source.in_doubt() => {
                // It may be kept, and then it is sent some day.
                Err(Error::Store {
                    source,
                    moved: Moved::Unknown,
                })
            }
            Err(error) => {
                let error = match (error, &proof.fee) {
                    (ChangeError::Exceeded(debit), Some(fee)) => {
                        let asked = format!("a fee of {}", fee.currency.display(fee.most));
                        self.exceeded(target.host(), &fee.currency, &debit, asked, now)
                    }
                    (error, _) => Error::Store {
                        source: store_error(error),
                        moved: Moved::No,
                    },
                };
                Err(self.release(held, error).await)
            }
        }
    }

    /// What the rail takes for itself counts as spent. How much that is at the most is known only
    /// when it is signed; a proof whose fee has no room is thrown away.
    pub(crate) async fn fee_debits(
        &self,
        host: &str,
        fee: Option<&Fee>,
        now: Timestamp,
    ) -> Result<Vec<Debit>, Error> {
        let Some(fee) = fee.filter(|fee| !fee.most.is_zero()) else {
            return Ok(Vec::new());
        };
        self.policy.check_fee(fee)?;
        self.debits(host, &fee.currency, fee.most, now).await
    }

    async fn proof(&self, target: &Target, choice: &Choice) -> Result<Proof, Error> {
        if let Some(approver) = &self.approver.0 {
            let asked = approver.approve(ask(target, choice));
            let answer = tokio::time::timeout(self.options.approve_within, asked).await;
            if !answer.unwrap_or(false) {
                return Err(Refused::Approval.into());
            }
        }
        // Approval may have taken long.
        let judge = self.judge();
        judge.check_time(&choice.offer().challenge)?;
        let signing = choice.payer().sign(choice.offer(), judge.now);
        match tokio::time::timeout(self.options.rail_within, signing).await {
            Ok(Ok(proof)) => Ok(proof),
            Ok(Err(refusal)) if refusal.fault == Fault::Unavailable => Err(Error::Rail(refusal)),
            Ok(Err(refusal)) => Err(PayerFault::Payer(refusal).into()),
            Err(_) => Err(Error::Rail(Refusal::new(
                Fault::Unavailable,
                "the payer did not answer",
            ))),
        }
    }

    async fn release(&self, held: HeldPayment, error: Error) -> Error {
        self.release_with(held, Vec::new(), Loss::Nothing, error)
            .await
    }

    pub(crate) async fn release_with(
        &self,
        held: HeldPayment,
        free: Vec<ClaimKey>,
        loss: Loss,
        error: Error,
    ) -> Error {
        if let Err(failed) = self.book.void(held, free, loss).await {
            tracing::warn!(error = %failed, "a reservation is released later");
        }
        error
    }
}

/// Whether another offer may do where one failed so: nothing was signed, and the reason is this
/// currency's.
fn leaves_others(error: &Error) -> bool {
    match error {
        Error::Refused(Refused::Budget { .. } | Refused::Fee { .. }) => true,
        Error::Payer(PayerFault::Payer(refusal)) => refusal.fault == Fault::Insufficient,
        _ => false,
    }
}

/// A change that failed, as a failure of the store.
pub(crate) fn store_error(error: ChangeError) -> StoreError {
    match error {
        ChangeError::Store(error) => error,
        other => StoreError::Busy(Source::from(other)),
    }
}

pub(crate) fn payment_id() -> Result<PaymentId, Error> {
    let mut bytes = [0; 16];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| Error::Randomness)?;
    Ok(PaymentId::new(Entropy(bytes)))
}

fn ask(target: &Target, choice: &Choice) -> Ask {
    let offer = choice.offer();
    Ask {
        url: target.url().clone(),
        realm: offer.challenge.realm.clone(),
        method: offer.challenge.method.clone(),
        amount: offer.request.amount,
        currency: choice.quote().currency.clone(),
        network: choice.quote().network.clone(),
        recipient: offer.request.recipient.clone(),
        shares: choice.quote().shares.clone(),
        fee: choice.quote().fee.clone(),
        is_deposit: false,
        description: offer
            .challenge
            .description
            .as_ref()
            .map(|text| text.as_str().into()),
    }
}
