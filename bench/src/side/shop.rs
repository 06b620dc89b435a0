//! A shop with a gate over the ledger, and a buyer with money.

use std::{num::NonZeroU32, sync::Arc};

use axum::body::Body;
use farthing::{
    clock::SystemClock,
    core::{
        header::{authorization, www_authenticate},
        noun::{Credential, Source},
        payment::SettlePolicy,
        port::{
            backend::Backend,
            clock::Clock as _,
            payer::{Offer, Payer as _},
        },
        value::{Amount, CurrencyCode, Secret},
    },
    ledger::{AccountKey, Accounts, Currencies, Funding, KeyType, Ledger, LedgerPayer, TransferId},
    server::{Admission, Gate, PreparedRoute, RateLimits, Route},
};
use http::{Request, request::Parts};
use tokio::runtime::Runtime;

use super::{app::PAID, ask::Ask, call::Asks};

pub(crate) struct Shop {
    pub(crate) gate: Gate,
    route: Arc<PreparedRoute>,
    buyer: LedgerPayer,
    parts: Parts,
}

impl Shop {
    /// Opens a shop whose buyer never runs out of money.
    pub(crate) fn open(runtime: &Runtime, backend: Arc<dyn Backend>) -> Self {
        let (buyer, seller) = (key(1), key(2));
        let gate = Gate::builder()
            .realm("api.example.com")
            .secret(Secret::new([7; 32]))
            .store(Arc::clone(&backend))
            .clock(Arc::new(SystemClock))
            .method(Arc::new(Ledger::new(seller.account().clone())))
            .rate_limits(unlimited())
            .build()
            .expect("nothing is missing");
        let deposit = Funding {
            id: TransferId::new("opening").expect("a name"),
            account: buyer.account().clone(),
            currency: CurrencyCode::new("usd6").expect("a code"),
            amount: Amount::new(1 << 100),
            at: SystemClock.now(),
        };
        runtime
            .block_on(Accounts::new(backend, Currencies::default()).deposit(&deposit))
            .expect("the store takes a deposit");
        let request = Request::builder().uri(PAID).body(()).expect("a request");
        Self {
            route: gate
                .route(priced(SettlePolicy::After))
                .expect("the ledger has dollars"),
            gate,
            buyer: LedgerPayer::new(buyer),
            parts: request.into_parts().0,
        }
    }

    /// Paid requests, each with a payment of its own.
    pub(crate) fn paid(self) -> Asks {
        Box::new(move |runtime, count| {
            let ask = || Ask {
                path: PAID,
                authorization: Some(runtime.block_on(self.sign())),
            };
            (0..count).map(|_| ask()).collect()
        })
    }

    /// Asks for the price and signs what is offered.
    pub(crate) async fn sign(&self) -> String {
        let admission = self
            .gate
            .admit::<Body>(&self.route, &self.parts, None, None)
            .await;
        let Admission::Offer(response) = admission else {
            unreachable!("a request without a payment is offered one");
        };
        let lines = response.headers().get_all("www-authenticate").iter();
        let challenge = www_authenticate::parse(lines.map(|line| line.as_bytes()))
            .remove(0)
            .expect("our own challenge can be read");
        let offer = Offer {
            request: challenge.request.decode().expect("our own request"),
            challenge,
        };
        let proof = self
            .buyer
            .sign(&offer, SystemClock.now())
            .await
            .expect("the buyer takes our offers");
        authorization::format(&Credential {
            challenge: offer.challenge,
            source: Source::new(self.buyer.account().did().as_str()).ok(),
            payload: proof.payload,
        })
    }
}

/// What the paid route costs.
pub(crate) fn priced(policy: SettlePolicy) -> Route {
    Route::priced("$0.002").expect("a price").settle(policy)
}

pub(crate) fn key(seed: u8) -> AccountKey {
    AccountKey::from_seed(KeyType::Ed25519, [seed; 32]).expect("every seed is an Ed25519 key")
}

/// Limits that count and never refuse.
fn unlimited() -> RateLimits {
    RateLimits {
        per_peer: NonZeroU32::MAX,
        peer_burst: NonZeroU32::MAX,
        global: NonZeroU32::MAX,
        ..RateLimits::default()
    }
}
