//! Its client pays our server, and our client pays its server: over sockets, in the ledger's dollars.
#![allow(clippy::unwrap_used, reason = "a test fails by them")]

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex},
};

use axum::{Router, routing::get};
use farthing::{
    client::{self, Client, Policy},
    clock::SystemClock,
    core::{
        header::{authorization, www_authenticate},
        memory::MemoryBackend,
        port::{
            clock::Clock,
            payer::{Offer, Payer},
        },
    },
    ledger::{Account, Accounts, Authorization, LedgerPayer},
};
use farthing_interop::shop::{self, OPENING, PRICE, Shop};
use mpp::{
    ChargeMethod, MppError, PaymentChallenge, PaymentCredential, PaymentErrorDetails, Receipt,
    VerificationError,
    client::{AcceptPaymentPolicy, Fetch, PaymentProvider},
    format_receipt, format_www_authenticate, parse_authorization, parse_receipt,
    protocol::{core::Base64UrlJson, intents::ChargeRequest},
    server::{
        Mpp,
        middleware::{PaymentLayer, PaymentVerifier},
    },
};

/// Its side of our method, as a buyer: it has our key, and everything else is its own.
#[derive(Clone)]
struct Provider(Arc<LedgerPayer>);

impl PaymentProvider for Provider {
    fn supports(&self, method: &str, intent: &str) -> bool {
        (method, intent) == ("ledger", "charge")
    }

    async fn pay(&self, challenge: &PaymentChallenge) -> Result<PaymentCredential, MppError> {
        let line = format_www_authenticate(challenge)?;
        let challenge = www_authenticate::parse([line]).remove(0).unwrap();
        let offer = Offer {
            request: challenge.request.decode().unwrap(),
            challenge,
        };
        let proof = self.0.sign(&offer, SystemClock.now()).await.unwrap();
        let credential = farthing::core::noun::Credential {
            challenge: offer.challenge,
            payload: proof.payload,
            source: proof.source.map(Into::into),
        };
        parse_authorization(&authorization::format(&credential))
    }
}

#[tokio::test]
async fn its_client_pays_our_server() {
    client::provide_crypto();
    let shop = Shop::open().await;
    let provider = Provider(Arc::new(LedgerPayer::new(shop::buyer())));
    let http = reqwest::Client::new();
    let url = format!("{}/weather", shop.url);

    let paid = http
        .get(&url)
        .send_with_payment_policy(&provider, &AcceptPaymentPolicy::Always)
        .await
        .unwrap();
    assert_eq!(paid.status(), 200);
    let receipt = parse_receipt(paid.headers()["payment-receipt"].to_str().unwrap()).unwrap();
    assert!(receipt.is_success());
    assert_eq!(receipt.method.as_str(), "ledger");
    assert!(!receipt.reference.is_empty());
    assert_eq!(paid.text().await.unwrap(), "sunny for 2000 usd6");
    assert_eq!(shop.balance(shop::buyer().account()).await, OPENING - PRICE);
    assert_eq!(shop.balance(&shop::seller()).await, PRICE);

    let free = http.get(format!("{}/health", shop.url));
    let free = free
        .send_with_payment_policy(&provider, &AcceptPaymentPolicy::Always)
        .await
        .unwrap();
    assert_eq!(free.text().await.unwrap(), "fine");
    assert_eq!(shop.balance(&shop::seller()).await, PRICE);
}

#[tokio::test]
async fn it_reads_our_problems() {
    client::provide_crypto();
    let shop = Shop::open().await;
    let asked = reqwest::get(format!("{}/weather", shop.url)).await.unwrap();
    assert_eq!(asked.status(), 402);
    assert_eq!(asked.headers()["content-type"], "application/problem+json");
    let problem: PaymentErrorDetails = serde_json::from_str(&asked.text().await.unwrap()).unwrap();
    assert!(
        problem.problem_type.ends_with("/payment-required"),
        "{}",
        problem.problem_type
    );
    assert_eq!(problem.status, 402);
}

/// Its side of our method, as a seller: books of its own, into which it enters what was signed.
#[derive(Clone)]
struct Till {
    accounts: Accounts,
    entries: Arc<Mutex<Vec<String>>>,
}

impl ChargeMethod for Till {
    fn method(&self) -> &str {
        "ledger"
    }

    async fn verify(
        &self,
        credential: &PaymentCredential,
        request: &ChargeRequest,
    ) -> Result<Receipt, VerificationError> {
        let wrong = |what: &str| VerificationError::new(what);
        let source = credential
            .source
            .as_deref()
            .ok_or_else(|| wrong("no source"))?;
        let buyer = Account::parse(source).map_err(|_| wrong("no account"))?;
        let signature = credential.payload["signature"].as_str().unwrap_or_default();
        let signature = mpp::base64url_decode(signature).map_err(|_| wrong("no signature"))?;
        let charge = serde_json::from_value(serde_json::to_value(request).unwrap()).unwrap();
        let echo = &credential.challenge;
        let (id, realm) = (echo.id.parse().unwrap(), echo.realm.parse().unwrap());
        let text = Authorization::new(&id, &charge, &realm).unwrap().text();
        if !buyer.verifies(text.as_bytes(), &signature) {
            return Err(wrong("not signed by the source"));
        }
        let amount = request.amount.parse().unwrap();
        let entry = |side: &str| format!("{side}-{}", echo.id);
        let out = shop::funding(&entry("out"), &buyer, amount);
        self.accounts
            .withdraw(&out)
            .await
            .map_err(|_| wrong("too little"))?;
        let into = shop::funding(&entry("in"), &shop::seller(), amount);
        self.accounts.deposit(&into).await.unwrap();
        self.entries.lock().unwrap().push(echo.id.clone());
        Ok(Receipt::success("ledger", echo.id.clone()))
    }
}

/// What its layer asks for a credential.
#[derive(Clone)]
struct Verifier {
    mpp: Mpp<Till>,
    request: ChargeRequest,
}

const SECRET: &str = "the secret of a test, longer than 32 bytes";

impl PaymentVerifier for Verifier {
    fn challenge(&self) -> Result<String, String> {
        let request = Base64UrlJson::from_typed(&self.request).unwrap();
        let expires = mpp::expires::minutes(5);
        let challenge = PaymentChallenge::with_secret_key_full(
            SECRET,
            self.mpp.realm(),
            "ledger",
            "charge",
            request,
            Some(&expires),
            None,
            Some("The weather"),
            None,
            None,
        );
        format_www_authenticate(&challenge).map_err(|error| error.to_string())
    }

    fn verify(
        &self,
        credential: &str,
    ) -> Pin<Box<dyn Future<Output = Result<String, String>> + Send>> {
        let Self { mpp, request } = self.clone();
        let credential = parse_authorization(credential);
        Box::pin(async move {
            let credential = credential.map_err(|error| error.to_string())?;
            let receipt = mpp
                .verify_credential_with_expected_request(&credential, &request)
                .await
                .map_err(|error| error.message)?;
            format_receipt(&receipt).map_err(|error| error.to_string())
        })
    }
}

#[tokio::test]
async fn our_client_pays_its_server() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let realm = listener.local_addr().unwrap().to_string();
    let till = Till {
        accounts: shop::books(Arc::new(MemoryBackend::new())).await,
        entries: Arc::default(),
    };
    let verifier = Verifier {
        mpp: Mpp::new(till.clone(), &realm, SECRET),
        request: ChargeRequest {
            amount: PRICE.to_string(),
            currency: "usd6".to_owned(),
            recipient: Some(shop::seller().did().to_string()),
            ..ChargeRequest::default()
        },
    };
    let app = Router::new().route("/weather", get(|| async { "sunny" }));
    let app = app.layer(PaymentLayer::new(verifier));
    let server = tokio::spawn(async move { axum::serve(listener, app).await });

    let client = Client::builder()
        .payer(LedgerPayer::new(shop::buyer()))
        .policy(Policy::new().max_per_request("$0.002".parse().unwrap()))
        .backend(Arc::new(MemoryBackend::new()))
        .clock(Arc::new(SystemClock))
        .build()
        .unwrap();
    for bought in 1..=3 {
        let answer = client
            .get(format!("http://{realm}/weather"))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.paid().unwrap().price(), "0.002 USD");
        let reference = answer.receipt().unwrap().reference().to_string();
        assert_eq!(answer.text().await.unwrap(), "sunny");
        assert_eq!(till.entries.lock().unwrap().last(), Some(&reference));
        let buyer = shop::buyer().account().clone();
        assert_eq!(
            shop::balance(&till.accounts, &buyer).await,
            OPENING - bought * PRICE
        );
        assert_eq!(
            shop::balance(&till.accounts, &shop::seller()).await,
            bought * PRICE
        );
    }
    assert_eq!(till.entries.lock().unwrap().len(), 3);
    server.abort();
}
