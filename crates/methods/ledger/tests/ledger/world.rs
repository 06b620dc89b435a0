//! A store with two accounts, and payments between the two.

use std::{sync::Arc, time::Duration};

use farthing_core::{
    domain::{
        claims::{Change, ChangeError, Claim, Claimed, Debts, Held},
        payments::Payments,
    },
    intent::charge,
    memory::MemoryBackend,
    payment::{Answer, Event, Payment, SettlePolicy, State},
    port::method::{Booking, Books as _},
    value::{Amount, ChallengeId, ClaimKey, Entropy, Fingerprint, PaymentId, Realm, RouteId},
};
use farthing_ledger::{
    Account, Accounts, Currencies, Funding, KeyType, Ledger, TransferId, method,
};

use crate::fixture::{LATER, NOW, dollar, key};

/// A seller's store with two accounts, either of which may pay the other.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) accounts: Accounts,
    pub(crate) payments: Payments,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) people: [Account; 2],
}

impl World {
    pub(crate) async fn new(deposits: [u128; 2]) -> Self {
        let backend = Arc::new(MemoryBackend::new());
        let people = [KeyType::Ed25519, KeyType::Secp256k1].map(|t| key(t, 7).account().clone());
        let world = Self {
            accounts: Accounts::new(backend.clone(), Currencies::default()),
            payments: Payments::new(backend),
            ledger: Arc::new(Ledger::new(people[1].clone())),
            people,
        };
        for (at, amount) in deposits.into_iter().enumerate() {
            if amount > 0 {
                let deposit = world.funding(&format!("deposit-{at}"), at, amount);
                world.accounts.deposit(&deposit).await.unwrap();
            }
        }
        world
    }

    pub(crate) fn funding(&self, id: &str, who: usize, amount: u128) -> Funding {
        Funding {
            id: TransferId::new(id).unwrap(),
            account: self.people[who].clone(),
            currency: dollar(),
            amount: Amount::new(amount),
            at: NOW,
        }
    }

    /// A payment by one of the two to the other.
    pub(crate) fn payment(&self, id: u32, payer: usize, amount: u128) -> Payment {
        let mut entropy = [0; 16];
        entropy[..4].copy_from_slice(&id.to_be_bytes());
        Payment {
            id: PaymentId::new(Entropy(entropy)),
            method: method(),
            intent: charge::id(),
            challenge: ChallengeId::new(format!("challenge-{id}")).unwrap(),
            realm: Realm::new("api.example.com").unwrap(),
            route: RouteId::new("GET /weather").unwrap(),
            fingerprint: Fingerprint([1; 32]),
            proof: Fingerprint([2; 32]),
            amount: Amount::new(amount),
            currency: dollar(),
            payee: Some(self.people[1 - payer].recipient()),
            payer: Some(self.people[payer].did().clone()),
            policy: SettlePolicy::After,
            rerunnable: false,
            proof_until: LATER,
            redeliver: Duration::from_secs(60),
            claimed_at: NOW,
            state: State::Claimed,
            answer: Answer::None,
            attempts: 0,
            lease_until: NOW,
            asked: 0,
            awaits: None,
            send_before: None,
            returned: None,
            reference: None,
            settled_at: None,
            confirmed_at: None,
            details: serde_json::Map::new(),
            idempotency: None,
            remember_until: None,
        }
    }

    /// Claims a payment with a step of the books; nothing where the payer has too little.
    pub(crate) async fn claim(&self, payment: Payment, booking: Booking) -> Option<Held<Payment>> {
        let claim = Claim {
            id: payment.id.to_key(),
            keys: vec![ClaimKey::challenge(&payment.challenge)],
            effect: self.ledger.writes(booking, &payment),
            record: payment,
            debits: Vec::new(),
            guards: Vec::new(),
            debts: Debts::Keep,
        };
        match self.payments.claims().claim(claim).await.unwrap() {
            Claimed::New(held) => Some(held),
            Claimed::Short(_) => None,
            other => panic!("{other:?}"),
        }
    }

    /// Goes through events, and takes a step of the books with the last of them; nothing where
    /// a balance is too small for it.
    pub(crate) async fn step<const N: usize>(
        &self,
        held: Held<Payment>,
        events: [Event; N],
        booking: Booking,
    ) -> Option<Held<Payment>> {
        let mut record = held.record.clone();
        for event in events {
            record.advance(event, NOW).unwrap();
        }
        let writes = self.ledger.writes(booking, &record);
        let change = Change {
            writes,
            ..Change::to(record)
        };
        match self.payments.claims().change(held, change).await {
            Ok(held) => Some(held),
            Err(ChangeError::Short(_)) => None,
            Err(error) => panic!("{error}"),
        }
    }

    /// The event that settles a payment.
    pub(crate) fn settle(&self, payment: &Payment) -> Event {
        Event::Settle {
            reference: self.ledger.reference(payment),
            at: NOW,
            details: serde_json::Map::new(),
        }
    }

    /// What one of the two may spend, and what is held of it.
    pub(crate) async fn has(&self, who: usize) -> (u128, u128) {
        let balance = self
            .accounts
            .balance(&self.people[who], &dollar())
            .await
            .unwrap();
        (balance.available.units(), balance.held.units())
    }

    pub(crate) async fn total(&self) -> i128 {
        self.accounts.total(&dollar(), &self.people).await.unwrap()
    }
}
