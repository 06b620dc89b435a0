//! What a challenge asked for, held against what the seller takes today.

use farthing_core::intent::session::SessionRequest;
use farthing_evm::Address;
use serde_json::Value;

use super::{Flaw, TempoSessionOptions};
use crate::{
    session::{Escrow, protocol_name},
    token::{self, Token},
};

/// A request that was ours, and still is.
#[derive(Debug)]
pub(super) struct Demand<'o> {
    pub(super) escrow: &'o Escrow,
    pub(super) token: &'o Token,
    pub(super) recipient: Address,
    /// Who may settle beside the recipient; zero for nobody.
    pub(super) operator: Address,
    /// Whether the seller pays the fees of what locks value.
    pub(super) fee_payer: bool,
}

impl<'o> Demand<'o> {
    /// Reads a request of ours. Where channels are, in what and to whom may have changed since, so that a
    /// seller whose keys are lost can stop being paid there.
    pub(super) fn read(
        request: &SessionRequest,
        options: &'o TempoSessionOptions,
    ) -> Result<Self, Flaw> {
        let details = &request.method_details;
        let text = |name: &str| details.get(name).and_then(Value::as_str);
        let address = |name: &str| text(name).and_then(|text| token::address(text).ok());
        let chain = details.get("chainId").and_then(Value::as_u64);
        if chain != Some(options.network.chain().get()) {
            return Err(Flaw::Withdrawn("this chain"));
        }
        let escrow = options.escrows.iter().find(|escrow| {
            Some(escrow.contract) == address("escrowContract")
                && Some(protocol_name(escrow.protocol)) == text("sessionProtocol")
        });
        let currency = token::address(request.currency.as_str());
        let token = options.tokens.iter().find(|it| currency == Ok(it.address));
        if token::address(request.recipient.as_str()) != Ok(options.recipient) {
            return Err(Flaw::Withdrawn("this recipient"));
        }
        let operator = options.operator();
        if address("operator").unwrap_or_default() != operator {
            return Err(Flaw::Withdrawn("this operator"));
        }
        let fee_payer = details.get("feePayer") == Some(&Value::Bool(true));
        if fee_payer && options.sponsor.is_none() {
            return Err(Flaw::Withdrawn("a channel whose fees the seller pays"));
        }
        Ok(Self {
            escrow: escrow.ok_or(Flaw::Withdrawn("this contract"))?,
            token: token.ok_or(Flaw::Withdrawn("this token"))?,
            recipient: options.recipient,
            operator,
            fee_payer,
        })
    }
}
