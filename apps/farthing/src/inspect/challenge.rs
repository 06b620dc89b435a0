//! Challenges, as a `WWW-Authenticate` line has them.

use std::rc::Rc;

use farthing::core::{
    bounds,
    header::{
        SCHEME,
        www_authenticate::{self, Outlined, Parameter, ValueFault},
    },
};

use super::{
    Context,
    finding::Finding,
    report::{Field, Item},
    rule::Rule,
    slots::{self, KNOWN, Texts},
};

/// A challenge that was looked at.
pub(super) struct Inspected {
    pub(super) item: Item,
    /// The texts of it, where it is of the `Payment` scheme.
    pub(super) texts: Option<Texts>,
}

/// Looks at every challenge of a line.
pub(super) fn inspect(line: &[u8], context: &Context) -> Vec<Inspected> {
    let cut = &line[..line.len().min(bounds::AUTHENTICATE_HEADER)];
    let shared: Rc<[u8]> = cut.into();
    let mut found: Vec<Inspected> = www_authenticate::outline(cut)
        .iter()
        .take(bounds::CHALLENGES)
        .map(|outlined| one(outlined, &shared, context))
        .collect();
    if let (true, Some(last)) = (cut.len() < line.len(), found.last_mut()) {
        let what = format!("the header has {} bytes", line.len());
        let right = "challenges under 8 KB; what lies beyond 32 KB was not read";
        let finding = Finding::warning(Rule::core("9.4"), "header", what).right(right);
        last.item.findings.push(finding);
    }
    found
}

/// Whether a line holds a challenge of the `Payment` scheme with parameters.
pub(super) fn is_challenge(line: &[u8]) -> bool {
    let cut = &line[..line.len().min(bounds::AUTHENTICATE_HEADER)];
    www_authenticate::outline(cut)
        .iter()
        .any(|outlined| is_payment(outlined) && !outlined.parameters.is_empty())
}

fn is_payment(outlined: &Outlined<'_>) -> bool {
    outlined.scheme.eq_ignore_ascii_case(SCHEME.as_bytes())
}

fn one(outlined: &Outlined<'_>, line: &Rc<[u8]>, context: &Context) -> Inspected {
    if !is_payment(outlined) {
        return other(outlined);
    }
    let mut item = Item::new("challenge", "challenge");
    let mut texts = Texts::default();
    let mut seen: Vec<String> = Vec::new();
    for parameter in &outlined.parameters {
        let name = String::from_utf8_lossy(parameter.name).into_owned();
        let known = name.to_ascii_lowercase();
        syntax(parameter, &name, &known, line, &mut item);
        if seen.contains(&known) {
            let what = format!("{name} stands twice, so two readers may see two challenges");
            let finding = Finding::error(Rule::rfc(9110, "11.2"), &known, what)
                .right("each parameter once")
                .at(line, parameter.at);
            item.findings.push(finding);
        }
        if let Some(text) = value(parameter, &known, line, &mut item) {
            let quote = usize::from(line.get(parameter.value_at) == Some(&b'"'));
            let place = (Rc::clone(line), parameter.value_at + quote);
            texts.add(&known, text, Some(place));
        } else {
            texts.add_unread(&known);
        }
        seen.push(known);
    }
    slots::inspect(&texts, context, &mut item);
    unknown(outlined, &mut item);
    Inspected {
        item,
        texts: Some(texts),
    }
}

/// What can be wrong with a parameter whatever its name.
fn syntax(parameter: &Parameter<'_>, name: &str, known: &str, line: &[u8], item: &mut Item) {
    if name != known {
        let what = format!("{name} is not in lower case");
        let finding = Finding::warning(Rule::core("9.3"), known, what)
            .right(known)
            .tolerated("readers compare names without case")
            .at(line, parameter.at);
        item.findings.push(finding);
    }
    if let (Some(stray), Ok(_)) = (parameter.stray, &parameter.value) {
        let what = format!("something stands between the value of {name} and the next comma");
        let finding = Finding::error(Rule::core("5.1"), known, what)
            .right("a comma between two parameters")
            .tolerated("readers pass over it")
            .at(line, stray);
        item.findings.push(finding);
    }
}

/// The value as a text, or what is wrong with it.
fn value(parameter: &Parameter<'_>, known: &str, line: &[u8], item: &mut Item) -> Option<String> {
    let (what, right, at) = match &parameter.value {
        Ok(bytes) => match String::from_utf8(bytes.clone()) {
            Ok(text) => return Some(text),
            Err(error) => (
                "is not UTF-8",
                "text in UTF-8",
                parameter.value_at + 1 + error.utf8_error().valid_up_to(),
            ),
        },
        Err(ValueFault::Unclosed) => (
            "has a quoted text that is not closed",
            "a \" at its end; a \" inside it is written \\\"",
            parameter.value_at,
        ),
        Err(ValueFault::Unquoted { at }) => (
            "stands without quotes and holds a character that needs them",
            "the value in quotes",
            *at,
        ),
        Err(_) => ("has no value", "a value, in quotes", parameter.value_at),
    };
    let finding = Finding::error(Rule::rfc(9110, "5.6.4"), known, format!("{known} {what}"))
        .right(right)
        .at(line, at.min(line.len()));
    item.findings.push(finding);
    None
}

fn unknown(outlined: &Outlined<'_>, item: &mut Item) {
    for parameter in &outlined.parameters {
        let name = String::from_utf8_lossy(parameter.name).to_ascii_lowercase();
        if KNOWN.contains(&name.as_str()) {
            continue;
        }
        if let Ok(value) = &parameter.value {
            item.fields
                .push(Field::new(name.as_str(), String::from_utf8_lossy(value)));
        }
        let what = format!("{name} is no parameter of the draft; clients ignore it");
        item.findings
            .push(Finding::note(Rule::core("9.3"), name.as_str(), what));
    }
}

/// A challenge of another scheme: shown, not judged.
fn other(outlined: &Outlined<'_>) -> Inspected {
    let scheme = String::from_utf8_lossy(outlined.scheme);
    let mut item = if outlined.scheme.is_empty() {
        let mut item = Item::new("otherChallenge", "parameters without a scheme");
        let what = "parameters stand before any scheme";
        let rule = Rule::rfc(9110, "11.6.1");
        item.findings
            .push(Finding::warning(rule, "scheme", what).right("Payment id=…"));
        item
    } else {
        Item::new("otherChallenge", "challenge of another scheme")
    };
    item.fields.push(Field::new("scheme", scheme));
    Inspected { item, texts: None }
}
