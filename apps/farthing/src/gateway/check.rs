//! `farthing gateway check`: what is wrong with a file, or what it makes of requests.

use std::path::{Path, PathBuf};

use clap::Args as Arguments;
use farthing_gateway::config::{Config, RulePrice, Store, Trust};
use serde_json::{Value, json};

use super::{findings, pay, rules, run::FILE, sessions};
use crate::{
    args::any_path,
    error::Error,
    exit::{self, Exit},
    screen::{self, Paint},
};

/// The arguments of `farthing gateway check`.
#[derive(Debug, Arguments)]
#[command(after_help = exit::help())]
pub(super) struct Check {
    /// The file of the gateway
    #[arg(long, value_name = "FILE", default_value = FILE, value_parser = any_path())]
    config: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    pub(super) json: bool,
}

pub(super) fn run(check: &Check) -> Result<Exit, Error> {
    let config = Config::read(&check.config);
    let exit = if config.is_ok() {
        Exit::Done
    } else {
        Exit::Usage
    };
    let file = check.config.display();
    match config {
        Ok(config) if check.json => put(described(&check.config, &config))?,
        Ok(config) => {
            put(rules::table(&config, Paint::for_stdout()))?;
            let paint = Paint::for_stderr();
            screen::tell(screen::rows(paint, 2, &summary(&config)));
            for caution in config.cautions() {
                screen::tell(format!(
                    "{} {file}:{}: {}\n  instead: {}",
                    paint.asks("warning:"),
                    caution.line,
                    caution.what,
                    caution.instead
                ));
            }
        }
        Err(found) if check.json => put(json!({
            "file": file.to_string(),
            "ok": false,
            "findings": findings::as_json(&found),
        }))?,
        Err(found) => {
            put(findings::told(&found))?;
            screen::tell(findings::counted(&found));
        }
    }
    Ok(exit)
}

/// What stands around the rules.
fn summary(config: &Config) -> Vec<(&'static str, String)> {
    let priced = config
        .rules
        .iter()
        .filter(|rule| rule.price != RulePrice::Free);
    let rules = match (config.rules.len(), priced.count()) {
        (1, priced) => format!("1 rule, {priced} with a price"),
        (all, priced) => format!("{all} rules, {priced} with a price"),
    };
    let mut rows = vec![
        ("good", rules),
        ("site", config.site.to_string()),
        (
            "listens",
            format!("{}, {}", config.listen.address, trust(config)),
        ),
        ("in front of", rules::url(&config.upstream)),
    ];
    rows.extend(pay::rows(config));
    rows.extend(sessions::exposure(config));
    rows.push(("store", store(config)));
    if let Some(admin) = &config.admin {
        rows.push(("admin", admin.address.to_string()));
    }
    rows
}

const fn trust(config: &Config) -> &'static str {
    match config.listen.trust {
        Trust::Loopback => "this machine only",
        Trust::Tls(_) => "with TLS",
        Trust::BehindTls(_) => "behind proxies with TLS",
    }
}

fn store(config: &Config) -> String {
    match &config.store {
        Store::Sqlite(path) => path.display().to_string(),
        _ => "elsewhere".into(),
    }
}

fn described(file: &Path, config: &Config) -> Value {
    let cautions = config.cautions().into_iter().map(
        |caution| json!({ "line": caution.line, "what": caution.what, "instead": caution.instead }),
    );
    let rules = config.rules.iter().map(|rule| rules::as_json(rule, config));
    json!({
        "file": file.display().to_string(),
        "ok": true,
        "site": config.site,
        "listen": config.listen.address.to_string(),
        "upstream": rules::url(&config.upstream),
        "account": config.pay.ledger.as_ref().map(|ledger| ledger.account.to_string()),
        "tempo": pay::tempo_json(config),
        "store": store(config),
        "admin": config.admin.map(|admin| admin.address.to_string()),
        "rules": rules.collect::<Vec<_>>(),
        "warnings": cautions.collect::<Vec<_>>(),
    })
}

fn put(text: impl std::fmt::Display) -> Result<(), Error> {
    screen::data(text).map_err(Error::System)
}
