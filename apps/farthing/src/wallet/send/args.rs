//! The arguments of `farthing wallet send`.

use std::str::FromStr;

use farthing::{
    core::value::Price,
    evm::Address,
    ledger::TransferId,
    tempo::{Memo, TokenError, token},
};

use crate::{keystore::WalletName, networks::OnNetwork};

/// The arguments of `farthing wallet send`.
#[derive(Debug, clap::Args)]
pub(crate) struct Send {
    /// Whom to send it to: 0x and 40 digits
    #[arg(value_parser = recipient)]
    pub(crate) to: Address,
    /// How much, for example '$5' or '5 USD'
    pub(crate) amount: Price,
    #[command(flatten)]
    pub(crate) on: OnNetwork,
    /// The token: its symbol or its address [default: the network's first]
    #[arg(long, value_name = "TOKEN")]
    pub(crate) token: Option<String>,
    /// What the transfer carries: 0x and 64 digits, or a text of at most 32 bytes
    #[arg(long, value_name = "MEMO")]
    pub(crate) memo: Option<MemoText>,
    /// A name for this transfer; money moves once for each [default: one is made and told]
    #[arg(long, value_name = "ID")]
    pub(crate) id: Option<TransferId>,
    /// The wallet [default: the only one, or 'default']
    #[arg(long, value_name = "NAME")]
    pub(crate) wallet: Option<WalletName>,
    /// Do not ask
    #[arg(short = 'y', long)]
    pub(crate) yes: bool,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// What a transfer carries.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MemoText(pub(crate) Memo);

/// A text that fits into no memo.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("a memo is 0x and 64 digits, or a text of 1 to 32 bytes")]
pub(crate) struct MemoTextError;

impl FromStr for MemoText {
    type Err = MemoTextError;

    fn from_str(text: &str) -> Result<Self, MemoTextError> {
        if text.starts_with("0x") {
            return text.parse().map(Self).map_err(|_| MemoTextError);
        }
        if !(1..=32).contains(&text.len()) {
            return Err(MemoTextError);
        }
        let mut bytes = [0; 32];
        bytes[..text.len()].copy_from_slice(text.as_bytes());
        Ok(Self(Memo(bytes.into())))
    }
}

/// Why nothing is sent to an address.
#[derive(Clone, Copy, Debug, thiserror::Error)]
pub(crate) enum RecipientError {
    #[error(transparent)]
    Address(#[from] TokenError),
    #[error("nobody has this address: what is sent there is lost")]
    Nobody,
    #[error("this is the address of a token, and not of an account: what is sent there is lost")]
    Token,
}

/// An address to send to.
pub(crate) fn recipient(text: &str) -> Result<Address, RecipientError> {
    let address = token::typed_address(text)?;
    if address.is_zero() {
        return Err(RecipientError::Nobody);
    }
    if token::is_tip20(address) {
        return Err(RecipientError::Token);
    }
    Ok(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_with_a_slip_is_refused() {
        let good = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed";
        let small = good.to_lowercase();
        for fine in [good, &small] {
            assert_eq!(recipient(fine).unwrap().to_string(), good);
        }
        for bad in [
            &good.replace("aAeb", "aaeb"),
            &good.replace("Aed", "aed"),
            &good[2..],
            &good[..41],
            "0x0000000000000000000000000000000000000000",
            "0x20c0000000000000000000000000000000000000",
            "alice.eth",
        ] {
            assert!(recipient(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_memo_is_32_bytes_or_a_short_text() {
        let read = |text: &str| text.parse::<MemoText>().ok().map(|memo| memo.0.to_string());
        let digits = format!("0x{}", "ab".repeat(32));
        assert_eq!(read(&digits), Some(digits.clone()));
        let text = format!("0x{}{}", "696e766f6963652037", "00".repeat(23));
        assert_eq!(read("invoice 7"), Some(text));
        for bad in [
            "",
            "0x12",
            &"x".repeat(33),
            &format!("0x{}", "zz".repeat(32)),
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
