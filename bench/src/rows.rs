//! The rows, each with its goal.

use std::sync::Arc;

use farthing::{core::memory::MemoryBackend, core::payment::SettlePolicy};

use crate::{
    measure::Side,
    side::{
        app::{FREE, PAID, bare, ed25519, priced_route, verifying, with_table},
        ask::Ask,
        call::{alike, as_service, over_http, runtime},
        durable, fill, session,
        shop::Shop,
        socket::over_socket,
        tempo, words,
    },
};

/// What a row is measured in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Time of the processor, or instructions where those can be counted.
    Instructions,
    /// Time of the processor, in the thread that serves.
    Cpu,
    /// Time on the wall: the request waits for the disk.
    Wall,
}

/// A cost as a ratio to its floor.
#[derive(Debug)]
pub struct Row {
    /// Its name.
    pub name: &'static str,
    /// The ratio it should not exceed, where there is such a goal.
    pub goal: Option<f64>,
    /// What it is measured in.
    pub unit: Unit,
    /// Requests in one turn.
    pub batch: usize,
    /// What ours is and what the floor is.
    pub what: &'static str,
    /// Whether it runs only when it is asked for: it takes long, or much memory.
    pub large: bool,
    /// How many channels it has in memory, where it is about them.
    pub channels: Option<usize>,
    /// Makes both sides ready.
    pub make: fn() -> Pair,
}

impl Row {
    /// Whether its instructions and allocations are counted. A side that waits for another thread
    /// runs differently under callgrind, and one that only has more stored, or more at once, says the same again.
    #[must_use]
    pub fn is_countable(&self) -> bool {
        let says_it_again = ["_at_", "_socket", "_100"]
            .iter()
            .any(|part| self.name.contains(part));
        self.unit != Unit::Wall && !says_it_again
    }
}

/// The two sides of a row.
pub struct Pair {
    /// What we do.
    pub ours: Side,
    /// The least that anybody has to do.
    pub floor: Side,
}

/// What another implementation needs for the same request as a row's two sides.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    /// The name of the row.
    pub row: &'static str,
    /// Makes its side ready.
    pub make: fn() -> Side,
}

/// Every row, in the order they are shown.
#[must_use]
pub fn all() -> Vec<Row> {
    let mut rows = unpaid();
    rows.extend(payments());
    rows.extend(charges());
    rows.extend(sessions());
    rows.extend(streams());
    rows
}

const fn row(
    name: &'static str,
    goal: f64,
    unit: Unit,
    batch: usize,
    what: &'static str,
    make: fn() -> Pair,
) -> Row {
    Row {
        name,
        goal: Some(goal),
        unit,
        batch,
        what,
        large: false,
        channels: None,
        make,
    }
}

/// What a request costs before it is paid for, and what its texts cost.
fn unpaid() -> Vec<Row> {
    use Unit::{Cpu, Instructions};
    vec![
        row(
            "unpaid_route",
            1.05,
            Instructions,
            2000,
            "a free route behind the layer, in HTTP/1.1 | bare axum",
            unpaid_http,
        ),
        row(
            "unpaid_route_service",
            1.05,
            Instructions,
            4000,
            "the same as a service call, without HTTP | the router alone",
            unpaid_service,
        ),
        row(
            "offer_402",
            1.5,
            Cpu,
            2000,
            "a 402 with one offer, in HTTP/1.1 | bare axum answering 200",
            offer_http,
        ),
        row(
            "offer_402_service",
            1.5,
            Cpu,
            4000,
            "the same as a service call, without HTTP | the router alone",
            offer_service,
        ),
        row(
            "offer_402_socket",
            1.5,
            Cpu,
            2000,
            "a 402 with one offer, behind a socket of the loopback | bare axum answering 200",
            offer_socket,
        ),
        row(
            "challenge_made",
            2.0,
            Cpu,
            10_000,
            "a challenge made and formatted | HMAC of 200 bytes",
            words::challenge,
        ),
        row(
            "credential_authenticated",
            4.0,
            Cpu,
            10_000,
            "a credential parsed and authenticated | HMAC of 200 bytes",
            words::credential,
        ),
    ]
}

/// What a paid request costs.
fn payments() -> Vec<Row> {
    use Unit::{Cpu, Wall};
    vec![
        row(
            "ledger_paid_memory",
            1.5,
            Cpu,
            400,
            "a paid 200, in memory | bare axum and its Ed25519 check",
            || paid(0),
        ),
        row(
            "ledger_paid_memory_socket",
            1.5,
            Cpu,
            400,
            "a paid 200, in memory, behind a socket | bare axum and its Ed25519 check",
            paid_socket,
        ),
        row(
            "ledger_paid_memory_at_1000",
            1.5,
            Cpu,
            400,
            "the same with 1 000 payments stored | the same",
            || paid(1_000),
        ),
        row(
            "ledger_paid_memory_at_100000",
            1.5,
            Cpu,
            400,
            "the same with 100 000 payments stored | the same",
            || paid(100_000),
        ),
        Row {
            large: true,
            ..row(
                "ledger_paid_memory_at_1000000",
                1.5,
                Cpu,
                400,
                "the same with 1 000 000 payments stored | the same",
                || paid(1_000_000),
            )
        },
        row(
            "ledger_paid_durable_first",
            1.5,
            Wall,
            2048,
            "settle first, SQLite, 64 in flight | that and one group commit",
            || durable::paid(SettlePolicy::First),
        ),
        row(
            "ledger_paid_durable_after",
            1.5,
            Wall,
            2048,
            "settle after, SQLite, 64 in flight | that and two group commits",
            || durable::paid(SettlePolicy::After),
        ),
    ]
}

/// What a charge on a chain costs before the chain is asked.
fn charges() -> Vec<Row> {
    use Unit::Cpu;
    vec![
        row(
            "tempo_pull_checked",
            1.5,
            Cpu,
            1000,
            "a transaction decoded, recovered and checked | one recovery",
            tempo::pulled,
        ),
        row(
            "tempo_pull_sponsored",
            1.5,
            Cpu,
            1000,
            "the same, co-signed by the sponsor | one recovery and one signature",
            tempo::sponsored,
        ),
        row(
            "tempo_proof_checked",
            1.5,
            Cpu,
            1000,
            "a proof read, recovered and checked | one recovery",
            tempo::proven,
        ),
    ]
}

/// What a request costs that a channel pays for.
fn sessions() -> Vec<Row> {
    use Unit::{Cpu, Wall};
    let at = |name, channels, make| Row {
        channels: Some(channels),
        ..row(
            name,
            1.4,
            Cpu,
            500,
            "the same with so many channels in memory, vouchers of 500 of them | the same",
            make,
        )
    };
    vec![
        row(
            "voucher_verified",
            1.1,
            Cpu,
            1000,
            "a voucher of a channel whose key is known | libsecp256k1 verify",
            session::verified,
        ),
        row(
            "session_paid_memory",
            1.4,
            Cpu,
            400,
            "a session-paid 200, in memory | bare axum and that verify",
            session::paid,
        ),
        row(
            "session_paid_memory_socket",
            1.4,
            Cpu,
            400,
            "the same behind a socket | the same",
            session::paid_socket,
        ),
        at("session_paid_at_1000", 1_000, || session::paid_at(1_000)),
        at("session_paid_at_100000", 100_000, || {
            session::paid_at(100_000)
        }),
        Row {
            large: true,
            ..at("session_paid_at_1000000", 1_000_000, || {
                session::paid_at(1_000_000)
            })
        },
        row(
            "session_paid_durable_1",
            1.4,
            Wall,
            256,
            "a session-paid 200, SQLite, one connection | that verify and one commit",
            || session::durable(1),
        ),
        row(
            "session_paid_durable_64",
            1.4,
            Wall,
            2048,
            "the same, 64 connections, a channel each | that verify and one group commit",
            || session::durable(64),
        ),
        row(
            "session_paid_durable_1000",
            1.4,
            Wall,
            8000,
            "the same, 1 000 connections | the same",
            || session::durable(1000),
        ),
    ]
}

/// What a word of a stream costs.
fn streams() -> Vec<Row> {
    use Unit::{Cpu, Wall};
    let words = |name, unit, batch, what, make| Row {
        goal: None,
        ..row(name, 1.0, unit, batch, what, make)
    };
    vec![
        words(
            "stream_word_memory_1",
            Cpu,
            4000,
            "a word of a stream of events, charged in memory | axum's stream of events",
            || session::streams(1),
        ),
        words(
            "stream_word_memory_100",
            Cpu,
            20_000,
            "the same, 100 streams at once | the same",
            || session::streams(100),
        ),
        words(
            "stream_word_memory_1000",
            Cpu,
            100_000,
            "the same, 1 000 streams at once | the same",
            || session::streams(1000),
        ),
        words(
            "stream_word_durable_1",
            Wall,
            400,
            "a word of a stream, charged in SQLite | axum's stream, a commit a word",
            || session::streams_durable(1),
        ),
        words(
            "stream_word_durable_100",
            Wall,
            4000,
            "the same, 100 streams at once | the same, in group commits",
            || session::streams_durable(100),
        ),
        words(
            "stream_word_durable_1000",
            Wall,
            20_000,
            "the same, 1 000 streams at once | the same",
            || session::streams_durable(1000),
        ),
    ]
}

fn unpaid_http() -> Pair {
    let (ours, floor) = (runtime(), runtime());
    let shop = Shop::open(&ours, Arc::new(MemoryBackend::new()));
    let asks = || alike(Ask::unpaid(FREE));
    Pair {
        ours: over_http(ours, with_table(&shop.gate), asks(), "200", 1),
        floor: over_http(floor, bare(), asks(), "200", 1),
    }
}

fn unpaid_service() -> Pair {
    let (ours, floor) = (runtime(), runtime());
    let shop = Shop::open(&ours, Arc::new(MemoryBackend::new()));
    let asks = || alike(Ask::unpaid(FREE));
    Pair {
        ours: as_service(ours, with_table(&shop.gate), asks(), 200),
        floor: as_service(floor, bare(), asks(), 200),
    }
}

fn offer_http() -> Pair {
    let (ours, floor) = (runtime(), runtime());
    let shop = Shop::open(&ours, Arc::new(MemoryBackend::new()));
    let asks = || alike(Ask::unpaid(PAID));
    let app = priced_route(&shop.gate, SettlePolicy::After);
    Pair {
        ours: over_http(ours, app, asks(), "402", 1),
        floor: over_http(floor, bare(), asks(), "200", 1),
    }
}

fn offer_service() -> Pair {
    let (ours, floor) = (runtime(), runtime());
    let shop = Shop::open(&ours, Arc::new(MemoryBackend::new()));
    let asks = || alike(Ask::unpaid(PAID));
    let app = priced_route(&shop.gate, SettlePolicy::After);
    Pair {
        ours: as_service(ours, app, asks(), 402),
        floor: as_service(floor, bare(), asks(), 200),
    }
}

fn offer_socket() -> Pair {
    let shop = Shop::open(&runtime(), Arc::new(MemoryBackend::new()));
    let asks = || alike(Ask::unpaid(PAID));
    let app = priced_route(&shop.gate, SettlePolicy::After);
    Pair {
        ours: over_socket(app, asks(), "402"),
        floor: over_socket(bare(), asks(), "200"),
    }
}

fn paid_socket() -> Pair {
    let open = || Shop::open(&runtime(), Arc::new(MemoryBackend::new()));
    let shop = open();
    let app = priced_route(&shop.gate, SettlePolicy::After);
    Pair {
        ours: over_socket(app, shop.paid(), "200"),
        floor: over_socket(
            verifying(ed25519(), None, Arc::default()),
            open().paid(),
            "200",
        ),
    }
}

fn paid(stored: usize) -> Pair {
    let (ours, floor) = (runtime(), runtime());
    let backend = Arc::new(MemoryBackend::new());
    let shop = Shop::open(&ours, backend);
    let app = priced_route(&shop.gate, SettlePolicy::After);
    fill::with_payments(&ours, &shop, app.clone(), stored);
    Pair {
        ours: over_http(ours, app, shop.paid(), "200", 1),
        floor: {
            let asks = Shop::open(&floor, Arc::new(MemoryBackend::new())).paid();
            over_http(
                floor,
                verifying(ed25519(), None, Arc::default()),
                asks,
                "200",
                1,
            )
        },
    }
}
