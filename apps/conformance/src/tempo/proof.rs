//! `tempo.proof.typed_data`: what is signed to answer a charge of nothing.

use farthing_core::value::{ChallengeId, Realm};
use farthing_evm::{Address, ChainId};
use farthing_tempo::{ProofVersion, Proofs};
use serde::Deserialize;

use crate::{Answer, read};

const ERROR: &str = "generation_error";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    chain_id: ChainId,
    challenge_id: ChallengeId,
    realm: Realm,
    /// In version 3 the account is signed as well.
    account: Option<Address>,
}

/// The suite's inputs name no account, and what it wants is version 2, which has none. With an account the
/// answer is version 3: what our own payer signs.
pub(crate) fn typed_data(input: &str) -> Answer {
    let input: Input = read(input, ERROR)?;
    let version = match input.account {
        None => ProofVersion::V2,
        Some(_) => ProofVersion::V3,
    };
    let account = input.account.unwrap_or_default();
    let proofs = Proofs::new(input.chain_id);
    Ok(proofs.typed_data(version, account, &input.challenge_id, &input.realm))
}
