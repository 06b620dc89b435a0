//! Streams that are paid for by the word, beside streams that nobody pays for.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use axum::{
    Router,
    body::Body,
    response::sse::{self, Sse},
    routing::get,
};
use farthing::{
    core::{encoding::sse::Event, memory::MemoryBackend, port::backend::Backend},
    server::session::{Meter, Piece},
};
use futures_util::{StreamExt as _, stream};
use http::Request;
use http_body_util::BodyExt as _;
use tokio::runtime::Runtime;
use tower::ServiceExt as _;

use super::{
    counting,
    shop::{Prices, Shop},
    sqlite,
};
use crate::{
    measure::{Side, measured_stretch},
    rows::Pair,
    side::{
        app::PAID,
        call::{Asks, runtime},
        disk::Log,
        wire::settle,
    },
};

/// What a word looks like on the way.
const WORD: &[u8] = b"data: farthing\n\n";

/// A word of so many streams at once, in memory.
pub(crate) fn streams(streams: usize) -> Pair {
    let (length, free) = (Arc::default(), Arc::default());
    Pair {
        ours: paid(runtime(), Arc::new(MemoryBackend::new()), streams, &length),
        floor: unpaid(runtime(), streams, &free, None),
    }
}

/// The same, each word charged on the disk before it goes out.
pub(crate) fn streams_durable(streams: usize) -> Pair {
    /// What the commit of a word says, but for the name of its channel.
    const BYTES: usize = 200;
    let folder = tempfile::tempdir().expect("a folder for temporary files");
    let (length, free) = (Arc::default(), Arc::default());
    let backend = sqlite(folder.path());
    let log = Log::open(&folder.path().join("log.db")).expect("the folder is new");
    let log = Arc::new(log);
    let ours = paid(runtime(), Arc::clone(&backend) as _, streams, &length);
    let mut ours = counting(ours, move || backend.stats().groups);
    let floor = unpaid(runtime(), streams, &free, Some((Arc::clone(&log), BYTES)));
    Pair {
        ours: Box::new(move |count| {
            // The folder goes when the last side that writes in it does.
            let _ = &folder;
            ours(count)
        }),
        floor: counting(floor, move || log.groups()),
    }
}

fn paid(
    runtime: Runtime,
    store: Arc<dyn Backend>,
    streams: usize,
    length: &Arc<AtomicUsize>,
) -> Side {
    let prices = Prices::default();
    let mut shop = Shop::open(&runtime, store, streams, &prices);
    let counted = Arc::clone(length);
    let handler = move |meter: Meter| async move {
        let words = counted.load(Relaxed);
        let word = || Ok::<_, Infallible>(Piece::new(1, Event::data("farthing")));
        meter
            .stream()
            .sse(stream::iter((0..words).map(move |_| word())))
    };
    let app = Router::new().route(PAID, get(handler).layer(shop.by_the_word(&prices)));
    let asks: Asks = Box::new(move |_, words| {
        // A request's price is that of a hundred words.
        let requests = words.div_ceil(100) as u128;
        (0..streams)
            .map(|number| shop.ask(number, requests))
            .collect()
    });
    side(runtime, app, asks, streams, Arc::clone(length))
}

fn unpaid(
    runtime: Runtime,
    streams: usize,
    length: &Arc<AtomicUsize>,
    log: Option<(Arc<Log>, usize)>,
) -> Side {
    let counted = Arc::clone(length);
    let handler = move || {
        let (words, log) = (counted.load(Relaxed), log.clone());
        async move {
            Sse::new(stream::iter(0..words).then(move |_| {
                let log = log.clone();
                async move {
                    if let Some((log, bytes)) = log {
                        log.commit(vec![7; bytes]).await;
                    }
                    Ok::<_, Infallible>(sse::Event::default().data("farthing"))
                }
            }))
        }
    };
    let app = Router::new().route(PAID, get(handler));
    let other = Shop::open(
        &runtime,
        Arc::new(MemoryBackend::new()),
        1,
        &Prices::default(),
    );
    let mut other = other;
    let asks: Asks = Box::new(move |_, _| {
        let ask = other.ask(0, 1);
        vec![ask; streams]
    });
    side(runtime, app, asks, streams, Arc::clone(length))
}

/// Reads so many words, from all streams together.
fn side(
    runtime: Runtime,
    app: Router,
    mut asks: Asks,
    streams: usize,
    length: Arc<AtomicUsize>,
) -> Side {
    Box::new(move |count| {
        let words = count.div_ceil(streams);
        length.store(words, Relaxed);
        let mut requests: Vec<Request<Body>> = asks(&runtime, words)
            .iter()
            .map(|ask| ask.to_request())
            .collect();
        let mut read = 0;
        let spent = measured_stretch(&mut || {
            read = runtime.block_on(async {
                let all: Vec<_> = requests
                    .drain(..)
                    .map(|request| tokio::spawn(words_of(app.clone(), request)))
                    .collect();
                let mut read = 0;
                for one in all {
                    read += one.await.expect("a stream does not panic");
                }
                settle().await;
                read
            });
        });
        assert_eq!(read, words * streams, "every word arrives");
        spent
    })
}

/// How many words a stream has.
async fn words_of(app: Router, request: Request<Body>) -> usize {
    let Ok(answer) = app.oneshot(request).await;
    assert_eq!(answer.status(), 200);
    let (mut body, mut words) = (answer.into_body(), 0);
    while let Some(frame) = body.frame().await {
        let frame = frame.expect("a stream is whole");
        let data = frame.data_ref().map_or(&[][..], |data| data);
        let mut events = data.windows(WORD.len());
        while events.any(|event| event == WORD) {
            words += 1;
        }
    }
    words
}
