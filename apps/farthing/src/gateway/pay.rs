//! How a gateway is paid, as a person reads it.

use farthing::{
    evm::SigningKey,
    tempo::{Mode, Modes, Token},
};
use farthing_gateway::config::{Config, Sponsor, TempoPay};
use serde_json::{Value, json};

/// Who is paid, and how.
pub(super) fn rows(config: &Config) -> Vec<(&'static str, String)> {
    let mut rows = Vec::new();
    if let Some(ledger) = &config.pay.ledger {
        rows.push(("paid to", ledger.account.to_string()));
    }
    if let Some(tempo) = &config.pay.tempo {
        let (network, tokens) = (&tempo.network, symbols(&tempo.tokens));
        rows.push(("paid to", tempo.recipient.to_string()));
        rows.push((
            "on",
            format!("{}, chain {}, in {tokens}", network.name(), network.chain()),
        ));
        rows.push(("asked at", tempo.hosts().collect::<Vec<_>>().join(", ")));
        rows.push(("sent by", sent_by(tempo.modes).to_owned()));
        rows.extend(tempo.sponsor.iter().flat_map(fees));
    }
    rows
}

/// The same for a program.
pub(super) fn tempo_json(config: &Config) -> Value {
    let Some(tempo) = &config.pay.tempo else {
        return Value::Null;
    };
    json!({
        "network": tempo.network.name(),
        "chainId": tempo.network.chain(),
        "recipient": tempo.recipient,
        "tokens": tempo.tokens.iter().map(token_json).collect::<Vec<_>>(),
        "rpc": tempo.hosts().collect::<Vec<_>>(),
        "modes": modes(tempo),
        "sponsor": tempo.sponsor.as_ref().map(sponsor_json),
    })
}

fn symbols(tokens: &[Token]) -> String {
    let symbols: Vec<_> = tokens.iter().map(|token| token.symbol.as_str()).collect();
    symbols.join(", ")
}

const fn sent_by(modes: Modes) -> &'static str {
    match modes {
        Modes::Both => "the gateway, or the buyer",
        Modes::Only(Mode::Pull) => "the gateway",
        Modes::Only(Mode::Push) => "the buyer",
    }
}

fn modes(tempo: &TempoPay) -> &'static [&'static str] {
    match tempo.modes {
        Modes::Both => &["pull", "push"],
        Modes::Only(Mode::Pull) => &["pull"],
        Modes::Only(Mode::Push) => &["push"],
    }
}

/// Who pays the fees, and how far.
fn fees(sponsor: &Sponsor) -> [(&'static str, String); 2] {
    let dollars = |amount: farthing::core::value::Amount| amount.to_decimal(6);
    let who = address(sponsor).unwrap_or_else(|| "the sponsor".to_owned());
    let bounds = format!(
        "${} at most, ${} for {} at a time, in {}",
        dollars(sponsor.max_fee),
        dollars(sponsor.in_total),
        sponsor.in_flight,
        symbols(&sponsor.fee_tokens),
    );
    [("fees by", who), ("a fee", bounds)]
}

fn address(sponsor: &Sponsor) -> Option<String> {
    let bytes = sponsor.key.expose().try_into().ok()?;
    let key = SigningKey::from_bytes(bytes).ok()?;
    Some(key.address().to_string())
}

fn token_json(token: &Token) -> Value {
    json!({
        "symbol": token.symbol.as_str(),
        "address": token.address,
        "unit": token.unit.as_str(),
        "decimals": token.decimals,
    })
}

fn sponsor_json(sponsor: &Sponsor) -> Value {
    json!({
        "account": address(sponsor),
        "feeTokens": sponsor.fee_tokens.iter().map(token_json).collect::<Vec<_>>(),
        "maxFee": sponsor.max_fee,
        "inFlight": sponsor.in_flight,
        "inTotal": sponsor.in_total,
    })
}
