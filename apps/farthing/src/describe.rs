//! `farthing --describe`: the command tree as JSON, for programs that call this one.
//!
//! It is made from the command line itself, so it cannot say anything else. What it may gain are
//! members; what changes a member's meaning raises the version.

use std::{any::TypeId, net::SocketAddr, path::PathBuf};

use clap::{Arg, ArgAction, Command, CommandFactory};
use farthing::{
    core::{
        intent::session::ChannelId,
        value::{PaymentId, Price, Timestamp},
    },
    evm::{Address, ChainId},
    ledger::{Account, TransferId},
};
use http::Method;
use serde_json::{Value, json};

use crate::{
    args::Args,
    error::Error,
    exit::{self, Exit},
    keystore::{Host, WalletName},
    networks::RpcText,
    pay::HeaderLine,
    screen,
    wallet::{Age, Allowance, MemoText, Setting},
    when::When,
};

/// The version of the description.
const VERSION: u32 = 1;

pub(crate) fn run() -> Result<Exit, Error> {
    screen::data(format!("{:#}", description())).map_err(Error::System)?;
    Ok(Exit::Done)
}

fn description() -> Value {
    let mut command = Args::command();
    command.build();
    let mut described = describe(&command, "");
    described["version"] = json!(VERSION);
    described["program"] = json!(env!("CARGO_PKG_VERSION"));
    described["exitCodes"] = exit::table();
    described
}

/// A command, with the commands below it. `path` is what is typed after the program's name.
fn describe(command: &Command, path: &str) -> Value {
    let own = |arg: &&Arg| {
        // An option that every command takes is told once.
        let elsewhere = arg.is_global_set() && !path.is_empty();
        let is_help = matches!(
            arg.get_action(),
            ArgAction::Help | ArgAction::HelpShort | ArgAction::HelpLong | ArgAction::Version
        );
        !elsewhere && !is_help && !arg.is_hide_set()
    };
    let arguments = command.get_positionals().filter(own);
    let options = command.get_opts().chain(flags(command)).filter(own);
    let below = command.get_subcommands().filter(|it| !it.is_hide_set());
    let below: Vec<_> = below
        .map(|it| describe(it, format!("{path} {}", it.get_name()).trim_start()))
        .collect();
    let mut described = json!({
        "command": path,
        "about": command.get_about().map(ToString::to_string),
        "arguments": arguments.map(|arg| argument(command, arg)).collect::<Vec<_>>(),
        "options": options.map(|arg| argument(command, arg)).collect::<Vec<_>>(),
    });
    if let Some(long) = command.get_long_about() {
        described["about"] = json!(long.to_string());
    }
    if below.is_empty() || !command.is_subcommand_required_set() {
        described["movesMoney"] = json!(moves_money(path));
    }
    if !below.is_empty() {
        described["commands"] = json!(below);
    }
    described
}

/// Options without a value.
fn flags(command: &Command) -> impl Iterator<Item = &Arg> {
    let takes_none = |arg: &&Arg| !arg.get_action().takes_values() && !arg.is_positional();
    command.get_arguments().filter(takes_none)
}

fn argument(command: &Command, arg: &Arg) -> Value {
    let takes_value = arg.get_action().takes_values();
    let many = arg
        .get_num_args()
        .is_some_and(|range| range.max_values() > 1);
    let is_repeatable = many || matches!(arg.get_action(), ArgAction::Append | ArgAction::Count);
    let name = arg.get_long().map_or_else(
        || arg.get_id().as_str().to_owned(),
        |long| format!("--{long}"),
    );
    let mut described = json!({
        "name": name,
        "type": if takes_value { kind(arg) } else { "flag" },
        "required": arg.is_required_set(),
        "repeatable": is_repeatable,
        "about": arg.get_help().map(ToString::to_string),
    });
    let mut tell = |member: &str, value: Value| described[member] = value;
    if let Some(short) = arg.get_short() {
        tell("short", json!(format!("-{short}")));
    }
    if takes_value {
        let names = arg.get_value_names().unwrap_or_default();
        tell("value", json!(names.first().map(|name| name.as_str())));
        let values = arg.get_possible_values();
        if !values.is_empty() {
            let values: Vec<_> = values.iter().map(|value| value.get_name()).collect();
            tell("values", json!(values));
        }
        if let Some(default) = arg.get_default_values().first() {
            tell("default", json!(default.to_string_lossy()));
        }
    }
    if let Some(env) = arg.get_env() {
        tell("env", json!(env.to_string_lossy()));
    }
    let conflicts = command.get_arg_conflicts_with(arg);
    let conflicts: Vec<_> = conflicts
        .iter()
        .filter_map(|other| other.get_long())
        .map(|long| format!("--{long}"))
        .collect();
    if !conflicts.is_empty() {
        tell("conflictsWith", json!(conflicts));
    }
    described
}

/// What a value is read as. What is not named here is a text with a form of its own.
fn kind(arg: &Arg) -> &'static str {
    if !arg.get_possible_values().is_empty() {
        return "choice";
    }
    let id = arg.get_value_parser().type_id();
    let types: [(TypeId, &str); 14] = [
        (TypeId::of::<PathBuf>(), "path"),
        (TypeId::of::<u16>(), "integer"),
        (TypeId::of::<usize>(), "integer"),
        (TypeId::of::<u64>(), "integer"),
        (TypeId::of::<Price>(), "price"),
        (TypeId::of::<Setting>(), "price or none"),
        (TypeId::of::<WalletName>(), "wallet name"),
        (TypeId::of::<Method>(), "HTTP method"),
        (TypeId::of::<HeaderLine>(), "header line"),
        (TypeId::of::<SocketAddr>(), "socket address"),
        (TypeId::of::<PaymentId>(), "payment id"),
        (TypeId::of::<Account>(), "account"),
        (TypeId::of::<When>(), "time"),
        (TypeId::of::<Timestamp>(), "time"),
    ];
    let found = types.into_iter().find(|(of, _)| id == *of);
    match found {
        Some((_, name)) => name,
        None if id == TypeId::of::<Host>() => "host",
        None if id == TypeId::of::<Address>() => "address",
        None if id == TypeId::of::<ChainId>() => "integer",
        None if id == TypeId::of::<MemoText>() => "memo",
        None if id == TypeId::of::<Allowance>() => "spending limit",
        None if id == TypeId::of::<Age>() => "time",
        None if id == TypeId::of::<RpcText>() => "URL",
        None if id == TypeId::of::<TransferId>() => "transfer id",
        None if id == TypeId::of::<ChannelId>() => "channel id",
        None => "text",
    }
}

/// Whether a command can move money: pay it, book it, or give it back. `None` for one that nobody
/// has thought about yet, which a test does not let pass.
fn moves_money(path: &str) -> Option<bool> {
    Some(match path {
        "pay" | "ledger deposit" | "ledger withdraw" | "payments refund" => true,
        // These take money from others, or pay where they are told to.
        "gateway" | "check" => true,
        // A fee is paid.
        "wallet send" | "wallet keys grant" | "wallet keys revoke" => true,
        // The seller is paid what was spent, or a fee is.
        "sessions close" | "sessions sync" => true,
        "sessions list" | "sessions show" | "sessions recover" => false,
        "wallet fund" | "wallet keys list" => false,
        "" | "dev" | "inspect" | "completions" => false,
        "wallet create" | "wallet import" | "wallet export" | "wallet list" => false,
        "wallet balance" | "wallet history" | "wallet budget" | "wallet budget set" => false,
        "receipts list" | "receipts show" | "receipts export" | "receipts write-off" => false,
        "networks list" | "networks add" | "networks remove" | "networks use" => false,
        "ledger balance" | "ledger accounts" | "ledger history" => false,
        // What was spent is paid out, and the rest goes back.
        "channels settle" | "channels close" => true,
        "channels list" | "channels show" | "channels report" => false,
        "payments list" | "payments show" | "payments write-off" => false,
        "gateway check" | "gateway explain" | "gateway init" => false,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(described: &Value) {
        let path = &described["command"];
        if let Some(moves) = described.get("movesMoney") {
            assert!(moves.is_boolean(), "does `{path}` move money?");
        }
        let both = ["arguments", "options"].map(|list| described[list].as_array().unwrap());
        for argument in both.into_iter().flatten() {
            assert!(argument["about"].is_string(), "{path}: {argument}");
        }
        for below in described["commands"].as_array().into_iter().flatten() {
            check(below);
        }
    }

    #[test]
    fn every_command_says_whether_it_moves_money_and_what_its_arguments_are() {
        check(&description());
    }
}
