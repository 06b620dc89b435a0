//! The arguments of `farthing networks`, and those that say which network is meant.

use std::{convert::Infallible, fmt, str::FromStr};

use clap::Subcommand;
use farthing::{
    evm::{Address, ChainId},
    tempo::token,
};

use crate::keystore::{Rpc, RpcError};

#[derive(Debug, Subcommand)]
pub(crate) enum Args {
    /// List the networks, and which one is meant where none is named
    List {
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Name a network of one's own, or say where a public one is reached
    ///
    /// Its nodes are asked at once whether they are of that chain. What is there under the name is
    /// replaced.
    Add(Add),
    /// Forget a network of one's own; a public one is reached as usual again
    Remove {
        /// Its name
        name: String,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Say which network is meant where none is named
    Use {
        /// Its name
        name: String,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
}

/// The arguments of `farthing networks add`.
#[derive(Debug, clap::Args)]
pub(crate) struct Add {
    /// What to call it: small letters, digits and dashes
    pub(crate) name: String,
    /// The number of its chain; a public network's is known
    #[arg(long, value_name = "NUMBER")]
    pub(crate) chain_id: Option<ChainId>,
    /// Where it answers JSON-RPC over HTTP, the preferred one first; repeatable. The URL is kept in
    /// the keystore, and shown without what could be a key in it
    #[arg(long, value_name = "URL", required = true)]
    pub(crate) rpc: Vec<RpcText>,
    /// A token to know beside the usual ones, by its address; repeatable. What the chain says of it
    /// now is what is believed later
    #[arg(long, value_name = "ADDRESS", value_parser = token::typed_address)]
    pub(crate) token: Vec<Address>,
    /// A contract to trust with the deposits of channels, beside those that every such chain has; repeatable. It
    /// keeps them by the first version of the protocol
    #[arg(long, value_name = "ADDRESS", value_parser = token::typed_address)]
    pub(crate) escrow: Vec<Address>,
    /// The milliseconds between two blocks
    #[arg(long, value_name = "MS")]
    pub(crate) block_time: Option<u64>,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// Which network is meant, and where it is asked.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct OnNetwork {
    /// The network: tempo, moderato, one of `farthing networks`, or with --rpc the number of a
    /// chain [default: what `networks use` said, else tempo]
    #[arg(
        long,
        value_name = "NAME",
        env = "FARTHING_NETWORK",
        hide_env_values = true
    )]
    pub(crate) network: Option<String>,
    /// Where to ask it, in place of its usual endpoints; repeatable. Where the URL holds a key, the
    /// variable hides it from other programs
    #[arg(long, value_name = "URL", env = "FARTHING_RPC", hide_env_values = true)]
    pub(crate) rpc: Vec<RpcText>,
}

/// A URL that may hold a key and was not looked at yet, so that no message quotes it.
#[derive(Clone)]
pub(crate) struct RpcText(String);

impl OnNetwork {
    /// The network's name. A variable that is set to nothing is as one that is not set.
    pub(crate) fn name(&self) -> Option<&str> {
        self.network.as_deref().filter(|name| !name.is_empty())
    }

    /// Whether anything was said.
    pub(crate) fn is_said(&self) -> bool {
        self.name().is_some() || self.rpc.iter().any(|rpc| !rpc.0.is_empty())
    }
}

impl RpcText {
    /// The endpoints that were named.
    pub(crate) fn read(texts: &[Self]) -> Result<Vec<Rpc>, RpcError> {
        let named = texts.iter().filter(|text| !text.0.is_empty());
        named.map(|text| text.0.parse()).collect()
    }
}

impl FromStr for RpcText {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Debug for RpcText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RpcText(…)")
    }
}

impl Args {
    /// Whether stdout belongs to one JSON object.
    pub(crate) const fn is_json(&self) -> bool {
        match self {
            Self::List { json } | Self::Remove { json, .. } | Self::Use { json, .. } => *json,
            Self::Add(add) => add.json,
        }
    }
}
