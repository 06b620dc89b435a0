//! What a rule says of a payment on a chain: what is given on credit, who gets a share, what stands
//! beside the transfer.

use std::ops::Range;

use farthing::core::{
    payment::SettlePolicy,
    value::{Amount, Price},
};
use toml::de::DeValue;

use super::{
    super::{CreditTerms, Rule, RulePrice, Share},
    money::{Money, OnChain},
    report::{Report, Wrong},
    section::{Item, Section, kind, listed},
    tempo::{memo, recipient},
};

/// The keys that are for a chain.
pub(super) const KEYS: [&str; 3] = ["credit", "splits", "memo"];

/// Recipients of one payment beside the first (Tempo draft, "Constraints").
const MOST: usize = 10;

/// Reads what is said, onto a rule whose price and settlement are known.
pub(super) fn terms(rule: &mut Rule, section: Section<'_>, money: &Money, report: &mut Report<'_>) {
    let currencies = match money.on_chain() {
        OnChain::Counts(currencies) => currencies,
        // Why it cannot be read is told where it stands.
        OnChain::Unreadable => return,
        OnChain::Nothing => {
            for item in KEYS.iter().filter_map(|key| section.get(key)) {
                let key = item.key;
                let what = format!("`{key}` is for payments on a chain, and there are none");
                let instead = format!("remove `{key}`, or add pay.tempo");
                report.add(item.key_at, Wrong::write(what, instead));
            }
            return;
        }
    };
    let in_units = |price: &Price| {
        let unit = price.unit().as_str();
        let currency = currencies.iter().find(|known| *known.symbol == *unit)?;
        price.in_currency(currency).ok()
    };
    rule.memo = section.parsed("memo", report, memo);
    if let Some(item) = section.get("credit") {
        rule.credit = credit(&item, rule, &in_units, report);
    }
    if let Some(item) = section.get("splits") {
        rule.splits = splits(&item, rule, &in_units, report);
    }
}

/// The base units of an amount, where a token has its unit.
type Units<'a> = &'a dyn Fn(&Price) -> Option<Amount>;

fn credit(
    item: &Item<'_>,
    rule: &Rule,
    units: Units<'_>,
    report: &mut Report<'_>,
) -> Option<CreditTerms> {
    let DeValue::Table(table) = item.value else {
        let what = format!("`credit` is a table, and not {}", kind(item.value));
        report.add(item.at.clone(), Wrong::write(what, EXAMPLE));
        return None;
    };
    let section = Section {
        name: "`credit`",
        table,
    };
    section.only(&["per_payer", "in_total"], report);
    let (one, all) = (
        amount("per_payer", section, units, report),
        amount("in_total", section, units, report),
    );
    let missing: Vec<_> = ["per_payer", "in_total"]
        .into_iter()
        .filter(|key| section.get(key).is_none())
        .collect();
    if !missing.is_empty() {
        let what = format!("credit has bounds, and {} is not said", listed(&missing));
        report.add(item.key_at.clone(), Wrong::write(what, EXAMPLE));
    }
    if rule.settle == Some(SettlePolicy::After) {
        let what = "what settles after it is served is not served on credit";
        report.add(
            item.key_at.clone(),
            Wrong::write(what, "settle = \"first\", or no `credit`"),
        );
    }
    let ((per_payer, one), (in_total, all)) = (one?, all?);
    if one > all {
        let what = "one payer has more than all of them together";
        let at = section.get("in_total")?.at;
        report.add(at, Wrong::write(what, "no less than `per_payer`"));
    }
    if let RulePrice::Fixed(price) = &rule.price
        && units(price).is_some_and(|price| price > one)
    {
        let what = "less than the price: nothing would ever be given on credit";
        let at = section.get("per_payer")?.at;
        report.add(at, Wrong::write(what, "no less than the price"));
    }
    Some(CreditTerms {
        per_payer,
        in_total,
    })
}

const EXAMPLE: &str = "credit = { per_payer = \"$1\", in_total = \"$20\" }";

/// An amount that is more than nothing, as it is written and in base units.
fn amount(
    key: &str,
    section: Section<'_>,
    units: Units<'_>,
    report: &mut Report<'_>,
) -> Option<(Price, Amount)> {
    section.parsed(key, report, |text| {
        let usual = "as in \"$0.001\"";
        let price: Price = text
            .parse()
            .map_err(|_| Wrong::write("this is no amount of money", usual))?;
        let Some(units) = units(&price) else {
            let what = format!("no token counts {price}: another unit, or too fine");
            return Err(Wrong::write(what, usual));
        };
        match units.is_zero() {
            true => Err(Wrong::write("nothing is no amount here", usual)),
            false => Ok((price, units)),
        }
    })
}

fn splits(item: &Item<'_>, rule: &Rule, units: Units<'_>, report: &mut Report<'_>) -> Vec<Share> {
    let example = "splits = [{ recipient = \"0x…\", amount = \"$0.001\" }]";
    let DeValue::Array(items) = item.value else {
        let what = format!("`splits` is a list of tables, and not {}", kind(item.value));
        report.add(item.at.clone(), Wrong::write(what, example));
        return Vec::new();
    };
    if items.is_empty() || items.len() > MOST {
        let what = format!("a payment is split among one to {MOST} others");
        report.add(item.at.clone(), Wrong::write(what, example));
        return Vec::new();
    }
    let (mut shares, mut sum) = (Vec::new(), Some(Amount::new(0)));
    for item in items.iter() {
        let Some((share, units)) = share(item.get_ref(), &item.span(), units, report) else {
            continue;
        };
        sum = sum.and_then(|sum| sum.checked_add(units));
        shares.push(share);
    }
    let price = match &rule.price {
        RulePrice::Fixed(price) => units(price),
        RulePrice::Free | RulePrice::Session => None,
    };
    if let Some(price) = price
        && shares.len() == items.len()
        && sum.is_none_or(|sum| sum >= price)
    {
        let what =
            "the shares come to the whole price, and the recipient of `pay.tempo` gets nothing";
        report.add(
            item.at.clone(),
            Wrong::write(what, "shares that come to less than the price"),
        );
    }
    shares
}

fn share(
    value: &DeValue<'_>,
    at: &Range<usize>,
    units: Units<'_>,
    report: &mut Report<'_>,
) -> Option<(Share, Amount)> {
    let DeValue::Table(table) = value else {
        let what = format!("a share is a table, and not {}", kind(value));
        report.add(
            at.clone(),
            Wrong::write(what, "{ recipient = \"0x…\", amount = \"$0.001\" }"),
        );
        return None;
    };
    let section = Section {
        name: "a share",
        table,
    };
    section.only(&["recipient", "amount", "memo"], report);
    let missing: Vec<_> = ["recipient", "amount"]
        .into_iter()
        .filter(|key| section.get(key).is_none())
        .collect();
    if !missing.is_empty() {
        let what = format!("a share needs {}", listed(&missing));
        report.add(
            at.clone(),
            Wrong::write(what, "{ recipient = \"0x…\", amount = \"$0.001\" }"),
        );
    }
    let recipient = section.parsed("recipient", report, recipient);
    let amount = amount("amount", section, units, report);
    let memo = section.parsed("memo", report, memo);
    let (amount, units) = amount?;
    let share = Share {
        recipient: recipient?,
        amount,
        memo,
    };
    Some((share, units))
}
