//! The shop's process, and the buyer at its till.

use std::{
    env,
    io::{BufRead as _, BufReader, Read as _},
    net::SocketAddr,
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
};

use farthing_core::{
    header::{payment_receipt, www_authenticate},
    noun::problem::Problem,
    payment::SettlePolicy,
    value::ChallengeId,
};
use farthing_evm::{Address, U256};
use farthing_testkit::chain::Chain;
use reqwest::Method;
use serde_json::json;
use tokio::time::Instant;

use crate::{
    audit::Got,
    buyer::{Asked, Buyer},
    shop::{self, PAYEE, Payload, Setup},
};

/// A shop, as its buyer sees it.
pub(crate) struct Process {
    child: Child,
    address: SocketAddr,
    /// Open for as long as it lives: the harness over there says good-bye.
    _told: BufReader<ChildStdout>,
}

impl Process {
    pub(crate) fn start(dir: &Path, setup: &Setup, abort: Option<&str>, at: Now) -> Self {
        let mut command = Command::new(env::current_exe().unwrap());
        command.args(["--exact", "the_shop", "--nocapture"]);
        let first = setup.policy == SettlePolicy::First;
        let sponsored = setup.payload == Payload::Sponsored;
        command
            .env(shop::DIR, dir)
            .env(shop::NODE, at.node)
            .env(shop::NOW, at.secs.to_string())
            .env(shop::POLICY, if first { "first" } else { "after" })
            .env(shop::SPONSORED, sponsored.to_string())
            .env(shop::RERUNNABLE, setup.rerunnable.to_string())
            .env_remove(shop::ABORT)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        if let Some(point) = abort {
            command.env(shop::ABORT, point);
        }
        let mut child = command.spawn().unwrap();
        let mut told = BufReader::new(child.stdout.take().unwrap());
        let address = told
            .by_ref()
            .lines()
            .map_while(Result::ok)
            .find_map(|line| line.strip_prefix("listening ")?.parse().ok());
        Self {
            child,
            address: address.expect("the shop opens"),
            _told: told,
        }
    }

    /// Waits until it is dead, and not by its own will.
    pub(crate) fn died(&mut self) {
        let status = self.child.wait().unwrap();
        assert_eq!(status.code(), None, "it ended by itself: {status}");
    }

    pub(crate) fn kill(&self) {
        // The signal that cannot be caught; `Child::kill` needs the child alone.
        let id = self.child.id().to_string();
        let killed = Command::new("kill").args(["-9", &id]).status().unwrap();
        assert!(killed.success());
    }

    /// Lets it end by itself, with everything that is under way.
    pub(crate) async fn drain(mut self, till: &Till) {
        till.post(&self, "/drain").await;
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status}");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // After a failed assertion it is still there.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Where a process is to find the chain, and what time it is to think it is.
pub(crate) struct Now {
    node: String,
    secs: u64,
}

/// The buyer: signs once, and presents the same bytes for as long as it takes.
pub(crate) struct Till {
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

impl Till {
    pub(crate) async fn open(chain: &Chain, setup: &Setup) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        chain.mine(1).await;
        let block = chain.rpc("eth_getBlockByNumber", r#"["latest",false]"#);
        let time: U256 = serde_json::from_value(block.await["timestamp"].clone()).unwrap();
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
            began: (time.to(), Instant::now()),
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

    fn url(process: &Process, path: &str) -> String {
        format!("http://{}{path}", process.address)
    }

    pub(crate) async fn post(&self, process: &Process, path: &str) {
        let request = self.http.post(Self::url(process, path));
        let response = request.header("connection", "close").send().await;
        assert!(response.unwrap().status().is_success());
    }

    /// Asks without paying, and signs what it is offered; what is paid by its hash is sent now.
    pub(crate) async fn sign(&self, process: &Process) -> Signed {
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
    pub(crate) async fn present(&self, process: &Process, signed: &Signed) -> Option<Got> {
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
    let token = "0x20c0000000000000000000000000000000000000";
    let of = format!("{of:#x}");
    let asked = format!(
        r#"[{{"to":"{token}","data":"0x70a08231{:0>64}"}},"latest"]"#,
        &of[2..]
    );
    let has: U256 = serde_json::from_value(chain.rpc("eth_call", &asked).await).unwrap();
    has.to()
}
