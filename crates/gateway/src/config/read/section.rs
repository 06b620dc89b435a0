//! Tables of the file, read key by key.

use std::ops::Range;

use toml::de::{DeTable, DeValue};

use super::{
    report::{Report, Wrong},
    suggest::nearest,
};

/// A table, and what it is called in a sentence.
#[derive(Clone, Copy)]
pub(super) struct Section<'a> {
    pub(super) name: &'a str,
    pub(super) table: &'a DeTable<'a>,
}

/// A value with its places.
#[derive(Clone)]
pub(super) struct Item<'a> {
    pub(super) key: &'a str,
    pub(super) key_at: Range<usize>,
    pub(super) at: Range<usize>,
    pub(super) value: &'a DeValue<'a>,
}

impl<'a> Section<'a> {
    /// Every entry, in the order of the file.
    pub(super) fn items(self) -> Vec<Item<'a>> {
        let mut items: Vec<_> = self
            .table
            .iter()
            .map(|(key, value)| Item {
                key: key.get_ref(),
                key_at: key.span(),
                at: value.span(),
                value: value.get_ref(),
            })
            .collect();
        items.sort_by_key(|item| item.key_at.start);
        items
    }

    pub(super) fn get(self, key: &str) -> Option<Item<'a>> {
        self.items().into_iter().find(|item| item.key == key)
    }

    /// Tells of every key that is not one of these.
    pub(super) fn only(self, keys: &[&str], report: &mut Report<'_>) {
        for item in self.items() {
            if keys.contains(&item.key) {
                continue;
            }
            let what = format!("{} has no key `{}`", self.name, shown(item.key));
            let instead = match (belongs(item.key), nearest(item.key, keys)) {
                (Some(place), _) => format!("`{}` belongs {place}", item.key),
                (None, Some(near)) => format!("write `{near}`"),
                (None, None) => format!("the keys are {}", listed(keys)),
            };
            report.add(item.key_at, Wrong::write(what, instead));
        }
    }

    /// A text that is read by a function.
    pub(super) fn parsed<T>(
        self,
        key: &str,
        report: &mut Report<'_>,
        parse: impl FnOnce(&str) -> Result<T, Wrong>,
    ) -> Option<T> {
        let item = self.get(key)?;
        let text = item.text(report)?;
        match parse(text) {
            Ok(value) => Some(value),
            Err(wrong) => {
                report.add(item.at, wrong);
                None
            }
        }
    }

    pub(super) fn flag(self, key: &str, report: &mut Report<'_>) -> Option<bool> {
        let item = self.get(key)?;
        match item.value {
            DeValue::Boolean(flag) => Some(*flag),
            DeValue::String(text) if matches!(&**text, "true" | "false") => {
                let what = format!("`{key}` is true or false, without quotes");
                report.add(item.at, Wrong::write(what, format!("{key} = {text}")));
                None
            }
            other => {
                let what = format!("`{key}` is true or false, and not {}", kind(other));
                report.wrong(item.at, what);
                None
            }
        }
    }

    /// A whole number within bounds.
    pub(super) fn number(
        self,
        key: &str,
        bounds: std::ops::RangeInclusive<u64>,
        report: &mut Report<'_>,
    ) -> Option<u64> {
        let item = self.get(key)?;
        let (least, most) = (bounds.start(), bounds.end());
        let DeValue::Integer(digits) = item.value else {
            let what = format!("`{key}` is a whole number, and not {}", kind(item.value));
            let text = item.value.as_str().filter(|text| {
                !text.is_empty() && text.len() < 20 && text.bytes().all(|b| b.is_ascii_digit())
            });
            let instead = text.map(|text| format!("{key} = {text}"));
            report.add(item.at, Wrong { what, instead });
            return None;
        };
        let number = u64::from_str_radix(digits.as_str(), digits.radix()).ok();
        let found = number.filter(|number| bounds.contains(number));
        if found.is_none() {
            report.wrong(
                item.at,
                format!("`{key}` is a number from {least} to {most}"),
            );
        }
        found
    }

    /// A table within this one.
    pub(super) fn section(
        self,
        key: &str,
        name: &'a str,
        report: &mut Report<'_>,
    ) -> Option<Section<'a>> {
        let item = self.get(key)?;
        match item.value {
            DeValue::Table(table) => Some(Section { name, table }),
            other => {
                let what = format!("{name} is a table, and not {}", kind(other));
                let instead = match other {
                    DeValue::Array(_) => Some(format!("write [{key}], with one pair of brackets")),
                    _ => None,
                };
                report.add(item.at, Wrong { what, instead });
                None
            }
        }
    }
}

impl<'a> Item<'a> {
    pub(super) fn text(&self, report: &mut Report<'_>) -> Option<&'a str> {
        if let DeValue::String(text) = self.value {
            return Some(text);
        }
        let what = format!(
            "`{}` is a text in quotes, and not {}",
            shown(self.key),
            kind(self.value)
        );
        let number = matches!(self.value, DeValue::Integer(_) | DeValue::Float(_));
        let instead = number.then(|| "write it in quotes, with its unit where it has one".into());
        report.add(self.at.clone(), Wrong { what, instead });
        None
    }

    /// A list of texts; one text is a list of one.
    pub(super) fn texts(&self, report: &mut Report<'_>) -> Vec<(&'a str, Range<usize>)> {
        match self.value {
            DeValue::String(text) => vec![(text, self.at.clone())],
            DeValue::Array(items) => items
                .iter()
                .filter_map(|item| match item.get_ref() {
                    DeValue::String(text) => Some((&**text, item.span())),
                    other => {
                        let what =
                            format!("`{}` is a list of texts, and not {}", self.key, kind(other));
                        report.wrong(item.span(), what);
                        None
                    }
                })
                .collect(),
            other => {
                let what = format!("`{}` is a list of texts, and not {}", self.key, kind(other));
                report.wrong(self.at.clone(), what);
                Vec::new()
            }
        }
    }
}

/// What a value is, in a sentence.
pub(super) const fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// A text of the file within a sentence: short, and without what moves a cursor.
pub(super) fn shown(text: &str) -> String {
    let mut shown: String = text.chars().filter(|c| !c.is_control()).take(60).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}

pub(super) fn listed(words: &[&str]) -> String {
    let words: Vec<_> = words.iter().map(|word| format!("`{word}`")).collect();
    match words.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, first)) => format!("{} and {last}", first.join(", ")),
        None => String::new(),
    }
}

/// Where a key belongs, wherever else it was put.
pub(super) fn belongs(key: &str) -> Option<&'static str> {
    let place = match key {
        "site" | "to" | "tls" | "behind_tls" | "trusted_proxies" | "store" | "secret" | "pay" => {
            "to the top of the file, before the first [table]"
        }
        "connect" | "first_byte" | "idle" | "http2" | "ca" | "keep_host" | "set_headers" => {
            "into [upstream]"
        }
        "per_peer"
        | "peer_burst"
        | "total"
        | "connections"
        | "connections_per_peer"
        | "head"
        | "body"
        | "body_rate"
        | "head_within"
        | "drain" => "into [limits]",
        "format" => "into [log]",
        "title" | "version" | "categories" | "docs" | "openapi" | "discovery" => "into [service]",
        "account" => "into pay.ledger",
        "exposure"
        | "min_deposit"
        | "close_unused"
        | "vouchers_per_second"
        | "voucher_burst"
        | "openings_an_hour"
        | "channels_in_memory"
        | "fundings_at_once"
        | "close_within"
        | "close_patience"
        | "serve_within"
        | "v1_ahead"
        | "v1_requests_ahead"
        | "keep"
        | "challenge" => "into [pay.session]",
        "escrows" | "together" | "sponsored" | "fee_token" | "grace" => "into [pay.tempo.session]",
        "usage" | "unit" | "estimate" | "least" | "min_delta" | "ahead" | "empty_posts" => {
            "into `session` of a rule"
        }
        "network" | "recipient" | "tokens" | "rpc" | "modes" | "proof_v2" | "sponsor" => {
            "into pay.tempo"
        }
        "fee_tokens" | "max_fee" | "in_flight" => "into `sponsor` of pay.tempo",
        "cert" | "key" => "into `tls`",
        "price" | "settle" | "served" | "retryable" | "redeliver" | "bind_body" | "store_up_to"
        | "hold_up_to" | "deadline" | "credit" | "splits" | "memo" => {
            "into a rule, as in \"GET /\" = { price = \"$0.002\", … }"
        }
        _ => return None,
    };
    Some(place)
}
