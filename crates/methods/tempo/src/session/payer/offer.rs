//! What an offer wants of this payer: read, understood, and refused where it is not.

use farthing_core::{
    intent::session::{Protocol, SESSION},
    port::{
        method::Refusal,
        payer::Fee,
        session_payer::{SessionOffer, SessionQuote},
    },
};
use farthing_evm::{Address, ChainId};
use serde_json::{Map, Value};

use super::{TempoSessionPayer, gas, unsupported};
use crate::{
    charge::{METHOD, can_receive},
    network::MAINNET,
    session::{Escrow, protocol_name},
    token::{self, Token},
};

/// What an offer wants.
#[derive(Debug)]
pub(super) struct Asked<'a> {
    /// The token, as we know it.
    pub(super) token: &'a Token,
    /// Who is paid.
    pub(super) payee: Address,
    /// Who may settle beside the payee; zero for nobody.
    pub(super) operator: Address,
    /// Where the channel is kept: a contract of our configuration.
    pub(super) escrow: Escrow,
    /// What we pay fees in; `None` where the seller pays them.
    pub(super) fee_token: Option<&'a Token>,
}

impl TempoSessionPayer {
    /// Reads an offer. Members of `methodDetails` that are not known here are passed over (draft, "Credential
    /// Structure"): what is signed names everything that it moves.
    pub(super) fn asked(&self, offer: &SessionOffer) -> Result<Asked<'_>, Refusal> {
        let (challenge, request) = (&offer.challenge, &offer.request);
        if challenge.method.as_str() != METHOD || challenge.intent.as_str() != SESSION {
            return Err(unsupported("this payer keeps channels on Tempo"));
        }
        if request.protocol() != Ok(offer.protocol) {
            return Err(unsupported("the offer is of another session protocol"));
        }
        let details = Details(&request.method_details);
        let chain = details.chain(offer.protocol)?;
        if chain != self.network().chain() {
            return Err(unsupported(format!(
                "the offer is on chain {chain}, and this payer's channels are on {}",
                self.network().name()
            )));
        }
        let token = token::address(request.currency.as_str())
            .ok()
            .and_then(|address| self.network().token_at(address))
            .ok_or_else(|| unsupported("this payer does not know the token"))?;
        let payee = token::address(request.recipient.as_str())
            .ok()
            .filter(|payee| can_receive(*payee))
            .ok_or_else(|| unsupported("the recipient is no address that a token can go to"))?;
        if payee == self.account() {
            return Err(unsupported("an account cannot pay itself"));
        }
        let operator = match offer.protocol {
            Protocol::V1 => Address::ZERO,
            Protocol::V2 => details.address("operator")?.unwrap_or_default(),
        };
        let fee_token = if details.is("feePayer")? {
            None
        } else {
            let fees = self.wallet.options().fee_token(self.network(), token);
            Some(fees.ok_or_else(|| unsupported("this payer knows no token that pays fees"))?)
        };
        Ok(Asked {
            token,
            payee,
            operator,
            escrow: self.trusted(offer.protocol, details.address("escrowContract")?)?,
            fee_token,
        })
    }

    /// What paying an offer would be.
    pub(super) fn price(&self, offer: &SessionOffer) -> Result<SessionQuote, Refusal> {
        let asked = self.asked(offer)?;
        let work = gas::opening(offer.protocol, &self.wallet);
        let fee = asked.fee_token.map(|token| Fee {
            currency: token.currency(),
            most: gas::most(&work, &self.wallet),
        });
        Ok(SessionQuote {
            currency: asked.token.currency(),
            payer: self.wallet.did().into(),
            network: Some(format!("eip155:{}", asked.escrow.chain).into()),
            scope: self.scope(&asked).into(),
            fee,
        })
    }

    /// What a channel has to have in common with an offer to be spent for it. The vouchers' signer is in it:
    /// what one key opened another cannot spend.
    fn scope(&self, asked: &Asked<'_>) -> String {
        let Asked {
            token,
            payee,
            operator,
            escrow,
            ..
        } = asked;
        format!(
            "eip155:{} {} {:#x} {:#x} {:#x} {payee:#x} {operator:#x} {:#x}",
            escrow.chain,
            protocol_name(escrow.protocol),
            escrow.contract,
            self.account(),
            self.signing_address(),
            token.address,
        )
    }

    /// The contract that keeps the channel: of those that are trusted, the one that is named, or the first
    /// where none is.
    fn trusted(&self, protocol: Protocol, named: Option<Address>) -> Result<Escrow, Refusal> {
        let is = |escrow: &&Escrow| {
            escrow.protocol == protocol && named.is_none_or(|named| named == escrow.contract)
        };
        self.escrows.iter().find(is).copied().ok_or_else(|| {
            unsupported(match named {
                Some(_) => "the offer names a contract that this payer is not told to trust",
                None => "no contract is known that keeps such channels on this network",
            })
        })
    }
}

/// The `methodDetails` of a request.
struct Details<'a>(&'a Map<String, Value>);

impl Details<'_> {
    /// Requests of the second protocol name their chain; others mean the main network where they do not.
    fn chain(&self, protocol: Protocol) -> Result<ChainId, Refusal> {
        let chain = match (self.0.get("chainId"), protocol) {
            (None, Protocol::V1) => Some(MAINNET),
            (None, Protocol::V2) => None,
            (Some(id), _) => id.as_u64(),
        };
        let chain = chain.and_then(|id| ChainId::new(id).ok());
        chain.ok_or_else(|| unsupported("the offer names no chain"))
    }

    fn address(&self, member: &'static str) -> Result<Option<Address>, Refusal> {
        let Some(value) = self.0.get(member) else {
            return Ok(None);
        };
        let address = value.as_str().and_then(|text| token::address(text).ok());
        let address = address.ok_or_else(|| unsupported(format!("{member} is no address")))?;
        Ok(Some(address))
    }

    fn is(&self, member: &'static str) -> Result<bool, Refusal> {
        let Some(value) = self.0.get(member) else {
            return Ok(false);
        };
        let is = value.as_bool();
        is.ok_or_else(|| unsupported(format!("{member} is neither true nor false")))
    }
}
