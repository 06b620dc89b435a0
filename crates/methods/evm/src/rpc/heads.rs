//! New blocks, as they come.
//!
//! One task a [`Node`](super::Node) keeps a subscription to `newHeads`, from the first time that anybody
//! waits for a block. It comes back after a break, later each time. Whoever waits does not notice more of
//! that than the difference between being told at once and looking several times in the time of a block.

use std::{fmt, time::Duration};

use reqwest::Client;
use tokio::{sync::watch, task::JoinHandle, time};
use url::Url;

use super::{
    NodeOptions,
    client::{jittered, sockets},
    options::shown,
    socket::{Broken, Socket},
};
use crate::Block;

/// The first pause after a break; each further one is twice as long.
const PAUSE: Duration = Duration::from_millis(100);

/// The longest.
const LONGEST: Duration = Duration::from_secs(30);

/// The new blocks of a chain from some moment on, as [`Node::heads`](super::Node::heads) tells of them.
#[derive(Clone, Debug)]
pub struct Heads {
    told: Option<watch::Receiver<Told>>,
    poll: Duration,
    block_time: Duration,
    /// Whether the last thing told was a block, which the endpoint that is asked may see a little later.
    just_told: bool,
}

/// What the subscription tells those who wait.
#[derive(Clone, Debug, Default)]
struct Told {
    live: bool,
    head: Option<Block>,
}

impl Heads {
    /// What is told from now on.
    pub(super) fn of(follower: Option<&Follower>, poll: Duration, block_time: Duration) -> Self {
        let told = follower.map(|follower| {
            let mut told = follower.told.clone();
            told.mark_unchanged();
            told
        });
        Self {
            told,
            poll,
            block_time,
            just_told: false,
        }
    }

    /// Waits until there may be something new: gives the head of a block that was told of, or nothing when
    /// it is time to look all the same. Blocks that came since it was asked last are not missed; of several
    /// the newest is given.
    ///
    /// Without a subscription it is time after [a fraction](super::Node::poll) of the time between two
    /// blocks. With one, it is time a little after each block, for endpoints that are behind the one that
    /// told, and after the time in which a block was due.
    pub async fn next(&mut self) -> Option<Block> {
        let Some(told) = &mut self.told else {
            time::sleep(self.poll).await;
            return None;
        };
        let live = told.borrow().live;
        let patience = if live && !self.just_told {
            self.block_time.max(self.poll)
        } else {
            self.poll
        };
        let head = match time::timeout(patience, told.changed()).await {
            Ok(Ok(())) => told.borrow_and_update().head.clone(),
            // The subscription ended with its runtime.
            Ok(Err(_)) => {
                time::sleep(self.poll).await;
                None
            }
            Err(_) => None,
        };
        self.just_told = head.is_some();
        head
    }
}

/// The task that keeps the subscription. It ends with this.
pub(super) struct Follower {
    told: watch::Receiver<Told>,
    task: JoinHandle<()>,
}

impl Follower {
    pub(super) fn start(options: NodeOptions) -> Self {
        let (tell, told) = watch::channel(Told::default());
        let task = tokio::spawn(follow(options, tell));
        Self { told, task }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl fmt::Debug for Follower {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Follower")
    }
}

async fn follow(options: NodeOptions, tell: watch::Sender<Told>) {
    let http = match sockets(&options) {
        Ok(http) => http,
        Err(error) => {
            tracing::error!(%error, "new blocks are not told of");
            return;
        }
    };
    let mut pause = PAUSE;
    loop {
        for url in &options.sockets {
            let Err(error) = listen(&http, url, &options, &tell).await;
            // Those who wait look again: a block may have come in between.
            if tell.send_replace(Told::default()).live {
                pause = PAUSE;
            }
            let endpoint = shown(url);
            match error {
                Broken::WrongChain(found) => {
                    tracing::error!(endpoint, found, "a socket is of another chain");
                }
                error => tracing::debug!(endpoint, %error, "new blocks are not told of for now"),
            }
        }
        time::sleep(jittered(pause)).await;
        pause = (pause * 2).min(LONGEST);
    }
}

/// Tells of the blocks that one endpoint tells of, until it breaks.
async fn listen(
    http: &Client,
    url: &Url,
    options: &NodeOptions,
    tell: &watch::Sender<Told>,
) -> Result<std::convert::Infallible, Broken> {
    let begun = time::timeout(options.attempt, Socket::subscribe(http, url, options.chain));
    let mut socket = begun.await.map_err(|_| Broken::Silent)??;
    // Those who wait look once more: until now nobody told them.
    tell.send_replace(Told {
        live: true,
        head: None,
    });
    loop {
        let told = match time::timeout(options.attempt, socket.next()).await {
            Ok(told) => told?,
            // A chain may have nothing to tell; an endpoint that is there answers.
            Err(_) => {
                socket.ping().await?;
                let answer = time::timeout(options.attempt, socket.next());
                answer.await.map_err(|_| Broken::Silent)??
            }
        };
        if let Some(head) = told {
            tell.send_replace(Told {
                live: true,
                head: Some(head),
            });
        }
    }
}
