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
    /// One after the other, each on what the one before left: for calls that need one another. A node can
    /// where it knows `eth_simulateV1`.
    InOrder,
}

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
        match how {
            Trying::Each => Self::Each(
                tried
                    .map(|call| batch.ask(request::call(&call, At::Latest)))
                    .collect(),
            ),
            Trying::InOrder => {
                let calls: Vec<_> = tried.collect();
                let params = json!([{"blockStateCalls": [{"calls": calls}]}, "latest"]);
                Self::InOrder(batch.ask(Request::new("eth_simulateV1", params)))
            }
        }
    }

    /// Whether all would be done. `untried` says that what cannot be tried is taken.
    pub(super) fn judge(&self, answers: &mut Answered, untried: bool) -> Result<(), Flaw> {
        let judge = |answer: Result<(), RpcError>| match answer {
            Err(RpcError::Unsupported { .. }) if untried => Ok(()),
            Err(RpcError::Unsupported { .. }) => Err(Flaw::Untried),
            Err(RpcError::Reverted(revert)) if revert.selector() == Some(NO_TRANSACTION) => Ok(()),
            Err(error) => Err(error.into()),
            Ok(()) => Ok(()),
        };
        match self {
            Self::Each(all) => {
                for tried in all {
                    judge(answers.take(tried).map(drop))?;
                }
                Ok(())
            }
            Self::InOrder(tried) => match answers.take(tried) {
                Err(error) => judge(Err(error)),
                Ok(blocks) => {
                    let failed = blocks.into_iter().flat_map(|block| block.calls);
                    let failed = failed.filter(|call| call.status != U64::from(1));
                    for call in failed {
                        let data = call.return_data;
                        judge(Err(RpcError::Reverted(Revert { data })))?;
                    }
                    Ok(())
                }
            },
        }
    }
}
