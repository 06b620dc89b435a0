//! A chain with accounts, and how contracts on it are called.

use alloy_primitives::{Address, B256, Bytes, Log, U256, address, hex};
use alloy_sol_types::{Eip712Domain, SolCall, SolEvent, SolStruct, sol};
use farthing_contracts::{Artifact, TEST_DOLLAR, abi::TestDollar};
use farthing_evm::{Signature, SigningKey, Typed};
use farthing_testkit::{
    chain::{ACCOUNTS, Chain, ChainOptions, Turn},
    peer,
};
use serde_json::{Value, json};

/// What each account has to begin with.
pub(crate) const RICH: u64 = 1_000_000_000;

/// The most gas that anything here uses.
const GAS: &str = "0x1312d00";

/// What makes tokens on a Tempo chain, and what knows who may have them.
const FACTORY: Address = address!("0x20fc000000000000000000000000000000000000");
const REGISTRY: Address = address!("0x403c000000000000000000000000000000000000");
pub(crate) const PATH_USD: Address = address!("0x20c0000000000000000000000000000000000000");

sol! {
    function createToken(string name, string symbol, string currency, address quoteToken, address admin, bytes32 salt) returns (address token);
    function changeTransferPolicyId(uint64 newPolicyId);
    function createPolicyWithAccounts(address admin, uint8 policyType, address[] accounts) returns (uint64 policyId);
}

/// The kinds of chains that contracts are tested on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Plain,
    Tempo,
}

pub(crate) const BOTH: [Kind; 2] = [Kind::Plain, Kind::Tempo];

/// The accounts, by what they do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    Payer,
    Payee,
    Operator,
    Signer,
    Stranger,
}

impl Who {
    pub(crate) fn address(self) -> Address {
        ACCOUNTS[self as usize].address.parse().unwrap()
    }

    pub(crate) fn key(self) -> SigningKey {
        let bytes: B256 = ACCOUNTS[self as usize].key.parse().unwrap();
        SigningKey::from_bytes(bytes.0).unwrap()
    }

    /// Signs a message in a domain.
    pub(crate) fn sign<T: SolStruct>(self, domain: &Eip712Domain, message: &T) -> Signature {
        self.key().sign(Typed::new(domain).digest(message))
    }
}

/// A test's turn on a chain.
pub(crate) struct World {
    pub(crate) chain: Turn,
    pub(crate) kind: Kind,
    /// The token that is moved.
    pub(crate) token: Address,
}

impl World {
    /// A chain on which each account has [`RICH`] of the token.
    pub(crate) async fn new(test: &str, kind: Kind) -> Option<Self> {
        let options = match kind {
            Kind::Plain => ChainOptions::evm(84_532),
            Kind::Tempo => ChainOptions::tempo(1337),
        };
        let test = format!("contracts: {test}, {kind:?}");
        let chain = peer::or_skip(&test, Chain::shared(&options).await)?;
        let mut world = Self {
            chain,
            kind,
            token: Address::ZERO,
        };
        match kind {
            Kind::Plain => {
                world.token = world.deploy(&TEST_DOLLAR).await;
                for account in ACCOUNTS {
                    let call = TestDollar::mintCall {
                        to: account.address.parse().unwrap(),
                        value: U256::from(RICH),
                    };
                    world.send(Who::Payer, world.token, call).await;
                }
            }
            Kind::Tempo => {
                for account in ACCOUNTS {
                    world.chain.set_balance(account.address, 1 << 100).await;
                }
                world.token = world.create_token().await;
                for account in ACCOUNTS {
                    let address: Address = account.address.parse().unwrap();
                    world.set_tip20_balance(address, RICH).await;
                }
            }
        }
        Some(world)
    }

    pub(crate) fn chain_id(&self) -> u64 {
        self.chain.chain_id()
    }

    /// Deploys a contract.
    pub(crate) async fn deploy(&self, artifact: &Artifact) -> Address {
        let from = Who::Stranger.address();
        let sent = json!([{"from": from, "data": artifact.creation, "gas": GAS}]).to_string();
        let hash = self.chain.rpc("eth_sendTransaction", &sent).await;
        let receipt = self.receipt(&hash).await;
        assert_eq!(receipt["status"], "0x1", "{} is deployed", artifact.name);
        receipt["contractAddress"]
            .as_str()
            .unwrap()
            .parse()
            .unwrap()
    }

    /// Puts code at an address.
    pub(crate) async fn put(&self, at: Address, code: &str) {
        self.chain.set_code(&at.to_string(), code).await;
    }

    pub(crate) async fn set_storage(&self, at: Address, slot: B256, value: B256) {
        let params = json!([at, slot, value]).to_string();
        self.chain.rpc("anvil_setStorageAt", &params).await;
    }

    pub(crate) async fn storage(&self, at: Address, slot: B256) -> U256 {
        let params = json!([at, slot, "latest"]).to_string();
        let word = self.chain.rpc("eth_getStorageAt", &params).await;
        word.as_str().unwrap().parse().unwrap()
    }

    async fn set_tip20_balance(&self, account: Address, amount: u64) {
        let mut place = [0; 64];
        place[12..32].copy_from_slice(account.as_slice());
        place[63] = 9;
        let slot = alloy_primitives::keccak256(place);
        self.set_storage(self.token, slot, B256::from(U256::from(amount)))
            .await;
    }

    /// Makes a token on Tempo, which the stranger administers. Nobody pays a fee in it, as accounts may in
    /// those that are there from the start.
    async fn create_token(&self) -> Address {
        let create = createTokenCall {
            name: "Test".to_owned(),
            symbol: "TEST".to_owned(),
            currency: "USD".to_owned(),
            quoteToken: PATH_USD,
            admin: Who::Stranger.address(),
            salt: B256::repeat_byte(1),
        };
        let made = self.ask(Who::Stranger, FACTORY, create.clone()).await;
        self.send(Who::Stranger, FACTORY, create).await;
        made.unwrap()
    }

    /// The token denies these from now on, and nobody else.
    pub(crate) async fn deny(&self, denied: &[Who]) {
        let admin = Who::Stranger;
        let policy = createPolicyWithAccountsCall {
            admin: admin.address(),
            // Everybody but those named.
            policyType: 1,
            accounts: denied.iter().map(|who| who.address()).collect(),
        };
        let id = self.ask(admin, REGISTRY, policy.clone()).await.unwrap();
        self.send(admin, REGISTRY, policy).await;
        let change = changeTransferPolicyIdCall { newPolicyId: id };
        self.send(admin, self.token, change).await;
    }

    /// Calls without changing anything: what is returned, or what is said in refusal.
    pub(crate) async fn ask<C: SolCall>(
        &self,
        from: Who,
        to: Address,
        call: C,
    ) -> Result<C::Return, Bytes> {
        self.ask_from(from.address(), to, call).await
    }

    /// The same in the name of anybody.
    pub(crate) async fn ask_from<C: SolCall>(
        &self,
        from: Address,
        to: Address,
        call: C,
    ) -> Result<C::Return, Bytes> {
        let input = hex::encode_prefixed(call.abi_encode());
        let params = json!([{"from": from, "to": to, "data": input, "gas": GAS}, "latest"]);
        let answer = self.chain.ask("eth_call", &params.to_string()).await;
        if let Some(result) = answer["result"].as_str() {
            let returned: Bytes = result.parse().unwrap();
            return Ok(C::abi_decode_returns(&returned).unwrap());
        }
        let data = answer["error"]["data"].as_str().unwrap_or_default();
        Err(data.parse().unwrap_or_default())
    }

    /// Reads what has to be there.
    pub(crate) async fn read<C: SolCall>(&self, to: Address, call: C) -> C::Return {
        let read = self.ask(Who::Stranger, to, call).await;
        read.unwrap_or_else(|said| panic!("{} is refused: {said}", C::SIGNATURE))
    }

    /// Sends what has to be done, and gives what the contract logged.
    pub(crate) async fn send<C: SolCall>(&self, from: Who, to: Address, call: C) -> Vec<Log> {
        let input = hex::encode_prefixed(call.abi_encode());
        let sent = json!([{"from": from.address(), "to": to, "data": input, "gas": GAS}]);
        let hash = self
            .chain
            .rpc("eth_sendTransaction", &sent.to_string())
            .await;
        let receipt = self.receipt(&hash).await;
        assert_eq!(receipt["status"], "0x1", "{} is done", C::SIGNATURE);
        let mut logs = logs(&receipt);
        logs.retain(|log| log.address == to);
        logs
    }

    /// A call is refused with this error.
    pub(crate) async fn refused<C: SolCall>(
        &self,
        from: Who,
        to: Address,
        call: C,
        error: [u8; 4],
    ) {
        let said = match self.ask(from, to, call).await {
            Ok(_) => panic!("{from:?} may {}", C::SIGNATURE),
            Err(said) => said,
        };
        let (kind, from) = (self.kind, format!("{from:?}: {}", C::SIGNATURE));
        assert_eq!(said, Bytes::from(error), "{kind:?}, {from}");
    }

    pub(crate) async fn balance(&self, account: Address) -> u64 {
        self.balance_of(self.token, account).await
    }

    pub(crate) async fn balance_of(&self, token: Address, account: Address) -> u64 {
        let read = self
            .read(token, TestDollar::balanceOfCall { account })
            .await;
        read.try_into().unwrap()
    }

    pub(crate) async fn approve(&self, from: Who, spender: Address, value: u64) {
        let value = U256::from(value);
        let call = TestDollar::approveCall { spender, value };
        self.send(from, self.token, call).await;
    }

    /// The time of the latest block.
    pub(crate) async fn time(&self) -> u64 {
        let latest = r#"["latest",false]"#;
        let block = self.chain.rpc("eth_getBlockByNumber", latest).await;
        let time = block["timestamp"].as_str().unwrap();
        u64::from_str_radix(&time[2..], 16).unwrap()
    }

    /// The next block, and so what is sent next, has this time.
    pub(crate) async fn next_at(&self, time: u64) {
        let params = json!([time]).to_string();
        self.chain.rpc("evm_setNextBlockTimestamp", &params).await;
    }

    /// Makes a block of this time, which calls are then made at.
    pub(crate) async fn now_is(&self, time: u64) {
        self.next_at(time).await;
        self.chain.mine(1).await;
        assert_eq!(self.time().await, time);
    }

    pub(crate) async fn receipt(&self, hash: &Value) -> Value {
        let params = json!([hash]).to_string();
        for _ in 0..500 {
            let receipt = self.chain.rpc("eth_getTransactionReceipt", &params).await;
            if !receipt.is_null() {
                return receipt;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        panic!("{hash} is in no block");
    }
}

/// The logs of a receipt.
pub(crate) fn logs(receipt: &Value) -> Vec<Log> {
    let word = |value: &Value| value.as_str().unwrap().to_owned();
    let log = |log: &Value| {
        let topics = log["topics"].as_array().unwrap().iter();
        Log::new_unchecked(
            word(&log["address"]).parse().unwrap(),
            topics.map(|topic| word(topic).parse().unwrap()).collect(),
            word(&log["data"]).parse().unwrap(),
        )
    };
    receipt["logs"]
        .as_array()
        .unwrap()
        .iter()
        .map(log)
        .collect()
}

/// The one event of a kind that a contract logged.
pub(crate) fn event<E: SolEvent>(logs: &[Log], from: Address) -> E {
    let mut all = events(logs, from);
    assert_eq!(all.len(), 1, "{} once", E::SIGNATURE);
    all.remove(0)
}

/// The events of a kind that a contract logged.
pub(crate) fn events<E: SolEvent>(logs: &[Log], from: Address) -> Vec<E> {
    let of = |log: &&Log| log.address == from && log.topics()[0] == E::SIGNATURE_HASH;
    let read = |log: &Log| E::decode_log(log).unwrap().data;
    logs.iter().filter(of).map(read).collect()
}

/// A contract that answers this word, whatever it is asked.
pub(crate) fn answering(word: B256) -> String {
    // PUSH32 word, PUSH1 0, MSTORE, PUSH1 32, PUSH1 0, RETURN.
    format!("0x7f{}60005260206000f3", hex::encode(word))
}
