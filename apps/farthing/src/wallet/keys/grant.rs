//! `farthing wallet keys grant`: a new key, within limits that the chain keeps.
//!
//! The key is written to its wallet first, and the chain is told of it then. A process that dies in
//! between leaves a wallet that can spend nothing: the same command takes it up again.

use farthing::{
    clock::SystemClock,
    core::{payment::Moved, port::clock::Clock},
    evm::{Address, Node},
    tempo::{
        Network,
        keychain::{self, KeyState},
    },
};
use serde_json::json;

use super::{
    args::{Grant, per},
    call,
    subject::Subject,
};
use crate::{
    error::{Error, as_json},
    exit::Exit,
    keystore::{Access, Cost, Draft, Keystore, KeystoreError, Passphrases, SecretKey, SpendLimit},
    networks::{self, CallError, ChainError},
    screen::{self, Paint},
    signer::{self, Signer},
    wallet::put,
};

pub(super) async fn run(asked: &Grant, keystore: &Keystore) -> Result<Exit, Error> {
    let signer = Signer::of(keystore, asked.wallet.as_ref())?;
    let account = root(&signer)?;
    let network = networks::one(keystore, &asked.on)?;
    let subject = Subject::of(asked, keystore, account, &network)?;
    let access = &subject.access;
    let node = networks::connect(&network).await?;
    if subject.key.is_none() && is_there(&node, access).await? {
        return Err(KeystoreError::Exists(asked.name.clone()).into());
    }

    let fee_token = networks::fee_token(&network, &node, account).await?;
    let data = keychain::authorize(&access.authorization(subject.kind));
    let planned = call::plan(&node, account, data, &fee_token, SystemClock.now()).await;
    let planned = planned.map_err(failed)?;
    let display = |fee| fee_token.currency().display(fee);
    confirm(asked, &signer, &network, access, &display(planned.fee))?;
    let keys = signer::unlock(keystore, asked.wallet.as_ref())?;
    let root = keys.chain.ok_or_else(|| signer.no_address())?;
    let sealed = match &subject.key {
        Some(key) => keep(asked, keystore, key, access)?,
        None => Sealed::Before,
    };
    let done = planned.send(&node, &root).await.map_err(failed)?;
    if asked.json {
        return put(json!({
            "wallet": asked.name.to_string(),
            "access": access,
            "network": network.name(),
            "moneyMoved": as_json(Moved::No),
            "transaction": done.hash.to_string(),
            "fee": {
                "amount": done.fee,
                "price": display(done.fee),
                "token": fee_token.symbol.as_str(),
            },
        }));
    }
    put(access.key)?;
    screen::tell(format!(
        "is granted by {}, for a fee of {}",
        done.hash,
        display(done.fee)
    ));
    let pay = format!("farthing pay --wallet {}", asked.name);
    screen::hint(match sealed {
        Sealed::ByItsOwn => format!(
            "{pay}; or give {} and its passphrase to whoever is to spend",
            keystore.file(&asked.name).display(),
        ),
        Sealed::ByTheOwners | Sealed::Before => pay,
    });
    Ok(Exit::Done)
}

/// By whose passphrase a new wallet is closed.
#[derive(Clone, Copy)]
enum Sealed {
    /// One that can be handed over with it.
    ByItsOwn,
    /// One that opens the owner's wallets as well.
    ByTheOwners,
    /// An earlier grant closed it, and does not say by which.
    Before,
}

/// The account whose own key the wallet has: an access key grants nothing.
pub(super) fn root(signer: &Signer) -> Result<Address, Error> {
    if signer.access.is_some() {
        return Err(Error::Usage {
            what: format!(
                "{} has an access key, which can let nobody spend",
                signer.told
            ),
            next: "name the wallet whose money it is with --wallet",
        });
    }
    Ok(signer.address()?)
}

async fn is_there(node: &Node, access: &Access) -> Result<bool, Error> {
    let state = call::state(node, access.account, access.key).await;
    Ok(state.map_err(failed)? != KeyState::Unknown)
}

fn keep(
    asked: &Grant,
    keystore: &Keystore,
    key: &SecretKey,
    access: &Access,
) -> Result<Sealed, Error> {
    let own = asked.passphrase_file.as_deref();
    let passphrases = Passphrases::of_this_run();
    let (passphrase, is_owners) = passphrases.for_another(keystore, &asked.name, own)?;
    let draft = Draft {
        name: &asked.name,
        key,
        access: Some(access.clone()),
        created: SystemClock.now().whole_secs(),
    };
    keystore.remember(&asked.name, access)?;
    keystore.keep(draft, &passphrase, Cost::PEOPLE)?;
    if !is_owners {
        return Ok(Sealed::ByItsOwn);
    }
    screen::tell(format!(
        "{} the wallet {} has your own passphrase: keep it to yourself, and grant a key with \
         --passphrase-file FILE where somebody else is to spend",
        Paint::for_stderr().asks("warning:"),
        asked.name
    ));
    Ok(Sealed::ByTheOwners)
}

fn confirm(
    asked: &Grant,
    signer: &Signer,
    network: &Network,
    access: &Access,
    fee: &str,
) -> Result<(), Error> {
    let paint = Paint::for_stderr();
    let limits: Vec<_> = access
        .limits
        .iter()
        .map(|limit| told(limit, network))
        .collect();
    let recipients: Vec<_> = access.recipients.iter().map(ToString::to_string).collect();
    let rows = [
        ("may spend", paint.asks(limits.join(", and "))),
        (
            "for",
            if recipients.is_empty() {
                "anybody".to_owned()
            } else {
                recipients.join(", ")
            },
        ),
        ("until", access.expires.to_string()),
        ("from", format!("{}, {}", signer.told, access.account)),
        ("key", access.key.to_string()),
        (
            "on",
            format!("{}, chain {}", network.name(), network.chain()),
        ),
        ("fee", format!("at the most {fee}")),
    ];
    if !asked.json {
        screen::tell(screen::rows(paint, 2, &rows));
    }
    ask(asked.yes, "Grant it? [y/N] ", "the grant")
}

/// A limit as a person reads it.
pub(super) fn told(limit: &SpendLimit, network: &Network) -> String {
    let per = per(limit.every);
    match network.token_at(limit.token) {
        Some(token) => {
            let price = token.currency().display(limit.amount);
            format!("{price} {per} in {}", token.symbol)
        }
        None => format!("{} base units {per} of {}", limit.amount, limit.token),
    }
}

/// Asks whoever sits there; a program says that it means it.
pub(super) fn ask(yes: bool, question: &str, what: &str) -> Result<(), Error> {
    if yes {
        return Ok(());
    }
    if !screen::can_ask() {
        return Err(Error::Usage {
            what: format!("there is no terminal to confirm {what} at"),
            next: "say with --yes that it is meant",
        });
    }
    let answer = screen::ask(question).map_err(Error::System)?;
    if screen::is_yes(&answer) {
        Ok(())
    } else {
        Err(Error::Declined)
    }
}

/// The error of a call, as one of a command.
pub(super) fn failed(error: CallError) -> Error {
    ChainError::from(error).into()
}
