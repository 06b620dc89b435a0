//! Two gateways on one store, behind one address, and a buyer who knows nothing of it.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use farthing::{
    client::Client,
    core::{memory::MemoryBackend, noun::session::Cut, port::backend::Backend, value::Amount},
    ledger::LedgerSessionPayer,
};
use tokio::net::{TcpListener, TcpStream};

use crate::{
    life::{pausing, reads},
    process::{Running, Shop, closes},
    rig::Upstream,
    world::{WORDS, begins, buyer_with, ends, key, port, sends, words},
};

/// Spreads connections over the gateways behind one address, each in its turn.
#[derive(Clone)]
struct Balancer {
    at: SocketAddr,
    behind: Arc<Mutex<Vec<SocketAddr>>>,
    taken: Arc<AtomicUsize>,
}

impl Balancer {
    async fn start(behind: &[SocketAddr]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let balancer = Self {
            at: listener.local_addr().unwrap(),
            behind: Arc::new(Mutex::new(behind.to_vec())),
            taken: Arc::default(),
        };
        let shared = balancer.clone();
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let to = shared.next();
                tokio::spawn(async move {
                    let mut gateway = TcpStream::connect(to).await?;
                    tokio::io::copy_bidirectional(&mut client, &mut gateway).await
                });
            }
        });
        balancer
    }

    fn next(&self) -> SocketAddr {
        let behind = self.behind.lock().unwrap();
        behind[self.taken.fetch_add(1, Ordering::SeqCst) % behind.len()]
    }

    fn only(&self, to: SocketAddr) {
        *self.behind.lock().unwrap() = vec![to];
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.at)
    }
}

/// Says the first two words of its first stream and then nothing; of each later one all. Anything
/// else is answered at once.
async fn service() -> Upstream {
    let streams = Arc::new(AtomicUsize::new(0));
    Upstream::start(move |_, mut conn| {
        let streams = Arc::clone(&streams);
        Box::pin(async move {
            if conn.target != "/words" {
                conn.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
                    .await;
                return;
            }
            begins(&mut conn).await;
            sends(&mut conn, &words(&WORDS[..2])).await;
            if streams.fetch_add(1, Ordering::SeqCst) == 0 {
                conn.is_left().await;
                return;
            }
            sends(&mut conn, &words(&WORDS[2..])).await;
            ends(&mut conn).await;
        })
    })
    .await
}

/// A buyer with connections of its own, and the books of all the others.
fn another(books: &Arc<dyn Backend>) -> Client {
    let payer = Arc::new(LedgerSessionPayer::new(key(1)));
    buyer_with(payer, Arc::clone(books))
}

#[tokio::test]
async fn two_gateways_on_one_store_serve_one_channel_and_one_may_die() {
    let shop = Shop::open().await;
    let (one, other) = (port(), port());
    let balancer = Balancer::start(&[one, other]).await;
    let upstream = service().await;
    let routes = "\"GET /a\" = { session = \"$0.0001\" }\n\
                  \"GET /words\" = { session = { price = \"$0.001\", usage = \"events\" } }";
    let file = |at| shop.file(balancer.at, at, &upstream.url(), routes);
    let first = Running::start(&file(one), one).await;
    let second = Running::start(&file(other), other).await;

    // The first opens the channel at one gateway; the others come to both.
    let books: Arc<dyn Backend> = Arc::new(MemoryBackend::new());
    for _ in 0..4 {
        let answer = another(&books)
            .get(balancer.url("/a"))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.text().await.unwrap(), "ok");
    }
    let mut together = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (client, url) = (another(&books), balancer.url("/a"));
        together.spawn(async move {
            let answer = client.get(url).send().await.unwrap();
            assert_eq!(answer.text().await.unwrap(), "ok");
        });
    }
    together.join_all().await;
    assert!(balancer.taken.load(Ordering::SeqCst) >= 12);

    // One of them dies over a stream, and nobody but its buyer takes notice.
    balancer.only(one);
    let client = another(&books);
    let mut answer = client.get(balancer.url("/words")).send().await.unwrap();
    assert_eq!(reads(&mut answer, 2).await, words(&WORDS[..2]));
    balancer.only(other);
    drop(first);
    while let Ok(Some(_)) = answer.chunk().await {}
    drop(answer);
    let answer = client.get(balancer.url("/words")).send().await.unwrap();
    assert_eq!(answer.text().await.unwrap(), words(&WORDS));
    closes(&client).await;
    drop(second);
    shop.has_moved(12 * 100 + 2 * 1_000 + 5 * 1_000).await;
}

#[tokio::test]
async fn a_newer_stream_at_another_gateway_ends_the_older_one_with_its_receipt() {
    let shop = Shop::open().await;
    let (one, other) = (port(), port());
    let balancer = Balancer::start(&[one]).await;
    let (upstream, go) = pausing().await;
    let route = "\"GET /words\" = { session = { price = \"$0.001\", usage = \"events\" } }";
    let file = |at| shop.file(balancer.at, at, &upstream.url(), route);
    let _first = Running::start(&file(one), one).await;
    let _second = Running::start(&file(other), other).await;

    let books: Arc<dyn Backend> = Arc::new(MemoryBackend::new());
    let url = balancer.url("/words");
    let begun = another(&books);
    let mut older = begun.get(&url).send().await.unwrap();
    let bill = older.bill().unwrap().clone();
    assert_eq!(reads(&mut older, 2).await, words(&WORDS[..2]));
    balancer.only(other);
    let client = another(&books);
    let mut newer = client.get(&url).send().await.unwrap();
    assert_eq!(reads(&mut newer, 2).await, words(&WORDS[..2]));

    // Both services go on, and one of the two is paid for it.
    go.send_replace(true);
    assert_eq!(newer.text().await.unwrap(), words(&WORDS[2..]));
    assert_eq!(older.text().await.unwrap(), "");
    let ended = (bill.cut(), bill.cost());
    assert_eq!(ended, (Some(Cut::Replaced), Amount::new(2_000)));
    closes(&client).await;
    shop.has_moved(7 * 1_000).await;
}
