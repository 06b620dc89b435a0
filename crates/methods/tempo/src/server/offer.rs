//! What is asked for at a price.

use farthing_core::{
    intent::charge::ChargeRequest,
    port::method::{PrepareError, Wanted},
    value::{PriceError, Recipient},
};

use super::TempoOptions;
use crate::charge::{Details, DetailsError, Mode, Modes};

/// The requests for a price: one in each token that is of its unit.
///
/// A route's terms are what `methodDetails` may hold, in the same words: `splits`, with amounts in base
/// units, `memo`, `feePayer`, `supportedModes`.
pub(super) fn prepare(
    wanted: &Wanted<'_>,
    options: &TempoOptions,
) -> Result<Vec<ChargeRequest>, PrepareError> {
    let price = wanted.price;
    let details = details(wanted, options)?;
    let unit = price.unit().as_str();
    let of_unit: Vec<_> = options
        .tokens
        .iter()
        .filter(|token| token.unit.as_str() == unit)
        .collect();
    if of_unit.is_empty() {
        let symbols: Vec<_> = options.tokens.iter().map(|t| t.unit.as_str()).collect();
        return Err(PrepareError::Price(PriceError::Unit {
            price: price.to_string().into(),
            symbol: symbols.join(" or ").into(),
        }));
    }
    let recipient =
        Recipient::new(format!("{:#x}", options.recipient)).expect("an address is visible text");
    let request = |token: &&crate::token::Token| {
        let currency = token.currency();
        let amount = price.in_currency(&currency)?;
        if !details.splits.is_empty() && details.splits.total() >= amount {
            return Err(terms(format!(
                "the splits take {} of {amount} base units, and something has to be left",
                details.splits.total()
            )));
        }
        let mut request = ChargeRequest::new(amount, currency.code, Some(recipient.clone()));
        request.method_details = details.write();
        Ok(request)
    };
    of_unit.iter().map(request).collect()
}

/// What holds of every request of a route, whatever it is paid in.
fn details(wanted: &Wanted<'_>, options: &TempoOptions) -> Result<Details, PrepareError> {
    let chain = options.network.chain();
    let Some(given) = wanted.terms else {
        return usual(Details::new(chain), wanted, options, false, false);
    };
    let read = Details::terms(chain, given).map_err(|error| terms(told(&error)))?;
    let (says_payer, says_modes) = (
        given.contains_key("feePayer"),
        given.contains_key("supportedModes"),
    );
    usual(read, wanted, options, says_payer, says_modes)
}

/// Fills in what the route does not say.
fn usual(
    mut details: Details,
    wanted: &Wanted<'_>,
    options: &TempoOptions,
    says_payer: bool,
    says_modes: bool,
) -> Result<Details, PrepareError> {
    if wanted.price.is_zero() {
        if details.memo.is_some() || !details.splits.is_empty() || details.fee_payer {
            return Err(terms(
                "a price of nothing has no splits, no memo and no fee",
            ));
        }
        return Ok(Details::new(details.chain));
    }
    if !says_modes {
        details.modes = options.modes;
    }
    if !says_payer {
        details.fee_payer = options.sponsor.is_some() && details.modes != Modes::Only(Mode::Push);
    }
    if details.fee_payer && options.sponsor.is_none() {
        return Err(terms("feePayer is true, and there is no sponsor"));
    }
    if details.memo.is_some() {
        // Anybody who sees a transaction with a memo that is the same for all could present its hash.
        if details.modes == Modes::Only(Mode::Push) {
            return Err(terms(
                "a memo of the seller's own does not say who paid: it goes with pull only",
            ));
        }
        details.modes = Modes::Only(Mode::Pull);
    }
    Ok(details)
}

fn terms(what: impl Into<std::borrow::Cow<'static, str>>) -> PrepareError {
    PrepareError::Terms(what.into())
}

/// An error with what is behind it, in one line.
fn told(error: &DetailsError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(behind) = source {
        text = format!("{text}: {behind}");
        source = behind.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use farthing_core::{encoding::jcs, value::Price};
    use farthing_evm::{Address, ChainId, SigningKey};
    use serde_json::{Value, json};

    use super::*;
    use crate::{network::Network, server::Sponsor, token::known};

    fn options() -> TempoOptions {
        let url = "http://127.0.0.1:8545".parse().unwrap();
        let network = Network::dev(ChainId::new(1337).unwrap(), url);
        TempoOptions {
            tokens: vec![known::PATH_USD, known::ALPHA_USD, known::EURC_E],
            ..TempoOptions::new(network, Address::repeat_byte(0x42))
        }
    }

    fn ask(
        options: &TempoOptions,
        price: &str,
        terms: &Value,
    ) -> Result<Vec<ChargeRequest>, PrepareError> {
        let price: Price = price.parse().unwrap();
        let wanted = Wanted {
            price: &price,
            terms: terms.as_object(),
        };
        prepare(&wanted, options)
    }

    #[test]
    fn a_price_is_asked_in_each_token_of_its_unit() {
        let requests = ask(&options(), "$0.002", &Value::Null).unwrap();
        let texts: Vec<_> = requests
            .iter()
            .map(|request| jcs::to_string(&serde_json::to_value(request).unwrap()).unwrap())
            .collect();
        assert_eq!(texts.join("\n"), include_str!("golden/requests.txt").trim());
        let euro = ask(&options(), "0.5 EUR", &Value::Null).unwrap();
        assert_eq!(euro.len(), 1);
        assert_eq!(euro[0].amount.units(), 500_000);
        for bad in ["1 GBP", "$0.0000001"] {
            let refused = ask(&options(), bad, &Value::Null);
            assert!(matches!(refused, Err(PrepareError::Price(_))), "{bad}");
        }
    }

    #[test]
    fn a_sponsor_pays_where_the_route_does_not_say_otherwise_and_sends_then() {
        let mut options = options();
        let key = SigningKey::from_bytes([1; 32]).unwrap();
        options.sponsor = Some(Sponsor::new(key, known::PATH_USD));
        let details = |terms: Value| {
            let request = ask(&options, "$1", &terms).unwrap().remove(0);
            Value::from(request.method_details)
        };
        let sponsored = json!({"chainId": 1337, "feePayer": true, "supportedModes": ["pull"]});
        assert_eq!(details(Value::Null), sponsored);
        assert_eq!(details(json!({})), sponsored);
        assert_eq!(
            details(json!({"feePayer": false})),
            json!({"chainId": 1337})
        );
        let push = json!({"supportedModes": ["push"]});
        assert_eq!(
            details(push),
            json!({"chainId": 1337, "supportedModes": ["push"]})
        );
    }

    #[test]
    fn a_memo_of_the_sellers_own_goes_with_pull_only() {
        let memo = format!("0x{}", "11".repeat(32));
        let request = ask(&options(), "$1", &json!({ "memo": memo })).unwrap();
        let details = Value::from(request[0].method_details.clone());
        assert_eq!(
            details,
            json!({"chainId": 1337, "memo": memo, "supportedModes": ["pull"]})
        );
    }

    #[test]
    fn terms_that_cannot_be_stop_the_start() {
        let to = Address::repeat_byte(1);
        let split = |amount: &str| json!({"splits": [{"recipient": to, "amount": amount}]});
        assert!(ask(&options(), "$1", &split("999999")).is_ok());
        let memo = format!("0x{}", "11".repeat(32));
        let bad = [
            ("$1", split("1000000")),
            ("$1", split("$0.5")),
            ("$1", json!({"splits": []})),
            ("$1", json!({"chainId": 1})),
            ("$1", json!({"feePayer": true})),
            ("$1", json!({"price": "$2"})),
            ("$1", json!({"memo": memo, "supportedModes": ["push"]})),
            ("$0", split("1")),
            ("$0", json!({ "memo": memo })),
        ];
        for (price, terms) in bad {
            let refused = ask(&options(), price, &terms);
            assert!(matches!(refused, Err(PrepareError::Terms(_))), "{terms}");
        }
    }

    #[test]
    fn a_price_of_nothing_asks_for_a_signature() {
        let requests = ask(&options(), "$0", &Value::Null).unwrap();
        assert_eq!(requests.len(), 2);
        let details = Value::from(requests[0].method_details.clone());
        assert_eq!(
            (requests[0].amount.units(), details),
            (0, json!({"chainId": 1337}))
        );
    }
}
