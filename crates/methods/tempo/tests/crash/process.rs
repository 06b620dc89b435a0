//! The shop's process, and the buyer at its till.

use std::path::Path;

use farthing_core::{
    header::{payment_receipt, www_authenticate},
    noun::problem::Problem,
    payment::SettlePolicy,
    value::ChallengeId,
};
use farthing_evm::Address;
use farthing_tempo::token::known;
use farthing_testkit::{chain::Chain, process::Mortal};
use reqwest::Method;
use serde_json::json;
use tokio::time::Instant;

use crate::{
    audit::Got,
    buyer::{Asked, Buyer},
    shop::{self, PAYEE, Payload, Setup},
};

/// Starts a shop, which dies at a point if one is named.
pub(crate) fn start(dir: &Path, setup: &Setup, abort: Option<&str>, at: Now) -> Mortal {
    let first = setup.policy == SettlePolicy::First;
    let sponsored = setup.payload == Payload::Sponsored;
    Mortal::start_until("the_shop", abort, |command| {
        command
            .env(shop::DIR, dir)
            .env(shop::NODE, at.node)
            .env(shop::NOW, at.secs.to_string())
            .env(shop::POLICY, if first { "first" } else { "after" })
            .env(shop::SPONSORED, sponsored.to_string())
            .env(shop::RERUNNABLE, setup.rerunnable.to_string());
    })
}

/// Where a process is to find the chain, and what time it is to think it is.
pub(crate) struct Now {
    node: String,
    secs: u64,
}

/// The buyer: signs once, and presents the same bytes for as long as it takes.
pub(crate) struct Presenter {
    http: reqwest::Client,
    buyer: Buyer,
    method: Method,
    payload: Payload,
    node: String,
    /// The chain's time when this began, and when that was.
    began: (u64, Instant),
    pub(crate) paid_before: u64,
}

/// A signed payment.
pub(crate) struct Signed {
    pub(crate) challenge: ChallengeId,
    header: String,
    pub(crate) reference: String,
}

impl Presenter {
    pub(crate) async fn open(chain: &Chain, setup: &Setup) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        chain.mine(1).await;
        Self {
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
            buyer: Buyer::number(0),
            method: if setup.rerunnable {
                Method::GET
            } else {
                Method::POST
            },
            payload: setup.payload,
            node: chain.url(),
            began: (chain.time().await, Instant::now()),
            paid_before: balance(chain, PAYEE).await,
        }
    }

    /// The chain's time, and a little later.
    pub(crate) fn now(&self, later: u64) -> Now {
        let (time, then) = self.began;
        Now {
            node: self.node.clone(),
            secs: time + then.elapsed().as_secs() + later,
        }
    }

    fn url(process: &Mortal, path: &str) -> String {
        format!("http://{}{path}", process.address())
    }

    pub(crate) async fn post(&self, process: &Mortal, path: &str) {
        let request = self.http.post(Self::url(process, path));
        let response = request.header("connection", "close").send().await;
        assert!(response.unwrap().status().is_success());
    }

    /// Lets a shop end by itself, with everything that is under way.
    pub(crate) async fn drain(&self, process: Mortal) {
        self.post(&process, "/drain").await;
        process.ended();
    }

    /// Asks without paying, and signs what it is offered; what is paid by its hash is sent now.
    pub(crate) async fn sign(&self, process: &Mortal) -> Signed {
        let url = Self::url(process, "/paid");
        let response = self.http.request(self.method.clone(), url).send().await;
        let response = response.unwrap();
        assert_eq!(response.status(), 402);
        let lines = response.headers().get_all("www-authenticate").iter();
        let mut all = www_authenticate::parse(lines.map(|line| line.as_bytes()));
        let asked = Asked::read(all.remove(0).unwrap());
        let mut transaction = self.buyer.transaction(&asked, self.now(0).secs);
        // As long as the chain lets one live that has no nonce.
        transaction.valid_before = transaction.valid_before.map(|end| end + 5);
        let received = self.buyer.sign(transaction.clone());
        let hash = match received.whole() {
            Some(whole) => format!("{:#x}", whole.hash()),
            None => String::new(),
        };
        let header = if self.payload == Payload::Hash {
            let whole = self.buyer.sign(transaction).whole().unwrap();
            self.send(&json!([whole.raw().bytes()]).to_string()).await;
            self.buyer.push(&asked, whole.hash())
        } else {
            self.buyer.pull(&asked, transaction)
        };
        Signed {
            challenge: asked.challenge.id.clone(),
            header,
            reference: hash,
        }
    }

    async fn send(&self, params: &str) {
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"eth_sendRawTransactionSync","params":{params}}}"#
        );
        let sent = self.http.post(&self.node).body(body);
        let sent = sent.header("content-type", "application/json").send().await;
        let told = sent.unwrap().text().await.unwrap();
        assert!(told.contains(r#""status":"0x1""#), "{told}");
    }

    /// Presents a payment. `None` where nothing whole came back.
    pub(crate) async fn present(&self, process: &Mortal, signed: &Signed) -> Option<Got> {
        let url = Self::url(process, "/paid");
        let request = self.http.request(self.method.clone(), url);
        let request = request.header("authorization", &signed.header);
        let response = request.header("connection", "close").send().await.ok()?;
        let status = response.status();
        let receipt = response.headers().get("payment-receipt").cloned();
        let body = response.bytes().await.ok()?;
        if status.is_success() {
            assert_eq!(&*body, b"sunny");
            let receipt = receipt.expect("what is served has a receipt");
            let receipt = payment_receipt::parse(receipt.as_bytes()).unwrap();
            let reference = receipt.reference().as_str().to_owned();
            return Some(Got::Served { reference });
        }
        assert!(receipt.is_none(), "a receipt on {status}");
        let problem = Problem::parse(&body, status.as_u16()).unwrap();
        Some(Got::Refused {
            moved: problem.moved,
            kind: problem.uri().to_owned(),
        })
    }
}

/// How much of the token somebody has.
pub(crate) async fn balance(chain: &Chain, of: Address) -> u64 {
    let token = known::PATH_USD.address.to_string();
    let has = chain.token_balance(&token, &of.to_string()).await;
    u64::try_from(has).unwrap()
}
