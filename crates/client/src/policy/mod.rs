//! What may be spent: the rules a payment has to pass before anything is signed.
//!
//! Limits are prices as people write them, and are compared with what the *payer* says its
//! currency is: how many decimals it has is never taken from the server. A budget of a dollar is
//! one dollar, in whatever currencies that are called `USD` and on whatever rails it is spent.
//!
//! What a rail takes for itself, its fee, counts on the budgets at the most it can be. It has a cap
//! of its own, [`Policy::max_fee`]: what one request may cost is the *price*.
//!
//! ```
//! use farthing_client::{Limit, Policy};
//!
//! # fn main() -> Result<(), farthing_core::value::PriceError> {
//! let policy = Policy::new()
//!     .max_per_request("$0.01".parse()?)
//!     .budget(Limit::per_day("$1".parse()?))
//!     .budget(Limit::total("$20".parse()?))
//!     .budget(Limit::per_day("$0.25".parse()?).on_each_host())
//!     .prefer("tempo");
//! # Ok(()) }
//! ```

mod check;
mod limit;
mod rank;

use std::collections::HashMap;

use farthing_core::value::{CurrencyCode, MethodId, Price, Realm, Recipient};

pub use limit::Limit;
pub(crate) use rank::rank;

/// What one request may cost where the owner set no limit at all.
pub const DEFAULT_MAX_PER_REQUEST: &str = "$0.10";
/// What all requests together may cost where the owner set no limit at all, for as long as the
/// store lives.
pub const DEFAULT_TOTAL: &str = "$1";

/// What a rail may take for one payment where the owner did not say.
pub const DEFAULT_MAX_FEE: &str = "$0.10";

/// What may be locked in one channel where the owner did not say.
pub const DEFAULT_MAX_DEPOSIT: &str = "$1";

/// How many channels with a full deposit may be there at once where the owner did not say how much may
/// be locked in all of them.
pub const DEFAULT_DEPOSITS: u32 = 5;

/// When a request is paid for out of a channel, where a server offers that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum UseSessions {
    /// Never.
    Never,
    /// Where a channel is open already, and where nothing else can be paid. Opening one costs a
    /// transaction and locks a deposit.
    #[default]
    WhenOpen,
    /// Wherever one is offered: for whoever makes many requests.
    Always,
}

/// The rules of spending. Without any rule, [`DEFAULT_MAX_PER_REQUEST`] and [`DEFAULT_TOTAL`]
/// hold; any cap or budget of one's own takes the place of both.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    caps: Vec<Price>,
    host_caps: Vec<(Box<str>, Price)>,
    ceiling: Option<Price>,
    max_fee: Option<Price>,
    max_deposit: Option<Price>,
    max_locked: Option<Price>,
    ahead: Option<Price>,
    sessions: UseSessions,
    counts_days: bool,
    budgets: Vec<Limit>,
    currencies: Vec<(MethodId, CurrencyCode)>,
    recipients: Vec<Recipient>,
    networks: Vec<Box<str>>,
    realms: HashMap<Box<str>, Vec<Realm>>,
    methods: Vec<Box<str>>,
    preferred: Vec<CurrencyCode>,
    dry_run: bool,
    retry_fresh: bool,
}

impl Policy {
    /// The small defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What one request may cost, the rail's fee apart ([`Policy::max_fee`]). Each unit has a cap of
    /// its own; payments in a unit without one are refused.
    #[must_use]
    pub fn max_per_request(mut self, price: Price) -> Self {
        self.caps.retain(|cap| cap.unit() != price.unit());
        self.caps.push(price);
        self
    }

    /// What one request to a host may cost. It holds beside the cap for every host; a unit that has
    /// caps and budgets for single hosts only is paid at these hosts and at no other.
    #[must_use]
    pub fn max_per_request_on_host(mut self, host: &str, price: Price) -> Self {
        let host = host.to_ascii_lowercase().into_boxed_str();
        self.host_caps
            .retain(|(other, cap)| *other != host || cap.unit() != price.unit());
        self.host_caps.push((host, price));
        self
    }

    /// What a request may cost at the most, whatever the other rules allow. It allows nothing by
    /// itself, and what is in another unit is refused: for a caller who may spend less than the
    /// owner does. It is for the price, as the other caps are.
    #[must_use]
    pub fn ceiling(mut self, price: Price) -> Self {
        self.ceiling = Some(price);
        self
    }

    /// What a rail may take for one payment beside the price; [`DEFAULT_MAX_FEE`] without this.
    #[must_use]
    pub fn max_fee(mut self, price: Price) -> Self {
        self.max_fee = Some(price);
        self
    }

    /// What may be locked in one channel, with what was paid out of it; [`DEFAULT_MAX_DEPOSIT`] without
    /// this. What is locked is not spent: budgets count what vouchers say, and bound what is locked only
    /// in that no more is than they leave. Channels in another unit are not opened.
    #[must_use]
    pub fn max_deposit(mut self, price: Price) -> Self {
        self.max_deposit = Some(price);
        self
    }

    /// What may be locked in all channels of the store together, whatever was paid out of them;
    /// [`DEFAULT_DEPOSITS`] times [`Policy::max_deposit`] without this. A channel counts until its rail
    /// says that it is over: so whoever names another payee each time locks no more than this.
    #[must_use]
    pub fn max_locked(mut self, price: Price) -> Self {
        self.max_locked = Some(price);
        self
    }

    /// How far a voucher may go beyond what is owed, so that fewer have to be signed; nothing without
    /// this. It counts in the budgets. Only channels that can be closed for less than their vouchers
    /// say (`v2`) are signed ahead: of others, a seller could take it.
    #[must_use]
    pub fn sign_ahead(mut self, price: Price) -> Self {
        self.ahead = Some(price);
        self
    }

    /// When requests are paid for out of a channel.
    #[must_use]
    pub const fn sessions(mut self, when: UseSessions) -> Self {
        self.sessions = when;
        self
    }

    /// Counts what a day costs also where no budget limits it, so that one that is set later in the
    /// day knows what was paid before it.
    #[must_use]
    pub const fn count_days(mut self) -> Self {
        self.counts_days = true;
        self
    }

    /// A budget. A second one of the same scope, window and unit takes the place of the first.
    #[must_use]
    pub fn budget(mut self, limit: Limit) -> Self {
        self.budgets.retain(|other| !other.counts_with(&limit));
        self.budgets.push(limit);
        self
    }

    /// Allows a currency of a method; without any of these, every currency the payers know is
    /// allowed.
    #[must_use]
    pub fn allow_currency(mut self, method: MethodId, code: CurrencyCode) -> Self {
        self.currencies.push((method, code));
        self
    }

    /// Allows a network, as payers name theirs: `eip155:4217`. Without any of these, every network
    /// a payer was made for is allowed; payers of methods without networks always are.
    #[must_use]
    pub fn allow_network(mut self, network: &str) -> Self {
        self.networks.push(network.into());
        self
    }

    /// Allows a recipient; without any of these, every recipient is allowed. Where a payment has
    /// several, each has to be. An address (`0x…`) is the same in upper and lower case.
    #[must_use]
    pub fn allow_recipient(mut self, recipient: Recipient) -> Self {
        self.recipients.push(recipient);
        self
    }

    /// Says that a host may ask in the name of a realm. By itself a host asks only in its own
    /// name.
    #[must_use]
    pub fn pin_realm(mut self, host: &str, realm: Realm) -> Self {
        self.realms
            .entry(host.to_ascii_lowercase().into())
            .or_default()
            .push(realm);
        self
    }

    /// Prefers a method over all that are named later or not at all.
    #[must_use]
    pub fn prefer(mut self, method: &str) -> Self {
        self.methods.push(method.into());
        self
    }

    /// Prefers a currency over all that are named later or not at all.
    #[must_use]
    pub fn prefer_currency(mut self, code: CurrencyCode) -> Self {
        self.preferred.push(code);
        self
    }

    /// Only says what would be paid; reserves nothing and signs nothing.
    #[must_use]
    pub const fn dry_run(mut self, dry: bool) -> Self {
        self.dry_run = dry;
        self
    }

    /// Pays a new challenge when the first payment was refused and is proven dead. At most once
    /// in a call, and never by default.
    #[must_use]
    pub const fn retry_fresh(mut self, retry: bool) -> Self {
        self.retry_fresh = retry;
        self
    }

    pub(crate) const fn is_dry(&self) -> bool {
        self.dry_run
    }

    pub(crate) const fn uses_sessions(&self) -> UseSessions {
        self.sessions
    }

    pub(crate) const fn retries_fresh(&self) -> bool {
        self.retry_fresh
    }

    /// The most budgets one payment reserves on: those for everybody, and those of one host.
    pub(crate) fn budgets_at_once(&self) -> usize {
        let hosts = self.budgets.iter().filter_map(Limit::only_host);
        let concerned = |host: &str| {
            let limits = self.budgets.iter();
            limits.filter(|limit| limit.concerns(host)).count()
        };
        // No host is called so.
        hosts
            .map(concerned)
            .max()
            .unwrap_or_else(|| concerned(""))
            .max(1)
    }

    /// Where a method stands among the preferred ones; the others come last, all alike.
    pub(crate) fn method_rank(&self, method: &MethodId) -> usize {
        let at = self
            .methods
            .iter()
            .position(|preferred| **preferred == *method.as_str());
        at.unwrap_or(self.methods.len())
    }
}
