//! A buyer who signs what a test says, and not only what a buyer should.

use farthing_core::{
    header::authorization,
    intent::charge::ChargeRequest,
    noun::{Challenge, Credential, Source},
};
use farthing_evm::{Address, Bytes, SigningKey, TxHash};
use farthing_tempo::{
    AccountKey, Details, EXPIRING_NONCE_KEY, Legs, ProofVersion, Proofs, Received, Transaction,
};
use farthing_testkit::chain::ACCOUNTS;
use serde_json::{json, value::RawValue};

/// How a buyer pays.
pub(crate) struct Buyer {
    pub(crate) key: AccountKey,
}

/// The key of one of the accounts the chain starts with.
pub(crate) fn account(number: usize) -> SigningKey {
    SigningKey::from_bytes(ACCOUNTS[number].secret()).unwrap()
}

/// A challenge, read.
pub(crate) struct Asked {
    pub(crate) challenge: Challenge,
    pub(crate) request: ChargeRequest,
    pub(crate) details: Details,
}

impl Asked {
    pub(crate) fn read(challenge: Challenge) -> Self {
        let request: ChargeRequest = challenge.request.decode().unwrap();
        let details = Details::read(&request.method_details).unwrap();
        Self {
            challenge,
            request,
            details,
        }
    }

    pub(crate) fn legs(&self) -> Legs {
        let Challenge { id, realm, .. } = &self.challenge;
        Legs::new(&self.request, &self.details, id, realm).unwrap()
    }

    pub(crate) fn token(&self) -> Address {
        self.request.currency.as_str().parse().unwrap()
    }
}

impl Buyer {
    /// The buyer with one of the chain's accounts.
    pub(crate) fn number(number: usize) -> Self {
        Self::with(AccountKey::from(account(number)))
    }

    pub(crate) fn with(key: AccountKey) -> Self {
        Self { key }
    }

    pub(crate) fn address(&self) -> Address {
        self.key.account()
    }

    /// The transaction that pays, valid for twenty seconds from a time on.
    pub(crate) fn transaction(&self, asked: &Asked, now: u64) -> Transaction {
        Transaction {
            max_fee_per_gas: 24_000_000_000,
            gas_limit: 2_000_000,
            nonce_key: EXPIRING_NONCE_KEY,
            valid_before: Some(now + 20),
            fee_token: (!asked.details.fee_payer).then(|| asked.token()),
            sponsored: asked.details.fee_payer,
            ..Transaction::new(asked.details.chain, asked.legs().calls(Some("tests")))
        }
    }

    pub(crate) fn sign(&self, transaction: Transaction) -> Received {
        transaction.sign(&self.key).unwrap()
    }

    fn source(&self, asked: &Asked) -> Source {
        Source::new(source(self.address(), asked)).unwrap()
    }

    /// The credential with a transaction for the seller to send.
    pub(crate) fn pull(&self, asked: &Asked, transaction: Transaction) -> String {
        self.present(
            asked,
            &transaction_payload(&self.sign(transaction).encode()),
        )
    }

    /// The credential with the hash of one that was sent.
    pub(crate) fn push(&self, asked: &Asked, hash: TxHash) -> String {
        self.present(asked, &json!({"type": "hash", "hash": hash}).to_string())
    }

    /// The credential with a signature, where nothing is to be paid.
    pub(crate) fn prove(&self, asked: &Asked, version: ProofVersion) -> String {
        let Challenge { id, realm, .. } = &asked.challenge;
        let proofs = Proofs::new(asked.details.chain);
        let digest = proofs.digest(version, self.address(), id, realm);
        let signature = self.key.sign_hash(digest).to_bytes();
        self.present(asked, &proof_payload(&signature))
    }

    pub(crate) fn present(&self, asked: &Asked, payload: &str) -> String {
        present(asked, Some(self.source(asked)), payload)
    }
}

pub(crate) fn source(address: Address, asked: &Asked) -> String {
    format!("did:pkh:eip155:{}:{address}", asked.details.chain)
}

pub(crate) fn transaction_payload(bytes: &Bytes) -> String {
    json!({"type": "transaction", "signature": bytes}).to_string()
}

pub(crate) fn proof_payload(signature: &Bytes) -> String {
    json!({"type": "proof", "signature": signature}).to_string()
}

pub(crate) fn present(asked: &Asked, source: Option<Source>, payload: &str) -> String {
    authorization::format(&Credential {
        challenge: asked.challenge.clone(),
        source,
        payload: RawValue::from_string(payload.to_owned()).unwrap(),
    })
}
