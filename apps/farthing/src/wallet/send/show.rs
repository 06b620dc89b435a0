//! How a transfer ended, for a person and for a program.

use farthing::{
    core::payment::Moved,
    tempo::{Memo, tip20::Standing},
};
use serde_json::{Value, json};

use super::Asked;
use crate::{
    error::{Error, as_json, told},
    exit::Exit,
    networks,
    screen::{self, Paint},
    signer::Signer,
    wallet::put,
};

impl Asked<'_> {
    /// Says how it ended.
    pub(super) fn told(
        &self,
        signer: &Signer,
        standing: &Standing,
        json: bool,
    ) -> Result<Exit, Error> {
        let (exit, moved, name, what) = match standing {
            Standing::Done { .. } => (Exit::Done, Moved::Yes, "done", ""),
            Standing::Diverted { .. } => (
                Exit::Owed,
                Moved::Yes,
                "diverted",
                "the recipient does not have it: a policy of theirs keeps it out, and they can claim it",
            ),
            Standing::Reverted { .. } => (
                Exit::Unpaid,
                Moved::No,
                "reverted",
                "it was executed and failed: it cost its fee, and nothing else moved",
            ),
            Standing::Dead { .. } => (
                Exit::Unpaid,
                Moved::No,
                "dead",
                "no block took it in time, and none will: nothing moved",
            ),
            _ => (
                Exit::Unresolved,
                Moved::Unknown,
                "waiting",
                "it was sent, and no block has it yet",
            ),
        };
        if json {
            return self.object(standing, name, exit, moved, what);
        }
        let paint = Paint::for_stderr();
        if exit == Exit::Done {
            let rows = self.rows(signer, standing);
            return put(screen::rows(Paint::for_stdout(), 0, &rows));
        }
        screen::tell(format!("{} {what}", paint.bad("error:")));
        let next = match standing {
            // What was executed is final: the id stands for it, whatever is tried again.
            Standing::Reverted { .. } => {
                "see on the chain what it failed by; a new try needs another --id".to_owned()
            }
            Standing::Diverted { .. } => {
                "tell the recipient: nothing more is to be sent".to_owned()
            }
            _ => format!(
                "run the same command again with --id {}: money moves once for it",
                self.id
            ),
        };
        let rows = [
            ("whose", "the payment rail".to_owned()),
            ("money", told(moved).to_owned()),
            ("transaction", standing.hash().to_string()),
            ("next", next),
        ];
        screen::tell(screen::rows(paint, 2, &rows));
        Ok(exit)
    }

    fn rows(&self, signer: &Signer, standing: &Standing) -> Vec<(&'static str, String)> {
        let mut rows = vec![
            ("sent", self.amount()),
            ("token", self.token.symbol.to_string()),
            ("to", self.order.recipient.to_string()),
            ("from", signer.told.clone()),
            ("on", self.on()),
            ("id", self.id.to_string()),
            ("transaction", standing.hash().to_string()),
        ];
        if let Standing::Done { block, fee, .. } = standing {
            rows.push(("block", block.to_string()));
            rows.push(("fee", self.fee(*fee)));
        }
        let page = networks::explorer(self.network, &standing.hash());
        rows.extend(page.map(|page| ("see", page)));
        rows
    }

    fn object(
        &self,
        standing: &Standing,
        name: &str,
        exit: Exit,
        moved: Moved,
        what: &str,
    ) -> Result<Exit, Error> {
        let mut told: Value = networks::token_json(self.token);
        told["amount"] = json!(self.order.amount);
        told["price"] = json!(self.amount());
        told["id"] = json!(self.id);
        told["standing"] = json!(name);
        told["moneyMoved"] = as_json(moved);
        told["to"] = json!(self.order.recipient.to_string());
        told["memo"] = json!(self.order.memo.map(|memo| memo.to_string()));
        told["network"] = json!(self.network.name());
        told["chainId"] = json!(self.network.chain());
        told["transaction"] = json!(standing.hash().to_string());
        if let Standing::Done { block, .. } = standing {
            told["block"] = json!(block);
        }
        if let Standing::Done { fee, .. }
        | Standing::Diverted { fee, .. }
        | Standing::Reverted { fee, .. } = standing
        {
            told["fee"] = json!({
                "amount": fee,
                "price": self.fee_token.currency().display(*fee),
                "token": self.fee_token.symbol.as_str(),
            });
        }
        if exit != Exit::Done {
            told["error"] = json!(exit.name());
            told["exitCode"] = json!(exit.code());
            told["message"] = json!(what);
        }
        put(told)?;
        Ok(exit)
    }
}

/// A memo as a text where it is one.
pub(super) fn memo(memo: &Memo) -> String {
    let bytes = memo.0.as_slice();
    let end = bytes
        .iter()
        .rposition(|byte| *byte != 0)
        .map_or(0, |last| last + 1);
    match std::str::from_utf8(&bytes[..end]) {
        Ok(text) if end > 0 && !text.contains(char::is_control) => {
            format!("{} ({memo})", screen::clean(text))
        }
        _ => memo.to_string(),
    }
}
