//! What is asked for at the price of a unit.

use farthing_core::{
    intent::session::{Protocol, SessionRequest},
    port::{method::PrepareError, session::WantedSession},
    value::{Currency, Price, PriceError, Recipient},
};
use serde_json::{Map, Value, json};

use super::TempoSessionOptions;
use crate::{
    session::{Escrow, protocol_name},
    token::Token,
};

/// The requests for a price: one in each token that is of its unit, in each contract.
///
/// A route's terms may say `feePayer`, where there is a sponsor.
pub(super) fn prepare(
    wanted: &WantedSession<'_>,
    options: &TempoSessionOptions,
) -> Result<Vec<SessionRequest>, PrepareError> {
    let fee_payer = fee_payer(wanted.terms, options)?;
    if wanted.price.is_zero() {
        return Err(terms("a session's unit costs something"));
    }
    let unit = wanted.price.unit().as_str();
    let of_unit: Vec<&Token> = options
        .tokens
        .iter()
        .filter(|token| token.unit.as_str() == unit)
        .collect();
    if of_unit.is_empty() {
        let symbols: Vec<_> = options.tokens.iter().map(|t| t.unit.as_str()).collect();
        return Err(PrepareError::Price(PriceError::Unit {
            price: wanted.price.to_string().into(),
            symbol: symbols.join(" or ").into(),
        }));
    }
    let mut requests = Vec::with_capacity(options.escrows.len() * of_unit.len());
    for escrow in &options.escrows {
        for token in &of_unit {
            requests.push(request(
                wanted,
                options,
                escrow,
                &token.currency(),
                fee_payer,
            )?);
        }
    }
    Ok(requests)
}

fn request(
    wanted: &WantedSession<'_>,
    options: &TempoSessionOptions,
    escrow: &Escrow,
    currency: &Currency,
    fee_payer: bool,
) -> Result<SessionRequest, PrepareError> {
    let amount = wanted.price.in_currency(currency)?;
    let most = escrow.protocol.most();
    let within = |price: &Price| match price.in_currency(currency)? {
        amount if amount > most => Err(terms("an amount has more than the protocol's 96 bits")),
        amount => Ok(amount),
    };
    within(wanted.price)?;
    let recipient = format!("{:#x}", options.recipient);
    let recipient = Recipient::new(recipient).expect("an address is visible text");
    let mut request = SessionRequest::new(amount, currency.code.clone(), recipient);
    request.unit_type = wanted.unit.map(Into::into);
    request.suggested_deposit = wanted.deposit.map(within).transpose()?;
    if request
        .suggested_deposit
        .is_some_and(|deposit| deposit < amount)
    {
        return Err(terms("the advised deposit is less than one unit costs"));
    }
    let mut put = |name: &str, value: Value| {
        request.method_details.insert(name.to_owned(), value);
    };
    put("chainId", json!(escrow.chain.get()));
    put("escrowContract", json!(format!("{:#x}", escrow.contract)));
    put("sessionProtocol", json!(protocol_name(escrow.protocol)));
    if let Some(delta) = wanted.min_delta {
        put("minVoucherDelta", json!(within(delta)?));
    }
    if fee_payer {
        put("feePayer", json!(true));
    }
    let operator = options.operator();
    if escrow.protocol == Protocol::V2 && !operator.is_zero() {
        put("operator", json!(format!("{operator:#x}")));
    }
    Ok(request)
}

fn fee_payer(
    given: Option<&Map<String, Value>>,
    options: &TempoSessionOptions,
) -> Result<bool, PrepareError> {
    let has_sponsor = options.sponsor.is_some();
    let Some(given) = given else {
        return Ok(has_sponsor);
    };
    if let Some(name) = given.keys().find(|name| *name != "feePayer") {
        return Err(terms(format!("{name} is no term of a session")));
    }
    match given.get("feePayer") {
        None => Ok(has_sponsor),
        Some(Value::Bool(true)) if !has_sponsor => {
            Err(terms("feePayer is true, and there is no sponsor"))
        }
        Some(Value::Bool(pays)) => Ok(*pays),
        Some(_) => Err(terms("feePayer is true or false")),
    }
}

fn terms(what: impl Into<std::borrow::Cow<'static, str>>) -> PrepareError {
    PrepareError::Terms(what.into())
}

#[cfg(test)]
mod tests {
    use farthing_core::encoding::jcs;
    use farthing_evm::{Address, ChainId, SigningKey};

    use super::*;
    use crate::{network::Network, server::Sponsor, token::known};

    fn options() -> TempoSessionOptions {
        let url = "http://127.0.0.1:8545".parse().unwrap();
        let chain = ChainId::new(1337).unwrap();
        let key = SigningKey::from_bytes([1; 32]).unwrap();
        let network = Network::dev(chain, url);
        let first = Escrow {
            chain,
            contract: Address::repeat_byte(0xe5),
            protocol: Protocol::V1,
        };
        TempoSessionOptions {
            escrows: vec![Escrow::reserve(chain), first],
            tokens: vec![known::PATH_USD, known::ALPHA_USD, known::EURC_E],
            ..TempoSessionOptions::new(network, key.address(), key.into())
        }
    }

    fn ask(
        options: &TempoSessionOptions,
        prices: [&str; 3],
        terms: &Value,
    ) -> Result<Vec<SessionRequest>, PrepareError> {
        let [price, deposit, delta] = prices.map(|price| price.parse::<Price>().unwrap());
        let wanted = WantedSession {
            price: &price,
            unit: Some("llm_token"),
            deposit: Some(&deposit),
            min_delta: Some(&delta),
            terms: terms.as_object(),
        };
        prepare(&wanted, options)
    }

    const USUAL: [&str; 3] = ["$0.000025", "$10", "$0.001"];

    #[test]
    fn a_price_is_asked_in_each_contract_and_each_token_of_its_unit() {
        let requests = ask(&options(), USUAL, &Value::Null).unwrap();
        let texts: Vec<_> = requests
            .iter()
            .map(|request| jcs::to_string(&serde_json::to_value(request).unwrap()).unwrap())
            .collect();
        assert_eq!(texts.join("\n"), include_str!("golden/requests.txt").trim());
    }

    #[test]
    fn an_operator_is_named_by_the_second_protocol_only_and_a_sponsor_pays_by_default() {
        let mut options = options();
        options.recipient = Address::repeat_byte(0x42);
        options.sponsor = Some(Sponsor::new(
            SigningKey::from_bytes([2; 32]).unwrap(),
            known::PATH_USD,
        ));
        let requests = ask(&options, USUAL, &Value::Null).unwrap();
        for request in &requests {
            let is_second = request.protocol() == Ok(Protocol::V2);
            let operator = request.method_details.get("operator");
            let key = format!("{:#x}", options.key.account());
            assert_eq!(operator.cloned(), is_second.then(|| json!(key)));
            assert_eq!(request.method_details["feePayer"], json!(true));
        }
        let plain = ask(&options, USUAL, &json!({"feePayer": false})).unwrap();
        assert!(plain[0].method_details.get("feePayer").is_none());
    }

    #[test]
    fn terms_that_cannot_be_stop_the_start() {
        let none = Value::Null;
        let bad = [
            (["$0", "$1", "$0"], none.clone()),
            (["$1", "$0.5", "$0"], none.clone()),
            (["$1", "79228162514264337593544 USD", "$0"], none),
            (USUAL, json!({"feePayer": true})),
            (USUAL, json!({"feePayer": 1})),
            (USUAL, json!({"splits": []})),
        ];
        for (prices, terms) in bad {
            let refused = ask(&options(), prices, &terms);
            assert!(
                matches!(refused, Err(PrepareError::Terms(_))),
                "{prices:?} {terms} {refused:?}"
            );
        }
        for price in ["1 GBP", "$0.0000001"] {
            let refused = ask(&options(), [price, "$1", "$0"], &Value::Null);
            assert!(matches!(refused, Err(PrepareError::Price(_))), "{price}");
        }
    }
}
