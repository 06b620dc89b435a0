//! A chain with both contracts, a payer, and a payee who does by hand what a seller does.

use std::{sync::Arc, time::Duration};

use farthing_core::{
    intent::session::{self, OnChain, Protocol, SessionRequest},
    memory::MemoryBackend,
    noun::{Challenge, Expires, Request},
    port::{
        clock::Clock,
        session_payer::{Keeping, Locking, Opening, SessionOffer, SessionPayer},
    },
    value::{Amount, ChallengeId, CurrencyCode, Realm, Recipient, Secret, Timestamp},
};
use farthing_evm::{Address, ChainId, Node, Outbox, Receipt, Signature, SigningKey, Watched, wait};
use farthing_tempo::{
    AccountKey, Call, EXPIRING_NONCE_KEY, Network, Received, SignedTransaction, Transaction,
    method,
    session::{Escrow, SessionPayerOptions, TempoChannel, TempoSessionPayer, protocol_name},
    tip20,
    token::known,
};
use farthing_testkit::{
    chain::{ACCOUNTS, Chain, ChainOptions, Turn, channels, reserve_proxy::ReserveProxy},
    clock::FakeClock,
    peer,
};
use serde_json::{Value, json, value::RawValue};

pub(crate) const CHAIN: ChainId = match ChainId::new(1337) {
    Ok(chain) => chain,
    Err(_) => unreachable!(),
};

pub(crate) const BOTH: [Protocol; 2] = [Protocol::V1, Protocol::V2];

/// The payer, the payee, and who pays fees for others.
const PAYEE: usize = 1;
const SPONSOR: usize = 2;

pub(crate) fn signing(number: usize) -> SigningKey {
    SigningKey::from_bytes(ACCOUNTS[number].secret()).unwrap()
}

pub(crate) fn payer_key() -> AccountKey {
    signing(0).into()
}

pub(crate) fn account() -> Address {
    signing(0).address()
}

pub(crate) fn payee() -> Address {
    signing(PAYEE).address()
}

pub(crate) fn path() -> Address {
    known::PATH_USD.address
}

pub(crate) fn amount(units: u64) -> Amount {
    Amount::new(units.into())
}

pub(crate) struct World {
    pub(crate) chain: Turn,
    pub(crate) node: Node,
    pub(crate) network: Network,
    pub(crate) clock: FakeClock,
    pub(crate) escrow: Escrow,
    pub(crate) backend: Arc<MemoryBackend>,
    _proxy: ReserveProxy,
}

impl World {
    /// `None` where there is no chain to be had.
    pub(crate) async fn new(test: &str) -> Option<Self> {
        let options = ChainOptions::tempo(CHAIN.get());
        let test = format!("session payer: {test}");
        let chain = peer::or_skip(&test, Chain::shared(&options).await)?;
        channels::install_reserve(&chain).await;
        let escrow = Escrow {
            chain: CHAIN,
            contract: channels::deploy_escrow(&chain).await,
            protocol: Protocol::V1,
        };
        // A chain that waited for its turn has an old last block.
        chain.mine(1).await;
        let proxy = ReserveProxy::start(&chain).await;
        let network = Network::dev(CHAIN, proxy.url().parse().unwrap());
        let mut reached = network.node();
        reached.block_time = Duration::from_millis(100);
        reached.attempt = Duration::from_secs(10);
        let node = Node::connect(reached).await.unwrap();
        let clock = FakeClock::going(Timestamp::from_secs(chain.time().await));
        Some(Self {
            chain,
            node,
            network,
            clock,
            escrow,
            backend: Arc::new(MemoryBackend::new()),
            _proxy: proxy,
        })
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// A payer that trusts the escrow which was deployed here.
    pub(crate) fn payer(&self, key: impl Into<AccountKey>) -> TempoSessionPayer {
        self.payer_with(key, |_| {})
    }

    pub(crate) fn payer_with(
        &self,
        key: impl Into<AccountKey>,
        change: impl FnOnce(&mut SessionPayerOptions),
    ) -> TempoSessionPayer {
        let mut options = SessionPayerOptions {
            escrows: vec![self.escrow],
            ..SessionPayerOptions::default()
        };
        change(&mut options);
        let store = Outbox::new(self.backend.clone());
        let with = (store, Arc::new(self.clock.clone()) as Arc<dyn Clock>);
        let (network, node) = (self.network.clone(), self.node.clone());
        TempoSessionPayer::new(key.into(), network, node, with, options).unwrap()
    }

    pub(crate) fn offer(&self, protocol: Protocol) -> SessionOffer {
        self.offer_with(protocol, json!({}))
    }

    /// An offer with some members of `methodDetails` changed, or taken away where they are `null`.
    pub(crate) fn offer_with(&self, protocol: Protocol, changed: Value) -> SessionOffer {
        let mut details = json!({
            "chainId": CHAIN.get(),
            "sessionProtocol": protocol_name(protocol),
        });
        if protocol == Protocol::V1 {
            details["escrowContract"] = self.escrow.contract.to_string().into();
        }
        for (name, value) in changed.as_object().unwrap() {
            match value {
                Value::Null => drop(details.as_object_mut().unwrap().remove(name)),
                value => details[name] = value.clone(),
            }
        }
        let currency = known::PATH_USD.currency().code;
        let recipient = Recipient::new(payee().to_string()).unwrap();
        let mut request = SessionRequest::new(amount(25), currency, recipient);
        request.method_details = details.as_object().unwrap().clone();
        offer(request, protocol, self.now())
    }

    /// Opens a channel, and hands it to the chain.
    pub(crate) async fn opened(
        &self,
        payer: &TempoSessionPayer,
        protocol: Protocol,
        deposit: u64,
    ) -> (Keeping, Receipt) {
        let offer = self.offer(protocol);
        let opening = payer.open(&offer, amount(deposit), self.now()).await;
        let Opening { channel, locking } = opening.unwrap();
        let receipt = self.hand_in(&locking).await;
        (channel, receipt)
    }

    /// Sends what locks tokens, as a seller does.
    pub(crate) async fn hand_in(&self, locking: &Locking) -> Receipt {
        let receipt = self.send(&whole(&locking.transaction)).await;
        assert!(receipt.succeeded(), "{receipt:?}");
        receipt
    }

    /// Signs for a half's fee, and sends it.
    pub(crate) async fn sponsor(&self, locking: &Locking) -> Receipt {
        let half = Received::decode(locking.transaction.expose()).unwrap();
        let half = half.half().expect("its fee waits for a sponsor");
        let whole = half.cosign(known::ALPHA_USD.address, &signing(SPONSOR));
        self.send(&whole).await
    }

    pub(crate) async fn send(&self, signed: &SignedTransaction) -> Receipt {
        if let Some(receipt) = self.node.send_raw_sync(signed.raw()).await.unwrap() {
            return receipt;
        }
        let watched = Watched {
            hash: signed.hash(),
            dies: farthing_evm::Mortality::default(),
            raw: None,
        };
        match wait(&self.node, &watched, Duration::from_secs(20))
            .await
            .unwrap()
        {
            farthing_evm::Fate::Included(receipt) | farthing_evm::Fate::Reverted(receipt) => {
                receipt
            }
            fate => unreachable!("{fate:?}"),
        }
    }

    /// The payee sends a call. Its fee is in another token, so that what it has of this one is what it was
    /// paid.
    pub(crate) async fn by_payee(&self, call: Call) -> Receipt {
        self.by(&signing(PAYEE).into(), call).await
    }

    pub(crate) async fn by(&self, key: &AccountKey, call: Call) -> Receipt {
        let mut transaction = Transaction::new(CHAIN, vec![call]);
        transaction.gas_limit = 4_000_000;
        transaction.max_fee_per_gas = 40_000_000_000;
        transaction.nonce_key = EXPIRING_NONCE_KEY;
        transaction.valid_before = Some(self.chain.time().await + 25);
        transaction.fee_token = Some(known::ALPHA_USD.address);
        let signed = transaction.sign(key).unwrap().whole().unwrap();
        self.send(&signed).await
    }

    /// Hands a voucher in, and gives what the payee was paid for it.
    pub(crate) async fn settled(&self, kept: &Keeping, payload: &RawValue) -> u128 {
        let (channel, said) = (
            TempoChannel::read(&kept.details).unwrap(),
            Said::of(payload),
        );
        let before = self.has(payee()).await;
        let call = channel.settle(said.cumulative, &said.signature).unwrap();
        let receipt = self.by_payee(call).await;
        assert!(receipt.succeeded(), "{receipt:?}");
        self.has(payee()).await - before
    }

    pub(crate) async fn has(&self, who: Address) -> u128 {
        self.has_of(path(), who).await
    }

    pub(crate) async fn has_of(&self, token: Address, who: Address) -> u128 {
        let has = tip20::balance(&self.node, token, who).await.unwrap();
        has.units()
    }

    pub(crate) async fn state(&self, payer: &TempoSessionPayer, kept: &Keeping) -> Option<OnChain> {
        payer.look(kept).await.unwrap().map(|seen| seen.state)
    }
}

pub(crate) fn offer(request: SessionRequest, protocol: Protocol, now: Timestamp) -> SessionOffer {
    let mut challenge = Challenge::new(
        ChallengeId::new("challenge-1").unwrap(),
        Realm::new("api.example.com").unwrap(),
        method(),
        session::id(),
        Request::new(&request).unwrap(),
    );
    challenge.expires = Some(Expires::new(now.saturating_add(Duration::from_secs(3_600))));
    SessionOffer {
        challenge,
        request,
        protocol,
    }
}

pub(crate) fn currency(text: &str) -> CurrencyCode {
    CurrencyCode::new(text).unwrap()
}

pub(crate) fn whole(transaction: &Secret) -> SignedTransaction {
    let signed = Received::decode(transaction.expose()).unwrap();
    signed.whole().expect("it pays its own fee")
}

/// What it cost its payer, who paid in the token that is locked.
pub(crate) fn fee(receipt: &Receipt) -> u128 {
    tip20::fee_of(receipt).units()
}

/// A voucher as a payload has it.
pub(crate) struct Said {
    pub(crate) cumulative: Amount,
    pub(crate) signature: Signature,
}

impl Said {
    pub(crate) fn of(payload: &RawValue) -> Self {
        let payload: Value = serde_json::from_str(payload.get()).unwrap();
        let signature = payload["signature"].as_str().unwrap();
        let signature: farthing_evm::Bytes = signature.parse().unwrap();
        let cumulative = payload["cumulativeAmount"].as_str().unwrap();
        Self {
            cumulative: cumulative.parse().unwrap(),
            signature: Signature::parse(&signature).unwrap(),
        }
    }
}
