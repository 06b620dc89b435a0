//! The screens of the walk.

use farthing::{
    client::Outlay,
    core::{
        intent::charge::ChargeRequest,
        noun::{Challenge, problem::Problem},
        value::{Amount, Currency},
    },
};
use http::{HeaderName, StatusCode};

use super::{
    Demo,
    folder::Folder,
    rail::{Balances, Fees},
    walk::Answer,
};
use crate::{
    program,
    screen::{self, Paint},
};

pub(super) fn unpaid(demo: &Demo, answer: &Answer, challenge: &Challenge, paint: Paint) -> String {
    let mut rows = vec![
        ("challenge", challenge.id.to_string()),
        ("realm", challenge.realm.to_string()),
        ("method", challenge.method.to_string()),
        ("intent", challenge.intent.to_string()),
    ];
    if let Ok(request) = challenge.request.decode::<ChargeRequest>() {
        let units = format!("{} base units of {}", request.amount, request.currency);
        let currencies = demo.shop.rail.currencies();
        let found = currencies.iter().find(|it| it.code == request.currency);
        let price = match found {
            Some(currency) => format!("{} ({units})", currency.display(request.amount)),
            None => units,
        };
        rows.insert(0, ("price", paint.asks(price)));
        let to = request.recipient.as_ref();
        rows.extend(to.map(|to| ("recipient", to.to_string())));
    }
    let (until, what) = (challenge.expires.as_ref(), challenge.description.as_ref());
    rows.extend(until.map(|until| ("expires", until.at().to_string())));
    rows.extend(what.map(|what| ("description", what.to_string())));
    format!(
        "\n{}\n\n{}\n\n{}\n",
        heading(1, "A request without a payment", paint),
        exchange(
            &format!("GET {}", demo.at("/paid")),
            "",
            answer.status,
            paint
        ),
        screen::rows(paint, 3, &rows),
    )
}

pub(super) fn paid(
    answer: &Answer,
    header: &HeaderName,
    length: usize,
    outlay: &Outlay,
    paint: Paint,
) -> String {
    let mut rows = vec![("body", String::from_utf8_lossy(&answer.body).into_owned())];
    if let Some(receipt) = &outlay.receipt {
        rows.push(("receipt", receipt.reference().to_string()));
        rows.push(("settled", receipt.timestamp().to_string()));
        rows.push(("method", receipt.method().to_string()));
        for (name, value) in receipt.extra() {
            let text = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            rows.push((name, text));
        }
    }
    let header = format!("{header}: Payment … ({length} bytes, signed by the wallet)");
    format!(
        "{}\n\n{}\n\n{}\n",
        heading(2, "The same request, paid for", paint),
        exchange("GET /paid", &header, answer.status, paint),
        screen::rows(paint, 3, &rows),
    )
}

/// The balances, to the base unit.
pub(super) fn moved(
    money: &Currency,
    before: Balances,
    after: Balances,
    fees: Fees,
    paint: Paint,
) -> String {
    let row = |who: &str, before: Amount, after: Amount| {
        let change = match after.checked_sub(before) {
            Some(more) => format!("+{}", money.display(more)),
            None => {
                let less = Amount::new(before.units() - after.units());
                format!("-{}", money.display(less))
            }
        };
        [
            who.to_owned(),
            money.display(before),
            money.display(after),
            change,
        ]
    };
    let body = [
        row("buyer", before.buyer, after.buyer),
        row("seller", before.seller, after.seller),
    ];
    let table = screen::table(paint, ["account", "before", "after", "change"], &body);
    let told = [("buyer", fees.buyer), ("seller", fees.seller)];
    let told = told.into_iter().filter(|(_, fee)| !fee.is_zero());
    let lines = told.map(|(who, fee)| {
        let fee = money.display(fee);
        format!("\n   The chain took a fee of {fee} from the {who}.")
    });
    let mut fee = lines.collect::<String>();
    if !fee.is_empty() {
        fee.push('\n');
    }
    format!("{}\n{fee}", indent(&table))
}

pub(super) fn replayed(answer: &Answer, problem: Option<&Problem>, paint: Paint) -> String {
    let mut rows = Vec::new();
    if let Some(problem) = problem {
        rows.push(("problem", problem.title().to_owned()));
        rows.extend(
            problem
                .detail
                .as_ref()
                .map(|detail| ("detail", detail.to_string())),
        );
    }
    rows.push(("money", "none moved: a payment buys one answer".to_owned()));
    format!(
        "{}\n\n{}\n\n{}\n",
        heading(3, "The same payment again", paint),
        exchange("GET /paid", "the same header", answer.status, paint),
        screen::rows(paint, 3, &rows),
    )
}

/// What to type in another terminal.
pub(super) fn lines_to_try(demo: &Demo, folder: &Folder, paint: Paint) -> String {
    let me = program::name();
    let url = &demo.url;
    let keystore = program::quoted(demo.buyer.dir());
    let (first, second) = match demo.shop.rail.chain() {
        None => (
            "$0.002, settled after it is served",
            "$0.05, settled before",
        ),
        Some(_) => ("$0.002, settled in a block and then served", "$0.05"),
    };
    let lines = [
        (format!("export FARTHING_KEYSTORE={keystore}"), ""),
        (format!("curl -i {url}/paid"), "what it costs: a 402"),
        (format!("{me} pay {url}/paid"), first),
        (format!("{me} pay {url}/render -d hello"), second),
        (
            format!("{me} pay {url}/rhyme --text"),
            "$0.001 a word, out of a channel",
        ),
        (format!("{me} sessions list"), "what is locked, and where"),
        (format!("{me} pay {url}/free"), "nothing"),
        (format!("{me} wallet balance"), "what is left of the $10"),
        (format!("{me} receipts list"), "what was paid"),
    ];
    // Above its line, so that what is copied fits a narrow terminal.
    let shown = lines.iter().map(|(line, about)| match *about {
        "" => format!("   {line}\n"),
        about => format!("   {}\n   {line}\n", paint.dim(format!("# {about}"))),
    });
    let end = folder.kept().map_or_else(
        || "It is up until Ctrl-C; then its folder is removed.".to_owned(),
        |dir| {
            format!(
                "It is up until Ctrl-C; everything stays in {}.",
                dir.display()
            )
        },
    );
    format!(
        "{}\n\n{}\n\n{end}",
        paint.bold("Now you, in another terminal"),
        shown.collect::<Vec<_>>().join("\n"),
    )
}

pub(super) fn heading(number: u8, text: &str, paint: Paint) -> String {
    paint.bold(format!("{number}  {text}"))
}

/// A request and the status it was answered with.
pub(super) fn exchange(request: &str, header: &str, status: StatusCode, paint: Paint) -> String {
    let answer = if status.is_success() {
        paint.good(status)
    } else {
        paint.asks(status)
    };
    let header = match header {
        "" => String::new(),
        header => format!("   > {header}\n"),
    };
    format!("   > {request}\n{header}   < {answer}")
}

fn indent(text: &str) -> String {
    let lines = text.lines().map(|line| format!("   {line}"));
    lines.collect::<Vec<_>>().join("\n")
}
