//! A chain with both contracts, and a seller on it.

use std::{sync::Arc, time::Duration};

use alloy_primitives::address;
use farthing_core::{
    intent::session::{ChannelId, OnChain, Protocol, Seen, SessionRequest, Terms, Voucher},
    memory::MemoryBackend,
    port::{
        clock::Clock,
        method::{Outcome, Refusal},
        session::{
            Action, Checked, FundOrder, Handing, Said, Session, SettleItem, SettleJob, Settled,
            Shown, WantedSession,
        },
    },
    value::{Amount, ChallengeId, Price, Realm, Timestamp},
};
use farthing_evm::{Address, B256, ChainId, Node, NodeOptions, Outbox, SigningKey};
use farthing_tempo::{
    Network,
    session::{Escrow, TempoSession, TempoSessionOptions},
    tip20,
    token::known,
};
use farthing_testkit::{
    chain::{ACCOUNTS, Chain, ChainOptions, Mining, Turn, channels},
    clock::FakeClock,
    peer,
};
use serde_json::{Value, json, value::RawValue};

use crate::buyer::{Buyer, Locked};

pub(crate) const CHAIN: ChainId = match ChainId::new(1337) {
    Ok(chain) => chain,
    Err(_) => unreachable!(),
};

/// What is locked. Fees are paid in another token, so that balances of this one are exact.
pub(crate) const ALPHA: Address = address!("20c0000000000000000000000000000000000001");
pub(crate) const PATH: Address = address!("20c0000000000000000000000000000000000000");

/// What a unit costs.
pub(crate) const PRICE: u128 = 25;

pub(crate) const BOTH: [Protocol; 2] = [Protocol::V1, Protocol::V2];

/// Who is who among the accounts that the chain starts with.
pub(crate) const PAYER: usize = 0;
pub(crate) const PAYEE: usize = 1;
pub(crate) const OPERATOR: usize = 2;
pub(crate) const STRANGER: usize = 3;

pub(crate) fn key(account: usize) -> SigningKey {
    SigningKey::from_bytes(ACCOUNTS[account].secret()).unwrap()
}

pub(crate) fn account(number: usize) -> Address {
    ACCOUNTS[number].address.parse().unwrap()
}

/// A test's turn on the chain, and the seller.
pub(crate) struct World {
    pub(crate) chain: Turn,
    pub(crate) node: Node,
    pub(crate) clock: FakeClock,
    pub(crate) backend: Arc<MemoryBackend>,
    pub(crate) session: TempoSession,
    pub(crate) first: Escrow,
}

pub(crate) fn node_options(url: &str) -> NodeOptions {
    NodeOptions {
        block_time: Duration::from_millis(100),
        attempt: Duration::from_secs(20),
        deadline: Duration::from_secs(60),
        ..NodeOptions::new(CHAIN, vec![url.parse().unwrap()])
    }
}

impl World {
    pub(crate) async fn new(test: &str) -> Option<Self> {
        Self::with(test, |_| {}).await
    }

    pub(crate) async fn with(
        test: &str,
        change: impl Fn(&mut TempoSessionOptions),
    ) -> Option<Self> {
        Self::mining(test, Mining::Automatic, change).await
    }

    pub(crate) async fn mining(
        test: &str,
        mining: Mining,
        change: impl Fn(&mut TempoSessionOptions),
    ) -> Option<Self> {
        let options = ChainOptions::tempo(CHAIN.get()).mining(mining);
        let test = format!("sessions: {test}");
        let chain = peer::or_skip(&test, Chain::shared(&options).await)?;
        let by_hand = mining == Mining::Manual;
        if by_hand {
            chain.rpc("evm_setAutomine", "[true]").await;
        }
        channels::install_reserve(&chain).await;
        let first = Escrow {
            chain: CHAIN,
            contract: channels::deploy_escrow(&chain).await,
            protocol: Protocol::V1,
        };
        let giver = ACCOUNTS[4].address;
        let (token, payer) = (ALPHA.to_string(), account(PAYER).to_string());
        chain.give_token(giver, &token, &payer, 1_000_000_000).await;
        if by_hand {
            chain.rpc("evm_setAutomine", "[false]").await;
        }
        chain.mine(1).await;
        let mut options = node_options(&chain.url());
        if by_hand {
            // A node waits for a block that nobody makes.
            options.attempt = Duration::from_millis(500);
        }
        let node = Node::connect(options).await.unwrap();
        let clock = FakeClock::going(Timestamp::from_secs(chain.time().await));
        let backend = Arc::new(MemoryBackend::new());
        let session = seller(&node, &backend, &clock, first, &change);
        Some(Self {
            chain,
            node,
            clock,
            backend,
            session,
            first,
        })
    }

    /// Another seller over the same store, by another way to the chain or with other options.
    pub(crate) fn another(
        &self,
        node: &Node,
        change: impl Fn(&mut TempoSessionOptions),
    ) -> TempoSession {
        seller(node, &self.backend, &self.clock, self.first, &change)
    }

    /// Lets the chain's time and the seller's go on together.
    pub(crate) async fn later(&self, by: Duration) {
        self.chain.advance(by).await;
        self.clock
            .set(Timestamp::from_secs(self.chain.time().await));
    }

    /// Makes blocks, a second each.
    pub(crate) async fn blocks(&self, count: u64) {
        let params = format!(r#"["0x{count:x}","0x1"]"#);
        self.chain.rpc("anvil_mine", &params).await;
        self.clock
            .set(Timestamp::from_secs(self.chain.time().await));
    }

    pub(crate) fn escrow(&self, protocol: Protocol) -> Escrow {
        match protocol {
            Protocol::V1 => self.first,
            Protocol::V2 => Escrow::reserve(CHAIN),
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// What is asked for by a protocol.
    pub(crate) fn request(&self, protocol: Protocol) -> SessionRequest {
        request(&self.session, protocol)
    }

    pub(crate) async fn balance(&self, of: Address) -> u128 {
        tip20::balance(&self.node, ALPHA, of).await.unwrap().units()
    }

    /// Reads what a buyer sent, and checks it where it locks value.
    pub(crate) async fn check(
        &self,
        protocol: Protocol,
        payload: &Value,
        terms: Option<&Terms>,
    ) -> Result<Checked, Refusal> {
        self.check_by(&self.session, protocol, payload, terms).await
    }

    pub(crate) async fn check_by(
        &self,
        session: &TempoSession,
        protocol: Protocol,
        payload: &Value,
        terms: Option<&Terms>,
    ) -> Result<Checked, Refusal> {
        let shop = Shop::new(request(session, protocol), payload);
        let shown = shop.shown(self.now());
        match session.read(&shown)? {
            Action::Open(funding) | Action::TopUp(funding) => {
                session.check(shown, &funding, terms).await
            }
            other => unreachable!("{other:?} locks nothing"),
        }
    }

    /// Reads what a buyer sent.
    pub(crate) fn read(&self, protocol: Protocol, payload: &Value) -> Result<Action, Refusal> {
        let shop = Shop::new(self.request(protocol), payload);
        self.session.read(&shop.shown(self.now()))
    }

    pub(crate) async fn fund(&self, id: &ChannelId, checked: &Checked) -> Outcome {
        fund(&self.session, id, checked).await
    }

    /// What the chain says of a channel.
    pub(crate) async fn look(&self, channel: &Locked) -> Option<Seen> {
        let asked = [(channel.id.clone(), channel.terms.clone())];
        self.session.look(&asked).await.unwrap()[0]
    }

    pub(crate) async fn state(&self, channel: &Locked) -> OnChain {
        self.look(channel).await.unwrap().state
    }

    /// A channel of the payer's, with so much locked.
    pub(crate) async fn open(&self, protocol: Protocol, deposit: u128) -> Locked {
        self.open_by(&Buyer::number(PAYER), protocol, deposit).await
    }

    pub(crate) async fn open_by(&self, buyer: &Buyer, protocol: Protocol, deposit: u128) -> Locked {
        let opening = buyer.opening(self, protocol, deposit);
        self.tell(&opening.identity).await;
        let checked = self.check(protocol, &opening.payload, None).await.unwrap();
        assert_eq!(checked.amount, Amount::new(deposit));
        let id = opening.channel.channel_id();
        let outcome = self.fund(&id, &checked).await;
        assert!(matches!(outcome, Outcome::Settled { .. }), "{outcome:?}");
        Locked {
            id,
            terms: checked.terms,
            channel: opening.channel,
        }
    }

    /// Tells the reserve what the precompile would see by itself.
    pub(crate) async fn tell(&self, identity: &B256) {
        channels::tell(&self.chain, *identity).await;
    }

    /// The voucher of a channel as the seller keeps it.
    pub(crate) fn voucher(&self, buyer: &Buyer, channel: &Locked, cumulative: u128) -> Voucher {
        let said = Said {
            channel: channel.id.clone(),
            cumulative: Amount::new(cumulative),
            signature: buyer.raw(&channel.channel, cumulative),
        };
        let verifier = self.session.verifier(&channel.id, &channel.terms).unwrap();
        verifier.check(&said).unwrap()
    }

    pub(crate) async fn settle(&self, job: &SettleJob) -> Settled {
        self.session.settle(job).await
    }
}

pub(crate) fn item(channel: &Locked, how: Handing) -> SettleItem {
    SettleItem {
        channel: channel.id.clone(),
        terms: channel.terms.clone(),
        how,
    }
}

pub(crate) fn job(number: u8, items: Vec<SettleItem>) -> SettleJob {
    SettleJob {
        id: [number; 16],
        items,
    }
}

/// The gas that a settlement used.
pub(crate) fn done(settled: &Settled) -> u64 {
    match settled {
        Settled::Done { details, .. } => details["gasUsed"].as_u64().unwrap(),
        other => unreachable!("it is not done: {other:?}"),
    }
}

pub(crate) async fn fund(session: &TempoSession, id: &ChannelId, checked: &Checked) -> Outcome {
    let order = FundOrder {
        channel: id,
        terms: &checked.terms,
        effect: checked.verified.effect.as_ref().unwrap(),
    };
    session.fund(order).await
}

fn seller(
    node: &Node,
    backend: &Arc<MemoryBackend>,
    clock: &FakeClock,
    first: Escrow,
    change: &impl Fn(&mut TempoSessionOptions),
) -> TempoSession {
    let network = Network::dev(CHAIN, "http://127.0.0.1:1".parse().unwrap());
    let mut options = TempoSessionOptions {
        escrows: vec![Escrow::reserve(CHAIN), first],
        tokens: vec![known::ALPHA_USD],
        patience: Duration::from_secs(3),
        ..TempoSessionOptions::new(network, account(PAYEE), key(PAYEE).into())
    };
    change(&mut options);
    let outbox = Outbox::new(backend.clone());
    TempoSession::new(node.clone(), outbox, Arc::new(clock.clone()), options).unwrap()
}

pub(crate) fn request(session: &TempoSession, protocol: Protocol) -> SessionRequest {
    let price: Price = "$0.000025".parse().unwrap();
    let wanted = WantedSession {
        price: &price,
        unit: Some("word"),
        deposit: None,
        min_delta: None,
        terms: None,
    };
    let mut requests = session.prepare(&wanted).unwrap();
    requests.retain(|request| request.protocol() == Ok(protocol));
    assert_eq!(requests[0].amount, Amount::new(PRICE));
    requests.remove(0)
}

/// What a gate shows a method, as something to borrow from.
pub(crate) struct Shop {
    challenge: ChallengeId,
    realm: Realm,
    pub(crate) request: SessionRequest,
    payload: Box<RawValue>,
}

impl Shop {
    pub(crate) fn new(request: SessionRequest, payload: &Value) -> Self {
        Self {
            challenge: ChallengeId::new("kM9xPqWvT2nJrHsY4aDfEb").unwrap(),
            realm: Realm::new("api.example.com").unwrap(),
            request,
            payload: RawValue::from_string(payload.to_string()).unwrap(),
        }
    }

    pub(crate) fn shown(&self, now: Timestamp) -> Shown<'_> {
        Shown {
            challenge: &self.challenge,
            realm: &self.realm,
            request: &self.request,
            expires: now.saturating_add(Duration::from_secs(3600)),
            source: None,
            payload: &self.payload,
            now,
        }
    }
}

/// A change to a payload.
pub(crate) fn with(payload: &Value, name: &str, value: impl Into<Value>) -> Value {
    let mut changed = payload.clone();
    changed[name] = value.into();
    changed
}

/// The bytes of a signature, in hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> Value {
    json!(farthing_evm::Bytes::copy_from_slice(bytes))
}
