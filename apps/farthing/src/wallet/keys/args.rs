//! The arguments of `farthing wallet keys`.

use std::{num::NonZeroU64, path::PathBuf, str::FromStr, time::Duration};

use clap::Subcommand;
use farthing::{core::value::Price, evm::Address};

use crate::{
    keystore::{Kind, WalletName},
    networks::OnNetwork,
    wallet::recipient,
};

#[derive(Debug, Subcommand)]
pub(crate) enum Args {
    /// Let a new key spend a part of what a wallet has
    ///
    /// The key is a wallet of its own, with a passphrase of its own: give its file to whoever is to
    /// spend, and pay with it as with any other. The chain is told of the key and its limits at once,
    /// which costs a fee. What the limits say counts for the fees of the key's payments, too.
    Grant(Grant),
    /// List the keys that were granted, with what the chain says of each
    List(List),
    /// Take a key's leave to spend away, for good
    ///
    /// From the next block on it can spend nothing. Its wallet's file stays where it is.
    Revoke(Revoke),
}

/// The arguments of `farthing wallet keys grant`.
#[derive(Debug, clap::Args)]
pub(crate) struct Grant {
    /// What to call the new wallet; one that a grant left unfinished is taken up again
    pub(crate) name: WalletName,
    /// How much it may spend: '$5 per day' (or hour, week, month), or '$5' in all
    #[arg(long, value_name = "LIMIT")]
    pub(crate) limit: Allowance,
    /// When it ends: an age such as 7d, 12h or 15m, at the most 366d
    #[arg(long, value_name = "AGE", default_value = "30d")]
    pub(crate) expires: Age,
    /// Whom it may pay, and nobody else; repeatable [default: anybody]
    #[arg(long, value_name = "ADDRESS", value_parser = recipient)]
    pub(crate) recipient: Vec<Address>,
    /// The token it may spend: its symbol or its address; repeatable, the limit is for each
    /// [default: the network's first]
    #[arg(long, value_name = "TOKEN")]
    pub(crate) token: Vec<String>,
    /// The kind of key
    #[arg(long, value_enum, default_value_t = Kind::Secp256k1, value_name = "KIND")]
    pub(crate) key_type: Kind,
    /// The file whose first line is the new wallet's passphrase; what FARTHING_PASSPHRASE_FILE names
    /// opens the owner's wallets too
    #[arg(long, value_name = "FILE")]
    pub(crate) passphrase_file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) on: OnNetwork,
    /// The wallet whose money it is [default: the only one, or 'default']
    #[arg(long, value_name = "NAME")]
    pub(crate) wallet: Option<WalletName>,
    /// Do not ask
    #[arg(short = 'y', long)]
    pub(crate) yes: bool,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// The arguments of `farthing wallet keys list`.
#[derive(Debug, clap::Args)]
pub(crate) struct List {
    #[command(flatten)]
    pub(crate) on: OnNetwork,
    /// The wallet whose money it is [default: the only one, or 'default']
    #[arg(long, value_name = "NAME")]
    pub(crate) wallet: Option<WalletName>,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// The arguments of `farthing wallet keys revoke`.
#[derive(Debug, clap::Args)]
pub(crate) struct Revoke {
    /// The key: the name of its wallet, or its address
    pub(crate) key: String,
    #[command(flatten)]
    pub(crate) on: OnNetwork,
    /// The wallet whose money it is [default: the only one, or 'default']
    #[arg(long, value_name = "NAME")]
    pub(crate) wallet: Option<WalletName>,
    /// Do not ask
    #[arg(short = 'y', long)]
    pub(crate) yes: bool,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// How much a key may spend, and how often.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Allowance {
    pub(crate) price: Price,
    /// After how many seconds as much may be spent again.
    pub(crate) every: Option<NonZeroU64>,
}

/// A text that is no allowance.
#[derive(Debug, thiserror::Error)]
#[error("a limit is '$5', or '$5 per hour', day, week or month, and more than nothing")]
pub(crate) struct AllowanceError;

/// How long from now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Age(pub(crate) Duration);

/// A text that is no age.
#[derive(Debug, thiserror::Error)]
#[error("an age is a number of days, hours or minutes: 7d, 12h, 15m; from 1m to 366d")]
pub(crate) struct AgeError;

/// The times after which a limit begins anew; a month has 30 days here, for a chain knows seconds.
const TIMES: [(&str, u64); 4] = [
    ("hour", 3600),
    ("day", 86_400),
    ("week", 7 * 86_400),
    ("month", 30 * 86_400),
];

impl FromStr for Allowance {
    type Err = AllowanceError;

    fn from_str(text: &str) -> Result<Self, AllowanceError> {
        let (price, every) = match text.split_once(" per ") {
            None => (text, None),
            Some((price, time)) => {
                let time = time.trim();
                let found = TIMES.into_iter().find(|(name, _)| *name == time);
                let (_, seconds) = found.ok_or(AllowanceError)?;
                (price, NonZeroU64::new(seconds))
            }
        };
        let price: Price = price.trim().parse().map_err(|_| AllowanceError)?;
        // A key that may spend nothing costs a fee and pays for nothing.
        if price.is_zero() {
            return Err(AllowanceError);
        }
        Ok(Self { price, every })
    }
}

impl FromStr for Age {
    type Err = AgeError;

    fn from_str(text: &str) -> Result<Self, AgeError> {
        let units = [('d', 86_400), ('h', 3600), ('m', 60)];
        let mut found = units.into_iter().filter_map(|(unit, seconds)| {
            let count: u32 = text.strip_suffix(unit)?.parse().ok()?;
            Some(Duration::from_secs(u64::from(count) * seconds))
        });
        let plain = text.bytes().all(|b| b.is_ascii_alphanumeric());
        let age = found.next().filter(|_| plain).ok_or(AgeError)?;
        let bounds = Duration::from_secs(60)..=Duration::from_secs(366 * 86_400);
        bounds.contains(&age).then_some(Self(age)).ok_or(AgeError)
    }
}

/// What a time after which a limit begins anew is called.
pub(super) fn per(every: Option<NonZeroU64>) -> String {
    let Some(every) = every else {
        return "in all".to_owned();
    };
    let named = TIMES
        .into_iter()
        .find(|(_, seconds)| *seconds == every.get());
    named.map_or_else(
        || format!("every {every} s"),
        |(name, _)| format!("per {name}"),
    )
}

impl Args {
    /// Whether stdout belongs to one JSON object.
    pub(crate) const fn is_json(&self) -> bool {
        match self {
            Self::Grant(grant) => grant.json,
            Self::List(list) => list.json,
            Self::Revoke(revoke) => revoke.json,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_allowance_is_an_amount_and_a_time() {
        let check = |text: &str, expect: Option<(&str, &str)>| {
            let read = text.parse::<Allowance>().ok();
            let read = read.map(|it| (it.price, per(it.every)));
            let expect = expect.map(|(price, time)| (price.parse().unwrap(), time.to_owned()));
            assert_eq!(read, expect, "{text}");
        };
        check("$5", Some(("$5", "in all")));
        check("$5 per day", Some(("$5", "per day")));
        check("0.5 EUR per month", Some(("0.5 EUR", "per month")));
        for bad in [
            "",
            "$5 a day",
            "$5 per",
            "$5 per year",
            "per day",
            "$5 per day per day",
        ] {
            check(bad, None);
        }
    }

    #[test]
    fn an_age_has_a_unit_and_an_end() {
        let check = |text: &str, expect: Option<u64>| {
            let age = text.parse::<Age>().ok().map(|age| age.0.as_secs());
            assert_eq!(age, expect, "{text}");
        };
        check("7d", Some(604_800));
        check("12h", Some(43_200));
        check("366d", Some(31_622_400));
        for bad in [
            "",
            "d",
            "7",
            "0m",
            "-1d",
            "+1d",
            "367d",
            "1w",
            "1.5d",
            "99999999999d",
        ] {
            check(bad, None);
        }
    }
}
