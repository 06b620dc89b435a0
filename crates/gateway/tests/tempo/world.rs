//! A gateway that is paid on a chain of its own, and a buyer with money there.

use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf, sync::Arc};

use farthing::{
    clock::SystemClock,
    core::{
        header::{authorization, www_authenticate},
        noun::{Challenge, Credential, Source},
        port::{
            clock::Clock,
            payer::{Errand, Offer, Payer},
        },
    },
    evm::{Address, ChainId, Node, SigningKey, TxHash, request},
    tempo::{AccountKey, Mode, Network, PayerOptions, TempoPayer, tip20},
};
use farthing_gateway::{
    config::Config,
    serve::{Changes, Deps, Gateway, ReloadError, StartError},
};
use farthing_testkit::{
    chain::{ACCOUNTS, Chain, ChainOptions, Mining, Turn},
    peer,
};

use crate::{
    OK,
    rig::{Answer, Upstream, exchange},
};

pub(crate) const CHAIN: u64 = 1337;

/// What the buyer begins with of each token: ten dollars.
pub(crate) const FUNDS: u128 = 10_000_000;

pub(crate) const PATH_USD: Address = token(0);
pub(crate) const ALPHA_USD: Address = token(1);

/// The tokens of a development chain are numbered.
const fn token(number: u8) -> Address {
    let mut bytes = [0; 20];
    (bytes[0], bytes[1], bytes[19]) = (0x20, 0xc0, number);
    Address::new(bytes)
}

/// A chain, and who has what on it.
pub(crate) struct World {
    pub(crate) chain: Turn,
    pub(crate) node: Node,
    pub(crate) upstream: Upstream,
    folder: tempfile::TempDir,
}

pub(crate) fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes([seed; 32]).unwrap()
}

/// Who is paid.
pub(crate) fn seller() -> Address {
    key(2).address()
}

/// Who pays.
pub(crate) fn buyer() -> Address {
    key(1).address()
}

/// Who pays the fees, where the seller does.
pub(crate) fn sponsor() -> Address {
    key(3).address()
}

impl World {
    /// A chain that makes a block for each transaction, with a buyer and a sponsor who have money.
    pub(crate) async fn open(test: &str) -> Option<Self> {
        Self::with(test, Mining::Automatic).await
    }

    pub(crate) async fn with(test: &str, mining: Mining) -> Option<Self> {
        let options = ChainOptions::tempo(CHAIN).mining(mining);
        let chain = peer::or_skip(test, Chain::shared(&options).await)?;
        let rich = ACCOUNTS[0].address;
        chain.set_balance(rich, 1 << 80).await;
        for token in [PATH_USD, ALPHA_USD] {
            for who in [buyer(), sponsor()] {
                let (token, who) = (format!("{token:#x}"), format!("{who:#x}"));
                chain.send_token(rich, &token, &who, FUNDS).await;
            }
        }
        if mining == Mining::Manual {
            chain.mine(1).await;
        }
        let world = Self {
            node: Node::connect(network(&chain.url()).node()).await.unwrap(),
            upstream: Upstream::says(OK).await,
            chain,
            folder: tempfile::tempdir().unwrap(),
        };
        world.secret("sponsor-key", &"03".repeat(32));
        Some(world)
    }

    /// A file that only its owner can open.
    pub(crate) fn secret(&self, name: &str, content: &str) {
        let path = self.path(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A gateway's file: `pay` is what `[pay.tempo]` says beyond who is paid where.
    pub(crate) fn file(&self, rpc: &str, pay: &str, routes: &str) -> PathBuf {
        let path = self.path("farthing.toml");
        let text = format!(
            "site = \"127.0.0.1\"\nto = \"{}\"\nlisten = \"127.0.0.1:0\"\n\
             [pay.tempo]\nnetwork = {{ name = \"dev\", chain_id = {CHAIN} }}\n\
             rpc = \"{rpc}\"\nrecipient = \"{:#x}\"\n{pay}\n[routes]\n{routes}\n",
            self.upstream.url(),
            seller(),
        );
        fs::write(&path, text).unwrap();
        path
    }

    /// A gateway that asks this chain.
    pub(crate) async fn gateway(&self, pay: &str, routes: &str) -> Shop {
        self.start(&self.file(&self.chain.url(), pay, routes))
            .await
            .unwrap()
    }

    pub(crate) async fn start(&self, file: &std::path::Path) -> Result<Shop, StartError> {
        let config = Config::read(file).unwrap_or_else(|findings| panic!("{findings:?}"));
        let deps = Deps::new(Arc::new(SystemClock));
        let gateway = Gateway::start(config, deps).await?;
        Ok(Shop {
            gateway,
            file: file.to_owned(),
        })
    }

    /// A buyer with the key of this seed.
    pub(crate) fn payer(&self, seed: u8, mode: Mode) -> TempoPayer {
        let options = PayerOptions {
            mode,
            ..PayerOptions::default()
        };
        let key = AccountKey::from(key(seed));
        let network = network(&self.chain.url());
        TempoPayer::new(key, network, self.node.clone(), options).unwrap()
    }

    /// What somebody has of a token.
    pub(crate) async fn has(&self, token: Address, who: Address) -> u128 {
        let balance = tip20::balance(&self.node, token, who).await;
        balance.unwrap().units()
    }

    /// What the fee of a transaction was, in base units.
    pub(crate) async fn fee(&self, hash: &str) -> u128 {
        let hash: TxHash = hash.parse().unwrap();
        let receipt = self.node.ask(request::receipt(hash)).await.unwrap();
        tip20::fee_of(&receipt.expect("it is in a block")).units()
    }
}

/// The chain as a buyer and a test know it.
pub(crate) fn network(url: &str) -> Network {
    Network::dev(ChainId::new(CHAIN).unwrap(), url.parse().unwrap())
}

/// A gateway that is up.
pub(crate) struct Shop {
    pub(crate) gateway: Gateway,
    file: PathBuf,
}

impl Shop {
    pub(crate) async fn ask(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut head = format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n");
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        let all = exchange(self.gateway.address(), head.as_bytes()).await;
        Answer::read_all(&all).remove(0)
    }

    /// What is offered for a path.
    pub(crate) async fn offers(&self, path: &str) -> Vec<Challenge> {
        let offered = self.ask(path, &[]).await;
        assert_eq!(offered.status, 402, "{offered:?}");
        let lines = offered.all("www-authenticate");
        www_authenticate::parse(lines)
            .into_iter()
            .map(Result::unwrap)
            .collect()
    }

    /// What pays the first offer for a path.
    pub(crate) async fn credential(&self, path: &str, payer: &TempoPayer) -> String {
        let challenge = self.offers(path).await.remove(0);
        sign(challenge, payer).await
    }

    pub(crate) async fn present(&self, path: &str, credential: &str) -> Answer {
        self.ask(path, &[("Authorization", credential)]).await
    }

    /// Pays the first offer, and presents that.
    pub(crate) async fn pay(&self, path: &str, payer: &TempoPayer) -> Answer {
        let credential = self.credential(path, payer).await;
        self.present(path, &credential).await
    }

    pub(crate) async fn reload(&self) -> Result<Changes, ReloadError> {
        self.gateway.reload_file(&self.file).await
    }

    /// The value of a metric's sample.
    pub(crate) async fn sample(&self, name: &str) -> f64 {
        let text = self.gateway.metrics().await;
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        let line = line.unwrap_or_else(|| panic!("no {name} in {text}"));
        line.parse().unwrap()
    }
}

/// What pays an offer. Where the buyer sends the transaction itself, it is sent.
pub(crate) async fn sign(challenge: Challenge, payer: &TempoPayer) -> String {
    let now = SystemClock.now();
    let offer = Offer {
        request: challenge.request.decode().unwrap(),
        challenge: challenge.clone(),
    };
    payer.quote(&offer).unwrap();
    let proof = payer.sign(&offer, now).await.unwrap();
    if proof.errand.is_some() {
        let errand = payer.run_errand(&proof, now).await;
        assert!(matches!(errand, Errand::Done { .. }), "{errand:?}");
    }
    authorization::format(&Credential {
        challenge,
        source: proof.source.map(|did| Source::new(did.as_str()).unwrap()),
        payload: proof.payload,
    })
}
