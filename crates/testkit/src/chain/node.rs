//! The process, from its start to its end.

use std::{
    io::{BufRead, BufReader, Read},
    net::SocketAddr,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use crate::peer::{self, Missing};

/// How long a node may take until it listens. It takes a fraction of a second on an idle machine.
const START: Duration = Duration::from_secs(60);

/// What ends the node with the test, even when the test is killed: the shell is the node's parent, and
/// waits for the end of its own input, which we hold open. It keeps no handle on the node's output, so
/// that a node that dies early is seen to.
const KEEPER: &str =
    r#""$@" </dev/null & node=$!; exec >&-; read -r line; kill -9 "$node"; wait "$node""#;

/// What a chain is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ChainOptions {
    /// Its kind.
    pub network: Network,
    /// Its chain id.
    pub chain_id: u64,
    /// When it makes blocks.
    pub mining: Mining,
}

impl ChainOptions {
    /// A plain EVM chain that makes a block for each transaction.
    #[must_use]
    pub const fn evm(chain_id: u64) -> Self {
        Self {
            network: Network::Evm,
            chain_id,
            mining: Mining::Automatic,
        }
    }

    /// A Tempo chain that makes a block for each transaction.
    #[must_use]
    pub const fn tempo(chain_id: u64) -> Self {
        Self {
            network: Network::Tempo,
            chain_id,
            mining: Mining::Automatic,
        }
    }

    /// The same with blocks made in another way.
    #[must_use]
    pub const fn mining(mut self, mining: Mining) -> Self {
        self.mining = mining;
        self
    }

    fn arguments(&self) -> Vec<String> {
        let mut all: Vec<String> = vec!["--host".into(), "127.0.0.1".into()];
        let mut add = |words: &[&str]| all.extend(words.iter().map(|word| (*word).to_owned()));
        add(&["--port", "0", "--chain-id", &self.chain_id.to_string()]);
        if self.network == Network::Tempo {
            // Whatever the chain id, the default is the first hardfork.
            add(&["--network", "tempo", "--hardfork", "T4"]);
        }
        let seconds = |time: Duration| format!("{}", time.as_secs_f64());
        match self.mining {
            Mining::Automatic => {}
            Mining::Manual => add(&["--no-mining"]),
            Mining::Every(time) => add(&["--block-time", &seconds(time)]),
            Mining::Both(time) => add(&["--mixed-mining", "--block-time", &seconds(time)]),
        }
        all
    }
}

/// The kind of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Network {
    /// A plain EVM chain.
    Evm,
    /// Tempo, with its tokens, its transaction type and its precompiles.
    Tempo,
}

/// When blocks are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mining {
    /// One for each transaction, when it comes.
    Automatic,
    /// When a test asks: [`Chain::mine`].
    Manual,
    /// One in each such time.
    Every(Duration),
    /// Both: one in each such time, and one for each transaction.
    Both(Duration),
}

/// A running node. It ends when this is dropped, and when the process that started it ends.
#[derive(Debug)]
pub struct Chain {
    keeper: Child,
    address: SocketAddr,
    chain_id: u64,
}

impl Chain {
    /// Starts a node of one's own. Most tests want [`Chain::shared`].
    ///
    /// # Errors
    /// When it is not installed.
    ///
    /// # Panics
    /// When it is installed and does not listen in time: then it is there and broken.
    pub fn start(options: &ChainOptions) -> Result<Self, Missing> {
        let mut keeper = Command::new("sh");
        keeper.args(["-c", KEEPER, "sh"]).arg(binary()?);
        keeper.args(options.arguments());
        keeper.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut keeper = keeper
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| Missing::because(format!("`sh` does not start: {error}")))?;
        let stdout = keeper.stdout.take().expect("standard output is piped");
        let (found, address) = mpsc::channel();
        thread::spawn(move || {
            let mut lines = BufReader::new(stdout);
            // Whoever waits may have given up.
            let _ = found.send(listening(&mut lines));
            // The node says something of each transaction, and stops when nobody reads it.
            let _ = std::io::copy(&mut lines, &mut std::io::sink());
        });
        let address = address.recv_timeout(START);
        let mut chain = Self {
            keeper,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            chain_id: options.chain_id,
        };
        // Built first, so that a panic ends the process too.
        chain.address = address
            .expect("a node starts within its time")
            .expect("a node says where it listens");
        Ok(chain)
    }

    /// Where it answers JSON-RPC over HTTP.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where it answers JSON-RPC over WebSocket.
    #[must_use]
    pub fn ws_url(&self) -> String {
        format!("ws://{}", self.address)
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its chain id.
    #[must_use]
    pub const fn chain_id(&self) -> u64 {
        self.chain_id
    }
}

impl Drop for Chain {
    fn drop(&mut self) {
        // The keeper ends the node when its input ends.
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

/// The installed binary.
fn binary() -> Result<PathBuf, Missing> {
    let home = peer::npm("anvil")?;
    let binary = home.join("node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil");
    if binary.is_file() {
        return Ok(binary);
    }
    Err(Missing::because(
        "there is no anvil for this machine".to_owned(),
    ))
}

/// Reads until the line that says where a node listens.
fn listening(lines: &mut BufReader<impl Read>) -> Option<SocketAddr> {
    let mut line = String::new();
    while lines.read_line(&mut line).ok()? > 0 {
        if let Some(address) = line.trim().strip_prefix("Listening on ") {
            return address.parse().ok();
        }
        line.clear();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpStream;

    #[test]
    fn a_node_ends_with_its_guard_and_with_a_panic() {
        let options = ChainOptions::evm(31_337);
        let Some(chain) = peer::or_skip("chain: its end", Chain::start(&options)) else {
            return;
        };
        let address = chain.address();
        drop(TcpStream::connect(address).unwrap());
        let died = thread::spawn(move || {
            let _held = chain;
            panic!("a test fails");
        });
        died.join().unwrap_err();
        TcpStream::connect(address).expect_err("nobody listens any more");
    }

    #[test]
    fn the_options_become_arguments() {
        let second = Duration::from_secs(1);
        let said = ChainOptions::tempo(42_431)
            .mining(Mining::Both(second))
            .arguments()
            .join(" ");
        assert_eq!(
            said,
            "--host 127.0.0.1 --port 0 --chain-id 42431 --network tempo --hardfork T4 --mixed-mining --block-time 1"
        );
        let half = ChainOptions::evm(1).mining(Mining::Every(second / 2));
        assert!(half.arguments().join(" ").ends_with("--block-time 0.5"));
    }
}
