//! The networks that a keystore's owner named, in a file beside the wallets.
//!
//! A wallet asks nobody about a chain but whom its owner named or this program knows: what a seller
//! says of a chain is never dialled, and never believed about a token's decimals.

use std::{collections::BTreeMap, fmt, net::IpAddr, str::FromStr, time::Duration};

use farthing::{
    core::intent::session::Protocol,
    evm::{Address, ChainId},
    tempo::{
        Label, Network, NetworkError, NetworkOptions, Token, TokenError, session::Escrow,
        token::known,
    },
};
use reqwest::Url;
use serde::{Deserialize, Serialize};

use super::{Keystore, KeystoreError, VERSION, disk, parse};

const NETWORKS: &str = "networks.json";

/// Networks of one's own, so that a file stays one that somebody can look through.
const MOST: usize = 64;

/// The time between two blocks where nobody says it.
const BLOCK_TIME: Duration = Duration::from_millis(500);

/// The networks of a keystore.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Networks {
    pub(crate) version: u32,
    /// The one that is meant where nobody says which.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) default: Option<String>,
    #[serde(default)]
    pub(crate) networks: BTreeMap<String, NetworkEntry>,
}

/// A network of one's own, or other ways to reach a public one.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct NetworkEntry {
    pub(crate) chain_id: ChainId,
    /// The preferred one first.
    pub(crate) rpc: Vec<Rpc>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) block_time_ms: Option<u64>,
    /// Tokens beside those that every such chain has.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) tokens: Vec<TokenEntry>,
    /// Contracts that keep channels by the first protocol version, which the network's owner trusts with
    /// deposits.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) escrows: Vec<Address>,
}

/// A token that the network's owner vouches for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct TokenEntry {
    pub(crate) address: Address,
    pub(crate) symbol: String,
    pub(crate) decimals: u8,
    pub(crate) unit: String,
}

/// Where a chain is asked. Such a URL often holds a key to the service behind it, so only scheme,
/// host and port are shown.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Rpc(Url);

/// A text that is no such URL. It does not quote the text, which may hold a key.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("an endpoint is an https:// URL, or an http:// URL of this machine")]
pub(crate) struct RpcError;

/// Why an entry is no network.
#[derive(Clone, Copy, Debug, thiserror::Error)]
pub(crate) enum NetworkFault {
    #[error(transparent)]
    Network(#[from] NetworkError),
    #[error(transparent)]
    Token(#[from] TokenError),
    #[error("the public network of this name is another chain")]
    Public,
    #[error("there are more than {MOST} networks")]
    Many,
}

impl Default for Networks {
    fn default() -> Self {
        Self {
            version: VERSION,
            default: None,
            networks: BTreeMap::new(),
        }
    }
}

impl Networks {
    /// Every network that is known, those of one's own first: with an entry of its name, a public
    /// one is reached as the entry says.
    pub(crate) fn all(&self) -> Result<Vec<Network>, (String, NetworkFault)> {
        let own = self.networks.iter().map(|(name, entry)| {
            let network = entry.network(name);
            network.map_err(|fault| (name.clone(), fault))
        });
        let mut all = own.collect::<Result<Vec<_>, _>>()?;
        for public in [Network::mainnet(), Network::moderato()] {
            if !self.networks.contains_key(public.name()) {
                all.push(public);
            }
        }
        Ok(all)
    }
}

impl NetworkEntry {
    /// As a network of this name.
    pub(crate) fn network(&self, name: &str) -> Result<Network, NetworkFault> {
        let public = Network::named(name);
        if public
            .as_ref()
            .is_some_and(|it| it.chain() != self.chain_id)
        {
            return Err(NetworkFault::Public);
        }
        let mut tokens = match &public {
            Some(public) => public.tokens().to_vec(),
            None => known::TEST_TOKENS.to_vec(),
        };
        let block_time = public.as_ref().map_or(BLOCK_TIME, Network::block_time);
        for entry in &self.tokens {
            let token = entry.token()?;
            tokens.retain(|known| known.address != token.address);
            tokens.push(token);
        }
        Ok(Network::custom(NetworkOptions {
            chain: self.chain_id,
            name: name.to_owned(),
            endpoints: self.rpc.iter().map(|rpc| rpc.0.clone()).collect(),
            sockets: Vec::new(),
            block_time: self.block_time_ms.map_or(block_time, Duration::from_millis),
            tokens,
            faucet: public.is_some_and(|public| public.has_faucet()),
        })?)
    }
}

impl TokenEntry {
    pub(crate) fn of(token: &Token) -> Self {
        Self {
            address: token.address,
            symbol: token.symbol.to_string(),
            decimals: token.decimals,
            unit: token.unit.to_string(),
        }
    }

    fn token(&self) -> Result<Token, TokenError> {
        let symbol = Label::new(self.symbol.clone())?;
        Token::new(
            self.address,
            symbol,
            self.decimals,
            Label::new(self.unit.clone())?,
        )
    }
}

impl Rpc {
    pub(crate) fn url(&self) -> Url {
        self.0.clone()
    }
}

impl FromStr for Rpc {
    type Err = RpcError;

    fn from_str(text: &str) -> Result<Self, RpcError> {
        let url = Url::parse(text).map_err(|_| RpcError)?;
        let host = url.host_str().unwrap_or_default();
        let bare = host.trim_matches(['[', ']']).parse::<IpAddr>();
        let is_here = host == "localhost" || bare.is_ok_and(|ip| ip.is_loopback());
        match url.scheme() {
            "https" => Ok(Self(url)),
            "http" if is_here => Ok(Self(url)),
            _ => Err(RpcError),
        }
    }
}

impl TryFrom<String> for Rpc {
    type Error = RpcError;

    fn try_from(text: String) -> Result<Self, RpcError> {
        text.parse()
    }
}

impl From<Rpc> for String {
    fn from(rpc: Rpc) -> Self {
        rpc.0.into()
    }
}

impl fmt::Display for Rpc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.origin().ascii_serialization())
    }
}

impl fmt::Debug for Rpc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rpc({self})")
    }
}

impl Keystore {
    /// The networks that were named. Where none were, there are only the public ones.
    pub(crate) fn networks(&self) -> Result<Networks, KeystoreError> {
        let path = self.folder()?.join(NETWORKS);
        match disk::read_if_there(&path)? {
            Some(text) => parse(&path, &text),
            None => Ok(Networks::default()),
        }
    }

    /// Every network that is known.
    pub(crate) fn all_networks(&self) -> Result<Vec<Network>, KeystoreError> {
        let all = self.networks()?.all();
        all.map_err(|(name, source)| KeystoreError::Network {
            path: self.dir.join(NETWORKS),
            name,
            source,
        })
    }

    /// The contracts of one's own that channels may be kept in. Those that everybody knows are not among them.
    pub(crate) fn escrows(&self) -> Result<Vec<Escrow>, KeystoreError> {
        let networks = self.networks()?.networks.into_values();
        let all = networks.flat_map(|entry| {
            let of = move |contract| Escrow {
                chain: entry.chain_id,
                contract,
                protocol: Protocol::V1,
            };
            entry.escrows.into_iter().map(of)
        });
        Ok(all.collect())
    }

    /// Puts networks in the place of those that are there.
    pub(crate) fn set_networks(&self, networks: &Networks) -> Result<(), KeystoreError> {
        let path = self.make_folder()?.join(NETWORKS);
        if networks.networks.len() > MOST {
            return Err(KeystoreError::Network {
                path,
                name: "the last one".to_owned(),
                source: NetworkFault::Many,
            });
        }
        disk::replace(&path, &disk::json(networks))
            .map_err(|source| KeystoreError::Write { path, source })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_private_and_shows_no_key() {
        let rpc: Rpc = "https://user:pass@rpc.example.com/v2/KEY?k=KEY"
            .parse()
            .unwrap();
        assert_eq!(rpc.to_string(), "https://rpc.example.com");
        assert_eq!(format!("{rpc:?}"), "Rpc(https://rpc.example.com)");
        for good in [
            "http://127.0.0.1:8545",
            "http://[::1]:1/",
            "http://localhost",
        ] {
            assert!(good.parse::<Rpc>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "KEY",
            "http://rpc.example.com",
            "ws://127.0.0.1",
            "https://",
        ] {
            let error = bad.parse::<Rpc>().err().map(|error| error.to_string());
            assert!(error.is_some_and(|error| !error.contains("KEY")), "{bad}");
        }
    }

    #[test]
    fn a_network_of_ones_own_comes_beside_the_public_ones() {
        let dir = tempfile::tempdir().unwrap();
        let keystore = Keystore::at(dir.path());
        let names = |keystore: &Keystore| {
            let all = keystore.all_networks().unwrap();
            let names = all.iter().map(|it| format!("{} {}", it.name(), it.chain()));
            names.collect::<Vec<_>>()
        };
        assert_eq!(names(&keystore), ["tempo 4217", "moderato 42431"]);
        let entry = |chain, rpc: &str| NetworkEntry {
            chain_id: ChainId::new(chain).unwrap(),
            rpc: vec![rpc.parse().unwrap()],
            block_time_ms: None,
            tokens: Vec::new(),
            escrows: Vec::new(),
        };
        let mut networks = Networks::default();
        let own = entry(1337, "http://127.0.0.1:8545");
        networks.networks.insert("dev".to_owned(), own);
        let other = entry(4217, "https://mine.example.com/key");
        networks.networks.insert("tempo".to_owned(), other);
        keystore.set_networks(&networks).unwrap();
        let expect = ["dev 1337", "tempo 4217", "moderato 42431"];
        assert_eq!(names(&keystore), expect);
        // The public network's name is not another chain's.
        let wrong = entry(1337, "http://127.0.0.1:8545");
        networks.networks.insert("tempo".to_owned(), wrong);
        keystore.set_networks(&networks).unwrap();
        assert!(matches!(
            keystore.all_networks(),
            Err(KeystoreError::Network {
                source: NetworkFault::Public,
                ..
            })
        ));
    }

    #[test]
    fn a_file_with_more_than_we_know_is_not_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(NETWORKS);
        let rpc = r#""rpc":["https://a.example"]"#;
        for (bad, what) in [
            ("{}".to_owned(), "version"),
            (r#"{"version":2}"#.to_owned(), "version"),
            (
                format!(r#"{{"version":1,"networks":{{"a":{{{rpc}}}}}}}"#),
                "chainId",
            ),
            (
                format!(r#"{{"version":1,"networks":{{"a":{{"chainId":0,{rpc}}}}}}}"#),
                "chain id",
            ),
            (
                format!(r#"{{"version":1,"networks":{{"a":{{"chainId":1,"x":2,{rpc}}}}}}}"#),
                "`x`",
            ),
            (
                format!(r#"{{"version":1,"networks":{{"A":{{"chainId":1,{rpc}}}}}}}"#),
                "small letters",
            ),
            (
                r#"{"version":1,"networks":{"a":{"chainId":1,"rpc":[]}}}"#.to_owned(),
                "endpoints",
            ),
        ] {
            std::fs::write(&path, &bad).unwrap();
            let error = Keystore::at(dir.path()).all_networks().err();
            let told = crate::error::with_causes(&error.unwrap());
            assert!(told.contains(what), "{bad}: {told}");
        }
    }
}
