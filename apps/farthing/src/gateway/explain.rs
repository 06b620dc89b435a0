//! `farthing gateway explain`: which rule decides about a request, and why not another.

use std::path::PathBuf;

use clap::Args as Arguments;
use farthing::core::{noun::problem::ProblemKind, payment::SettlePolicy};
use farthing_gateway::{
    config::{Config, Rule, RuleKey, RulePrice, Segment, Verb},
    door::{self, Site},
    routes::{Found, Table},
};
use http::{HeaderValue, Method, Request, Uri, header};
use serde_json::{Value, json};

use super::{GatewayError, rules, run::FILE, sessions};
use crate::{
    args::any_path,
    error::Error,
    exit::{self, Exit},
    screen::{self, Paint},
};

/// The gateway's own documents.
const DOCUMENTS: [&str; 2] = ["/openapi.json", "/llms.txt"];

/// The arguments of `farthing gateway explain`.
#[derive(Debug, Arguments)]
#[command(after_help = exit::help())]
pub(super) struct Explain {
    /// The HTTP method
    method: Method,
    /// The path, as a client sends it; a query is left aside
    path: String,
    /// The file of the gateway
    #[arg(long, value_name = "FILE", default_value = FILE, value_parser = any_path())]
    config: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    pub(super) json: bool,
}

/// What becomes of a request.
enum Verdict<'a> {
    /// It does not come in.
    Refused { why: String, kind: ProblemKind },
    /// It is answered with a document of our own.
    Document,
    /// A rule decides.
    Rule(&'a Rule),
    /// Two rules could be meant, and one of them has a price.
    TwoWays { written: &'a Rule, plain: &'a Rule },
    /// No rule for this method.
    OtherMethod(Vec<Method>),
    /// No rule for this path.
    Nothing,
}

pub(super) fn run(explain: &Explain) -> Result<Exit, Error> {
    let config = Config::read(&explain.config).map_err(GatewayError::File)?;
    let keys = config.rules.iter().map(|rule| (rule.key.clone(), rule));
    let table = Table::new(keys).map_err(|_| GatewayError::Rules)?;
    let verdict = judge(&explain.method, &explain.path, &config, &table);
    let path = explain.path.split('?').next().unwrap_or_default();
    let others = others(&verdict, &explain.method, path, &table);
    let text = if explain.json {
        as_json(explain, &config, &verdict, &others).to_string()
    } else {
        told(explain, &config, &verdict, &others, Paint::for_stdout())
    };
    screen::data(text).map_err(Error::System)?;
    Ok(Exit::Done)
}

fn judge<'a>(
    method: &Method,
    target: &str,
    config: &Config,
    table: &Table<&'a Rule>,
) -> Verdict<'a> {
    let Ok(uri) = target.parse::<Uri>() else {
        return Verdict::Refused {
            why: "this is no target of a request".into(),
            kind: ProblemKind::BadRequest,
        };
    };
    let mut request = Request::new(());
    *request.method_mut() = method.clone();
    *request.uri_mut() = uri;
    // A host other than the site's is refused by the listener, and is not asked about here.
    let host = request.uri().authority().map(ToString::to_string);
    let host = host.unwrap_or_else(|| config.site.to_string());
    if let Ok(host) = HeaderValue::from_str(&host) {
        request.headers_mut().insert(header::HOST, host);
    }
    if let Err(refusal) = door::check(&request, &Site::new(&config.site)) {
        return Verdict::Refused {
            why: refusal.detail().into_owned(),
            kind: refusal.kind(),
        };
    }
    let path = request.uri().path();
    let reads = *method == Method::GET || *method == Method::HEAD;
    if config.about.discovery && reads && DOCUMENTS.contains(&path) {
        return Verdict::Document;
    }
    match table.find(method, path) {
        Found::Rule(rule) => Verdict::Rule(rule),
        Found::TwoWays { written, plain } if is_free(written) && is_free(plain) => {
            Verdict::Rule(written)
        }
        Found::TwoWays { written, plain } => Verdict::TwoWays { written, plain },
        Found::OtherMethod(methods) => Verdict::OtherMethod(methods),
        Found::None => Verdict::Nothing,
    }
}

fn is_free(rule: &Rule) -> bool {
    rule.price == RulePrice::Free
}

/// The other rules that take the path, and why none of them decides.
fn others<'a>(
    verdict: &Verdict<'_>,
    method: &Method,
    path: &str,
    table: &Table<&'a Rule>,
) -> Vec<(&'a Rule, String)> {
    if matches!(verdict, Verdict::Refused { .. }) {
        return Vec::new();
    }
    let (decides, told) = match verdict {
        Verdict::Rule(rule) => (Some(*rule), vec![*rule]),
        Verdict::TwoWays { written, plain } => (None, vec![*written, *plain]),
        _ => (None, Vec::new()),
    };
    let matching = table.matching(path).into_iter().map(|(_, rule)| *rule);
    let lost = matching.filter(|rule| told.iter().all(|told| told.key != rule.key));
    lost.map(|rule| (rule, why_not(&rule.key, method, decides)))
        .collect()
}

/// Why a rule that takes the path does not decide.
fn why_not(key: &RuleKey, method: &Method, decides: Option<&Rule>) -> String {
    let is_of =
        |named: &Method| named == method || (*named == Method::GET && *method == Method::HEAD);
    match &key.verb {
        Verb::One(named) if !is_of(named) => return format!("it is for {named}"),
        _ => {}
    }
    let Some(decides) = decides else {
        return "it does not come to the rules".into();
    };
    let pairs = key.pattern.segments().zip(decides.key.pattern.segments());
    for (lost, won) in pairs {
        if rank(lost) != rank(won) {
            return format!("{} is less specific than {}", named(lost), named(won));
        }
    }
    format!("a rule for {} comes first", decides.key.verb)
}

const fn rank(segment: Segment<'_>) -> u8 {
    match segment {
        Segment::Literal(_) => 0,
        Segment::Name(_) => 1,
        Segment::Rest => 2,
    }
}

fn named(segment: Segment<'_>) -> String {
    match segment {
        Segment::Literal(text) => format!("`{text}`"),
        Segment::Name(name) => format!("`{{{name}}}`"),
        Segment::Rest => "`*`".into(),
    }
}

fn told(
    explain: &Explain,
    config: &Config,
    verdict: &Verdict<'_>,
    others: &[(&Rule, String)],
    paint: Paint,
) -> String {
    let asked = format!("{} {}", explain.method, explain.path);
    let mut lines = vec![paint.bold(screen::clean(&asked))];
    lines.push(screen::rows(paint, 2, &outcome(explain, config, verdict)));
    if !others.is_empty() {
        lines.push("also there, and not asked:".into());
        let rows: Vec<_> = others
            .iter()
            .map(|(rule, why)| [rule.key.to_string(), place(rule, explain), why.clone()])
            .collect();
        let table = screen::table(paint, ["RULE", "WHERE", "WHY NOT"], &rows);
        lines.extend(table.lines().map(|line| format!("  {line}")));
    }
    lines.join("\n")
}

fn place(rule: &Rule, explain: &Explain) -> String {
    let file = explain
        .config
        .file_name()
        .unwrap_or(explain.config.as_os_str());
    format!("{}:{}", file.to_string_lossy(), rule.line)
}

fn outcome(
    explain: &Explain,
    config: &Config,
    verdict: &Verdict<'_>,
) -> Vec<(&'static str, String)> {
    let answer = |kind: ProblemKind| format!("{} {}", kind.status(), kind.spec().title);
    let here = |rule: &Rule| format!("{}, {}", rule.key, place(rule, explain));
    match verdict {
        Verdict::Refused { why, kind } => {
            vec![
                ("answer", answer(*kind)),
                ("why", format!("refused at the door: {why}")),
            ]
        }
        Verdict::Document => vec![
            ("answer", "the gateway's own document, free".to_owned()),
            (
                "why",
                "it is made from the rules; [service] discovery = false turns it off".to_owned(),
            ),
        ],
        Verdict::TwoWays { written, plain } => vec![
            ("answer", answer(ProblemKind::BadRequest)),
            (
                "why",
                "the path can be read in two ways, and they do not cost the same".to_owned(),
            ),
            ("as written", here(written)),
            ("in plain", here(plain)),
        ],
        Verdict::OtherMethod(methods) => {
            let methods: Vec<_> = methods.iter().map(Method::as_str).collect();
            vec![
                ("answer", answer(ProblemKind::MethodNotAllowed)),
                (
                    "why",
                    format!("there are rules for {} only", methods.join(", ")),
                ),
            ]
        }
        Verdict::Nothing => vec![
            ("answer", answer(ProblemKind::NotFound)),
            ("why", "no rule takes this path".to_owned()),
        ],
        Verdict::Rule(rule) => {
            let mut rows = vec![("rule", here(rule)), ("price", rules::price(rule))];
            if let Some(session) = &rule.session {
                rows.extend(sessions::rows(session, config));
            }
            rows.extend(settle(rule, config).map(|settle| ("settle", settle)));
            if !is_free(rule) {
                rows.push(("served", rules::served(rule)));
            }
            rows.extend(rules::credit(rule).map(|credit| ("credit", credit)));
            rows.extend(
                rules::shares(rule)
                    .into_iter()
                    .map(|share| ("share", share)),
            );
            rows.extend(rule.memo.map(|memo| ("memo", memo.to_string())));
            let target = explain.path.parse::<Uri>().ok();
            let target = target.as_ref().and_then(Uri::path_and_query);
            let path = target.map_or("", http::uri::PathAndQuery::as_str);
            let upstream = rules::url(rules::upstream(rule, config));
            rows.push((
                "goes to",
                screen::clean(&format!("{upstream}{path}")).into_owned(),
            ));
            rows
        }
    }
}

/// When value moves, in words; on which rail, where that makes a difference.
fn settle(rule: &Rule, config: &Config) -> Option<String> {
    let policies = rules::policies(rule, config);
    let told = |policy: &SettlePolicy| match policy {
        SettlePolicy::First => "first, before it is served",
        SettlePolicy::After => "after it is served",
    };
    let (_, first) = policies.first()?;
    if policies.iter().all(|(_, policy)| policy == first) {
        return Some(told(first).to_owned());
    }
    let each = policies.iter();
    let each = each.map(|(rail, policy)| format!("on {rail} {}", told(policy)));
    Some(each.collect::<Vec<_>>().join("; "))
}

fn as_json(
    explain: &Explain,
    config: &Config,
    verdict: &Verdict<'_>,
    others: &[(&Rule, String)],
) -> Value {
    let (decision, status, why) = match verdict {
        Verdict::Refused { why, kind } => ("refused", Some(kind.status()), Some(why.clone())),
        Verdict::Document => ("document", None, None),
        Verdict::Rule(_) => ("rule", None, None),
        Verdict::TwoWays { .. } => {
            let why = "the path can be read in two ways".to_owned();
            ("refused", Some(ProblemKind::BadRequest.status()), Some(why))
        }
        Verdict::OtherMethod(_) => (
            "otherMethod",
            Some(ProblemKind::MethodNotAllowed.status()),
            None,
        ),
        Verdict::Nothing => ("none", Some(ProblemKind::NotFound.status()), None),
    };
    let rule = match verdict {
        Verdict::Rule(rule) => Some(rules::as_json(rule, config)),
        _ => None,
    };
    let allow = match verdict {
        Verdict::OtherMethod(methods) => Some(
            methods
                .iter()
                .map(|method| method.as_str().to_owned())
                .collect::<Vec<_>>(),
        ),
        _ => None,
    };
    let others = others
        .iter()
        .map(|(rule, why)| json!({ "rule": rule.key.to_string(), "line": rule.line, "why": why }));
    json!({
        "method": explain.method.as_str(),
        "path": explain.path,
        "decision": decision,
        "status": status,
        "why": why,
        "rule": rule,
        "allow": allow,
        "others": others.collect::<Vec<_>>(),
    })
}
