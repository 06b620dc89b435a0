//! What tests ask of a node beside what the code under test asks.

use std::time::Duration;

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time,
};

use super::Chain;

/// How long a node may take for an answer.
const DEADLINE: Duration = Duration::from_secs(60);

/// A state of the chain to go back to, once.
#[derive(Debug)]
#[must_use = "a snapshot is there to be reverted to"]
pub struct Snapshot(String);

impl Chain {
    /// Asks the node; `params` is a JSON array.
    ///
    /// # Panics
    /// When it does not answer, or with an error.
    pub async fn rpc(&self, method: &str, params: &str) -> Value {
        let mut answer = self.ask(method, params).await;
        assert!(answer.get("error").is_none(), "{method} {params}: {answer}");
        answer["result"].take()
    }

    /// Asks the node, and gives the answer with its `result` or its `error`.
    ///
    /// # Panics
    /// When it does not answer with JSON.
    pub async fn ask(&self, method: &str, params: &str) -> Value {
        let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#);
        let exchange = time::timeout(DEADLINE, self.exchange(&body)).await;
        let answer = exchange
            .expect("the node answers in time")
            .expect("the node answers");
        serde_json::from_slice(&answer).expect("the node answers with JSON")
    }

    /// Makes blocks.
    pub async fn mine(&self, blocks: u64) {
        self.rpc("anvil_mine", &format!(r#"["0x{blocks:x}"]"#))
            .await;
    }

    /// Lets the chain's time go on, and makes a block at the new time.
    pub async fn advance(&self, by: Duration) {
        self.rpc("evm_increaseTime", &format!("[{}]", by.as_secs()))
            .await;
        self.mine(1).await;
    }

    /// Sets how much of the chain's own coin an address has. On a Tempo chain only transactions of
    /// other types than its own need any.
    pub async fn set_balance(&self, address: &str, amount: u128) {
        let params = format!(r#"["{address}","0x{amount:x}"]"#);
        self.rpc("anvil_setBalance", &params).await;
    }

    /// Puts code at an address.
    pub async fn set_code(&self, address: &str, code: &str) {
        self.rpc("anvil_setCode", &format!(r#"["{address}","{code}"]"#))
            .await;
    }

    /// Sends a call from one of the [`ACCOUNTS`](super::ACCOUNTS), which the node signs for, and answers
    /// with the transaction's hash.
    ///
    /// # Panics
    /// When the node refuses it.
    pub async fn send(&self, from: &str, to: &str, data: &str) -> String {
        let params = format!(r#"[{{"from":"{from}","to":"{to}","data":"{data}"}}]"#);
        let hash = self.rpc("eth_sendTransaction", &params).await;
        hash.as_str().expect("a hash is a text").to_owned()
    }

    /// Sends TIP-20 tokens of one of the [`ACCOUNTS`](super::ACCOUNTS) to anybody, on a Tempo chain, and
    /// answers with the transaction's hash.
    pub async fn send_token(&self, from: &str, token: &str, to: &str, amount: u128) -> String {
        let to = to.trim_start_matches("0x");
        self.send(from, token, &format!("0xa9059cbb{to:0>64}{amount:064x}"))
            .await
    }

    /// Gives somebody TIP-20 tokens of one of the [`ACCOUNTS`](super::ACCOUNTS), on a Tempo chain that makes
    /// blocks by itself, and waits until they are there.
    ///
    /// # Panics
    /// When the transfer fails.
    pub async fn give_token(&self, from: &str, token: &str, to: &str, amount: u128) {
        // The node signs a transaction of another type than Tempo's own, whose fee is the chain's coin.
        self.set_balance(from, 1 << 80).await;
        let hash = self.send_token(from, token, to, amount).await;
        let receipt = self.receipt(&hash).await;
        assert_eq!(receipt["status"], "0x1", "{receipt}");
    }

    /// How much of a token somebody has, in base units.
    ///
    /// # Panics
    /// When there is no such token.
    pub async fn token_balance(&self, token: &str, of: &str) -> u128 {
        let of = of.trim_start_matches("0x");
        let asked = format!(r#"[{{"to":"{token}","data":"0x70a08231{of:0>64}"}},"latest"]"#);
        number(&self.rpc("eth_call", &asked).await)
    }

    /// The receipt of a transaction that the node took, as the node tells it: its block is made a moment
    /// later.
    ///
    /// # Panics
    /// When it never is in a block.
    pub async fn receipt(&self, hash: &str) -> Value {
        let asked = format!(r#"["{hash}"]"#);
        let waiting = async {
            loop {
                let receipt = self.rpc("eth_getTransactionReceipt", &asked).await;
                if !receipt.is_null() {
                    return receipt;
                }
                time::sleep(Duration::from_millis(10)).await;
            }
        };
        let receipt = time::timeout(DEADLINE, waiting).await;
        receipt.unwrap_or_else(|_| unreachable!("{hash} is in no block"))
    }

    /// The time of the last block, in seconds. Between two blocks it stands still.
    pub async fn time(&self) -> u64 {
        let block = self.rpc("eth_getBlockByNumber", r#"["latest",false]"#);
        let time = number(&block.await["timestamp"]);
        u64::try_from(time).expect("a time that comes")
    }

    /// Keeps the state the chain is in.
    pub async fn snapshot(&self) -> Snapshot {
        let id = self.rpc("evm_snapshot", "[]").await;
        Snapshot(id.as_str().expect("a snapshot's id is a text").to_owned())
    }

    /// Goes back: what came after the snapshot never was. To the code under test it is a
    /// reorganisation.
    ///
    /// # Panics
    /// When the snapshot is of another chain, or was overtaken by an earlier one.
    pub async fn revert(&self, to: Snapshot) {
        let done = self.rpc("evm_revert", &format!(r#"["{}"]"#, to.0)).await;
        assert_eq!(done, true, "the snapshot is there");
    }

    async fn exchange(&self, body: &str) -> std::io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect(self.address()).await?;
        let head = format!(
            "POST / HTTP/1.0\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            self.address(),
            body.len()
        );
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(body.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        let head = answer
            .windows(4)
            .position(|four| four == b"\r\n\r\n")
            .map_or(answer.len(), |end| end + 4);
        Ok(answer.split_off(head))
    }
}

fn number(word: &Value) -> u128 {
    let digits = word.as_str().and_then(|word| word.strip_prefix("0x"));
    let number = digits.and_then(|digits| u128::from_str_radix(digits, 16).ok());
    number.unwrap_or_else(|| unreachable!("a number: {word}"))
}
