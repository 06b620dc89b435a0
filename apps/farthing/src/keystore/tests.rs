use std::{fs, path::Path};

use farthing::{
    clock::SystemClock,
    core::port::clock::Clock,
    ledger::{AccountKey, KeyType},
};
use serde_json::Value;

use super::*;

fn passphrase(text: &str) -> Secret {
    Secret::new(text)
}

fn make(dir: &Path, name: &str, kind: Kind) -> Wallet {
    let keystore = Keystore::at(dir);
    let (name, now) = (name.parse().unwrap(), SystemClock.now().whole_secs());
    keystore
        .create(
            &name,
            &SecretKey::random(kind).unwrap(),
            &passphrase("open"),
            Cost::RANDOM,
            now,
        )
        .unwrap()
}

#[test]
fn a_wallet_opens_with_its_passphrase_only() {
    let dir = tempfile::tempdir().unwrap();
    for (name, kind) in [
        ("one", Kind::Ed25519),
        ("two", Kind::Secp256k1),
        ("three", Kind::P256),
    ] {
        let made = make(dir.path(), name, kind);
        let name = name.parse().unwrap();
        let wallet = Keystore::at(dir.path()).wallet(Some(&name)).unwrap();
        let keys = wallet.unlock(&passphrase("open")).unwrap();
        let (on_ledger, on_chain) = (keys.ledger.map(|key| key.account().clone()), keys.chain);
        assert_eq!(on_ledger, made.holder.account);
        assert_eq!(on_chain.map(|key| key.account()), made.holder.address);
        for wrong in ["", "Open", "open ", "open\n"] {
            assert!(matches!(
                wallet.unlock(&passphrase(wrong)),
                Err(KeystoreError::Sealed { .. })
            ));
        }
    }
}

#[test]
fn two_wallets_have_two_keys() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (
        make(dir.path(), "one", Kind::Ed25519),
        make(dir.path(), "two", Kind::Ed25519),
    );
    assert_ne!(one.holder, two.holder);
}

/// Every member of a wallet's file, changed by itself, keeps it from opening.
#[test]
fn a_wallet_that_was_changed_does_not_open() {
    let dir = tempfile::tempdir().unwrap();
    make(dir.path(), "default", Kind::Ed25519);
    let path = dir.path().join("default.wallet.json");
    let whole: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let open = || {
        let wallet = Keystore::at(dir.path()).wallet(None)?;
        wallet.unlock(&passphrase("open")).map(drop)
    };
    let stranger = AccountKey::from_seed(KeyType::Ed25519, [9; 32]).unwrap();
    let bytes = |length| base64url(&vec![7; length]);
    let changes = [
        ("/account", stranger.account().to_string().into()),
        ("/keyType", "secp256k1".into()),
        ("/created", "2020-01-01T00:00:00Z".into()),
        ("/kdf/memoryKib", (8 * 1024 + 8).into()),
        ("/kdf/memoryKib", (4 * 1024 * 1024).into()),
        ("/kdf/passes", 2.into()),
        ("/kdf/passes", u32::MAX.into()),
        ("/kdf/lanes", 2.into()),
        ("/kdf/lanes", 0.into()),
        ("/kdf/name", "scrypt".into()),
        ("/kdf/salt", bytes(16)),
        ("/kdf/salt", bytes(1)),
        ("/cipher/name", "none".into()),
        ("/cipher/nonce", bytes(12)),
        ("/cipher/nonce", bytes(11)),
        ("/sealedKey", bytes(48)),
        ("/sealedKey", bytes(8)),
        ("/version", 2.into()),
        ("/version", 3.into()),
    ];
    for (member, value) in changes {
        let mut changed = whole.clone();
        *changed.pointer_mut(member).unwrap() = value;
        fs::write(&path, changed.to_string()).unwrap();
        assert!(open().is_err(), "{member}");
    }
    fs::write(&path, whole.to_string()).unwrap();
    open().unwrap();
}

#[test]
fn a_newer_version_is_called_that() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(
        dir.path().join("default.wallet.json"),
        r#"{"version":3,"shape":"another"}"#,
    )
    .unwrap();
    assert!(matches!(
        Keystore::at(dir.path()).wallet(None),
        Err(KeystoreError::Version { found: 3, .. })
    ));
}

#[test]
fn a_wallet_is_never_written_over() {
    let dir = tempfile::tempdir().unwrap();
    make(dir.path(), "default", Kind::Ed25519);
    let before = fs::read(dir.path().join("default.wallet.json")).unwrap();
    let again = Keystore::at(dir.path()).create(
        &WalletName::default_name(),
        &SecretKey::random(Kind::Ed25519).unwrap(),
        &passphrase("other"),
        Cost::RANDOM,
        SystemClock.now(),
    );
    assert!(matches!(again, Err(KeystoreError::Exists(_))));
    assert_eq!(
        fs::read(dir.path().join("default.wallet.json")).unwrap(),
        before
    );
    assert_eq!(
        fs::read_dir(dir.path()).unwrap().count(),
        1,
        "no draft stays"
    );
}

#[test]
fn the_one_that_is_meant_is_the_only_one_or_the_default() {
    let dir = tempfile::tempdir().unwrap();
    let keystore = Keystore::at(dir.path());
    assert!(matches!(
        keystore.wallet(None),
        Err(KeystoreError::Empty { .. })
    ));
    make(dir.path(), "b", Kind::Ed25519);
    assert_eq!(keystore.wallet(None).unwrap().name.to_string(), "b");
    make(dir.path(), "a", Kind::Ed25519);
    assert!(matches!(
        keystore.wallet(None),
        Err(KeystoreError::Several { names, .. }) if names == "a, b"
    ));
    make(dir.path(), "default", Kind::Ed25519);
    assert_eq!(keystore.wallet(None).unwrap().name.to_string(), "default");
    let none = "c".parse().unwrap();
    assert!(matches!(
        keystore.wallet(Some(&none)),
        Err(KeystoreError::NoWallet { .. })
    ));
}

#[test]
fn a_name_cannot_leave_the_folder() {
    for bad in [
        "",
        "..",
        ".",
        "a/b",
        "A",
        "a b",
        "-a",
        "a\0",
        &"a".repeat(33),
    ] {
        assert!(bad.parse::<WalletName>().is_err(), "{bad:?}");
    }
    for good in ["a", "default", "travel-2", "0_x"] {
        assert_eq!(good.parse::<WalletName>().unwrap().to_string(), good);
    }
}

#[test]
fn a_passphrase_lies_beside_the_keys_only_in_a_demo() {
    let dir = tempfile::tempdir().unwrap();
    let keystore = Keystore::at(dir.path());
    private_folder(dir.path()).unwrap();
    fs::write(dir.path().join(PASSPHRASE), "planted").unwrap();
    assert!(keystore.demo_passphrase().unwrap().is_none());
    fs::write(
        dir.path().join(MARKER),
        r#"{"version":1,"demo":false,"store":"x"}"#,
    )
    .unwrap();
    assert!(keystore.demo_passphrase().unwrap().is_none());

    let demo = Keystore::at(dir.path().join("demo"));
    let made = demo.make_demo(Path::new("store.db")).unwrap();
    let found = demo.demo_passphrase().unwrap().unwrap();
    assert_eq!(found.expose(), made.expose());
    assert_eq!(made.len(), 22, "128 bits");
}

#[test]
#[cfg(unix)]
fn a_folder_or_a_passphrase_that_is_open_to_others_is_not_used() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    make(dir.path(), "default", Kind::Ed25519);
    let set = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    let keystore = Keystore::at(dir.path());
    for (mode, good) in [
        (0o755, true),
        (0o700, true),
        (0o770, false),
        (0o702, false),
        (0o777, false),
    ] {
        set(dir.path(), mode);
        let refused = |done: Result<(), KeystoreError>| match done {
            Ok(()) => assert!(good, "{mode:o}"),
            Err(error) => assert!(
                !good && matches!(error, KeystoreError::Writable { .. }),
                "{mode:o}: {error}"
            ),
        };
        refused(keystore.wallet(None).map(drop));
        refused(keystore.wallets().map(drop));
        refused(keystore.database().map(drop));
        refused(keystore.existing_database().map(drop));
        refused(keystore.marker().map(drop));
        refused(keystore.limits().map(drop));
        refused(keystore.set_limits(&Limits::default()));
    }
    let file = dir.path().join("words");
    fs::write(&file, "open").unwrap();
    set(&file, 0o600);
    assert!(matches!(
        disk::secret(&file),
        Err(KeystoreError::Writable { .. })
    ));
    set(dir.path(), 0o700);
    for (mode, good) in [(0o600, true), (0o400, true), (0o640, false), (0o604, false)] {
        set(&file, mode);
        let read = disk::secret(&file);
        assert_eq!(read.is_ok(), good, "{mode:o}");
    }
}

#[test]
#[cfg(unix)]
fn everything_is_its_owners_only() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let keystore = Keystore::at(dir.path().join("a/b"));
    keystore.make_demo(Path::new("store.db")).unwrap();
    make(keystore.dir(), "default", Kind::Ed25519);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(keystore.dir()), 0o700);
    let mut names = Vec::new();
    for entry in fs::read_dir(keystore.dir()).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{path:?}");
        names.push(path.file_name().unwrap().to_owned());
    }
    names.sort();
    assert_eq!(
        names,
        ["default.wallet.json", "keystore.json", "passphrase"]
    );
}

fn base64url(bytes: &[u8]) -> Value {
    farthing::core::encoding::base64url::encode(bytes).into()
}

/// What an access key may do is sealed with it: nobody widens it in its file, or makes it another
/// account's.
#[test]
fn what_an_access_key_may_do_is_sealed_with_it() {
    use farthing::{
        core::value::Amount,
        evm::{Address, ChainId},
    };

    let dir = tempfile::tempdir().unwrap();
    let keystore = Keystore::at(dir.path());
    let key = SecretKey::random(Kind::P256).unwrap();
    let access = Access {
        account: Address::repeat_byte(7),
        chain: ChainId::new(4217).unwrap(),
        key: key.signer().unwrap().address(),
        expires: Timestamp::from_secs(2_000_000_000),
        limits: vec![SpendLimit {
            token: Address::repeat_byte(8),
            amount: Amount::new(5_000_000),
            every: None,
        }],
        recipients: vec![Address::repeat_byte(9)],
    };
    let name: WalletName = "agent".parse().unwrap();
    let draft = Draft {
        name: &name,
        key: &key,
        access: Some(access.clone()),
        created: SystemClock.now().whole_secs(),
    };
    keystore
        .keep(draft, &passphrase("open"), Cost::RANDOM)
        .unwrap();
    let open = || {
        let wallet = keystore.wallet(Some(&name))?;
        wallet.unlock(&passphrase("open"))
    };
    let keys = open().unwrap();
    assert!(keys.ledger.is_none(), "the money is on the chain");
    let chain = keys.chain.unwrap();
    assert_eq!(
        (chain.account(), chain.access_key()),
        (access.account, Some(access.key))
    );

    let path = dir.path().join("agent.wallet.json");
    let whole: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    // An older program says that it is too old, and not that the file is broken.
    assert_eq!(whole["version"], 2);
    let other = Address::repeat_byte(1).to_string();
    for (member, value) in [
        ("/account", other.clone().into()),
        ("/keyType", "secp256k1".into()),
        ("/access/account", other.clone().into()),
        ("/access/key", other.clone().into()),
        ("/access/chain", 42_431.into()),
        ("/access/expires", "2040-01-01T00:00:00Z".into()),
        ("/access/limits/0/amount", "50000000".into()),
        ("/access/limits/0/token", other.clone().into()),
        ("/access/recipients", Value::Array(Vec::new())),
        ("/access", Value::Null),
        ("/version", 1.into()),
    ] {
        let mut changed = whole.clone();
        *changed.pointer_mut(member).unwrap() = value;
        fs::write(&path, changed.to_string()).unwrap();
        assert!(open().is_err(), "{member}");
    }
    fs::write(&path, whole.to_string()).unwrap();
    open().unwrap();
}
