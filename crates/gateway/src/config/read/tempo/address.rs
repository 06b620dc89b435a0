//! Addresses and memos.

use farthing::{
    evm::{Address, B256},
    tempo::{
        TokenError,
        token::{is_tip20, typed_address},
    },
};

use super::super::{report::Wrong, section::shown};

/// An address that money can go to.
pub(in super::super) fn recipient(text: &str) -> Result<Address, Wrong> {
    let address = address(text)?;
    let instead = "the address that the money goes to";
    if address.is_zero() {
        let what = "nobody has this address: what is sent there is lost";
        return Err(Wrong::write(what, instead));
    }
    if is_tip20(address) {
        let what = "this is the address of a token, and not of an account";
        return Err(Wrong::write(what, instead));
    }
    Ok(address)
}

/// `0x` and 40 hexadecimal digits, with the right checksum where there are capitals among them.
pub(super) fn address(text: &str) -> Result<Address, Wrong> {
    let usual = "0x and 40 hexadecimal digits, as a wallet shows it";
    if text.starts_with("did:") {
        let what = "an account on a chain is an address, and not a DID";
        return Err(Wrong::write(what, usual));
    }
    if text.parse::<Address>().is_ok() && !text.starts_with("0x") {
        let what = "an address begins with 0x";
        return Err(Wrong::write(what, format!("write \"0x{text}\"")));
    }
    match typed_address(text) {
        Ok(address) => Ok(address),
        Err(slip @ TokenError::Checksum) => {
            Err(Wrong::write(slip.to_string(), "copy it once more"))
        }
        Err(_) => Err(Wrong::write(
            format!("`{}` is no address", shown(text)),
            usual,
        )),
    }
}

/// 32 bytes that stand beside a transfer.
pub(in super::super) fn memo(text: &str) -> Result<B256, Wrong> {
    let parsed = match text.starts_with("0x") {
        true => text.parse::<B256>().ok(),
        false => None,
    };
    parsed.ok_or_else(|| {
        let what = format!("`{}` is no memo", shown(text));
        Wrong::write(what, "0x and 64 hexadecimal digits")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_with_a_wrong_digit_is_found_where_it_has_a_checksum() {
        let good = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266";
        let address = address(good).unwrap();
        for same in [
            good.to_lowercase(),
            format!("0x{}", good[2..].to_uppercase()),
        ] {
            assert_eq!(super::address(&same).unwrap(), address);
        }
        assert_eq!(recipient(good).unwrap(), address);
        let wrong = good.replace("fFb9", "fFb8");
        assert!(super::address(&wrong).is_err());
        for bad in [&good[2..], &good[..41], "", "0x", "did:key:z6Mk"] {
            assert!(super::address(bad).is_err(), "{bad}");
        }
        let token = "0x20c0000000000000000000000000000000000000";
        assert!(super::address(token).is_ok() && recipient(token).is_err());
        assert!(recipient(&format!("0x{:040}", 0)).is_err());
    }

    #[test]
    fn a_memo_is_32_bytes() {
        let text = format!("0x{}", "ab".repeat(32));
        assert_eq!(memo(&text).unwrap(), B256::repeat_byte(0xab));
        for bad in [&text[2..], &text[..65], "", "0x"] {
            assert!(memo(bad).is_err(), "{bad}");
        }
    }
}
