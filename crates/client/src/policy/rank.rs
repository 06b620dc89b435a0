//! In which order offers are tried.

use farthing_core::port::payer::Funds;

use super::Policy;
use crate::offers::Choice;

/// Orders what can be paid: what the payer has too little for comes last. The policy's preferred
/// methods come first, then its preferred currencies, then what the payer knows it has, then the
/// currencies in the server's order, the cheapest first within each, and at last the server's
/// order. Amounts of two currencies are never compared.
pub(crate) fn rank(policy: &Policy, choices: Vec<Choice>) -> Vec<Choice> {
    let currencies: Vec<_> = choices
        .iter()
        .map(|choice| choice.quote().currency.clone())
        .collect();
    let mut ranked: Vec<_> = choices
        .into_iter()
        .enumerate()
        .map(|(at, choice)| {
            let currency = &choice.quote().currency;
            let first = currencies.iter().position(|other| other == currency);
            let liked = policy
                .preferred
                .iter()
                .position(|code| *code == currency.code);
            let funds = choice.quote().funds;
            let key = (
                funds == Funds::Short,
                policy.method_rank(&currency.rail),
                liked.unwrap_or(policy.preferred.len()),
                funds != Funds::Enough,
                first.unwrap_or(at),
                choice.offer().request.amount,
                at,
            );
            (key, choice)
        })
        .collect();
    ranked.sort_by_key(|(key, _)| *key);
    ranked.into_iter().map(|(_, choice)| choice).collect()
}
