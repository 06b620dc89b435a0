//! Payloads of session credentials: what a method reads is about the channel it names, in amounts
//! and signatures that its rail has room for, and no voucher is good that the fuzzer made.
//!
//! The first byte says whose payload it is.
#![no_main]

use std::sync::{Arc, LazyLock};

use farthing_core::{
    bounds,
    intent::session::{ChannelId, Protocol, SessionRequest, Terms},
    memory::MemoryBackend,
    port::session::{Action, Session, Shown, Verifier, WantedSession},
    value::{ChallengeId, CurrencyCode, Price, Realm, Timestamp},
};
use farthing_evm::{Address, ChainId, Node, NodeOptions, Outbox, SigningKey};
use farthing_fuzz::{rows::Stopped, text};
use farthing_ledger::{AccountKey, ChannelDescriptor, KeyType, Ledger, LedgerSessions, Salt};
use farthing_tempo::{
    Network,
    session::{
        Descriptor, Escrow, Opened, Origin, TempoChannel, TempoSession, TempoSessionOptions,
    },
};
use libfuzzer_sys::fuzz_target;
use serde_json::value::RawValue;

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

/// A rail, what it asks for, and what checks the vouchers of one of its channels.
struct Rail {
    session: Box<dyn Session>,
    requests: Vec<SessionRequest>,
    verifiers: Vec<(ChannelId, Arc<dyn Verifier>)>,
}

static TEMPO: LazyLock<Rail> = LazyLock::new(tempo);
static LEDGER: LazyLock<Rail> = LazyLock::new(ledger);

fuzz_target!(|data: &[u8]| {
    let Some((which, payload)) = data.split_first() else {
        return;
    };
    // As much as a credential can carry.
    let Some(payload) = text(payload).filter(|text| text.len() <= bounds::CREDENTIAL) else {
        return;
    };
    let Ok(payload) = serde_json::from_str::<&RawValue>(payload) else {
        return;
    };
    let rail: &Rail = if which % 3 == 2 { &LEDGER } else { &TEMPO };
    let request = &rail.requests[usize::from(which % 3) % rail.requests.len()];
    let challenge = ChallengeId::new("challenge").expect("an id");
    let shown = Shown {
        challenge: &challenge,
        realm: &realm(),
        request,
        expires: NOW,
        source: None,
        payload,
        now: NOW,
    };
    let Ok(action) = rail.session.read(&shown) else {
        return;
    };
    let said = match &action {
        Action::Open(funding) | Action::TopUp(funding) => funding.voucher.as_ref(),
        Action::Voucher(said) | Action::Close(said) => Some(said),
        _ => None,
    };
    let Some(said) = said else { return };
    assert_eq!(&said.channel, action.channel());
    for (id, verifier) in &rail.verifiers {
        let mut said = said.clone();
        said.channel = id.clone();
        assert!(verifier.check(&said).is_err(), "nobody signed for {id}");
    }
});

fn realm() -> Realm {
    "api.example".parse().expect("a realm")
}

fn price(unit: &str) -> Price {
    unit.parse().expect("a price")
}

fn requests(session: &dyn Session) -> Vec<SessionRequest> {
    let wanted = WantedSession {
        price: &price("$0.01"),
        unit: None,
        deposit: None,
        min_delta: None,
        terms: None,
    };
    session.prepare(&wanted).expect("the price can be said")
}

fn terms(method: &str, currency: CurrencyCode, channel: &TempoChannel) -> Terms {
    Terms {
        method: method.parse().expect("a method"),
        realm: realm(),
        currency,
        payee: format!("{:#x}", channel.origin().payee())
            .parse()
            .expect("an address"),
        payer: "did:key:z6Mk".parse().expect("a DID"),
        details: channel.details().into(),
    }
}

fn tempo() -> Rail {
    let chain = ChainId::new(1337).expect("a chain");
    let nobody = "http://127.0.0.1:9";
    let network = Network::dev(chain, nobody.parse().expect("a URL"));
    let key = SigningKey::from_bytes([7; 32]).expect("a key");
    let recipient = key.address();
    let mut options = TempoSessionOptions::new(network, recipient, key.into());
    let first = Escrow {
        chain,
        contract: Address::repeat_byte(0xe5),
        protocol: Protocol::V1,
    };
    options.escrows.insert(0, first);
    let token = options.network.token().address;
    let node = NodeOptions::new(chain, vec![nobody.parse().expect("a URL")]);
    let node = Node::new(node).expect("nobody is asked yet");
    let outbox = Outbox::new(Arc::new(MemoryBackend::new()));
    let session = TempoSession::new(node, outbox, Arc::new(Stopped(NOW)), options);
    let session = session.expect("the options are in order");
    let requests = requests(&session);
    let payer = Address::repeat_byte(0xaa);
    let [salt, nonce] = [[1; 32].into(), [2; 32].into()];
    let channels = [
        (
            first,
            Origin::V1(Opened {
                payer,
                payee: recipient,
                token,
                salt,
                authorized_signer: Address::ZERO,
            }),
        ),
        (
            Escrow::reserve(chain),
            Origin::V2(Descriptor {
                payer,
                payee: recipient,
                operator: Address::ZERO,
                token,
                salt,
                authorized_signer: Address::ZERO,
                expiring_nonce_hash: nonce,
            }),
        ),
    ];
    let verifiers = channels.map(|(escrow, origin)| {
        let channel = TempoChannel::new(escrow, origin).expect("of the escrow's protocol");
        let terms = terms("tempo", requests[0].currency.clone(), &channel);
        let id = channel.channel_id();
        let verifier = session.verifier(&id, &terms).expect("the terms are its");
        (id, verifier)
    });
    Rail {
        requests,
        verifiers: verifiers.into(),
        session: Box::new(session),
    }
}

fn ledger() -> Rail {
    let account = |seed| {
        let key = AccountKey::from_seed(KeyType::Ed25519, [seed; 32]);
        key.expect("a seed").account().clone()
    };
    let backend = Arc::new(MemoryBackend::new());
    let session = LedgerSessions::new(Ledger::new(account(1)), backend, Arc::new(Stopped(NOW)));
    let requests = requests(&session);
    let channel = ChannelDescriptor {
        payer: account(2),
        payee: account(1),
        currency: requests[0].currency.clone(),
        signer: account(2),
        salt: Salt([3; 16]),
        realm: realm(),
    };
    let verifier = session.verifier(&channel.id(), &channel.terms());
    let verifier = verifier.expect("the terms are its");
    Rail {
        requests,
        verifiers: vec![(channel.id(), verifier)],
        session: Box::new(session),
    }
}
