//! The steps of a payment as plain function calls, for those who bring their own HTTP.
//!
//! Seller and buyer are in one process here and hand each other values. What stands between them
//! in a real program is a request and a response.

#![expect(clippy::print_stdout, reason = "a program talks to its user")]

use std::{error::Error, sync::Arc};

use bytes::Bytes;
use farthing::{
    clock::SystemClock,
    core::{
        header::{authorization, payment_receipt, www_authenticate},
        memory::MemoryBackend,
        noun::{Credential, Source},
        port::{
            clock::Clock,
            payer::{Offer, Payer},
        },
        value::{Amount, CurrencyCode, Secret},
    },
    ledger::{AccountKey, Accounts, Currencies, Funding, KeyType, Ledger, LedgerPayer, TransferId},
    server::{Admission, Gate, Route},
};
use http::{Request, Response, request::Parts};
use http_body_util::{BodyExt, Full};

type Answer = Admission<Full<Bytes>>;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let (buyer, seller) = (key(1)?, key(2)?);
    let store = Arc::new(MemoryBackend::new());
    let accounts = Accounts::new(store.clone(), Currencies::default());
    accounts.deposit(&a_dollar_for(&buyer)?).await?;

    let gate = Gate::builder()
        .realm("api.example.com")
        .secret(Secret::new(vec![7; 32]))
        .store(store)
        .clock(Arc::new(SystemClock))
        .method(Arc::new(Ledger::new(seller.account().clone())))
        .build()?;
    let route = gate.route(Route::priced("$0.002")?.named("GET /weather")?)?;

    // Without a payment the gate offers.
    let Answer::Offer(offered) = gate.admit(&route, &request(None)?, None, None).await else {
        return Err("an unpaid request is offered a price".into());
    };
    println!("1. the gate answers {}", offered.status());

    // The buyer reads the challenge, signs it, and formats the credential.
    let lines = offered.headers().get_all("www-authenticate").iter();
    let challenge = www_authenticate::parse(lines).remove(0)?;
    let offer = Offer {
        request: challenge.request.decode()?,
        challenge: challenge.clone(),
    };
    println!(
        "2. it asks for {} {}",
        offer.request.amount, offer.request.currency
    );
    let proof = LedgerPayer::new(buyer)
        .sign(&offer, SystemClock.now())
        .await?;
    let source = proof
        .source
        .map(|did| Source::new(did.as_str()))
        .transpose()?;
    let credential = authorization::format(&Credential {
        challenge,
        source,
        payload: proof.payload,
    });

    // With the credential the gate lets the handler run, under a permit.
    let Answer::Proceed(permit) = gate
        .admit(&route, &request(Some(&credential))?, None, None)
        .await
    else {
        return Err("a paid request may proceed".into());
    };
    println!(
        "3. it was paid for by {:?}",
        permit.paid().payer.map(|payer| payer.to_string())
    );
    let response = permit
        .finish(Response::new(Full::new(Bytes::from("sunny"))))
        .await;
    let receipt = payment_receipt::parse(&response.headers()["payment-receipt"])?;
    println!("4. the receipt refers to {}", receipt.reference());
    // Reading the body to its end is the delivery.
    println!(
        "5. the answer is {:?}",
        response.into_body().collect().await?.to_bytes()
    );

    gate.drain().await;
    let balance = accounts
        .balance(seller.account(), &CurrencyCode::new("usd6")?)
        .await?;
    println!("6. the seller has {} usd6", balance.available);
    Ok(())
}

fn key(seed: u8) -> Result<AccountKey, Box<dyn Error>> {
    Ok(AccountKey::from_seed(KeyType::Ed25519, [seed; 32])?)
}

fn request(credential: Option<&str>) -> Result<Parts, http::Error> {
    let mut request = Request::get("/weather");
    if let Some(credential) = credential {
        request = request.header("authorization", credential);
    }
    Ok(request.body(())?.into_parts().0)
}

fn a_dollar_for(buyer: &AccountKey) -> Result<Funding, Box<dyn Error>> {
    Ok(Funding {
        id: TransferId::new("opening-balance")?,
        account: buyer.account().clone(),
        currency: CurrencyCode::new("usd6")?,
        amount: Amount::new(1_000_000),
        at: SystemClock.now(),
    })
}
