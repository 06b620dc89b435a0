//! The buyer: signs once, and presents the same bytes for as long as it takes.

use std::{path::Path, sync::Arc};

use farthing_core::{
    header::{authorization, www_authenticate},
    noun::{Challenge, Credential, Source, problem::Problem},
    payment::Moved,
    port::payer::{Offer, Payer},
    value::{ChallengeId, Did},
};
use farthing_ledger::LedgerPayer;
use farthing_testkit::{
    clock::FakeClock,
    method::{FakePayer, account},
    process::Mortal,
};
use reqwest::Method;

use crate::shop::{self, RailKind, START, Setup};

pub(crate) struct Buyer {
    http: reqwest::Client,
    payer: Arc<dyn Payer>,
    method: Method,
    has_credit: bool,
}

/// A signed payment.
#[derive(Clone)]
pub(crate) struct Signed {
    pub(crate) challenge: ChallengeId,
    header: http::HeaderValue,
}

/// What came back whole.
#[derive(Debug)]
pub(crate) enum Got {
    /// Served on credit.
    Lent,
    Served {
        reference: String,
    },
    Refused {
        moved: Option<Moved>,
        reference: Option<String>,
        kind: String,
    },
}

impl Buyer {
    pub(crate) fn new(dir: &Path, setup: &Setup) -> Self {
        let payer: Arc<dyn Payer> = match setup.rail {
            RailKind::Books => Arc::new(LedgerPayer::new(shop::key(1))),
            RailKind::Outside => {
                let rail = shop::fake_rail(dir, &FakeClock::at(START));
                Arc::new(FakePayer::new(rail, account("buyer")))
            }
        };
        Self {
            http: http_client(),
            payer,
            has_credit: setup.credit,
            method: if setup.rerunnable {
                Method::GET
            } else {
                Method::POST
            },
        }
    }

    fn url(process: &Mortal, path: &str) -> String {
        format!("http://{}{path}", process.address())
    }

    pub(crate) async fn post(&self, process: &Mortal, path: &str) {
        let url = Self::url(process, path);
        let response = self.http.post(url).header("connection", "close");
        assert!(response.send().await.unwrap().status().is_success());
    }

    /// Lets a shop end by itself, with everything that is under way.
    pub(crate) async fn drain(&self, process: Mortal) {
        self.post(&process, "/drain").await;
        process.ended();
    }

    pub(crate) async fn reconcile(&self, process: &Mortal) {
        self.post(process, "/reconcile").await;
    }

    /// Asks without paying, and signs what it is offered.
    pub(crate) async fn sign(&self, process: &Mortal) -> Signed {
        let url = Self::url(process, "/paid");
        let request = self.http.request(self.method.clone(), url);
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 402);
        let lines = response.headers().get_all("www-authenticate").iter();
        let challenge: Challenge = www_authenticate::parse(lines).remove(0).unwrap();
        let offer = Offer {
            request: challenge.request.decode().unwrap(),
            challenge: challenge.clone(),
        };
        let proof = self.payer.sign(&offer, START).await.unwrap();
        let source: Option<Did> = proof.source;
        let id = challenge.id.clone();
        let credential =
            Credential::new(challenge, source.map(Source::from), &proof.payload).unwrap();
        Signed {
            challenge: id,
            header: authorization::to_header(&credential),
        }
    }

    /// Presents a payment. `None` where nothing whole came back.
    pub(crate) async fn present(&self, process: &Mortal, signed: &Signed) -> Option<Got> {
        let url = Self::url(process, "/paid");
        let request = self.http.request(self.method.clone(), url);
        let request = request.header("authorization", signed.header.clone());
        let response = request.header("connection", "close").send().await.ok()?;
        let status = response.status();
        let receipt = response.headers().get("payment-receipt").cloned();
        let body = response.bytes().await.ok()?;
        if status.is_success() {
            assert_eq!(&*body, b"sunny");
            if receipt.is_none() && self.has_credit {
                return Some(Got::Lent);
            }
            let receipt = receipt.expect("what is served has a receipt");
            let receipt = farthing_core::header::payment_receipt::parse(&receipt).unwrap();
            return Some(Got::Served {
                reference: receipt.reference().as_str().to_owned(),
            });
        }
        assert!(receipt.is_none(), "a receipt on {status}");
        let problem = Problem::parse(&body, status.as_u16()).unwrap();
        Some(Got::Refused {
            moved: problem.moved,
            reference: problem.reference.as_ref().map(|r| r.as_str().to_owned()),
            kind: problem.uri().to_owned(),
        })
    }
}

/// Another package of this workspace may turn TLS on for all: it then wants its cryptography.
fn http_client() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().build().unwrap()
}
