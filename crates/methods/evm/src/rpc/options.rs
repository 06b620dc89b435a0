//! How a chain is reached.

use std::time::Duration;

use url::Url;

use crate::ChainId;

/// How a chain is reached, and what is expected of it.
#[derive(Clone)]
pub struct NodeOptions {
    /// The chain. Endpoints of another one are refused.
    pub chain: ChainId,
    /// Where it answers JSON-RPC over HTTP, the preferred one first.
    pub endpoints: Vec<Url>,
    /// Where it tells of new blocks over WebSocket, the preferred one first. There need be none: it is a
    /// signal to look again, never what is believed.
    pub sockets: Vec<Url>,
    /// The time between two blocks. What waits for a block asks several times in it.
    pub block_time: Duration,
    /// How long one endpoint may take for one answer.
    pub attempt: Duration,
    /// How long a read may take in all, with every retry.
    pub deadline: Duration,
    /// How often all endpoints are tried in turn.
    pub rounds: u32,
    /// The most bytes an answer may have.
    pub max_answer: usize,
}

impl NodeOptions {
    /// The defaults for a chain: blocks of one second, three seconds for an answer, ten in all, three
    /// rounds, answers of at most 8 MiB, no socket.
    #[must_use]
    pub const fn new(chain: ChainId, endpoints: Vec<Url>) -> Self {
        Self {
            chain,
            endpoints,
            sockets: Vec::new(),
            block_time: Duration::from_secs(1),
            attempt: Duration::from_secs(3),
            deadline: Duration::from_secs(10),
            rounds: 3,
            max_answer: 8 * 1024 * 1024,
        }
    }
}

/// A URL often holds a key to the service behind it, so only hosts are shown.
impl std::fmt::Debug for NodeOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let hosts: Vec<_> = self.endpoints.iter().map(shown).collect();
        let sockets: Vec<_> = self.sockets.iter().map(shown).collect();
        f.debug_struct("NodeOptions")
            .field("chain", &self.chain)
            .field("endpoints", &hosts)
            .field("sockets", &sockets)
            .finish_non_exhaustive()
    }
}

/// Scheme, host and port of an endpoint.
pub(super) fn shown(url: &Url) -> String {
    url.origin().ascii_serialization()
}
