//! What amounts are of: the currencies that a gateway's file names, and those that everybody knows.

use farthing::core::value::{Amount, Currency, CurrencyCode, MethodId};
use farthing_gateway::config::Config;

use crate::money::Money;

pub(super) struct Coins {
    named: Vec<Currency>,
    public: Money,
}

impl Coins {
    pub(super) fn of(config: Option<&Config>) -> Self {
        let tempo = config.and_then(|config| config.pay.tempo.as_ref());
        let session = tempo.and_then(|tempo| tempo.session.as_ref());
        let fee_token = session.map(|session| &session.fee_token);
        let tokens = tempo.into_iter().flat_map(|tempo| &tempo.tokens);
        Self {
            named: tokens
                .chain(fee_token)
                .map(|token| token.currency())
                .collect(),
            public: Money::public(),
        }
    }

    pub(super) fn find(&self, method: &MethodId, code: &CurrencyCode) -> Option<Currency> {
        let named = self.named.iter().find(|currency| {
            currency.rail == *method && currency.code.as_str().eq_ignore_ascii_case(code.as_str())
        });
        named.cloned().or_else(|| self.public.find(method, code))
    }

    /// An amount as a person reads it.
    pub(super) fn price(&self, method: &MethodId, code: &CurrencyCode, amount: Amount) -> String {
        self.find(method, code).map_or_else(
            || format!("{amount} base units of {code}"),
            |currency| currency.display(amount),
        )
    }

    pub(super) fn decimals(&self, method: &MethodId, code: &CurrencyCode) -> Option<u8> {
        self.find(method, code).map(|currency| currency.decimals)
    }
}
