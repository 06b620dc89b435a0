//! What is known of the codes that payments are kept under: how many decimals each has, and what
//! it stands for. A seller's word is never taken for it.

use farthing::{
    core::value::{Amount, Currency, CurrencyCode, MethodId},
    ledger::Currencies,
    tempo::{Network, Token},
};

use crate::keystore::{Keystore, KeystoreError};

/// The currencies that a keystore knows.
pub(crate) struct Money {
    ledger: Currencies,
    networks: Vec<Network>,
}

impl Money {
    /// Those of the ledger and the tokens of every network that is known.
    pub(crate) fn of(keystore: &Keystore) -> Result<Self, KeystoreError> {
        Ok(Self {
            ledger: Currencies::default(),
            networks: keystore.all_networks()?,
        })
    }

    /// Those that everybody knows.
    pub(crate) fn public() -> Self {
        Self {
            ledger: Currencies::default(),
            networks: vec![Network::mainnet(), Network::moderato()],
        }
    }

    /// Each of them once.
    pub(crate) fn all(&self) -> Vec<Currency> {
        let mut all: Vec<Currency> = self.ledger.iter().cloned().collect();
        for token in self.tokens() {
            let currency = token.currency();
            if !all.contains(&currency) {
                all.push(currency);
            }
        }
        all
    }

    /// A method's currency.
    pub(crate) fn find(&self, method: &MethodId, code: &CurrencyCode) -> Option<Currency> {
        let of_ledger = self.ledger.find(code).cloned();
        let of_chain = || self.token(code).map(Token::currency);
        [of_ledger, of_chain()]
            .into_iter()
            .flatten()
            .find(|currency| currency.rail == *method)
    }

    /// The token that a code is the address of.
    pub(crate) fn token(&self, code: &CurrencyCode) -> Option<&Token> {
        self.tokens().find(|token| {
            token
                .currency()
                .code
                .as_str()
                .eq_ignore_ascii_case(code.as_str())
        })
    }

    /// An amount as a person reads it.
    pub(crate) fn price(&self, method: &MethodId, code: &CurrencyCode, amount: Amount) -> String {
        self.find(method, code).map_or_else(
            || format!("{amount} base units of {code}"),
            |currency| currency.display(amount),
        )
    }

    /// The decimals of a method's currency, where they are known.
    pub(crate) fn decimals(&self, method: &MethodId, code: &CurrencyCode) -> Option<u8> {
        self.find(method, code).map(|currency| currency.decimals)
    }

    fn tokens(&self) -> impl Iterator<Item = &Token> {
        self.networks.iter().flat_map(Network::tokens)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_means_what_its_method_says() {
        let dir = tempfile::tempdir().unwrap();
        let money = Money::of(&Keystore::at(dir.path())).unwrap();
        let (ledger, tempo) = (farthing::ledger::method(), farthing::tempo::method());
        let code = |text: &str| CurrencyCode::new(text).unwrap();
        let path = "0x20c0000000000000000000000000000000000000";
        let check = |method: &MethodId, text: &str, expect: &str| {
            assert_eq!(money.price(method, &code(text), Amount::new(2_000)), expect);
        };
        check(&ledger, "usd6", "0.002 USD");
        check(&tempo, path, "0.002 USD");
        check(
            &tempo,
            "0x20c0000000000000000000001621e21f71cf12fb",
            "0.002 EUR",
        );
        check(&tempo, "usd6", "2000 base units of usd6");
        check(&ledger, path, &format!("2000 base units of {path}"));
        assert_eq!(money.token(&code(path)).unwrap().symbol.as_str(), "pathUSD");
    }
}
