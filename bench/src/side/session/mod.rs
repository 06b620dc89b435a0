//! Requests that channels pay for: Tempo's own vouchers, checked by Tempo's own verifier, and a chain that
//! nothing happens on.

mod memory;
mod rail;
mod shop;
mod stream;

use std::{
    hint::black_box,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use farthing::{
    core::{
        intent::session::RawSignature,
        memory::MemoryBackend,
        port::{backend::Backend, session::Said},
        value::Amount,
    },
    evm::{B256, SigningKey, U256},
    store::{SqliteBackend, SqliteOptions},
};
use secp256k1::{Message, PublicKey, SecretKey, ecdsa};
use tower::ServiceExt as _;

pub(crate) use memory::bytes_a_channel;
pub(crate) use stream::{streams, streams_durable};

use super::{
    app::{Check, verifying},
    call::{over_and_over, over_http, runtime},
    disk::{Log, Weighed},
    socket::over_socket,
    wire::settle,
};
use crate::{measure::Side, rows::Pair};
use shop::{Prices, SECRET, Shop};

/// So many are signed beforehand, and checked one after the other.
const SIGNED: usize = 512;

/// A voucher against the key that its channel's earlier ones were signed with.
pub(crate) fn verified() -> Pair {
    let runtime = runtime();
    let mut shop = Shop::open(
        &runtime,
        Arc::new(MemoryBackend::new()),
        1,
        &Prices::default(),
    );
    let (id, terms) = shop.channel(0);
    let verifier = shop.rail().verifier(&id, &terms).expect("our own terms");
    let vouchers: Vec<Said> = (0..SIGNED)
        .map(|_| {
            let (cumulative, signature) = shop.voucher(0, 1);
            Said {
                channel: id.clone(),
                cumulative: Amount::new(cumulative),
                signature: RawSignature {
                    r: signature.r().0,
                    s: signature.s().0,
                },
            }
        })
        .collect();
    let mut next = 0;
    Pair {
        ours: over_and_over(move || {
            let said = &vouchers[next % vouchers.len()];
            next += 1;
            let voucher = verifier.check(black_box(said)).expect("it is the signer's");
            black_box(voucher);
        }),
        floor: {
            let check = known_key();
            over_and_over(move || assert!(check(), "a good signature verifies"))
        },
    }
}

/// A session-paid answer, in memory.
pub(crate) fn paid() -> Pair {
    let (ours, floor) = (runtime(), runtime());
    let prices = Prices::default();
    let shop = Shop::open(&ours, Arc::new(MemoryBackend::new()), 1, &prices);
    let app = shop.app();
    let other = Shop::open(&floor, Arc::new(MemoryBackend::new()), 1, &prices);
    Pair {
        ours: over_http(ours, app, shop.paid(1), "200", 1),
        floor: over_http(
            floor,
            verifying(known_key(), None, Arc::default()),
            other.paid(1),
            "200",
            1,
        ),
    }
}

/// The same behind a socket.
pub(crate) fn paid_socket() -> Pair {
    let open = || {
        Shop::open(
            &runtime(),
            Arc::new(MemoryBackend::new()),
            1,
            &Prices::default(),
        )
    };
    let shop = open();
    let app = shop.app();
    Pair {
        ours: over_socket(app, shop.paid(1), "200"),
        floor: over_socket(
            verifying(known_key(), None, Arc::default()),
            open().paid(1),
            "200",
        ),
    }
}

/// The same with so many channels open and in memory. The vouchers are of some hundreds of them, spread
/// over all.
pub(crate) fn paid_at(channels: usize) -> Pair {
    /// How many of the channels pay.
    const PAYING: usize = 500;
    let (ours, floor) = (runtime(), runtime());
    let prices = Prices::default();
    let shop = Shop::open(&ours, Arc::new(MemoryBackend::new()), channels, &prices);
    shop.load_all(&ours);
    let app = shop.app();
    let other = Shop::open(&floor, Arc::new(MemoryBackend::new()), 1, &prices);
    let mut side = over_http(ours, app, shop.paid_by_some(PAYING), "200", 1);
    // The first voucher of each makes its signer's key known.
    let _ = side(PAYING);
    Pair {
        ours: side,
        floor: over_http(
            floor,
            verifying(known_key(), None, Arc::default()),
            other.paid(1),
            "200",
            1,
        ),
    }
}

/// The same on the disk, over so many connections, each with a channel of its own.
pub(crate) fn durable(connections: usize) -> Pair {
    let prices = Prices::default();
    let commits: Arc<[usize]> = sizes(&prices).into();
    let folder = tempfile::tempdir().expect("a folder for temporary files");
    let floor = {
        let runtime = runtime();
        let log = Log::open(&folder.path().join("log.db")).expect("the folder is new");
        let log = Arc::new(log);
        let shop = Shop::open(
            &runtime,
            Arc::new(MemoryBackend::new()),
            connections,
            &prices,
        );
        let app = verifying(known_key(), Some(Arc::clone(&log)), commits);
        counting(
            over_http(runtime, app, shop.paid(connections), "200", connections),
            move || log.groups(),
        )
    };
    let mut ours = {
        let runtime = runtime();
        let backend = sqlite(folder.path());
        let shop = Shop::open(&runtime, Arc::clone(&backend) as _, connections, &prices);
        let app = shop.app();
        let mut side = over_http(runtime, app, shop.paid(connections), "200", connections);
        // The first voucher of each makes its signer's key known.
        let _ = side(connections);
        counting(side, move || backend.stats().groups)
    };
    Pair {
        ours: Box::new(move |count| {
            // The folder goes when the last side that writes in it does.
            let _ = &folder;
            ours(count)
        }),
        floor,
    }
}

fn sqlite(folder: &Path) -> Arc<SqliteBackend> {
    let backend = SqliteBackend::open(SqliteOptions::new(folder.join("store.db")));
    Arc::new(backend.expect("the folder is new"))
}

/// A side whose flushes are counted.
fn counting(mut side: Side, groups: impl Fn() -> u64 + 'static) -> Side {
    Box::new(move |count| {
        let before = groups();
        let mut spent = side(count);
        spent.flushes = groups() - before;
        spent
    })
}

/// How many bytes the commits of a paid request say.
fn sizes(prices: &Prices) -> Vec<usize> {
    let runtime = runtime();
    let backend = Arc::new(Weighed::new(MemoryBackend::new()));
    let mut shop = Shop::open(
        &runtime,
        Arc::clone(&backend) as Arc<dyn Backend>,
        1,
        prices,
    );
    let app = shop.app();
    runtime.block_on(async {
        // The first draws on what may be unsettled, which lasts for thousands.
        for _ in 0..3 {
            backend.take();
            let answer = app.clone().oneshot(shop.ask(0, 1).to_request()).await;
            let answer = answer.expect("a router answers");
            assert_eq!(answer.status(), 200);
            drop(answer);
            settle().await;
        }
    });
    backend.take()
}

/// libsecp256k1, the key known: what nobody can do without. Each signature is another one, as vouchers are: a
/// processor that sees the same one again guesses what comes next.
pub(crate) fn known_key() -> Check {
    let secret = SecretKey::from_secret_bytes(SECRET).expect("a number below the curve's order");
    let key = PublicKey::from_secret_key(&secret);
    let signer = SigningKey::from_bytes(SECRET).expect("a number below the curve's order");
    let signed: Vec<(Message, ecdsa::Signature)> = (0..SIGNED)
        .map(|number| {
            let digest = B256::from(U256::from(number));
            let bytes = signer.sign(digest).to_bytes();
            let signature = ecdsa::Signature::from_compact(&bytes[..64]);
            let signature = signature.expect("our own signature");
            (Message::from_digest(digest.0), signature)
        })
        .collect();
    let turn = AtomicUsize::new(0);
    Arc::new(move || {
        let (message, signature) = &signed[turn.fetch_add(1, Relaxed) % signed.len()];
        ecdsa::verify(black_box(signature), black_box(*message), black_box(&key)).is_ok()
    })
}
