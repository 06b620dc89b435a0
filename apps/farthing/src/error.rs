//! What goes wrong, and how it is told: what happened, whose it is, whether money moved, what to
//! do next.

use std::{borrow::Cow, io, path::PathBuf};

use farthing::{
    client::{BuildError, Error as ClientError, PayerFault, Refused, Said},
    core::{
        noun::problem::ProblemKind,
        payment::Moved,
        port::{backend::StoreError, method::Fault},
        value::{MethodId, PaymentId, PriceError, TextError},
    },
    ledger::LedgerError,
    secret::SecretFileError,
    server::{RouteError, SetupError, discovery::DiscoveryError},
};
use serde_json::{Value, json};

use crate::{
    dev::AnvilError,
    exit::Exit,
    gateway::{self, GatewayError},
    keystore::KeystoreError,
    networks::ChainError,
    operator::OperatorError,
    screen::{self, Paint, clean},
    sessions::{self, NotClosed},
};

/// Why a run failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("{what}")]
    Usage { what: String, next: &'static str },
    #[error("{path} cannot be read")]
    Data { path: PathBuf, source: io::Error },
    #[error("{path} cannot be read")]
    Input { path: PathBuf, source: io::Error },
    #[error("{path} cannot be written")]
    Output { path: PathBuf, source: io::Error },
    #[error("the answer cannot be written")]
    Answer { source: io::Error, moved: Moved },
    #[error("the answer is larger than {bytes} bytes, too large for one JSON object")]
    TooLarge { bytes: u64, moved: Moved },
    #[error(transparent)]
    Gateway(#[from] GatewayError),
    #[error(transparent)]
    Keystore(#[from] KeystoreError),
    #[error(transparent)]
    Chain(#[from] ChainError),
    #[error(transparent)]
    Anvil(#[from] AnvilError),
    #[error("the store {path} cannot be used")]
    Store { path: PathBuf, source: StoreError },
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error(transparent)]
    Build(#[from] BuildError),
    /// Refused by limits that the keystore's owner set, which no flag of a run lifts.
    #[error(transparent)]
    OwnLimits(ClientError),
    /// Nothing that is offered can be paid by the one method the command line names.
    #[error("{offered} is asked for, and --method {only} allows nothing else to be paid by")]
    OnlyBy { offered: Box<str>, only: MethodId },
    /// The command line forbids the only way to pay.
    #[error("the server is paid out of a channel only, and --no-session allows none")]
    NoSession,
    #[error("it was not confirmed")]
    Declined,
    #[error(transparent)]
    Price(#[from] PriceError),
    #[error(transparent)]
    NotClosed(Box<NotClosed>),
    #[error(transparent)]
    Operator(#[from] OperatorError),
    #[error("the sum is larger than any amount")]
    Sum,
    #[error("there is no receipt and no payment {0}")]
    NoReceipt(PaymentId),
    #[error("the seller keeps the balance of a ledger account, and no store was named")]
    NoBalance,
    #[error("the ledger cannot be read")]
    Ledger(#[from] LedgerError),
    #[error("the demo cannot listen on {at}")]
    Listen { at: String, source: io::Error },
    #[error("the demo cannot be set up")]
    Setup(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the demo did not go as it should: {0}")]
    Demo(&'static str),
    #[error("the system refused")]
    System(#[source] io::Error),
    #[error(transparent)]
    Secret(SecretFileError),
    #[error("{url} cannot be reached")]
    Unreachable {
        url: Box<str>,
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("interrupted")]
    Interrupted { moved: Moved },
}

/// Who has to do something about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Blame {
    You,
    Answer,
    Limits,
    Wallet,
    Server,
    Rail,
    Network,
    Machine,
    Interrupt,
    Program,
}

impl Blame {
    const fn told(self) -> &'static str {
        match self {
            Self::You => "the command line",
            Self::Answer => "your answer",
            Self::Limits => "your spending limits",
            Self::Wallet => "your wallet",
            Self::Server => "the server",
            Self::Rail => "the payment rail",
            Self::Network => "the network",
            Self::Machine => "this machine",
            Self::Interrupt => "the interrupt",
            Self::Program => "this program",
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::You => "usage",
            Self::Answer => "answer",
            Self::Limits => "limits",
            Self::Wallet => "wallet",
            Self::Server => "server",
            Self::Rail => "rail",
            Self::Network => "network",
            Self::Machine => "machine",
            Self::Interrupt => "interrupt",
            Self::Program => "program",
        }
    }
}

/// How a run ends, who is to blame, whether money moved, and what to do next.
pub(crate) type Row = (Exit, Blame, Moved, Cow<'static, str>);

impl Error {
    /// The error's row: how the run ends, who is to blame, whether money moved, what to do.
    fn row(&self) -> Row {
        let nothing = |exit, blame, next: &'static str| (exit, blame, Moved::No, next.into());
        match self {
            Self::Usage { next, .. } => nothing(Exit::Usage, Blame::You, next),
            Self::Data { .. } => nothing(Exit::Usage, Blame::You, "check the file given with -d"),
            Self::Input { .. } | Self::Secret(_) | Self::Unreachable { .. } => self.of_looking(),
            Self::Output { .. } => nothing(Exit::Usage, Blame::You, "choose another file for -o"),
            Self::Answer { moved, .. } | Self::TooLarge { moved, .. } => {
                let exit = match moved {
                    Moved::No => Exit::Other,
                    Moved::Yes => Exit::Owed,
                    Moved::Unknown => Exit::Unresolved,
                };
                (
                    exit,
                    Blame::Machine,
                    *moved,
                    next_of_answer(self, *moved).into(),
                )
            }
            Self::Gateway(error) => (error.exit(), error.blame(), Moved::No, error.next()),
            Self::Keystore(error) => nothing(Exit::Storage, error.blame(), error.next()),
            Self::Chain(error) => error.row(),
            Self::Anvil(error) => error.row(),
            Self::Store { source, .. } => nothing(Exit::Storage, Blame::Machine, of_store(source)),
            Self::Client(error) => of_client(error),
            Self::OwnLimits(error) => {
                let (exit, blame, moved, _) = of_client(error);
                (exit, blame, moved, OWN_LIMITS.into())
            }
            Self::OnlyBy { .. } => nothing(
                Exit::Unpaid,
                Blame::You,
                "leave --method out, or name the method that is asked for",
            ),
            Self::NoSession => nothing(Exit::Unpaid, Blame::You, "leave --no-session out"),
            Self::Declined => nothing(Exit::Refused, Blame::Answer, "run it again to confirm it"),
            Self::Price(_) => nothing(
                Exit::Usage,
                Blame::You,
                "write an amount that can be counted exactly",
            ),
            Self::NotClosed(error) => error.row(),
            Self::Operator(error) => error.row(),
            Self::Sum => nothing(Exit::Other, Blame::Machine, "look at a shorter time"),
            Self::Build(_) => nothing(Exit::Other, Blame::Program, "report it: this is a defect"),
            Self::NoReceipt(_) => nothing(
                Exit::Other,
                Blame::You,
                "see `farthing receipts list` for the ids",
            ),
            Self::NoBalance => nothing(
                Exit::Other,
                Blame::You,
                "ask the seller; where their store is on this machine, name it with --store",
            ),
            Self::Ledger(_) => nothing(Exit::Storage, Blame::Machine, "check the store's file"),
            Self::Listen { .. } => nothing(
                Exit::Other,
                Blame::Machine,
                "choose another address with --listen",
            ),
            Self::Setup(_) => nothing(Exit::Other, Blame::Machine, "try with another --dir"),
            Self::Demo(_) => nothing(Exit::Other, Blame::Program, "report it: this is a defect"),
            Self::System(_) => nothing(Exit::Other, Blame::Machine, "try again"),
            Self::Interrupted { moved: Moved::No } => nothing(
                Exit::Interrupted,
                Blame::Interrupt,
                "nothing was signed: run the same command again, or do not",
            ),
            Self::Interrupted { moved: Moved::Yes } => (
                Exit::Interrupted,
                Blame::Interrupt,
                Moved::Yes,
                "it was paid, and not all of the answer was read: the same command pays again"
                    .into(),
            ),
            Self::Interrupted { moved } => (
                Exit::Interrupted,
                Blame::Interrupt,
                *moved,
                "the payment is kept: the same command sends it again and signs no other; \
                 see `farthing receipts list --pending`"
                    .into(),
            ),
        }
    }

    /// The rows of `inspect` and `check`, which move nothing by themselves.
    fn of_looking(&self) -> Row {
        let (exit, blame, next) = match self {
            Self::Unreachable { .. } => (
                Exit::Network,
                Blame::Network,
                "check the URL, and that the server is up",
            ),
            Self::Secret(_) => (
                Exit::Usage,
                Blame::You,
                "name the file that holds the server's challenge secret",
            ),
            _ => (Exit::Usage, Blame::You, "name another file"),
        };
        (exit, blame, Moved::No, next.into())
    }

    pub(crate) fn exit(&self) -> Exit {
        self.row().0
    }

    /// Tells a person.
    pub(crate) fn tell(&self) {
        let (_, blame, moved, next) = self.row();
        let paint = Paint::for_stderr();
        if let Self::Gateway(GatewayError::File(findings)) = self {
            screen::tell(format!("{}\n", gateway::findings_told(findings)));
        }
        screen::tell(format!(
            "{} {}",
            paint.bad("error:"),
            clean(&with_causes(self))
        ));
        let mut rows = vec![
            ("whose", blame.told().to_owned()),
            ("money", told(moved).to_owned()),
        ];
        if let Self::Client(ClientError::Unresolved(unresolved)) = self {
            if denies(&unresolved.said) {
                rows[1].1 = "the server says that none moved; nobody else can tell".to_owned();
            }
            rows.push(("payment", unresolved.payment.to_string()));
            let reference = unresolved.reference.as_ref();
            rows.extend(reference.map(|it| ("reference", clean(it.as_str()).into_owned())));
        }
        rows.push(("next", next.into_owned()));
        screen::tell(screen::rows(paint, 2, &rows));
    }

    /// Tells a program.
    pub(crate) fn to_json(&self) -> Value {
        let (exit, blame, moved, next) = self.row();
        let mut told = json!({
            "error": exit.name(),
            "exitCode": exit.code(),
            "message": with_causes(self),
            "blame": blame.name(),
            "moneyMoved": as_json(moved),
            "next": next,
        });
        if let Self::Client(ClientError::Unresolved(unresolved)) = self {
            told["payment"] = json!(unresolved.payment);
            told["reference"] = json!(unresolved.reference);
            told["serverDenies"] = json!(denies(&unresolved.said));
        }
        if let Self::Chain(ChainError::Transfer(unmade)) = self {
            told["id"] = json!(unmade.id);
        }
        if let Self::Gateway(GatewayError::File(findings)) = self {
            told["findings"] = gateway::findings_json(findings);
        }
        if let Self::Client(ClientError::Body {
            payment: Some(outlay),
            ..
        }) = self
        {
            told["payment"] = json!(outlay.payment);
            told["reference"] = json!(outlay.reference);
        }
        told
    }
}

/// `null` where nobody knows.
pub(crate) fn as_json(moved: Moved) -> Value {
    match moved {
        Moved::No => json!(false),
        Moved::Yes => json!(true),
        Moved::Unknown => Value::Null,
    }
}

pub(crate) const fn told(moved: Moved) -> &'static str {
    match moved {
        Moved::No => "none moved",
        Moved::Yes => "it moved",
        Moved::Unknown => "it may have moved",
    }
}

/// What there is to do where the answer came and could not be handed on.
const fn next_of_answer(error: &Error, moved: Moved) -> &'static str {
    match (error, moved) {
        (Error::TooLarge { .. }, Moved::No) => "write the body to a file with -o",
        (Error::TooLarge { .. }, _) => {
            "write the body to a file with -o; it was paid, and asking again pays again"
        }
        (_, Moved::No) => "make room, or write the body elsewhere with -o",
        _ => "make room, or write elsewhere with -o; it was paid, and asking again pays again",
    }
}

const OWN_LIMITS: &str = "see `farthing wallet budget`; the keystore's owner raises it with `farthing wallet budget set`";

pub(crate) fn of_client(error: &ClientError) -> Row {
    if let ClientError::Session(fault) = error {
        return sessions::of_fault(fault, error);
    }
    let moved = error.moved();
    let (exit, blame) = match error {
        ClientError::Request(_) => (Exit::Usage, Blame::You),
        ClientError::Server(_) | ClientError::Rejected(_) => (Exit::Unpaid, Blame::Server),
        ClientError::Refused(Refused::Approval) => (Exit::Refused, Blame::Answer),
        ClientError::Refused(Refused::Realm { .. } | Refused::PlainHttp(_)) => {
            (Exit::Refused, Blame::Server)
        }
        ClientError::Refused(_) => (Exit::Refused, Blame::Limits),
        ClientError::Payer(_) => (Exit::Unpaid, Blame::Wallet),
        ClientError::Rail(_) => (Exit::Unpaid, Blame::Rail),
        ClientError::Unresolved(_) if moved == Moved::Yes => (Exit::Owed, Blame::Server),
        ClientError::Unresolved(it) if is_short(&it.said) => (Exit::Unresolved, Blame::Wallet),
        ClientError::Unresolved(_) => (Exit::Unresolved, Blame::Server),
        ClientError::Store { .. } => (Exit::Storage, Blame::Machine),
        ClientError::Body { .. } | ClientError::Transport(_) => (Exit::Network, Blame::Network),
        ClientError::Forgotten(_) => (Exit::Unresolved, Blame::Machine),
        _ => (Exit::Other, Blame::Machine),
    };
    // Where money moved, no code may say that nothing was paid.
    let exit = match (exit, moved) {
        (Exit::Storage | Exit::Network | Exit::Other | Exit::Unpaid, Moved::Yes) => Exit::Owed,
        (Exit::Storage | Exit::Network | Exit::Other | Exit::Unpaid, Moved::Unknown) => {
            Exit::Unresolved
        }
        (exit, _) => exit,
    };
    (exit, blame, moved, next_of_client(error))
}

fn next_of_client(error: &ClientError) -> Cow<'static, str> {
    match error {
        ClientError::Refused(Refused::Cap { asked, .. } | Refused::Budget { asked, .. }) => {
            format!("allow it with --max '{}'", clean(asked)).into()
        }
        ClientError::Refused(Refused::Fee { .. }) => {
            "allow it with --max-fee, or pay with another token".into()
        }
        ClientError::Refused(Refused::NoCap { symbol }) => {
            format!("allow it with --max 'PRICE {}'", clean(symbol)).into()
        }
        ClientError::Refused(Refused::Realm { .. }) => {
            "check the URL: whoever answers there asks in another's name".into()
        }
        ClientError::Refused(Refused::Approval) => {
            "answer y, or give --yes within your limits".into()
        }
        ClientError::Payer(PayerFault::Payer(refusal)) => next_of_payer(refusal.fault).into(),
        ClientError::Payer(_) => {
            "see `farthing wallet list` and `farthing networks list`: name another wallet with \
             --wallet, or make its network known with `farthing networks add`"
                .into()
        }
        ClientError::Rail(_) => "try again, or name another endpoint with --rpc".into(),
        ClientError::Unresolved(unresolved) if is_owed(&unresolved.said) => {
            "ask the seller for a refund, by the reference; it stays in `farthing receipts list --pending`"
                .into()
        }
        ClientError::Unresolved(unresolved) if is_short(&unresolved.said) => {
            "have the seller credit the account that `farthing wallet list` shows; the payment \
             stays in `farthing receipts list --pending`, and a new try is a new payment"
                .into()
        }
        ClientError::Unresolved(unresolved)
            if denies(&unresolved.said) && !unresolved.is_undecided() =>
        {
            "the payment stays in `farthing receipts list --pending`; a new try is a new payment"
                .into()
        }
        other => other.hint().into(),
    }
}

/// What there is to do where the wallet does not pay.
const fn next_of_payer(fault: Fault) -> &'static str {
    match fault {
        Fault::Insufficient => {
            "see `farthing wallet balance` and `farthing wallet fund`, and for an access key \
             `farthing wallet keys list`"
        }
        _ => {
            "use another wallet with --wallet, or another network: see `farthing wallet keys list` \
             and `farthing networks list`"
        }
    }
}

/// Whether the server says that the account has too little.
fn is_short(said: &Said) -> bool {
    let kind = said.problem.as_ref().and_then(|problem| problem.kind());
    denies(said) && kind == Some(ProblemKind::PaymentInsufficient)
}

/// Whether the server says that it was paid and will not serve.
fn is_owed(said: &Said) -> bool {
    let kind = said.problem.as_ref().and_then(|problem| problem.kind());
    kind == Some(ProblemKind::PaymentOwed)
}

/// Whether the server says that nothing moved. It is told as what it is: the server's word.
fn denies(said: &Said) -> bool {
    let problem = said.problem.as_ref();
    problem.is_some_and(|problem| problem.moved == Some(Moved::No))
}

pub(crate) const fn of_store(error: &StoreError) -> &'static str {
    match error {
        StoreError::Busy(_) => "another process holds the file; try again",
        StoreError::Full(_) => "make room on the disk",
        StoreError::Schema { .. } => "use the newer version of farthing that wrote it",
        _ => "check the file and its folder",
    }
}

macro_rules! set_up {
    ($($error:ty),*) => {
        $(impl From<$error> for Error {
            fn from(error: $error) -> Self {
                Self::Setup(error.into())
            }
        })*
    };
}

set_up!(
    DiscoveryError,
    SetupError,
    RouteError,
    SecretFileError,
    TextError
);

/// What happened, with its causes.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut told = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !told.contains(&text) {
            told = format!("{told}: {text}");
        }
        cause = error.source();
    }
    told
}
