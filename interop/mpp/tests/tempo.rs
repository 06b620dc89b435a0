//! Its client pays our server on a Tempo chain, and our client pays its server: what is sent by the seller,
//! sponsored or not, and what costs nothing.
#![allow(clippy::unwrap_used, reason = "a test fails by them")]

use std::{future::Future, pin::Pin, sync::Arc};

use axum::{Router, routing::get};
use farthing::client;
use farthing_interop::{
    batches::Batches,
    chain::{BUYER, Fees, KINDS, Kind, PATH_USD, Rig, SELLER, SPONSOR, TESTNET},
    tempo_shop::{self, TempoShop},
};
use farthing_testkit::peer;
use mpp::{
    PrivateKeySigner,
    client::{AcceptPaymentPolicy, Fetch, TempoProvider},
    format_receipt, format_www_authenticate, parse_authorization, parse_receipt,
    server::{
        Mpp, TempoChargeMethod, TempoConfig,
        middleware::{PaymentLayer, PaymentVerifier},
        tempo,
    },
};

fn rig(test: &str) -> Option<Rig> {
    client::provide_crypto();
    peer::or_skip(&format!("interop: {test}"), Rig::start())
}

/// The ways to pay that are tried here: those it has no choice in.
fn kinds() -> impl Iterator<Item = &'static Kind> {
    let wanted = ["/plain", "/split", "/sponsored", "/proof"];
    let plain = KINDS.iter().filter(|kind| kind.mode.is_none());
    plain.filter(move |kind| wanted.contains(&kind.path))
}

#[tokio::test(flavor = "multi_thread")]
async fn its_client_pays_our_server() {
    let Some(rig) = rig("mpp pays us on a chain") else {
        return;
    };
    let shop = TempoShop::open(&rig).await;
    let signer: PrivateKeySigner = BUYER.key.parse().unwrap();
    let provider = TempoProvider::new(signer, rig.chain().url()).unwrap();
    let http = reqwest::Client::new();
    for kind in kinds() {
        let before = rig.balances().await;
        let paid = http
            .get(format!("{}{}", shop.url, kind.path))
            .send_with_payment_policy(&provider, &AcceptPaymentPolicy::Always)
            .await
            .unwrap();
        assert_eq!(paid.status(), 200, "{kind:?}");
        let receipt = parse_receipt(paid.headers()["payment-receipt"].to_str().unwrap()).unwrap();
        assert!(receipt.is_success(), "{kind:?}");
        assert_eq!(paid.text().await.unwrap(), "bought", "{kind:?}");
        rig.moved(kind, before, &receipt.reference).await;
    }
}

type Seller = Mpp<TempoChargeMethod<mpp::server::TempoProvider>>;

/// What its layer asks for a credential.
#[derive(Clone)]
struct Verifier {
    mpp: Seller,
    amount: &'static str,
}

impl PaymentVerifier for Verifier {
    fn challenge(&self) -> Result<String, String> {
        let mut challenges = self
            .mpp
            .charge(self.amount)
            .map_err(|error| error.to_string())?;
        format_www_authenticate(&challenges.remove(0)).map_err(|error| error.to_string())
    }

    fn verify(
        &self,
        credential: &str,
    ) -> Pin<Box<dyn Future<Output = Result<String, String>> + Send>> {
        let Self { mpp, amount } = self.clone();
        let credential = parse_authorization(credential);
        Box::pin(async move {
            let credential = credential.map_err(|error| error.to_string())?;
            let receipt = mpp.verify_charge(&credential, amount).await;
            let receipt = receipt.map_err(|error| error.message)?;
            format_receipt(&receipt).map_err(|error| error.to_string())
        })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn our_client_pays_its_server() {
    let Some(rig) = rig("we pay mpp on a chain") else {
        return;
    };
    let rig = Arc::new(rig);
    let node = Batches::before(rig.clone()).await;
    let seller = |sponsored: bool| {
        let sponsor: PrivateKeySigner = SPONSOR.key.parse().unwrap();
        let builder = tempo(TempoConfig { recipient: SELLER })
            .rpc_url(&node.url())
            .chain_id(TESTNET)
            .currencies([PATH_USD])
            .realm("127.0.0.1")
            .secret_key("the secret of a test, longer than 32 bytes")
            .fee_payer_signer(sponsor)
            .fee_payer(sponsored);
        Mpp::create(builder).unwrap()
    };
    let layer = |sponsored, amount| {
        PaymentLayer::new(Verifier {
            mpp: seller(sponsored),
            amount,
        })
    };
    let bought = || get(|| async { "bought" });
    let app = Router::new()
        .merge(
            Router::new()
                .route("/plain", bought())
                .layer(layer(false, "0.01")),
        )
        .merge(
            Router::new()
                .route("/sponsored", bought())
                .layer(layer(true, "0.01")),
        )
        .merge(
            Router::new()
                .route("/proof", bought())
                .layer(layer(false, "0")),
        );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(async move { axum::serve(listener, app).await });

    let mut paid_by = Vec::new();
    for kind in kinds().filter(|kind| kind.path != "/split") {
        let buyer = tempo_shop::client(&rig, None).await;
        let before = rig.balances().await;
        let answer = buyer
            .get(format!("{url}{}", kind.path))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 200, "{kind:?}");
        let reference = answer.receipt().unwrap().reference().to_string();
        assert_eq!(answer.text().await.unwrap(), "bought", "{kind:?}");
        rig.moved(kind, before, &reference).await;
        paid_by.push(kind.fees);
    }
    assert_eq!(paid_by, [Fees::Buyer, Fees::Sponsor, Fees::Nobody]);
    server.abort();
}
