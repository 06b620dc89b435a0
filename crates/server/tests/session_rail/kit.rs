//! A till over a fake reserve, and those who pay out of channels.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use farthing_core::{
    binding::Secrets,
    domain::channels::{Caps, ChannelError, Channels, Purchase, Step},
    intent::session::{
        Admitted, Balance, Channel, ChannelId, Protocol, RawSignature, Rule, SessionRequest,
        Standing, Terms, Voucher,
    },
    memory::MemoryBackend,
    port::{
        BoxFuture,
        backend::Backend,
        clock::Clock,
        session::{Action, Funding, Said, Session, Shown},
    },
    value::{Amount, ChallengeId, Did, MethodId, Realm, Recipient, Secret, Timestamp, Worth},
};
use farthing_server::{
    Event, Movement, What,
    session::{Funded, FundingAsked, Memory, NotFunded, RailStep, Till, TillOptions, TillParts},
};
use farthing_testkit::{
    clock::FakeClock,
    method::{
        FakeDescriptor, FakeLock, FakeReserve, FakeSession, FakeSessionPayload, account, currency,
        method,
    },
};

/// What every payer begins with.
pub(crate) const FUNDS: u128 = 10_000_000;
/// What one unit costs.
pub(crate) const PRICE: u128 = 1_000;
/// What is locked in a channel.
pub(crate) const DEPOSIT: u128 = 1_000_000;

pub(crate) fn of(units: u128) -> Amount {
    Amount::new(units)
}

pub(crate) fn realm() -> Realm {
    Realm::new("api.example.com").unwrap()
}

pub(crate) fn shop() -> Did {
    account("shop")
}

/// Options under which nothing happens by itself soon, and nothing takes long.
pub(crate) fn options() -> TillOptions {
    let mut options = TillOptions::default();
    options.rail_deadline = Duration::from_millis(400);
    options.lease = Duration::from_secs(30);
    options.close_within = Duration::from_millis(800);
    options.settle.close_unused = None;
    options
}

/// A seller's till and what it stands on.
pub(crate) struct Kit {
    pub(crate) clock: FakeClock,
    pub(crate) reserve: Arc<FakeReserve>,
    pub(crate) store: Arc<dyn Backend>,
    pub(crate) till: Till,
    pub(crate) protocol: Protocol,
    told: Arc<Mutex<Vec<Movement>>>,
    silences: Arc<Mutex<Vec<bool>>>,
}

impl Kit {
    pub(crate) fn new(protocol: Protocol) -> Self {
        Self::with(protocol, options(), |session| session, None)
    }

    pub(crate) fn with(
        protocol: Protocol,
        options: TillOptions,
        session: impl FnOnce(FakeSession) -> FakeSession,
        memory: Option<Arc<dyn Memory>>,
    ) -> Self {
        let clock = FakeClock::default();
        let reserve = Arc::new(FakeReserve::new(Arc::new(clock.clone())));
        let store: Arc<dyn Backend> = Arc::new(MemoryBackend::new());
        let session = session(FakeSession::new(Arc::clone(&reserve), &shop(), protocol));
        Self::on(clock, reserve, store, session, options, memory)
    }

    /// Another process on the same store and the same rail.
    pub(crate) fn beside(&self, options: TillOptions) -> Self {
        let session = FakeSession::new(Arc::clone(&self.reserve), &shop(), self.protocol);
        Self::on(
            self.clock.clone(),
            Arc::clone(&self.reserve),
            Arc::clone(&self.store),
            session,
            options,
            None,
        )
    }

    /// This rail over another store.
    pub(crate) fn over(&self, store: &Arc<dyn Backend>) -> Self {
        let session = FakeSession::new(Arc::clone(&self.reserve), &shop(), self.protocol);
        Self::on(
            self.clock.clone(),
            Arc::clone(&self.reserve),
            Arc::clone(store),
            session,
            options(),
            None,
        )
    }

    /// The same, by other options.
    pub(crate) fn over_with(self, store: &Arc<dyn Backend>, options: TillOptions) -> Self {
        let session = FakeSession::new(Arc::clone(&self.reserve), &shop(), self.protocol);
        let (clock, store) = (self.clock, Arc::clone(store));
        Self::on(clock, self.reserve, store, session, options, None)
    }

    fn on(
        clock: FakeClock,
        reserve: Arc<FakeReserve>,
        store: Arc<dyn Backend>,
        session: FakeSession,
        options: TillOptions,
        memory: Option<Arc<dyn Memory>>,
    ) -> Self {
        let protocol = match session.prepare(&wanted(&PRICE_TEXT.parse().unwrap())) {
            Ok(requests) => requests[0].protocol().unwrap(),
            Err(error) => panic!("{error}"),
        };
        let (told, silences) = (Arc::default(), Arc::default());
        let (tells, silent) = (Arc::clone(&told), Arc::clone(&silences));
        let till = Till::new(TillParts {
            store: Arc::clone(&store),
            clock: Arc::new(clock.clone()),
            secrets: Secrets::new(&Secret::new(vec![7; 32])).unwrap(),
            rails: vec![Arc::new(session)],
            memory,
            observer: Some(Arc::new(move |event: &Event| match event {
                Event::Session(movement) => {
                    let told: &Mutex<Vec<Movement>> = &tells;
                    told.lock().unwrap().push(movement.clone());
                }
                Event::Rail { is_silent, .. } => {
                    let silent: &Mutex<Vec<bool>> = &silent;
                    silent.lock().unwrap().push(*is_silent);
                }
                _ => {}
            })),
            options,
        });
        Self {
            clock,
            reserve,
            store,
            till: till.unwrap(),
            protocol,
            told,
            silences,
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn channels(&self) -> Channels {
        Channels::new(Arc::clone(&self.store))
    }

    /// What was told of money since this was asked last.
    pub(crate) fn told(&self) -> Vec<What> {
        let mut told = self.told.lock().unwrap();
        told.drain(..).map(|movement| movement.what).collect()
    }

    pub(crate) fn silences(&self) -> Vec<bool> {
        std::mem::take(&mut *self.silences.lock().unwrap())
    }

    /// Somebody with money who has opened a channel.
    pub(crate) async fn buyer(&self, name: &str) -> Buyer {
        let buyer = self.stranger(name);
        let opening = buyer.opening(DEPOSIT, 0);
        self.open(&buyer, &opening).await.unwrap();
        buyer
    }

    /// Somebody with money.
    pub(crate) fn stranger(&self, name: &str) -> Buyer {
        let payer = account(name);
        if self.reserve.truth().balance(payer.as_str()) == 0 {
            self.reserve.deposit(&payer, FUNDS);
        }
        Buyer {
            channel: FakeDescriptor::new(&payer, &shop(), self.protocol, name),
        }
    }

    pub(crate) async fn open(
        &self,
        buyer: &Buyer,
        payload: &FakeSessionPayload,
    ) -> Result<Funded, NotFunded> {
        self.fund(buyer, payload, &request(self.protocol), true)
            .await
    }

    pub(crate) async fn top_up(
        &self,
        buyer: &Buyer,
        payload: &FakeSessionPayload,
    ) -> Result<Funded, NotFunded> {
        self.fund(buyer, payload, &request(self.protocol), false)
            .await
    }

    pub(crate) async fn fund(
        &self,
        _: &Buyer,
        payload: &FakeSessionPayload,
        request: &SessionRequest,
        opens: bool,
    ) -> Result<Funded, NotFunded> {
        let (raw, realm, challenge) = (payload.raw(), realm(), challenge());
        let shown = Shown {
            challenge: &challenge,
            realm: &realm,
            request,
            expires: Timestamp::FAR,
            source: None,
            payload: &raw,
            now: self.now(),
        };
        let rail = FakeSession::new(Arc::clone(&self.reserve), &shop(), self.protocol);
        let funding: Funding = match rail.read(&shown)? {
            Action::Open(funding) | Action::TopUp(funding) => funding,
            other => panic!("{other:?}"),
        };
        let asked = FundingAsked {
            shown,
            funding: &funding,
            method: &method(),
        };
        match opens {
            true => self.till.open(&asked).await,
            false => self.till.top_up(&asked).await,
        }
    }

    /// Charges a channel for what a voucher pays.
    pub(crate) async fn pay(
        &self,
        buyer: &Buyer,
        cumulative: u128,
        price: u128,
    ) -> Result<Admitted, ChannelError> {
        self.pay_by(buyer, cumulative, price, Rule::ANY).await
    }

    /// The same, where something is asked of the voucher.
    pub(crate) async fn pay_by(
        &self,
        buyer: &Buyer,
        cumulative: u128,
        price: u128,
        rule: Rule,
    ) -> Result<Admitted, ChannelError> {
        let channels = self.channels();
        let mut held = channels.load(&buyer.id()).await?.unwrap();
        let purchase = Purchase {
            voucher: Some(buyer.voucher(cumulative)),
            rule,
            price: of(price),
            guards: Vec::new(),
            writes: Vec::new(),
        };
        let caps = buyer.caps();
        channels
            .accept_and_charge(&mut held, self.now(), &purchase, &caps)
            .await
    }

    /// The same, and it was served.
    pub(crate) async fn serve(&self, buyer: &Buyer, cumulative: u128, price: u128) {
        let admitted = self.pay(buyer, cumulative, price).await.unwrap();
        admitted.charge.unwrap();
        self.served(buyer, price).await;
    }

    pub(crate) async fn served(&self, buyer: &Buyer, price: u128) {
        let channels = self.channels();
        let mut held = channels.load(&buyer.id()).await.unwrap().unwrap();
        let step = |channel: &mut Channel| {
            channel.served(of(price));
            Ok(Step::to(()))
        };
        channels.update(&mut held, self.now(), step).await.unwrap();
    }

    pub(crate) async fn channel(&self, buyer: &Buyer) -> Channel {
        let held = self.channels().load(&buyer.id()).await.unwrap();
        held.unwrap().channel().clone()
    }

    pub(crate) async fn balance(&self, buyer: &Buyer) -> Balance {
        self.channel(buyer).await.balance()
    }

    pub(crate) async fn standing(&self, buyer: &Buyer) -> Standing {
        self.channel(buyer).await.standing()
    }

    /// What the rail has paid out of a channel.
    pub(crate) fn paid_out(&self, buyer: &Buyer) -> u128 {
        self.reserve.channel(&buyer.id()).unwrap().settled
    }

    pub(crate) fn shops(&self) -> u128 {
        self.reserve.truth().balance(shop().as_str())
    }

    /// What is counted as unsettled of all channels, in base units.
    pub(crate) async fn counted(&self) -> u128 {
        let caps = self.stranger("nobody").caps();
        let key = caps.total_counter();
        let table = farthing_core::domain::claims::COUNTERS;
        let partition = farthing_core::port::backend::Partition::Store;
        let row = self.store.get(&partition, table, &key).await.unwrap();
        let count = row.and_then(|row| row.counter()).unwrap_or_default();
        let worth = Worth::counted(u128::try_from(count).unwrap());
        worth.rounded_up(&currency()).units()
    }
}

const PRICE_TEXT: &str = "$0.001";

fn wanted(price: &farthing_core::value::Price) -> farthing_core::port::session::WantedSession<'_> {
    farthing_core::port::session::WantedSession {
        price,
        unit: None,
        deposit: None,
        min_delta: None,
        terms: None,
    }
}

pub(crate) fn challenge() -> ChallengeId {
    ChallengeId::new("a-challenge").unwrap()
}

pub(crate) fn request(protocol: Protocol) -> SessionRequest {
    let payee = Recipient::new(shop().as_str()).unwrap();
    let mut request = SessionRequest::new(of(PRICE), currency().code, payee);
    let protocol = serde_json::to_value(protocol).unwrap();
    request
        .method_details
        .insert("sessionProtocol".to_owned(), protocol);
    request
}

/// Somebody who pays out of a channel.
#[derive(Clone, Debug)]
pub(crate) struct Buyer {
    pub(crate) channel: FakeDescriptor,
}

impl Buyer {
    pub(crate) fn id(&self) -> ChannelId {
        self.channel.id()
    }

    pub(crate) fn lock(&self, amount: u128) -> FakeLock {
        self.channel.opening(of(amount), Timestamp::FAR)
    }

    pub(crate) fn opening(&self, amount: u128, cumulative: u128) -> FakeSessionPayload {
        FakeSessionPayload::open(&self.channel, &self.lock(amount), of(cumulative))
    }

    pub(crate) fn topping_up(&self, amount: u128, nonce: &str) -> FakeSessionPayload {
        let lock = self.channel.top_up(of(amount), nonce, Timestamp::FAR);
        FakeSessionPayload::top_up(&self.channel, &lock)
    }

    pub(crate) fn signature(&self, cumulative: u128) -> RawSignature {
        self.channel.sign(of(cumulative))
    }

    pub(crate) fn voucher(&self, cumulative: u128) -> Voucher {
        let signature = self.signature(cumulative);
        Voucher::new(self.channel.protocol, of(cumulative), signature).unwrap()
    }

    pub(crate) fn said(&self, cumulative: u128) -> Said {
        Said {
            channel: self.id(),
            cumulative: of(cumulative),
            signature: self.signature(cumulative),
        }
    }

    pub(crate) fn caps(&self) -> Caps {
        Caps {
            payer: self.channel.payer.clone(),
            currency: currency(),
            per_payer: Worth::UNLIMITED,
            in_total: Worth::UNLIMITED,
            slice: Amount::ZERO,
        }
    }
}

/// Channels that are in memory, as a gate has them: what is done to them is written through.
pub(crate) struct InMemory {
    channels: Mutex<BTreeMap<ChannelId, (Terms, Balance)>>,
    /// What was done to them.
    pub(crate) steps: Mutex<Vec<RailStep>>,
    /// Whether something is in flight on them.
    pub(crate) serves: AtomicBool,
}

impl InMemory {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            channels: Mutex::default(),
            steps: Mutex::default(),
            serves: AtomicBool::default(),
        })
    }

    /// Shows a channel as it was after its last step.
    pub(crate) fn show(&self, buyer: &Buyer, balance: Balance) {
        let terms = buyer.channel.terms(&realm());
        let mut channels = self.channels.lock().unwrap();
        channels.insert(buyer.id(), (terms, balance));
    }
}

impl Memory for InMemory {
    fn take<'a>(
        &'a self,
        _: &'a ChannelId,
        step: RailStep,
    ) -> Option<BoxFuture<'a, Result<(), ChannelError>>> {
        // It only listens: the books are written by the till.
        self.steps.lock().unwrap().push(step);
        None
    }

    fn is_serving(&self, _: &ChannelId) -> bool {
        self.serves.load(Ordering::SeqCst)
    }

    fn each(&self, look: &mut dyn FnMut(&ChannelId, &Terms, Balance)) {
        for (id, (terms, balance)) in &*self.channels.lock().unwrap() {
            look(id, terms, *balance);
        }
    }
}

pub(crate) fn rail() -> MethodId {
    method()
}
