//! The ways to pay, and the secret that challenges are signed with.

use toml::de::DeValue;

use super::{
    super::{LedgerPay, Pay, SecretFrom, SessionPay},
    report::{Report, Wrong},
    section::Section,
    sessions::sessions,
    tempo::tempo,
    upstream::{read_or_tell, secret_from},
    values,
};

/// The ways to pay that this gateway knows, and what holds for sessions on each.
const KEYS: [&str; 3] = ["ledger", "tempo", "session"];

pub(super) fn pay(top: Section<'_>, report: &mut Report<'_>) -> Pay {
    let secret = secret(top, report);
    let pay = top.section("pay", "`pay`", report);
    if let Some(pay) = pay {
        pay.only(&KEYS, report);
    }
    let rails = Pay {
        ledger: pay.and_then(|pay| ledger(pay, top, report)),
        tempo: pay.and_then(|pay| tempo(pay, report)),
        session: SessionPay::default(),
        secret,
    };
    let session = pay.map(|pay| sessions(pay, &rails, report));
    Pay {
        session: session.unwrap_or_default(),
        ..rails
    }
}

fn secret(top: Section<'_>, report: &mut Report<'_>) -> Option<SecretFrom> {
    let item = top.get("secret")?;
    let section = match item.value {
        DeValue::Table(table) => Section {
            name: "`secret`",
            table,
        },
        _ => {
            report.hide(item.at.clone());
            let what = "a file that others may see is no place for a secret";
            let instead = "secret = { file = \"challenge-secret\" }, or remove it: one is made beside the store";
            report.add(item.at, Wrong::write(what, instead));
            return None;
        }
    };
    section.only(&["env", "file"], report);
    let from = secret_from(section, &item.at, report)?;
    read_or_tell(from.read_key(), section, report)?;
    Some(from)
}

fn ledger(pay: Section<'_>, top: Section<'_>, report: &mut Report<'_>) -> Option<LedgerPay> {
    let ledger = pay.section("ledger", "`pay.ledger`", report)?;
    ledger.only(&["account", "session"], report);
    if ledger.get("account").is_none() {
        let at = top.get("pay")?.key_at;
        let what = "`pay.ledger` has no account to pay to";
        let instead =
            "pay.ledger = { account = \"did:key:…\" }, as `farthing wallet list` shows it";
        report.add(at, Wrong::write(what, instead));
        return None;
    }
    let session = ledger.flag("session", report).unwrap_or(false);
    let account = ledger.parsed("account", report, values::account)?;
    Some(LedgerPay { account, session })
}
