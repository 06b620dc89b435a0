//! ERC-1271: accounts that are contracts, and say themselves what they signed.

use alloy_primitives::{Address, B256, Bytes};
use alloy_sol_types::{SolCall, sol};

use crate::{At, CallRequest, Node, RpcError, request};

sol! {
    function isValidSignature(bytes32 digest, bytes signature) returns (bytes4);
}

/// The longest signature a contract is asked about.
const LONGEST: usize = 4096;

/// Whether the contract at an address accepts a signature over a digest now. It may change its mind,
/// and it is asked nothing else: what an account without code, or one that is not deployed yet
/// (ERC-6492), would accept is not answered here.
///
/// # Errors
/// When the chain does not answer. Nobody's signature is bad then.
pub async fn contract_accepts(
    node: &Node,
    account: Address,
    digest: B256,
    signature: &[u8],
) -> Result<bool, RpcError> {
    if signature.len() > LONGEST {
        return Ok(false);
    }
    let asked = isValidSignatureCall {
        digest,
        signature: Bytes::copy_from_slice(signature),
    };
    let call = CallRequest {
        to: account,
        data: asked.abi_encode().into(),
        ..CallRequest::default()
    };
    match node.ask(request::call(&call, At::Latest)).await {
        // The function's own selector, and nothing behind it.
        Ok(answer) => Ok(answer.len() == 32
            && answer[..4] == isValidSignatureCall::SELECTOR
            && answer[4..].iter().all(|byte| *byte == 0)),
        // It ran into an error of its own, which is a no.
        Err(RpcError::Reverted(_)) => Ok(false),
        Err(error) => Err(error),
    }
}
