//! A Tempo chain on loopback that peers take for the test network.
//!
//! Peers know where the nodes of the test network are and ask nobody else, so a script that is loaded before
//! them (`tools/mppx/divert.mjs`) sends what they ask to this chain.

use std::{path::PathBuf, process::Command, time::Duration};

use farthing_testkit::{
    chain::{
        ACCOUNTS, Chain, ChainOptions, DevAccount, Mining, channels, reserve_proxy::ReserveProxy,
    },
    peer::{self, Missing, Upstream},
};
use serde_json::Value;

/// The chain id of the test network.
pub const TESTNET: u64 = 42_431;

/// The token that everything is priced in: six decimals.
pub const PATH_USD: &str = "0x20c0000000000000000000000000000000000000";

/// The tokens that fees are paid in where a transaction names none. All are dollars of six decimals.
const DOLLARS: [&str; 4] = [
    PATH_USD,
    "0x20c0000000000000000000000000000000000001",
    "0x20c0000000000000000000000000000000000002",
    "0x20c0000000000000000000000000000000000003",
];

/// Where fees go.
const FEE_MANAGER: &str = "0xfeec000000000000000000000000000000000000";

/// Who buys.
pub const BUYER: DevAccount = ACCOUNTS[0];

/// Who pays the fees of others.
pub const SPONSOR: DevAccount = ACCOUNTS[2];

/// Who gives money away to whoever asks a public node for it.
const FAUCET: DevAccount = ACCOUNTS[4];

/// Who sells. Nothing was ever there before.
pub const SELLER: &str = "0x1111111111111111111111111111111111111111";

/// Who gets a part of it.
pub const PARTNER: &str = "0x2222222222222222222222222222222222222222";

/// What a charge of a cent is, in base units.
pub const CENT: i128 = 10_000;

/// Who sells out of channels: who closes one has to sign for it.
pub const PAYEE: DevAccount = ACCOUNTS[1];

/// The chain.
#[derive(Debug)]
pub struct Rig {
    chain: Chain,
    /// Where its node is asked, if that is not the node itself.
    reserve: Option<ReserveProxy>,
    /// What keeps channels of the first protocol version, where there are any.
    escrow: Option<String>,
}

/// npm's `mppx`, which takes a rig's chain for the test network.
#[derive(Debug)]
pub struct Mppx<'a> {
    rig: &'a Rig,
    folder: PathBuf,
}

/// Who pays the fee of a charge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fees {
    /// The buyer, on top of the price.
    Buyer,
    /// The sponsor.
    Sponsor,
    /// Nobody: nothing was sent.
    Nobody,
}

/// A way to pay, and what it has to move.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// The route that asks for it.
    pub path: &'static str,
    /// The mode the buyer is told to use, where it has a choice.
    pub mode: Option<&'static str>,
    /// The type of the payload it answers with.
    pub payload: &'static str,
    /// What the seller gets, in base units.
    pub seller: i128,
    /// What the partner gets.
    pub partner: i128,
    /// Who pays the fee.
    pub fees: Fees,
}

const fn kind(path: &'static str, payload: &'static str, fees: Fees) -> Kind {
    Kind {
        path,
        mode: None,
        payload,
        seller: CENT,
        partner: 0,
        fees,
    }
}

impl Kind {
    const fn mode(self, mode: &'static str) -> Self {
        Self {
            mode: Some(mode),
            ..self
        }
    }

    const fn of(self, seller: i128, partner: i128) -> Self {
        Self {
            seller,
            partner,
            ..self
        }
    }
}

/// Every way to pay that is tried with every peer.
pub const KINDS: [Kind; 10] = [
    kind("/plain", "transaction", Fees::Buyer),
    kind("/plain", "transaction", Fees::Buyer).mode("pull"),
    kind("/plain", "hash", Fees::Buyer).mode("push"),
    kind("/pull", "transaction", Fees::Buyer),
    kind("/push", "hash", Fees::Buyer),
    kind("/split", "transaction", Fees::Buyer).of(7_000, 3_000),
    kind("/split", "hash", Fees::Buyer)
        .mode("push")
        .of(7_000, 3_000),
    kind("/sponsored", "transaction", Fees::Sponsor),
    kind("/sponsored-split", "transaction", Fees::Sponsor).of(7_000, 3_000),
    kind("/proof", "proof", Fees::Nobody).of(0, 0),
];

/// What everybody has, in base units: whoever pays fees in all the tokens, the others in the one of the price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Balances {
    /// The buyer.
    pub buyer: i128,
    /// The seller.
    pub seller: i128,
    /// The seller's partner.
    pub partner: i128,
    /// The sponsor.
    pub sponsor: i128,
}

impl Rig {
    /// Starts the chain as `mppx` wants it: a block a second, and one for each transaction.
    ///
    /// # Errors
    /// When it is not installed.
    pub fn start() -> Result<Self, Missing> {
        let options = ChainOptions::tempo(TESTNET).mining(Mining::Both(Duration::from_secs(1)));
        let chain = Chain::start(&options)?;
        Ok(Self {
            chain,
            reserve: None,
            escrow: None,
        })
    }

    /// The same with a reserve of channels, which everybody takes for the precompile, and an escrow of those of the
    /// first protocol version.
    ///
    /// # Errors
    /// When it is not installed.
    pub async fn with_channels() -> Result<Self, Missing> {
        let rig = Self::start()?;
        channels::install_reserve(&rig.chain).await;
        let escrow = channels::deploy_escrow(&rig.chain).await;
        let reserve = ReserveProxy::start(&rig.chain).await;
        Ok(Self {
            reserve: Some(reserve),
            escrow: Some(format!("{escrow:#x}")),
            ..rig
        })
    }

    /// The escrow.
    ///
    /// # Panics
    /// When it was started without channels.
    #[must_use]
    pub fn escrow(&self) -> &str {
        let escrow = self.escrow.as_deref();
        escrow.expect("the rig was started with channels")
    }

    /// Where its node is asked.
    #[must_use]
    pub fn url(&self) -> String {
        match &self.reserve {
            Some(proxy) => proxy.url(),
            None => self.chain.url(),
        }
    }

    /// The chain.
    #[must_use]
    pub const fn chain(&self) -> &Chain {
        &self.chain
    }

    /// What everybody has now.
    pub async fn balances(&self) -> Balances {
        Balances {
            buyer: self.dollars(BUYER.address).await,
            seller: self.balance(PATH_USD, SELLER).await,
            partner: self.balance(PATH_USD, PARTNER).await,
            sponsor: self.dollars(SPONSOR.address).await,
        }
    }

    /// What one account has of all the tokens that fees are paid in.
    ///
    /// # Panics
    /// When the chain answers with no number.
    pub async fn dollars(&self, who: &str) -> i128 {
        let mut all = 0;
        for token in DOLLARS {
            all += self.balance(token, who).await;
        }
        all
    }

    /// What one account has of a token.
    ///
    /// # Panics
    /// When the chain answers with no number.
    pub async fn balance(&self, token: &str, who: &str) -> i128 {
        let has = self.chain.token_balance(token, who).await;
        i128::try_from(has).unwrap_or_else(|_| unreachable!("more than there is: {has}"))
    }

    /// What the fee of a transaction was: gas at its price, in attodollars, rounded up to base units.
    ///
    /// # Panics
    /// When the chain has no such transaction.
    pub async fn fee(&self, hash: &str) -> i128 {
        let params = format!(r#"["{hash}"]"#);
        let receipt = self.chain.rpc("eth_getTransactionReceipt", &params).await;
        assert_eq!(receipt["status"], "0x1", "{hash}: {receipt}");
        let atto = number(&receipt["gasUsed"]) * number(&receipt["effectiveGasPrice"]);
        (atto + 999_999_999_999) / 1_000_000_000_000
    }

    /// The part of a transaction's fee that one account paid: all of it, or nothing. A sponsored receipt
    /// names its sender here all the same, so what counts is from where the fee was moved.
    ///
    /// # Panics
    /// When the chain has no such transaction, or moved no fee for it.
    pub async fn fee_by(&self, hash: &str, who: &str) -> i128 {
        let params = format!(r#"["{hash}"]"#);
        let receipt = self.chain.rpc("eth_getTransactionReceipt", &params).await;
        let is = |topic: &Value, account: &str| {
            let account = account[2..].to_lowercase();
            topic
                .as_str()
                .is_some_and(|topic| topic.ends_with(&account))
        };
        let logs = receipt["logs"].as_array().map_or(&[][..], Vec::as_slice);
        let paid = |log: &&Value| is(&log["topics"][2], FEE_MANAGER);
        let paid = logs.iter().find(paid);
        assert!(paid.is_some(), "no fee was moved: {receipt}");
        match paid.is_some_and(|paid| is(&paid["topics"][1], who)) {
            true => self.fee(hash).await,
            false => 0,
        }
    }

    /// Makes sure that a charge moved what its kind says, to the unit, and nothing else.
    ///
    /// # Panics
    /// When it did not.
    pub async fn moved(&self, kind: &Kind, before: Balances, reference: &str) {
        let fee = match kind.fees {
            Fees::Nobody => 0,
            Fees::Buyer | Fees::Sponsor => self.fee(reference).await,
        };
        let of = |who| if kind.fees == who { fee } else { 0 };
        let expected = Balances {
            buyer: before.buyer - kind.seller - kind.partner - of(Fees::Buyer),
            seller: before.seller + kind.seller,
            partner: before.partner + kind.partner,
            sponsor: before.sponsor - of(Fees::Sponsor),
        };
        assert_eq!(self.balances().await, expected, "{kind:?}");
        assert_eq!(fee > 0, kind.fees != Fees::Nobody, "{kind:?}");
    }
}

impl<'a> Mppx<'a> {
    /// Finds it.
    ///
    /// # Errors
    /// When it is not installed.
    pub fn on(rig: &'a Rig) -> Result<Self, Missing> {
        let folder = peer::npm("mppx")?;
        Ok(Self { rig, folder })
    }

    /// One of its scripts, on this chain.
    #[must_use]
    pub fn script(&self, name: &str) -> Command {
        let mut node = peer::node(&self.folder, name);
        let divert = self.folder.join("divert.mjs");
        // Its programs start others of their own.
        node.env("NODE_OPTIONS", format!("--import={}", divert.display()));
        node.env("FARTHING_CHAIN", self.rig.url());
        node.env("FARTHING_FAUCET", FAUCET.address);
        node
    }

    /// Its shop, with a route for each of [`KINDS`].
    ///
    /// # Errors
    /// When there is no Node.
    pub fn shop(&self) -> Result<Upstream, Missing> {
        let mut shop = self.script("tempo-shop.mjs");
        Upstream::start(shop.args([SELLER, PARTNER, &format!("0x{}", SPONSOR.key)]))
    }

    /// Its shop that is paid out of channels.
    ///
    /// # Errors
    /// When there is no Node.
    pub fn session_shop(&self) -> Result<Upstream, Missing> {
        let mut shop = self.script("session-shop.mjs");
        Upstream::start(shop.args([PAYEE, SPONSOR].map(|of| format!("0x{}", of.key))))
    }

    /// Its buyer with channels, who takes these steps and may lock a dollar.
    #[must_use]
    pub fn session_buyer(&self, steps: &[&str]) -> Command {
        let mut buy = self.script("session-buy.mjs");
        buy.args([&format!("0x{}", BUYER.key), "1"]).args(steps);
        buy
    }

    /// Its buyer, who pays for one URL.
    #[must_use]
    pub fn buyer(&self, url: &str, mode: Option<&str>) -> Command {
        let mut buy = self.script("tempo-buy.mjs");
        buy.args([url, &format!("0x{}", BUYER.key)]).args(mode);
        buy
    }
}

fn number(word: &Value) -> i128 {
    let digits = word.as_str().and_then(|word| word.strip_prefix("0x"));
    let number = digits.and_then(|digits| i128::from_str_radix(digits, 16).ok());
    number.unwrap_or_else(|| unreachable!("a number: {word}"))
}
