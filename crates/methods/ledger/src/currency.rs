//! What a ledger counts: a dollar of its own, and whatever the operator adds.

use farthing_core::value::{Currency, CurrencyCode, MethodId, TextError};

/// The currencies of a ledger, each with a code and a unit that no other one has.
///
/// Without additions that is the ledger's dollar: code `usd6`, six decimals. ISO's `usd` counts
/// cents, so a price of `$0.002` could not be said in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Currencies(Vec<Currency>);

/// Why a currency cannot be counted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CurrencyError {
    /// The code breaks the grammar of codes.
    #[error(transparent)]
    Code(#[from] TextError),
    /// The code is too long to be part of a key.
    #[error("a currency's code has at most {} bytes on a ledger", Currencies::CODE)]
    Long,
    /// No price could be written in it, because its unit is not 2 to 16 letters, digits or dots
    /// after a first letter.
    #[error("a currency's unit is 2 to 16 letters and digits, for example USD")]
    Symbol,
    /// An amount has at most 38 digits.
    #[error("a currency has at most {} decimals", Currencies::DECIMALS)]
    Decimals,
    /// Another currency has this code or this unit, so a price could mean either.
    #[error("the code or the unit of a currency is taken by another one")]
    Taken,
}

impl Currencies {
    /// Bytes of the longest code.
    pub const CODE: usize = 64;
    /// The most decimals.
    pub const DECIMALS: u8 = 38;

    /// Adds a currency.
    ///
    /// # Errors
    /// When the code, the unit or the decimals cannot be used, or are another currency's.
    pub fn with(mut self, code: &str, decimals: u8, symbol: &str) -> Result<Self, CurrencyError> {
        let code = CurrencyCode::new(code)?;
        if code.as_str().len() > Self::CODE {
            return Err(CurrencyError::Long);
        }
        if decimals > Self::DECIMALS {
            return Err(CurrencyError::Decimals);
        }
        let symbol_ok = (2..=16).contains(&symbol.len())
            && symbol.starts_with(|c: char| c.is_ascii_alphabetic())
            && symbol
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'.');
        if !symbol_ok {
            return Err(CurrencyError::Symbol);
        }
        if self
            .0
            .iter()
            .any(|known| known.code == code || *known.symbol == *symbol)
        {
            return Err(CurrencyError::Taken);
        }
        self.0.push(Currency {
            code,
            decimals,
            rail: method(),
            symbol: symbol.into(),
        });
        Ok(self)
    }

    /// The currency of a code.
    #[must_use]
    pub fn find(&self, code: &CurrencyCode) -> Option<&Currency> {
        self.0.iter().find(|currency| currency.code == *code)
    }

    /// All of them, the dollar first.
    pub fn iter(&self) -> impl Iterator<Item = &Currency> {
        self.0.iter()
    }

    /// The currency of a unit; where no currency has it, the dollar, whose refusal to say the
    /// price then names both units.
    pub(crate) fn of_unit(&self, unit: &str) -> &Currency {
        let found = self.0.iter().find(|currency| *currency.symbol == *unit);
        found.unwrap_or(&self.0[0])
    }
}

impl Default for Currencies {
    fn default() -> Self {
        Self(Vec::new())
            .with("usd6", 6, "USD")
            .expect("the ledger's dollar is a currency")
    }
}

/// The method's identifier.
#[must_use]
pub fn method() -> MethodId {
    MethodId::new("ledger").expect("the identifier of the ledger is well formed")
}
