//! Trying a transaction's calls before it is sent.

use alloy_primitives::U64;
use farthing_evm::{
    Address, Answered, Asked, At, Batch, Bytes, CallRequest, Request, Revert, RpcError, request,
};
use serde::Deserialize;
use serde_json::json;

use super::Flaw;
use crate::transaction::Call;

/// How calls are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trying {
    /// Each on its own, as every node can.
    Each,
    /// All together, with the gas that they use: one alone is estimated, several are tried one after the
    /// other, each on what the one before left. For that a node has to know `eth_simulateV1`.
    Together,
}

/// What is reckoned as the slack of what is tried: this part of it.
const SLACK: u64 = 16;

/// And for each call what an account pays that never sent a transaction of the usual kind: they are tried as
/// such, and sent as another.
const NEW_ACCOUNT: u64 = 250_000;

/// What only a call that is sent can have, and one that is tried cannot: the reserve's word for a
/// transaction that it cannot see. All it checks before that was good.
const NO_TRANSACTION: [u8; 4] = {
    use crate::session::ExpiringNonceHashNotSet;
    <ExpiringNonceHashNotSet as alloy_sol_types::SolError>::SELECTOR
};

/// Calls that are tried.
#[derive(Debug)]
pub(super) enum Tries {
    Each(Vec<Asked<Bytes>>),
    Alone(Asked<U64>),
    InOrder(Asked<Vec<Simulated>>),
}

/// A block that was only tried.
#[derive(Debug, Deserialize)]
pub(super) struct Simulated {
    calls: Vec<Outcome>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Outcome {
    status: U64,
    gas_used: U64,
    #[serde(default)]
    return_data: Bytes,
}

impl Tries {
    pub(super) fn ask(batch: &mut Batch, from: Address, calls: &[Call], how: Trying) -> Self {
        let tried = calls.iter().filter_map(|called| {
            Some(CallRequest {
                from: Some(from),
                to: called.to?,
                data: called.input.clone(),
                value: called.value,
            })
        });
        let tried: Vec<_> = tried.collect();
        match (how, &tried[..]) {
            (Trying::Each, calls) => {
                let ask = |call| batch.ask(request::call(call, At::Latest));
                Self::Each(calls.iter().map(ask).collect())
            }
            (Trying::Together, [call]) => Self::Alone(batch.ask(request::estimate_gas(call))),
            (Trying::Together, calls) => {
                let params = json!([{"blockStateCalls": [{"calls": calls}]}, "latest"]);
                Self::InOrder(batch.ask(Request::new("eth_simulateV1", params)))
            }
        }
    }

    /// Whether all would be done, within this much gas. `untried` says that what cannot be tried is taken.
    pub(super) fn judge(
        &self,
        answers: &mut Answered,
        gas_limit: u64,
        untried: bool,
    ) -> Result<(), Flaw> {
        match self.gas(answers) {
            Ok(needs) if needs > gas_limit => Err(Flaw::GasShort {
                found: gas_limit,
                needs,
            }),
            Err(RpcError::Unsupported { .. }) if !untried => Err(Flaw::Untried),
            Err(RpcError::Reverted(revert)) if revert.selector() == Some(NO_TRANSACTION) => Ok(()),
            Ok(_) | Err(RpcError::Unsupported { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// How much gas they use at the least, as far as that was asked; or why one of them would not be done.
    fn gas(&self, answers: &mut Answered) -> Result<u64, RpcError> {
        match self {
            Self::Each(all) => {
                for one in all {
                    answers.take(one)?;
                }
                Ok(0)
            }
            Self::Alone(one) => Ok(at_least(answers.take(one)?.to())),
            Self::InOrder(all) => {
                let mut gas = 0_u64;
                for call in answers.take(all)?.into_iter().flat_map(|block| block.calls) {
                    if call.status != U64::from(1) {
                        let data = call.return_data;
                        return Err(RpcError::Reverted(Revert { data }));
                    }
                    gas = gas.saturating_add(at_least(call.gas_used.to()));
                }
                Ok(gas)
            }
        }
    }
}

/// What of the gas that a call was tried with it uses for sure.
const fn at_least(gas: u64) -> u64 {
    (gas - gas / SLACK).saturating_sub(NEW_ACCOUNT)
}
