//! Who pays in this run: a key from the environment, or a wallet of the keystore.

use std::env;

use farthing::{
    core::value::Secret,
    ledger::{Account, AccountKey, KeyType},
};
use zeroize::Zeroizing;

use crate::keystore::{Keystore, KeystoreError, Passphrases, WalletName};

/// The variable that holds a key.
const KEY: &str = "FARTHING_KEY";

/// The key to pay with.
pub(crate) fn key(
    keystore: &Keystore,
    name: Option<&WalletName>,
) -> Result<AccountKey, KeystoreError> {
    if let Some(key) = from_environment(name)? {
        return Ok(key);
    }
    let wallet = keystore.wallet(name)?;
    let passphrase = Passphrases::of_this_run().for_wallet(keystore, &wallet.name)?;
    wallet.unlock(&passphrase)
}

/// The account that would pay, which needs no passphrase.
pub(crate) fn account(
    keystore: &Keystore,
    name: Option<&WalletName>,
) -> Result<Account, KeystoreError> {
    match from_environment(name)? {
        Some(key) => Ok(key.account().clone()),
        None => Ok(keystore.wallet(name)?.account),
    }
}

/// A wallet that is named comes before a key in the environment.
fn from_environment(name: Option<&WalletName>) -> Result<Option<AccountKey>, KeystoreError> {
    match env::var_os(KEY) {
        Some(text) if name.is_none() && !text.is_empty() => {
            let text = Secret::new(text.into_encoded_bytes());
            parse(&text).map(Some).ok_or(KeystoreError::Key)
        }
        _ => Ok(None),
    }
}

/// Reads `[ed25519:|secp256k1:]HEX`, with or without `0x`, or the multibase of a private key
/// (`z`, base58, multicodec 0x1300 or 0x1301).
fn parse(text: &Secret) -> Option<AccountKey> {
    let text = std::str::from_utf8(text.expose()).ok()?.trim();
    if let Some(encoded) = text.strip_prefix('z') {
        let mut bytes = Zeroizing::new([0; 64]);
        let length = bs58::decode(encoded).onto(bytes.as_mut_slice()).ok()?;
        let (key_type, seed) = match bytes.get(..length)? {
            [0x80, 0x26, seed @ ..] => (KeyType::Ed25519, seed),
            [0x81, 0x26, seed @ ..] => (KeyType::Secp256k1, seed),
            _ => return None,
        };
        return AccountKey::from_seed(key_type, seed.try_into().ok()?).ok();
    }
    let (key_type, digits) = match text.split_once(':') {
        None => (KeyType::Ed25519, text),
        Some(("ed25519", digits)) => (KeyType::Ed25519, digits),
        Some(("secp256k1", digits)) => (KeyType::Secp256k1, digits),
        Some(_) => return None,
    };
    let digits = digits.strip_prefix("0x").unwrap_or(digits).as_bytes();
    if digits.len() != 64 {
        return None;
    }
    let mut seed = Zeroizing::new([0; 32]);
    for (byte, pair) in seed.iter_mut().zip(digits.chunks_exact(2)) {
        let (high, low) = (digit(pair[0])?, digit(pair[1])?);
        *byte = high << 4 | low;
    }
    AccountKey::from_seed(key_type, *seed).ok()
}

fn digit(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: Option<&str>) {
        let key = parse(&Secret::new(text));
        let account = key.map(|key| key.account().to_string());
        assert_eq!(account.as_deref(), expect, "{text}");
    }

    #[test]
    fn reads_the_ways_to_write_a_key_and_nothing_else() {
        let digits = "01".repeat(32);
        let account = |key_type| {
            let key = AccountKey::from_seed(key_type, [1; 32]).unwrap();
            key.account().to_string()
        };
        let (edwards, koblitz) = (account(KeyType::Ed25519), account(KeyType::Secp256k1));
        check(&digits, Some(&edwards));
        check(&format!("0x{digits}\n"), Some(&edwards));
        check(&format!("ed25519:{digits}"), Some(&edwards));
        check(&format!("secp256k1:0x{digits}"), Some(&koblitz));
        for (prefix, expect) in [([0x80, 0x26], &edwards), ([0x81, 0x26], &koblitz)] {
            let bytes = [&prefix[..], &[1; 32]].concat();
            check(
                &format!("z{}", bs58::encode(bytes).into_string()),
                Some(expect),
            );
        }
        let short = &digits[2..];
        let public = bs58::encode([&[0xed, 0x01][..], &[1; 32]].concat()).into_string();
        for bad in [
            "",
            "z",
            "0x",
            short,
            &format!("{digits}00"),
            &format!("p256:{digits}"),
            &format!("+1{short}"),
            &format!("secp256k1:{}", "00".repeat(32)),
            &format!("z{public}"),
        ] {
            check(bad, None);
        }
    }
}
