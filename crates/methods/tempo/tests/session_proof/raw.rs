//! A buyer who shows what a test says.

use std::sync::Arc;

use farthing_core::{
    header::{authorization, www_authenticate},
    intent::session::{Protocol, SESSION},
    memory::MemoryBackend,
    noun::{Challenge, Credential},
    port::{
        clock::Clock,
        session_payer::{Keeping, Opening, SessionOffer, SessionPayer},
    },
    value::Amount,
};
use farthing_evm::{Node, Outbox};
use farthing_tempo::{
    AccountKey, Network,
    session::{SessionPayerOptions, TempoChannel, TempoSessionPayer},
};
use serde_json::{Value, value::RawValue};

use crate::{
    market::Market,
    shop::{CHAIN, key},
};

/// Somebody with a channel, and a challenge to use it with.
pub(crate) struct Raw {
    payer: TempoSessionPayer,
    http: reqwest::Client,
    challenge: Challenge,
    keeping: Keeping,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
    pub(crate) has_receipt: bool,
}

impl Answer {
    /// The last part of the problem's type.
    pub(crate) fn kind(&self) -> String {
        let problem: Value = serde_json::from_str(&self.body).unwrap_or_default();
        let uri = problem["type"].as_str().unwrap_or_default();
        let (_, name) = uri.split_once("problems/").unwrap_or(("", uri));
        name.to_owned()
    }
}

impl Raw {
    /// Opens a channel with so much locked, and charges nothing.
    pub(crate) async fn open(market: &Market, page: &str, deposit: u128) -> Self {
        let (raw, opening) = Self::signed(market, page, deposit).await;
        let answer = raw.manage(page, &opening).await;
        assert_eq!(answer.status, 204, "{answer:?}");
        raw
    }

    /// The same before it is shown: with the payload that opens it.
    pub(crate) async fn signed(market: &Market, page: &str, deposit: u128) -> (Self, Value) {
        let network = Network::dev(CHAIN, market.proxy.url().parse().unwrap());
        let node = Node::connect(network.node()).await.unwrap();
        let clock: Arc<dyn Clock> = Arc::new(market.clock.clone());
        let with = (Outbox::new(Arc::new(MemoryBackend::new())), clock);
        let options = SessionPayerOptions {
            escrows: vec![market.escrow],
            ..SessionPayerOptions::default()
        };
        let key = AccountKey::from(key(0));
        let payer = TempoSessionPayer::new(key, network, node, with, options).unwrap();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let answer = http.get(page).send().await.unwrap();
        let lines = answer.headers().get_all("www-authenticate").iter();
        let challenge = www_authenticate::parse(lines.map(|line| line.as_bytes()))
            .into_iter()
            .filter_map(Result::ok)
            .find(|challenge| challenge.intent.as_str() == SESSION)
            .expect("a session is asked for");
        let request: farthing_core::intent::session::SessionRequest =
            challenge.request.decode().unwrap();
        let offer = SessionOffer {
            protocol: request.protocol().unwrap(),
            challenge: challenge.clone(),
            request,
        };
        let now = market.clock.now();
        let opening = payer.open(&offer, Amount::new(deposit), now).await;
        let Opening { channel, locking } = opening.unwrap();
        let payload = payer
            .present_opening(&channel, &locking.transaction, Amount::ZERO)
            .unwrap();
        let raw = Self {
            payer,
            http,
            challenge,
            keeping: channel,
        };
        (raw, serde_json::from_str(payload.get()).unwrap())
    }

    pub(crate) fn id(&self) -> &farthing_core::intent::session::ChannelId {
        &self.keeping.id
    }

    pub(crate) fn channel(&self) -> TempoChannel {
        TempoChannel::read(&self.keeping.details).unwrap()
    }

    pub(crate) fn protocol(&self) -> Protocol {
        self.keeping.protocol
    }

    /// The payload of a voucher.
    pub(crate) fn voucher(&self, cumulative: u128) -> Value {
        let said = self
            .payer
            .voucher(&self.keeping, Amount::new(cumulative), false);
        serde_json::from_str(said.unwrap().get()).unwrap()
    }

    /// A voucher with another signature.
    pub(crate) fn with_signature(&self, cumulative: u128, bytes: &[u8]) -> Value {
        let mut payload = self.voucher(cumulative);
        payload["signature"] = farthing_evm::Bytes::copy_from_slice(bytes)
            .to_string()
            .into();
        payload
    }

    pub(crate) async fn buy(&self, page: &str, payload: &Value) -> Answer {
        self.show(self.http.get(page), payload).await
    }

    /// Hands something in that buys nothing.
    pub(crate) async fn manage(&self, page: &str, payload: &Value) -> Answer {
        self.show(self.http.post(page), payload).await
    }

    async fn show(&self, request: reqwest::RequestBuilder, payload: &Value) -> Answer {
        let request = request.header("authorization", self.header(payload));
        let answer = request.send().await.unwrap();
        Answer {
            status: answer.status().as_u16(),
            has_receipt: answer.headers().contains_key("payment-receipt"),
            body: answer.text().await.unwrap(),
        }
    }

    /// The answer as it comes.
    pub(crate) async fn stream(&self, page: &str, payload: &Value) -> reqwest::Response {
        let request = self.http.get(page).header("accept", "text/event-stream");
        let request = request.header("authorization", self.header(payload));
        request.send().await.unwrap()
    }

    fn header(&self, payload: &Value) -> String {
        authorization::format(&Credential {
            challenge: self.challenge.clone(),
            payload: RawValue::from_string(payload.to_string()).unwrap(),
            source: None,
        })
    }
}
