//! What the Tempo method adds: who gets how much by a request, and what a payload's transaction does.

use farthing::{
    core::{
        intent::charge::ChargeRequest,
        value::{Amount, ChallengeId, CurrencyCode, Realm, Timestamp},
    },
    evm::{Address, PkhDid},
    tempo::{
        Authored, Call, Details, Legs, METHOD, Memo, Received, match_calls,
        tip20::calls::read_transfer, token,
    },
};
use serde_json::{Map, Value};

use super::{
    Context, encoded,
    finding::Finding,
    report::{Field, Item},
    rule::Rule,
    slots::Texts,
    time,
};
use crate::{error::with_causes, money::Money};

/// Holds a request against the method's rules, and shows who would get how much.
pub(super) fn request(members: &Map<String, Value>, texts: &Texts, item: &mut Item) {
    if texts.get("method") != Some(METHOD) || texts.get("intent") != Some("charge") {
        return;
    }
    let Some(request) = read(members) else {
        // What is wrong with a charge of any method is told already.
        return;
    };
    known(&request, item);
    if let Some(legs) = legs(&request, texts, item) {
        let shares = legs.iter().zip(1usize..).map(|(leg, at)| {
            let fields = vec![
                Field::new("to", leg.recipient.to_string()),
                amount(leg.amount.units(), &request.currency),
            ];
            Field::of(at.to_string(), fields)
        });
        item.fields.push(Field::of("pays", shares.collect()));
    }
}

/// Shows what a payload's transaction does, and holds it against the request that it answers.
pub(super) fn payload(
    members: &Map<String, Value>,
    echo: &Texts,
    context: &Context,
    item: &mut Item,
) {
    let Some(payload) = members.get("payload") else {
        return;
    };
    if echo.get("method") != Some(METHOD) {
        return;
    }
    let text = |name: &str| payload.get(name).and_then(Value::as_str);
    match text("type") {
        Some("transaction") => {
            let bytes = text("signature").and_then(hex);
            let received = bytes.map(|bytes| Received::decode(&bytes));
            match received {
                Some(Ok(received)) => {
                    item.fields.push(transaction(&received, echo, context));
                    answers(received.authored(), echo, item);
                    source(members.get("source"), received.authored(), item);
                }
                Some(Err(error)) => {
                    let what = format!("the transaction cannot be read: {}", with_causes(&error));
                    wrong("payload.signature", "Transaction Payload", what, item);
                }
                None => {
                    let what = "the payload's signature is no 0x and hexadecimal digits";
                    wrong("payload.signature", "Transaction Payload", what, item);
                }
            }
        }
        Some("hash") => {
            if text("hash")
                .and_then(hex)
                .is_none_or(|hash| hash.len() != 32)
            {
                let what = "the payload's hash is no 0x and 64 hexadecimal digits";
                wrong("payload.hash", "Hash Payload", what, item);
            }
        }
        Some("proof") => {
            if text("signature").and_then(hex).is_none() {
                let what = "the payload's signature is no 0x and hexadecimal digits";
                wrong("payload.signature", "Proof Payload", what, item);
            }
        }
        _ => {
            let what = "the payload's type is none of transaction, hash and proof";
            wrong("payload.type", "Credential Structure", what, item);
        }
    }
}

/// The name of a token that everybody knows.
pub(super) fn decimal(units: Amount, currency: &str) -> Option<String> {
    let code = CurrencyCode::new(currency).ok()?;
    let money = Money::public();
    let token = money.token(&code)?;
    Some(format!(
        "{}, {}",
        token.currency().display(units),
        token.symbol
    ))
}

fn read(members: &Map<String, Value>) -> Option<ChargeRequest> {
    serde_json::from_value(Value::Object(members.clone())).ok()
}

/// The request of an echo or a challenge.
fn echoed(texts: &Texts) -> Option<ChargeRequest> {
    let members = encoded::quietly(texts.get("request")?)?;
    read(&members)
}

fn known(request: &ChargeRequest, item: &mut Item) {
    if Money::public().token(&request.currency).is_none() {
        let what = "the token is none that this program knows; a wallet does not pay in it";
        let rule = Rule::farthing("tokens");
        item.findings
            .push(Finding::note(rule, "request.currency", what));
    }
}

/// Who gets how much. A price of nothing is proven, and no transfer pays it.
fn legs(request: &ChargeRequest, texts: &Texts, item: &mut Item) -> Option<Legs> {
    let details = match Details::read(&request.method_details) {
        Ok(details) => details,
        Err(error) => {
            let what = with_causes(&error);
            wrong("request.methodDetails", "Method Details", what, item);
            return None;
        }
    };
    let (id, realm) = slots(texts)?;
    if request.amount.is_zero() {
        return None;
    }
    match Legs::new(request, &details, &id, &realm) {
        Ok(legs) => Some(legs),
        Err(error) => {
            wrong("request", "Split Payments", with_causes(&error), item);
            None
        }
    }
}

fn slots(texts: &Texts) -> Option<(ChallengeId, Realm)> {
    let id = ChallengeId::new(texts.get("id")?).ok()?;
    Some((id, Realm::new(texts.get("realm")?).ok()?))
}

/// Whether a transaction does what the echoed challenge asks for, and nothing else.
fn answers(authored: &Authored, echo: &Texts, item: &mut Item) {
    let Some(request) = echoed(echo) else { return };
    let Ok(details) = Details::read(&request.method_details) else {
        return;
    };
    let transaction = authored.transaction();
    if transaction.chain != details.chain {
        let what = format!(
            "the transaction is for chain {}, and the request for {}",
            transaction.chain, details.chain
        );
        wrong("payload.signature", "Transaction Verification", what, item);
    }
    let Some((id, realm)) = slots(echo) else {
        return;
    };
    if let Ok(legs) = Legs::new(&request, &details, &id, &realm)
        && let Err(mismatch) = match_calls(&transaction.calls, &legs)
    {
        let what = with_causes(&mismatch);
        wrong("payload.signature", "Transaction Verification", what, item);
    }
}

/// Whether whoever the credential names is who signed.
fn source(source: Option<&Value>, authored: &Authored, item: &mut Item) {
    let named = source.and_then(Value::as_str);
    let named = named.and_then(|source| source.parse::<PkhDid>().ok());
    if named.is_some_and(|named| named.address != authored.sender()) {
        let what = "the transaction is of another account than the credential's source";
        wrong("source", "Transaction Verification", what, item);
    }
}

/// What a transaction says. Its signature, which makes it worth something, is not among it.
fn transaction(received: &Received, echo: &Texts, context: &Context) -> Field {
    let authored = received.authored();
    let it = authored.transaction();
    let mut fields = Vec::new();
    if let Received::Whole(whole) = received {
        fields.push(Field::new("hash", whole.hash().to_string()));
    }
    fields.push(Field::new("chainId", it.chain.get()));
    fields.push(Field::new("from", authored.sender().to_string()));
    fields.extend(
        authored
            .access_key()
            .map(|key| Field::new("accessKey", key.to_string())),
    );
    let calls = it.calls.iter().zip(1usize..);
    let calls = calls.map(|(one, at)| Field::of(at.to_string(), call(one, echo)));
    fields.push(Field::of("calls", calls.collect()));
    let at = |seconds: u64| {
        let moment = Timestamp::from_secs(seconds);
        (moment, time::relative(moment, context.now))
    };
    if let Some((before, told)) = it.valid_before.map(at) {
        fields.push(Field::new("validBefore", before.to_string()).remark(told));
    }
    if let Some((after, _)) = it.valid_after.map(at) {
        fields.push(Field::new("validAfter", after.to_string()));
    }
    fields.push(if it.is_expiring_nonce() {
        Field::new("nonce", "expiring")
    } else {
        Field::new("nonce", it.nonce).remark(format!("lane {}", it.nonce_key))
    });
    fields.push(Field::new("gasLimit", it.gas_limit));
    let fee = u128::try_from(it.max_fee()).unwrap_or(u128::MAX);
    let in_dollars = it.fee_token.and_then(|token| {
        let code = token::code(token);
        decimal(Amount::new(fee), code.as_str())
    });
    let remark = in_dollars.unwrap_or_else(|| "base units".to_owned());
    fields.push(Field::new("maxFee", fee.to_string()).remark(remark));
    let fee_token = it.fee_token;
    fields.extend(fee_token.map(|token| Field::new("feeToken", named(token))));
    let sponsor = match received {
        Received::Half(_) => Some("the seller, who has not signed for it yet".to_owned()),
        Received::Whole(whole) => whole.sponsor().map(|sponsor| sponsor.to_string()),
    };
    fields.extend(sponsor.map(|sponsor| Field::new("feePaidBy", sponsor)));
    if let Some(granted) = &it.key_authorization {
        let key = granted.authorization().key;
        fields.push(Field::new("authorizesKey", key.to_string()));
    }
    if !it.authorizations.is_empty() {
        fields.push(Field::new("delegations", it.authorizations.len()));
    }
    Field::of("transaction", fields)
}

fn call(call: &Call, echo: &Texts) -> Vec<Field> {
    let Some(to) = call.to else {
        return vec![Field::new("creates", "a contract")];
    };
    let Some(transfer) = read_transfer(&call.input) else {
        let bytes = format!("{} bytes", call.input.len());
        return vec![
            Field::new("contract", to.to_string()),
            Field::new("input", bytes).remark("no transfer"),
        ];
    };
    let units = u128::try_from(transfer.amount).unwrap_or(u128::MAX);
    let mut fields = vec![
        Field::new("token", named(to)),
        Field::new("to", transfer.recipient.to_string()),
        amount(units, &token::code(to)),
    ];
    fields.extend(transfer.memo.map(|memo| self::memo(&memo, echo)));
    fields
}

/// A memo, and whether it is this challenge's.
fn memo(memo: &Memo, echo: &Texts) -> Field {
    let field = Field::new("memo", memo.to_string());
    match slots(echo) {
        Some((id, realm)) if memo.is_bound_to(&id, &realm) => field.remark("this challenge's"),
        _ => field,
    }
}

fn amount(units: u128, currency: &CurrencyCode) -> Field {
    let field = Field::new("amount", units.to_string());
    match decimal(Amount::new(units), currency.as_str()) {
        Some(decimal) => field.remark(decimal),
        None => field,
    }
}

fn named(address: Address) -> String {
    let money = Money::public();
    match money.token(&token::code(address)) {
        Some(token) => format!("{}, {address}", token.symbol),
        None => address.to_string(),
    }
}

fn wrong(about: &str, section: &'static str, what: impl Into<String>, item: &mut Item) {
    item.findings
        .push(Finding::error(Rule::tempo(section), about, what));
}

/// Bytes as Ethereum writes them.
fn hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.strip_prefix("0x")?.as_bytes();
    let digit = |byte: u8| char::from(byte).to_digit(16);
    if digits.is_empty() || digits.len() % 2 != 0 {
        return None;
    }
    digits
        .chunks_exact(2)
        .map(|pair| u8::try_from(digit(pair[0])? << 4 | digit(pair[1])?).ok())
        .collect()
}
