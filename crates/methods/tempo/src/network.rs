//! Tempo's networks: which chain each is, where it answers, and which tokens are known on it.

use std::{borrow::Cow, fmt, time::Duration};

use farthing_evm::{Address, ChainId, NodeOptions};
use url::Url;

use crate::token::{Token, known};

/// The chain of the main network.
pub const MAINNET: u64 = 4217;

/// The chain of the test network, Moderato. A request that names no chain means this one (Tempo draft,
/// "Method Details").
pub const MODERATO: u64 = 42431;

/// Both public networks make a block about twice a second.
const BLOCK_TIME: Duration = Duration::from_millis(500);

/// The most endpoints of one network, and the most tokens known on one.
const MOST: usize = 64;

/// A network: a chain, and what is known of it before it is asked.
///
/// ```
/// use farthing_tempo::Network;
///
/// let network = Network::moderato();
/// assert_eq!(network.chain().get(), 42431);
/// assert_eq!(network.token().symbol.as_str(), "pathUSD");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Network {
    chain: ChainId,
    name: Cow<'static, str>,
    endpoints: Vec<Url>,
    sockets: Vec<Url>,
    block_time: Duration,
    /// The first is the one that is meant where nobody says which.
    tokens: Vec<Token>,
    faucet: bool,
}

/// A network that is not one of the public ones.
#[derive(Clone)]
pub struct NetworkOptions {
    /// The chain.
    pub chain: ChainId,
    /// What people call it: small letters, digits and dashes.
    pub name: String,
    /// Where it answers JSON-RPC over HTTP, the preferred one first.
    pub endpoints: Vec<Url>,
    /// Where it tells of new blocks over WebSocket. There need be none.
    pub sockets: Vec<Url>,
    /// The time between two blocks.
    pub block_time: Duration,
    /// The tokens that are known on it. The first is the one that is meant where nobody says which.
    pub tokens: Vec<Token>,
    /// Whether its nodes hand out test money (`tempo_fundAddress`).
    pub faucet: bool,
}

/// Why a network is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NetworkError {
    /// Its name could not be typed or would be mistaken for something else.
    #[error("a network's name has 1 to 32 small letters, digits and dashes")]
    Name,
    /// Nobody could be asked.
    #[error("a network has 1 to 64 endpoints, and at most 64 for WebSocket")]
    Endpoints,
    /// Nothing could be paid with.
    #[error("a network has 1 to 64 tokens, no two of one address or one name")]
    Tokens,
    /// Waiting for a block would never end, or never begin.
    #[error("the time between two blocks is from 10 ms to 10 minutes")]
    BlockTime,
}

impl Network {
    /// The main network.
    #[must_use]
    pub fn mainnet() -> Self {
        let chain = ChainId::new(MAINNET).expect("4217 is a chain id");
        let tokens = [known::USDC_E, known::PATH_USD, known::USDT0, known::EURC_E];
        Self::public(chain, "tempo", "rpc.tempo.xyz", &tokens, false)
    }

    /// The test network, whose nodes hand out test money.
    #[must_use]
    pub fn moderato() -> Self {
        let chain = ChainId::new(MODERATO).expect("42431 is a chain id");
        let host = "rpc.moderato.tempo.xyz";
        Self::public(chain, "moderato", host, &known::TEST_TOKENS, true)
    }

    /// A development chain on this machine: the tokens of the test network, at an endpoint of one's own.
    #[must_use]
    pub fn dev(chain: ChainId, endpoint: Url) -> Self {
        Self {
            chain,
            name: "dev".into(),
            endpoints: vec![endpoint],
            sockets: Vec::new(),
            block_time: BLOCK_TIME,
            tokens: known::TEST_TOKENS.to_vec(),
            faucet: false,
        }
    }

    /// Any other network.
    ///
    /// # Errors
    /// When it has no usable name, no endpoint, no token, or a block time nobody waits for.
    pub fn custom(options: NetworkOptions) -> Result<Self, NetworkError> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if !(1..=32).contains(&options.name.len()) || !options.name.bytes().all(plain) {
            return Err(NetworkError::Name);
        }
        let counted = 1..=MOST;
        if !counted.contains(&options.endpoints.len()) || options.sockets.len() > MOST {
            return Err(NetworkError::Endpoints);
        }
        if !(Duration::from_millis(10)..=Duration::from_secs(600)).contains(&options.block_time) {
            return Err(NetworkError::BlockTime);
        }
        let tokens = &options.tokens;
        let repeated = tokens.iter().enumerate().any(|(at, token)| {
            let same = |other: &Token| {
                other.address == token.address || other.symbol.is_like(&token.symbol)
            };
            tokens[..at].iter().any(same)
        });
        if !counted.contains(&tokens.len()) || repeated {
            return Err(NetworkError::Tokens);
        }
        Ok(Self {
            chain: options.chain,
            name: options.name.into(),
            endpoints: options.endpoints,
            sockets: options.sockets,
            block_time: options.block_time,
            tokens: options.tokens,
            faucet: options.faucet,
        })
    }

    /// The public network of a name: `tempo` or `moderato`.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [Self::mainnet(), Self::moderato()]
            .into_iter()
            .find(|network| network.name == name)
    }

    /// The public network of a chain.
    #[must_use]
    pub fn of(chain: ChainId) -> Option<Self> {
        [Self::mainnet(), Self::moderato()]
            .into_iter()
            .find(|network| network.chain == chain)
    }

    /// The same network, reached elsewhere, and not over WebSocket.
    ///
    /// # Errors
    /// When there is no endpoint, or too many.
    pub fn at(mut self, endpoints: Vec<Url>) -> Result<Self, NetworkError> {
        if !(1..=MOST).contains(&endpoints.len()) {
            return Err(NetworkError::Endpoints);
        }
        self.endpoints = endpoints;
        self.sockets.clear();
        Ok(self)
    }

    /// Its chain.
    #[must_use]
    pub const fn chain(&self) -> ChainId {
        self.chain
    }

    /// What people call it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The time between two blocks.
    #[must_use]
    pub const fn block_time(&self) -> Duration {
        self.block_time
    }

    /// Whether its nodes hand out test money.
    #[must_use]
    pub const fn has_faucet(&self) -> bool {
        self.faucet
    }

    /// How it is reached: its endpoints, with the usual deadlines.
    #[must_use]
    pub fn node(&self) -> NodeOptions {
        let mut options = NodeOptions::new(self.chain, self.endpoints.clone());
        options.sockets.clone_from(&self.sockets);
        options.block_time = self.block_time;
        options
    }

    /// The tokens that are known on it.
    #[must_use]
    pub fn tokens(&self) -> &[Token] {
        &self.tokens
    }

    /// The token that is meant where nobody says which: prices are in it, and fees are paid with it.
    #[must_use]
    pub fn token(&self) -> &Token {
        self.tokens
            .first()
            .expect("a network without tokens is not made")
    }

    /// The known token at an address.
    #[must_use]
    pub fn token_at(&self, address: Address) -> Option<&Token> {
        self.tokens.iter().find(|token| token.address == address)
    }

    /// The known token that a person means: by its symbol in any case, or by its address.
    #[must_use]
    pub fn token_named(&self, name: &str) -> Option<&Token> {
        match crate::token::address(name) {
            Ok(address) => self.token_at(address),
            Err(_) => self
                .tokens
                .iter()
                .find(|token| token.symbol.as_str().eq_ignore_ascii_case(name)),
        }
    }

    fn public(
        chain: ChainId,
        name: &'static str,
        host: &str,
        tokens: &[Token],
        faucet: bool,
    ) -> Self {
        let over = |scheme: &str| {
            Url::parse(&format!("{scheme}://{host}")).expect("a public endpoint is a URL")
        };
        Self {
            chain,
            name: name.into(),
            endpoints: vec![over("https")],
            sockets: vec![over("wss")],
            block_time: BLOCK_TIME,
            tokens: tokens.to_vec(),
            faucet,
        }
    }
}

/// A URL often holds a key to the service behind it, so only hosts are shown.
impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Network")
            .field("name", &self.name)
            .field("chain", &self.chain)
            .field("endpoints", &shown(&self.endpoints))
            .finish_non_exhaustive()
    }
}

/// As of the network it becomes.
impl fmt::Debug for NetworkOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NetworkOptions")
            .field("name", &self.name)
            .field("chain", &self.chain)
            .field("endpoints", &shown(&self.endpoints))
            .finish_non_exhaustive()
    }
}

/// Scheme, host and port of each.
fn shown(urls: &[Url]) -> Vec<String> {
    let origins = urls.iter().map(|url| url.origin().ascii_serialization());
    origins.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> NetworkOptions {
        NetworkOptions {
            chain: ChainId::new(1337).unwrap(),
            name: "my-chain".to_owned(),
            endpoints: vec![Url::parse("http://127.0.0.1:8545").unwrap()],
            sockets: Vec::new(),
            block_time: Duration::from_secs(1),
            tokens: vec![known::PATH_USD],
            faucet: false,
        }
    }

    #[test]
    fn public_networks_are_found_by_name_and_by_chain() {
        let both = [("tempo", 4217, "USDC.e"), ("moderato", 42431, "pathUSD")];
        for (name, chain, token) in both {
            let network = Network::named(name).unwrap();
            assert_eq!(network.chain().get(), chain);
            assert_eq!(network.token().symbol.as_str(), token);
            assert_eq!(Network::of(network.chain()), Some(network.clone()));
            assert_eq!(network.node().chain, network.chain());
            assert_eq!(network.node().block_time, Duration::from_millis(500));
        }
        let elsewhere = Network::mainnet().at(options().endpoints).unwrap();
        assert!(elsewhere.node().sockets.is_empty());
        assert_eq!(elsewhere.at(Vec::new()), Err(NetworkError::Endpoints));
        assert_eq!(Network::named("Tempo"), None);
        assert_eq!(Network::of(ChainId::new(1).unwrap()), None);
        // Real money is not handed out.
        assert!(!Network::mainnet().has_faucet());
    }

    #[test]
    fn a_key_in_a_url_is_not_shown() {
        let url = Url::parse("https://rpc.example.com/v2/hunter2?key=hunter2").unwrap();
        let mut options = options();
        options.endpoints = vec![url];
        let shown = format!(
            "{options:?} {:?}",
            Network::custom(options.clone()).unwrap()
        );
        assert!(!shown.contains("hunter2"), "{shown}");
        assert_eq!(shown.matches("https://rpc.example.com").count(), 2);
    }

    #[test]
    fn a_token_is_found_by_what_a_person_types() {
        let network = Network::moderato();
        let alpha = network.token_named("alphausd").unwrap();
        assert_eq!(alpha, &known::ALPHA_USD);
        let text = alpha.address.to_string();
        assert_eq!(network.token_named(&text), Some(alpha));
        assert_eq!(network.token_named("USDC.e"), None);
        assert_eq!(network.token_at(known::USDC_E.address), None);
    }

    #[test]
    fn a_network_that_cannot_be_used_is_not_made() {
        let made = Network::custom(options()).unwrap();
        assert_eq!((made.name(), made.chain().get()), ("my-chain", 1337));
        let check = |change: fn(&mut NetworkOptions), expect| {
            let mut options = options();
            change(&mut options);
            assert_eq!(Network::custom(options), Err(expect));
        };
        check(|o| o.name = String::new(), NetworkError::Name);
        check(|o| o.name = "My Chain".to_owned(), NetworkError::Name);
        check(|o| o.name = "x".repeat(33), NetworkError::Name);
        check(|o| o.endpoints.clear(), NetworkError::Endpoints);
        check(|o| o.tokens.clear(), NetworkError::Tokens);
        check(|o| o.tokens.push(known::PATH_USD), NetworkError::Tokens);
        check(|o| o.block_time = Duration::ZERO, NetworkError::BlockTime);
    }
}
