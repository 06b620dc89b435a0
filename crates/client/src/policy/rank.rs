//! In which order offers are tried.

use super::Policy;
use crate::offers::Choice;

/// Orders what can be paid: the policy's preferred methods first, then its preferred currencies,
/// then the currencies in the server's order, the cheapest first within each, and at last the
/// server's order. Amounts of two currencies are never compared.
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
            let key = (
                policy.method_rank(&currency.rail),
                liked.unwrap_or(policy.preferred.len()),
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
