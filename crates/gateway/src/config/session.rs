//! Sessions: requests that are paid for out of a channel.

use std::time::Duration;

use farthing::{
    core::{intent::session::Protocol, value::Price},
    evm::Address,
    server::session::SettleOptions,
    tempo::Token,
};
use http::HeaderName;

use super::{NotJson, Secret};

/// What a rule asks for out of a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RuleSession {
    /// What a unit costs.
    pub price: Price,
    /// What a unit is called.
    pub unit: Box<str>,
    /// How many units a request is.
    pub usage: Usage,
    /// The least that an answer is charged, in units, where usage is counted.
    pub least: u64,
    /// How many units a balance has to cover before the service is asked. Without it, the least.
    pub estimate: Option<u64>,
    /// What a buyer is advised to lock.
    pub deposit: Option<Price>,
    /// The least by which a voucher has to pass the one before it.
    pub min_delta: Option<Price>,
    /// How long an answer waits for a voucher. Without it, as `[pay.session]` has it.
    pub voucher_wait: Option<Duration>,
    /// How many units of a stream are charged in one write, where the balance has them.
    pub ahead: u64,
    /// Whether a POST without a body and a query buys, instead of handing in a voucher.
    pub empty_posts: bool,
}

/// How many units a request is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Usage {
    /// One, charged before the service is asked.
    Requests,
    /// Each event of a stream is one. An answer that is no stream of events is one.
    Events,
    /// Each KiB of the answer that was begun.
    Bytes,
    /// What the service says in this header of its answer.
    Header(HeaderName),
    /// What the service says at this place: of its JSON answer, or of an event of its stream. Until it
    /// says it, each event of the stream is one.
    Json(NotJson),
}

impl RuleSession {
    /// How many units a balance has to cover before the service is asked.
    #[must_use]
    pub fn covered(&self) -> u64 {
        self.estimate.unwrap_or(self.least.max(1))
    }
}

impl Usage {
    /// Whether it is counted while the answer goes out.
    #[must_use]
    pub const fn is_counted(&self) -> bool {
        !matches!(self, Self::Requests)
    }

    /// Whether the answer has to be read for it.
    #[must_use]
    pub const fn reads(&self) -> bool {
        matches!(self, Self::Events | Self::Json(_))
    }

    /// What a unit is called unless the file says otherwise.
    #[must_use]
    pub const fn unit(&self) -> &'static str {
        match self {
            Self::Requests => "request",
            Self::Events => "event",
            Self::Bytes => "KiB",
            Self::Header(_) | Self::Json(_) => "unit",
        }
    }
}

/// What a file says of all sessions, on whatever rail. What it does not say is the gate's default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionPay {
    /// The least that has to be locked in a channel.
    pub min_deposit: Option<Price>,
    /// How much one payer, and all of them, may have been served and not paid out.
    pub exposure: Option<(Price, Price)>,
    /// When what was spent is settled.
    pub settle: SettleWhen,
    /// When a channel that nobody uses is closed.
    pub close_unused: Option<CloseUnused>,
    /// How long an answer waits for a voucher.
    pub voucher_wait: Option<Duration>,
    /// How long a challenge may be used.
    pub challenge: Option<Duration>,
    /// Vouchers a second of a channel that pay for nothing.
    pub vouchers_per_second: Option<u32>,
    /// How many of them may come at once.
    pub voucher_burst: Option<u32>,
    /// Channels that a payer may open within an hour.
    pub openings_an_hour: Option<u32>,
    /// Channels that are kept in memory.
    pub channels_in_memory: Option<usize>,
    /// Channels that are being opened, topped up or closed at the same time.
    pub fundings_at_once: Option<usize>,
    /// How long a buyer that closes waits for the rail before it is told to ask again.
    pub close_within: Option<Duration>,
    /// How long a channel that is being closed waits for what may still be served out of it.
    pub close_patience: Option<Duration>,
    /// The longest that a request can take to be served.
    pub serve_within: Option<Duration>,
    /// How far a voucher of the first protocol may be above what is owed.
    pub v1_ahead: Option<V1Ahead>,
    /// By how many requests it may be, where that is more.
    pub v1_requests_ahead: Option<u32>,
    /// How long what is over is kept.
    pub keep: Keep,
}

/// How long what is over is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Keep {
    /// A channel that ended.
    pub channels: Option<Duration>,
    /// How it ended.
    pub ends: Option<Duration>,
    /// What was settled at once.
    pub settlements: Option<Duration>,
}

impl SessionPay {
    /// The longest that a request can take to be served, as the gate has it.
    #[must_use]
    pub fn serves_within(&self) -> Duration {
        self.serve_within
            .unwrap_or_else(|| SettleOptions::default().serve_within)
    }
}

/// How far a voucher of the first protocol may be above what is owed, whatever a request costs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum V1Ahead {
    /// By so much.
    By(Price),
    /// By nothing but the requests that it may be ahead by.
    Requests,
}

/// When what was spent is settled.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SettleWhen {
    /// As soon as a channel has so much.
    pub amount: Option<Price>,
    /// When it has lain for so long.
    pub age: Option<Duration>,
    /// When the channel was not used for so long.
    pub idle: Option<Duration>,
    /// All of it so often.
    pub schedule: Option<Duration>,
    /// How often it is looked for what is due.
    pub every: Option<Duration>,
}

/// When a channel that nobody uses is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseUnused {
    /// After so long.
    After(Duration),
    /// Never by us.
    Never,
}

/// Sessions on Tempo.
#[derive(Clone)]
#[non_exhaustive]
pub struct TempoSessionPay {
    /// The secret key of whoever settles: the recipient's own, or an operator's.
    pub key: Secret,
    /// The contracts that channels may be in, the preferred one first.
    pub escrows: Vec<(Protocol, Address)>,
    /// The token that fees of settlements are paid in.
    pub fee_token: Token,
    /// The highest fee of one settlement, in dollars.
    pub max_fee: Option<Price>,
    /// Channels in one settlement.
    pub together: Option<usize>,
    /// Whether the sponsor of `pay.tempo` pays for openings and top-ups, too.
    pub sponsored: bool,
    /// How long the contracts leave to settle, once a payer asks for its channel's end.
    pub grace: Option<Duration>,
}

impl PartialEq for TempoSessionPay {
    fn eq(&self, other: &Self) -> bool {
        self.key.expose() == other.key.expose()
            && self.escrows == other.escrows
            && self.fee_token == other.fee_token
            && self.max_fee == other.max_fee
            && (self.together, self.sponsored, self.grace)
                == (other.together, other.sponsored, other.grace)
    }
}

impl Eq for TempoSessionPay {}

impl std::fmt::Debug for TempoSessionPay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TempoSessionPay")
            .field("escrows", &self.escrows)
            .field("fee_token", &self.fee_token)
            .field("sponsored", &self.sponsored)
            .finish_non_exhaustive()
    }
}
