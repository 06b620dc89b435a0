//! A trace of everything, at every level, shows no credential.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod common;

use std::{
    io,
    sync::{Arc, Mutex},
};

use common::{Reply, Seen, Server, buyer, challenge, generous, paid, problem, unpaid};
use farthing_core::noun::problem::{Problem, ProblemKind};
use tracing_subscriber::{filter::LevelFilter, fmt::MakeWriter};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn no_level_of_a_trace_shows_a_credential() {
    let log = Log::default();
    let everything = tracing_subscriber::fmt()
        .with_max_level(LevelFilter::TRACE)
        .with_ansi(false)
        .with_writer(log.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(everything);
    let server = Server::start(|seen: Seen| -> Reply {
        match (seen.payment(), &*seen.path, seen.before % 4) {
            (None, ..) => unpaid(&[challenge(10), {
                let mut foreign = challenge(1);
                foreign.realm = farthing_core::value::Realm::new("elsewhere").unwrap();
                foreign
            }])
            .into(),
            (Some(_), "/refused", _) => {
                problem(&Problem::new(ProblemKind::VerificationFailed)).into()
            }
            (Some(_), _, 1) => Reply::Close,
            (Some(_), ..) => paid(&seen, "goods").into(),
        }
    })
    .await;
    let buyer = buyer(generous());
    for path in ["/a", "/refused", "/b", "/c"] {
        let _ = buyer.client.get(server.url(path)).send().await;
    }
    buyer.client.resume().await.unwrap();

    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(
        text.contains("an offer is passed over"),
        "the trace is not taken: {text}"
    );
    assert!(!text.contains("s3cret-proof"), "{text}");
    let sent: Vec<_> = server
        .seen()
        .iter()
        .filter_map(Seen::payment_bytes)
        .collect();
    assert!(sent.len() >= 4);
    for bytes in sent {
        let token = String::from_utf8(bytes)
            .unwrap()
            .split_off("Payment ".len());
        // The end of it holds the proof; a long enough piece of it is as good as all.
        for piece in [&token[..24], &token[token.len() - 24..]] {
            assert!(!text.contains(piece), "{text}");
        }
    }
}
