//! Tempo as a gateway's file has it.

use std::sync::Arc;

use farthing::{
    evm::{Node, Outbox, RpcError, SigningKey},
    server::{Route, RouteError},
    tempo::{
        AccountKey, METHOD, ProofVersion, Sponsor, Tempo, TempoOptions, Token,
        session::{Escrow, Settling, TempoSession, TempoSessionError, TempoSessionOptions},
        tip20,
    },
};
use serde_json::{Map, Value, json};

use super::{error::LiveError, till::Parts};
use crate::config::{self, Rule, RulePrice, TempoPay, TempoSessionPay};

/// What takes payments on the chain: at once, and out of channels where the file says so.
pub(super) struct Rails {
    pub(super) tempo: Tempo,
    pub(super) session: Option<TempoSession>,
}

/// Takes payments as a file says. A node that does not answer now may answer later, and until then
/// the gateway is not ready; one of another chain never will be right.
///
/// # Errors
/// When a node is of another chain, or a token is not what the file says of it.
pub(super) async fn open(pay: &TempoPay, parts: &Parts) -> Result<Rails, LiveError> {
    let mut options = pay.network.node();
    options.sockets.extend(pay.sockets.iter().cloned());
    let node = Node::new(options).map_err(LiveError::Chain)?;
    match node.check().await {
        Ok(()) => {}
        Err(error @ RpcError::WrongChain { .. }) => return Err(LiveError::Chain(error)),
        Err(error) if error.is_unavailable() => {
            let error: &dyn std::error::Error = &error;
            let network = pay.network.name();
            tracing::warn!(
                error,
                network,
                "nobody answers for the chain: nothing is paid there"
            );
        }
        Err(error) => return Err(LiveError::Chain(error)),
    }
    for token in unknown(pay) {
        check(&node, token).await?;
    }
    let session = match &pay.session {
        Some(said) => Some(sessions(pay, said, &node, parts).await?),
        None => None,
    };
    let tempo = Tempo::new(node, tempo_options(pay)?)?;
    Ok(Rails { tempo, session })
}

/// The channels alone, for whoever settles beside the gateway: a chain that does not answer is of no use
/// then.
///
/// # Errors
/// When nobody answers for the chain, or it is another one.
pub(super) async fn channels(
    pay: &TempoPay,
    parts: &Parts,
) -> Result<Option<TempoSession>, LiveError> {
    let Some(said) = &pay.session else {
        return Ok(None);
    };
    let node = Node::new(pay.network.node()).map_err(LiveError::Chain)?;
    node.check().await.map_err(LiveError::Chain)?;
    for token in unknown(pay) {
        check(&node, token).await?;
    }
    sessions(pay, said, &node, parts).await.map(Some)
}

/// Channels as a file says. Contracts that cannot be asked now are looked at by the watcher later, and
/// nothing is served out of channels until it heard of them.
async fn sessions(
    pay: &TempoPay,
    said: &TempoSessionPay,
    node: &Node,
    parts: &Parts,
) -> Result<TempoSession, LiveError> {
    let options = session_options(pay, said)?;
    let (outbox, clock) = (
        Outbox::new(Arc::clone(&parts.backend)),
        Arc::clone(&parts.clock),
    );
    let session = TempoSession::new(node.clone(), outbox, clock, options)?;
    match session.check_contracts().await {
        Ok(()) => Ok(session),
        Err(TempoSessionError::Rpc(error)) if error.is_unavailable() => {
            let error: &dyn std::error::Error = &error;
            tracing::warn!(error, "the contracts of channels could not be looked at");
            Ok(session)
        }
        Err(error) => Err(error.into()),
    }
}

fn session_options(
    pay: &TempoPay,
    said: &TempoSessionPay,
) -> Result<TempoSessionOptions, LiveError> {
    let key = said.key.expose().try_into().ok();
    let key = key.and_then(|key| SigningKey::from_bytes(key).ok());
    let key = AccountKey::from(key.ok_or(LiveError::SettleKey)?);
    let chain = pay.network.chain();
    let mut options = TempoSessionOptions::new(pay.network.clone(), pay.recipient, key);
    options.tokens.clone_from(&pay.tokens);
    let escrows = said.escrows.iter();
    options.escrows = escrows
        .map(|(protocol, contract)| Escrow {
            chain,
            contract: *contract,
            protocol: *protocol,
        })
        .collect();
    if let Some(grace) = said.grace {
        options.grace = grace;
    }
    options.settling = Settling::new(said.fee_token.clone());
    if let Some(together) = said.together {
        options.settling.channels = together;
    }
    if let Some(fee) = &said.max_fee {
        let fee = fee.in_currency(&said.fee_token.currency());
        options.settling.max_fee = fee.map_err(|_| LiveError::SettleKey)?;
    }
    options.sponsor = match &pay.sponsor {
        Some(who) if said.sponsored => Some(sponsor(who)?),
        _ => None,
    };
    Ok(options)
}

/// The tokens that only the file knows.
fn unknown(pay: &TempoPay) -> impl Iterator<Item = &Token> {
    let tokens = pay.tokens.iter();
    tokens.filter(|token| pay.network.token_at(token.address).is_none())
}

/// A price in a token that has other decimals, or stands for something else, would be another price.
async fn check(node: &Node, token: &Token) -> Result<(), LiveError> {
    let symbol = token.symbol.to_string();
    let found = tip20::metadata(node, token.address).await;
    let found = found.map_err(|source| LiveError::Token {
        symbol: symbol.clone(),
        source,
    })?;
    let found = found.token;
    if (found.decimals, &found.unit) == (token.decimals, &token.unit) {
        return Ok(());
    }
    Err(LiveError::OtherToken {
        symbol,
        decimals: found.decimals,
        unit: found.unit.to_string(),
    })
}

fn tempo_options(pay: &TempoPay) -> Result<TempoOptions, LiveError> {
    let mut options = TempoOptions::new(pay.network.clone(), pay.recipient);
    options.tokens.clone_from(&pay.tokens);
    options.modes = pay.modes;
    options.proofs = match pay.proof_v2 {
        true => vec![ProofVersion::V3, ProofVersion::V2],
        false => vec![ProofVersion::V3],
    };
    options.sponsor = match &pay.sponsor {
        Some(said) => Some(sponsor(said)?),
        None => None,
    };
    Ok(options)
}

fn sponsor(said: &config::Sponsor) -> Result<Sponsor, LiveError> {
    let bytes = said
        .key
        .expose()
        .try_into()
        .map_err(|_| LiveError::SponsorKey)?;
    let key = SigningKey::from_bytes(bytes).map_err(|_| LiveError::SponsorKey)?;
    let first = said.fee_tokens.first().ok_or(LiveError::SponsorKey)?;
    let mut sponsor = Sponsor::new(key, first.clone());
    sponsor.fee_tokens.clone_from(&said.fee_tokens);
    sponsor.fee = said.max_fee;
    sponsor.in_flight = said.in_flight.get();
    sponsor.fees_in_flight = said.in_total;
    sponsor.fees_lost = said.in_total;
    Ok(sponsor)
}

/// What a rule says to a chain, on a route.
///
/// # Errors
/// When the route cannot have it.
pub(super) fn terms(
    route: Route,
    rule: &Rule,
    pay: Option<&TempoPay>,
) -> Result<Route, RouteError> {
    let route = match &rule.credit {
        Some(credit) => {
            route.credit(&credit.per_payer.to_string(), &credit.in_total.to_string())?
        }
        None => route,
    };
    let Some(pay) = pay.filter(|_| rule.memo.is_some() || !rule.splits.is_empty()) else {
        return Ok(route);
    };
    let mut terms = Map::new();
    if let Some(memo) = rule.memo {
        terms.insert("memo".to_owned(), json!(memo));
    }
    if !rule.splits.is_empty() {
        let splits = rule.splits.iter().map(|share| split(share, rule, pay));
        let splits = splits.collect::<Result<Vec<_>, _>>()?;
        terms.insert("splits".to_owned(), Value::Array(splits));
    }
    route.terms(METHOD, terms)
}

/// A share in base units: every token of a gateway that has the price's unit counts alike.
fn split(share: &config::Share, rule: &Rule, pay: &TempoPay) -> Result<Value, RouteError> {
    let unit = match &rule.price {
        RulePrice::Fixed(price) => price.unit().as_str(),
        RulePrice::Free | RulePrice::Session => share.amount.unit().as_str(),
    };
    let tokens = pay.tokens.iter();
    let token = tokens.clone().find(|token| token.unit.as_str() == unit);
    let token = token.unwrap_or(&pay.tokens[0]);
    let amount = share.amount.in_currency(&token.currency())?;
    let mut split = json!({
        "recipient": format!("{:#x}", share.recipient),
        "amount": amount,
    });
    if let Some(memo) = share.memo {
        split["memo"] = json!(memo);
    }
    Ok(split)
}
