//! Tokens: TIP-20, the one kind of token that pays on Tempo.

use std::{borrow::Cow, fmt, str::FromStr};

use alloy_primitives::address as at;
use farthing_core::value::{Currency, CurrencyCode};
use farthing_evm::Address;

/// What every address of a TIP-20 token begins with.
const PREFIX: [u8; 12] = [0x20, 0xc0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// The longest symbol or unit, in bytes.
const LONGEST: usize = 32;

/// The most decimals: an amount of 2¹²⁸ − 1 has 39 digits.
const DECIMALS: u8 = 38;

/// A token, as we know it. What a seller says of a token is never taken for this.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Token {
    /// Its contract, which is what it is on the wire.
    pub address: Address,
    /// What people call it, for example `pathUSD`.
    pub symbol: Label,
    /// How many decimals a whole one has: six, for every TIP-20 token there is.
    pub decimals: u8,
    /// What it stands for, by the token's `currency()`: `USD`. Fees are paid in tokens of this unit only.
    pub unit: Label,
}

/// Why something is no token, or no address of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// It is not `0x` and 40 hexadecimal digits.
    #[error("an address is 0x and 40 hexadecimal digits")]
    Address,
    /// Its capitals are not those of its checksum.
    #[error("the capitals of this address are not its checksum: some digit is wrong")]
    Checksum,
    /// It is an address that no TIP-20 token has.
    #[error("a TIP-20 token's address begins with 0x20c0 and twenty zeros")]
    Kind,
    /// A symbol or a unit could not be shown to a person.
    #[error("a token's symbol has 1 to 32 bytes and no spaces or control characters")]
    Label,
    /// Amounts could not be written with this many.
    #[error("a token has at most 38 decimals")]
    Decimals,
}

impl Token {
    /// A token.
    ///
    /// # Errors
    /// When its address is none of a TIP-20 token, or its amounts could not be written.
    pub fn new(
        address: Address,
        symbol: Label,
        decimals: u8,
        unit: Label,
    ) -> Result<Self, TokenError> {
        if !is_tip20(address) {
            return Err(TokenError::Kind);
        }
        if decimals > DECIMALS {
            return Err(TokenError::Decimals);
        }
        Ok(Self {
            address,
            symbol,
            decimals,
            unit,
        })
    }

    /// The currency that prices convert to.
    #[must_use]
    pub fn currency(&self) -> Currency {
        Currency {
            code: code(self.address),
            decimals: self.decimals,
            rail: crate::charge::method(),
            symbol: self.unit.as_str().into(),
        }
    }

    /// Whether fees can be paid in it: the protocol takes dollars only.
    #[must_use]
    pub fn pays_fees(&self) -> bool {
        self.unit.as_str() == "USD"
    }
}

/// A token's address as the currency of a request: in small letters, so that one token has one code.
#[must_use]
pub fn code(token: Address) -> CurrencyCode {
    CurrencyCode::new(format!("{token:#x}")).expect("an address is visible text")
}

/// Reads an address, in any case: addresses are compared as bytes (Tempo draft, "Split Entry Schema").
///
/// # Errors
/// When it is something else.
pub fn address(text: &str) -> Result<Address, TokenError> {
    if !text.starts_with("0x") {
        return Err(TokenError::Address);
    }
    text.parse().map_err(|_| TokenError::Address)
}

/// Reads an address that a person wrote. Where there are capitals among small letters they have to be the checksum
/// of EIP-55, which is there to find a digit that is wrong.
///
/// # Errors
/// When it is something else, or its checksum is another.
pub fn typed_address(text: &str) -> Result<Address, TokenError> {
    let address = address(text)?;
    let digits = &text[2..];
    let is_mixed = digits.contains(|c: char| c.is_ascii_uppercase())
        && digits.contains(|c: char| c.is_ascii_lowercase());
    if is_mixed && address.to_checksum(None) != text {
        return Err(TokenError::Checksum);
    }
    Ok(address)
}

/// Whether an address can be a token's. Whether there is one is the chain's to say.
#[must_use]
pub fn is_tip20(address: Address) -> bool {
    address.starts_with(&PREFIX)
}

/// A short name of somebody else's, fit to be shown: bounded, of letters, digits, signs and the symbols of
/// currencies.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Label(Cow<'static, str>);

impl Label {
    /// Checks a name.
    ///
    /// # Errors
    /// When it is empty, too long, or has characters that would not show as one sign each.
    pub fn new(text: impl Into<Cow<'static, str>>) -> Result<Self, TokenError> {
        let text = text.into();
        let shown = |c: char| {
            c.is_ascii_graphic() || (!c.is_ascii() && c.is_alphanumeric()) || is_currency_sign(c)
        };
        if !(1..=LONGEST).contains(&text.len()) || !text.chars().all(shown) {
            return Err(TokenError::Label);
        }
        Ok(Self(text))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a person who types one may mean the other.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }

    const fn known(text: &'static str) -> Self {
        Self(Cow::Borrowed(text))
    }
}

/// The block of Unicode that has `€`, `₮` and their like.
fn is_currency_sign(c: char) -> bool {
    ('\u{20a0}'..='\u{20cf}').contains(&c)
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Label({})", self.0)
    }
}

impl FromStr for Label {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Self, TokenError> {
        Self::new(text.to_owned())
    }
}

/// The tokens everybody knows, by the addresses that Tempo's documentation has for them.
pub mod known {
    use super::{Address, Label, Token, at};

    const fn usd(address: Address, symbol: &'static str) -> Token {
        token(address, symbol, "USD")
    }

    const fn token(address: Address, symbol: &'static str, unit: &'static str) -> Token {
        Token {
            address,
            symbol: Label::known(symbol),
            decimals: 6,
            unit: Label::known(unit),
        }
    }

    /// The first stablecoin of every Tempo chain; fees fall back on it.
    pub const PATH_USD: Token = usd(at!("20c0000000000000000000000000000000000000"), "pathUSD");
    /// Test money.
    pub const ALPHA_USD: Token = usd(at!("20c0000000000000000000000000000000000001"), "AlphaUSD");
    /// Test money.
    pub const BETA_USD: Token = usd(at!("20c0000000000000000000000000000000000002"), "BetaUSD");
    /// Test money.
    pub const THETA_USD: Token = usd(at!("20c0000000000000000000000000000000000003"), "ThetaUSD");
    /// Bridged USDC, on the main network.
    pub const USDC_E: Token = usd(at!("20c000000000000000000000b9537d11c60e8b50"), "USDC.e");
    /// Bridged USDT, on the main network.
    pub const USDT0: Token = usd(at!("20c00000000000000000000014f22ca97301eb73"), "USDT0");
    /// Bridged EURC, on the main network. It pays for things, and for no fees.
    pub const EURC_E: Token = token(
        at!("20c0000000000000000000001621e21f71cf12fb"),
        "EURC.e",
        "EUR",
    );

    /// The tokens of the test network and of development chains.
    pub const TEST_TOKENS: [Token; 4] = [PATH_USD, ALPHA_USD, BETA_USD, THETA_USD];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_a_currency_by_its_address_in_small_letters() {
        let currency = known::USDC_E.currency();
        assert_eq!(
            currency.code.as_str(),
            "0x20c000000000000000000000b9537d11c60e8b50"
        );
        assert_eq!(
            (currency.decimals, &*currency.symbol, currency.rail.as_str()),
            (6, "USD", "tempo")
        );
        assert!(known::USDC_E.pays_fees() && !known::EURC_E.pays_fees());
    }

    #[test]
    fn known_tokens_pass_their_own_check() {
        let all = [known::USDC_E, known::USDT0, known::EURC_E];
        for token in all.into_iter().chain(known::TEST_TOKENS) {
            let Token {
                address,
                symbol,
                decimals,
                unit,
            } = token.clone();
            assert_eq!(
                Token::new(address, symbol.clone(), decimals, unit),
                Ok(token)
            );
            assert_eq!(Label::new(symbol.as_str().to_owned()), Ok(symbol));
        }
    }

    #[test]
    fn what_is_no_token_is_refused() {
        let label = |text: &'static str| Label::new(text);
        let usd = || label("USD").unwrap();
        let elsewhere = at!("f39fd6e51aad88f6f4ce6ab8827279cfffb92266");
        assert_eq!(
            Token::new(elsewhere, usd(), 6, usd()),
            Err(TokenError::Kind)
        );
        let one = known::ALPHA_USD.address;
        assert_eq!(Token::new(one, usd(), 39, usd()), Err(TokenError::Decimals));
        assert!(label("USD₮0").is_ok());
        let bad = ["", "a b", "a\n", "a\u{202e}b", "a\u{200b}", "x\u{1b}[2K"];
        for bad in bad {
            assert_eq!(label(bad), Err(TokenError::Label), "{bad:?}");
        }
        assert_eq!(Label::new("x".repeat(33)), Err(TokenError::Label));
    }

    #[test]
    fn an_address_is_read_in_any_case() {
        let text = "0x20C000000000000000000000b9537d11c60E8b50";
        assert_eq!(address(text), Ok(known::USDC_E.address));
        let upper = text.to_uppercase().replace("0X", "0x");
        assert_eq!(address(&upper), Ok(known::USDC_E.address));
        for bad in [&text[2..], &text[..41], "0x", "", &text.replace("0x", "0X")] {
            assert_eq!(address(bad), Err(TokenError::Address), "{bad}");
        }
    }

    #[test]
    fn a_slip_in_an_address_shows_where_it_has_a_checksum() {
        let good = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed";
        for same in [good, &good.to_lowercase()] {
            assert_eq!(typed_address(same), address(good));
        }
        for slip in [good.replace("605", "606"), good.replace("aAeb", "aaeb")] {
            assert_eq!(typed_address(&slip), Err(TokenError::Checksum), "{slip}");
        }
        assert_eq!(typed_address(&good[2..]), Err(TokenError::Address));
    }
}
