//! A shop that sells out of channels, and the buyers of those channels.

use std::{num::NonZeroU32, sync::Arc};

use axum::{Router, routing::get};
use farthing::{
    clock::SystemClock,
    core::{
        header::{authorization, www_authenticate},
        intent::session::{Channel, ChannelId, OnChain, Protocol, Seen, SessionRequest, Terms},
        memory::MemoryBackend,
        noun::{Challenge, Credential, Source},
        port::{backend::Backend, clock::Clock as _, session::Session},
        value::{Amount, Secret},
    },
    evm::{Address, B256, ChainId, Node, NodeOptions, Outbox, PkhDid, Signature, SigningKey},
    server::{
        Admission, Gate, PreparedRoute, RateLimits, Route,
        layer::PaymentLayer,
        session::{Metering, SessionOptions},
    },
    tempo::{
        AccountKey, Network,
        session::{
            Descriptor, Escrow, Origin, TempoChannel, TempoSession, TempoSessionOptions, Vouchers,
            write_signature,
        },
    },
};
use http::{Request, request::Parts};
use serde_json::{json, value::RawValue};
use tokio::runtime::Runtime;

use super::rail::{LOCKED, Quiet};
use crate::side::{
    app::{ANSWER, FREE, PAID},
    ask::Ask,
    call::Asks,
};

/// Who signs the vouchers of every channel. Their payers differ.
pub(crate) const SECRET: [u8; 32] = [1; 32];

const REALM: &str = "api.example.com";

/// What a request costs, and a word of a stream.
#[derive(Clone, Copy, Debug)]
pub(super) struct Prices {
    request: &'static str,
    word: &'static str,
}

impl Default for Prices {
    fn default() -> Self {
        Self {
            request: "$0.0001",
            word: "$0.000001",
        }
    }
}

/// The shop, with channels that are open.
pub(super) struct Shop {
    pub(super) gate: Gate,
    rail: Arc<Quiet>,
    priced: PaymentLayer,
    challenge: Challenge,
    request: SessionRequest,
    key: SigningKey,
    vouchers: Vouchers,
    /// What each channel's buyer has signed.
    channels: Vec<(TempoChannel, u128)>,
}

impl Shop {
    /// Opens a shop, and so many channels in its store. Each holds more than will ever be spent.
    pub(super) fn open(
        runtime: &Runtime,
        store: Arc<dyn Backend>,
        channels: usize,
        prices: &Prices,
    ) -> Self {
        let rail = Arc::new(Quiet::new(tempo()));
        let mut options = SessionOptions::default();
        let price = |text: &str| text.parse().expect("a price");
        (options.exposure_per_payer, options.exposure_in_total) =
            (price("$1000000"), price("$1000000000000"));
        options.channels_in_memory = channels * 2;
        let gate = Gate::builder()
            .realm(REALM)
            .secret(Secret::new([7; 32]))
            .store(store)
            .clock(Arc::new(SystemClock))
            .session(Arc::clone(&rail) as Arc<dyn Session>)
            .sessions(options)
            .rate_limits(unlimited())
            .build()
            .expect("nothing is missing");
        let route = || Route::session(prices.request).expect("a price");
        let prepared = gate.route(route()).expect("Tempo has dollars");
        let challenge = runtime.block_on(challenge(&gate, &prepared));
        let request = challenge.request.decode().expect("our own request");
        let mut shop = Self {
            priced: PaymentLayer::new(&gate, route()).expect("Tempo has dollars"),
            vouchers: Vouchers::of(&escrow()),
            key: SigningKey::from_bytes(SECRET).expect("a number below the curve's order"),
            channels: Vec::with_capacity(channels),
            gate,
            rail,
            challenge,
            request,
        };
        for number in 0..channels {
            let channel = TempoChannel::new(escrow(), Origin::V2(shop.descriptor(number)));
            let channel = channel.expect("the reserve is of the second protocol");
            shop.channels.push((channel, 0));
            runtime.block_on(shop.lock(number));
        }
        shop
    }

    fn descriptor(&self, number: usize) -> Descriptor {
        let mut payer = [0x11; 20];
        payer[..8].copy_from_slice(&number.to_be_bytes());
        let address = |text: &str| text.parse().expect("an address of our own offer");
        Descriptor {
            payer: Address::from(payer),
            payee: address(self.request.recipient.as_str()),
            operator: Address::ZERO,
            token: address(self.request.currency.as_str()),
            salt: B256::repeat_byte(3),
            authorized_signer: self.key.address(),
            expiring_nonce_hash: B256::repeat_byte(4),
        }
    }

    /// What the shop keeps of a channel.
    pub(super) fn channel(&self, number: usize) -> (ChannelId, Terms) {
        let (channel, _) = &self.channels[number];
        let Origin::V2(descriptor) = channel.origin() else {
            unreachable!("the reserve is of the second protocol");
        };
        let payer = PkhDid {
            chain: chain(),
            address: descriptor.payer,
        };
        let terms = Terms {
            method: self.rail.method().clone(),
            realm: self.gate.realm().clone(),
            currency: self.request.currency.clone(),
            payee: self.request.recipient.clone(),
            payer: payer.into(),
            details: channel.details().into(),
        };
        (channel.channel_id(), terms)
    }

    async fn lock(&self, number: usize) {
        let (id, terms) = self.channel(number);
        let seen = Seen {
            block: 1,
            state: OnChain::open(LOCKED),
        };
        let channel = Channel::open(Protocol::V2, seen).expect("it is open");
        let sessions = self.gate.sessions().expect("the gate has a rail");
        let opened = sessions
            .channels()
            .open(&id, &terms, channel, SystemClock.now());
        drop(opened.await.expect("the store takes it"));
    }

    pub(super) fn rail(&self) -> &dyn Session {
        &*self.rail
    }

    /// The priced route and a free one.
    pub(super) fn app(&self) -> Router {
        Router::new()
            .route(FREE, get(|| async { ANSWER }))
            .route(PAID, get(|| async { ANSWER }).layer(self.priced.clone()))
    }

    /// A price by the word for whatever is behind it.
    pub(super) fn by_the_word(&self, prices: &Prices) -> PaymentLayer {
        let metering = Metering::by_use(prices.word, "word").expect("a price");
        PaymentLayer::new(&self.gate, Route::metered(metering.estimate(0)))
            .expect("Tempo has dollars")
    }

    /// Signs a channel's next voucher, for so many requests more.
    pub(super) fn voucher(&mut self, number: usize, requests: u128) -> (u128, Signature) {
        let (channel, signed) = &mut self.channels[number];
        *signed += self.request.amount.units() * requests;
        let digest = self.vouchers.digest(channel.id(), Amount::new(*signed));
        (
            *signed,
            self.key.sign(digest.expect("an amount within its width")),
        )
    }

    /// A request with a channel's next voucher.
    pub(super) fn ask(&mut self, number: usize, requests: u128) -> Ask {
        let (cumulative, signature) = self.voucher(number, requests);
        self.say(number, cumulative, &signature)
    }

    fn say(&self, number: usize, cumulative: u128, signature: &Signature) -> Ask {
        let (channel, _) = &self.channels[number];
        let Origin::V2(descriptor) = channel.origin() else {
            unreachable!("the reserve is of the second protocol");
        };
        let payload = json!({
            "action": "voucher",
            "channelId": channel.channel_id(),
            "descriptor": descriptor,
            "cumulativeAmount": cumulative.to_string(),
            "signature": write_signature(signature),
        });
        let payer = PkhDid {
            chain: chain(),
            address: descriptor.payer,
        };
        let credential = Credential {
            challenge: self.challenge.clone(),
            source: Source::new(&*payer.to_string()).ok(),
            payload: RawValue::from_string(payload.to_string()).expect("it is JSON"),
        };
        Ask {
            path: PAID,
            authorization: Some(authorization::format(&credential)),
        }
    }

    /// Paid requests. Each stretch of them is of one channel: that of a connection.
    pub(super) fn paid(mut self, connections: usize) -> Asks {
        Box::new(move |_, count| {
            let each = count.div_ceil(connections);
            (0..count).map(|ask| self.ask(ask / each, 1)).collect()
        })
    }

    /// Paid requests of so many channels in turns, which lie far apart.
    pub(super) fn paid_by_some(mut self, some: usize) -> Asks {
        let all = self.channels.len();
        let mut turn = 0;
        Box::new(move |_, count| {
            (0..count)
                .map(|_| {
                    turn = (turn + 1) % some;
                    self.ask(turn * all / some, 1)
                })
                .collect()
        })
    }

    /// Brings every channel into memory: one request of each, refused while nothing is heard of the chain.
    pub(super) fn load_all(&self, runtime: &Runtime) {
        let app = self.app();
        let sessions = self.gate.sessions().expect("the gate has a rail");
        let signature = self.key.sign(B256::repeat_byte(9));
        let look_around = || {
            let looked = runtime.block_on(sessions.till().look_around(self.rail.method()));
            let _ = looked.expect("the chain answers");
        };
        self.rail.set_silent(true);
        look_around();
        for number in 0..self.channels.len() {
            let ask = self.say(number, 1, &signature);
            let answer =
                runtime.block_on(tower::ServiceExt::oneshot(app.clone(), ask.to_request()));
            assert_eq!(answer.expect("a router answers").status(), 503);
        }
        self.rail.set_silent(false);
        look_around();
    }
}

async fn challenge(gate: &Gate, route: &Arc<PreparedRoute>) -> Challenge {
    let request = Request::builder().uri(PAID).body(()).expect("a request");
    let (parts, ()): (Parts, ()) = request.into_parts();
    let admission = gate
        .admit::<axum::body::Body>(route, &parts, None, None)
        .await;
    let Admission::Offer(response) = admission else {
        unreachable!("a request without a payment is offered one");
    };
    let lines = response.headers().get_all("www-authenticate").iter();
    www_authenticate::parse(lines.map(|line| line.as_bytes()))
        .remove(0)
        .expect("our own challenge can be read")
}

/// Tempo's seller. No node is ever asked.
fn tempo() -> TempoSession {
    let url = || "http://127.0.0.1:1".parse().expect("a URL");
    let node = Node::new(NodeOptions::new(chain(), vec![url()])).expect("one endpoint");
    let network = Network::dev(chain(), url());
    let key = SigningKey::from_bytes([2; 32]).expect("a number below the curve's order");
    let options = TempoSessionOptions::new(network, key.address(), AccountKey::from(key));
    let outbox = Outbox::new(Arc::new(MemoryBackend::new()));
    TempoSession::new(node, outbox, Arc::new(SystemClock), options).expect("options that fit")
}

fn escrow() -> Escrow {
    Escrow::reserve(chain())
}

fn chain() -> ChainId {
    ChainId::new(1337).expect("a chain id")
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
