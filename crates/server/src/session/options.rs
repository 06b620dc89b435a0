//! What a seller decides about sessions.

use std::{num::NonZeroU32, time::Duration};

use farthing_core::{
    intent::session::Ahead,
    value::{Amount, Currency, Price, PriceError, Unit, Worth},
};

use super::{retention::Retention, settle::SettleOptions};

/// What a seller decides about sessions.
///
/// ```
/// use farthing_server::session::SessionOptions;
///
/// let mut options = SessionOptions::default();
/// options.min_deposit = Some("$0.50".parse()?);
/// options.exposure_per_payer = "$2".parse()?;
/// assert!(options.check().is_ok());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SessionOptions {
    /// The least that has to be locked for a channel to be taken. What it costs to open and settle one is
    /// the seller's to weigh.
    pub min_deposit: Option<Price>,
    /// How much one payer may have been served and not paid out yet, over all channels.
    pub exposure_per_payer: Price,
    /// How much all payers together may.
    pub exposure_in_total: Price,
    /// Vouchers a second of one channel's signer that pay for nothing: repeated ones, refused ones, those
    /// that come without a request. A voucher that pays for its request is not counted, and neither is
    /// one that somebody else signed.
    pub vouchers_per_second: NonZeroU32,
    /// How many of them may come at once. It bounds the requests of one channel that are looked at
    /// together.
    pub voucher_burst: NonZeroU32,
    /// Channels kept in memory. Those in use stay beyond that.
    pub channels_in_memory: usize,
    /// How long a request that is being served waits for a voucher when its balance is out.
    pub voucher_wait: Duration,
    /// How many channels one payer may open within an hour. Opening one costs the rail something.
    pub openings_an_hour: u32,
    /// Channels that are being opened or topped up at the same time.
    pub fundings_at_once: usize,
    /// How long a buyer that closes waits for the rail before it is told to ask again.
    pub close_within: Duration,
    /// When what was spent is settled, and unused channels are closed.
    pub settle: SettleOptions,
    /// How long what is over is kept in the store.
    pub retention: Retention,
    /// How far a voucher of the first protocol may be above what is owed, at the least. There a voucher
    /// moves what it says, so a payer who signs one for more than it was served, and takes back the rest,
    /// is served for nothing up to this: it is what a channel can cost the seller. `None` leaves it to
    /// `v1_requests_ahead` alone. By the second protocol a close takes what was spent, and nothing is
    /// bounded.
    pub v1_ahead: Option<Price>,
    /// How many requests such a voucher may be ahead by, where that is more: as many as one buyer sends
    /// at once, because a later one may arrive first.
    pub v1_requests_ahead: u32,
    /// How long a challenge may be used. A buyer goes on using one for its vouchers.
    pub challenge_lifetime: Duration,
}

/// Options that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SessionOptionsError {
    /// A price is too large or too fine to be counted.
    #[error(transparent)]
    Price(#[from] PriceError),
    /// The prices are in several units.
    #[error("the bounds of sessions have to be in one unit, and are in {0} and {1}")]
    Units(Box<str>, Box<str>),
    /// All payers together get less than one of them, or nobody gets anything.
    #[error("with {0} unsettled for a payer and {1} for all, nothing could be served")]
    Nothing(Box<str>, Box<str>),
    /// A time is none.
    #[error("{0}")]
    Time(&'static str),
}

impl Default for SessionOptions {
    fn default() -> Self {
        let price = |text: &str| text.parse().expect("a default is a price");
        let number = |n| NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN);
        Self {
            min_deposit: None,
            exposure_per_payer: price("$10"),
            exposure_in_total: price("$1000"),
            vouchers_per_second: number(10),
            voucher_burst: number(1_000),
            channels_in_memory: 64 * 1024,
            voucher_wait: Duration::from_secs(60),
            openings_an_hour: 20,
            fundings_at_once: 256,
            close_within: Duration::from_secs(20),
            settle: SettleOptions::default(),
            retention: Retention::default(),
            v1_ahead: Some(price("$0.10")),
            v1_requests_ahead: 64,
            challenge_lifetime: Duration::from_secs(60 * 60),
        }
    }
}

impl SessionOptions {
    /// Whether a gate can work by them.
    ///
    /// # Errors
    /// When it cannot.
    pub fn check(&self) -> Result<(), SessionOptionsError> {
        let unit = self.unit();
        let others = [
            Some(&self.exposure_in_total),
            Some(&self.settle.amount),
            self.min_deposit.as_ref(),
            self.v1_ahead.as_ref(),
        ];
        for price in others.into_iter().flatten() {
            if price.unit() != unit {
                let (one, other) = (unit.as_str(), price.unit().as_str());
                return Err(SessionOptionsError::Units(one.into(), other.into()));
            }
        }
        for price in [&self.exposure_per_payer, &self.exposure_in_total] {
            price.worth().ok_or_else(|| PriceError::Overflow {
                text: price.to_string().into(),
            })?;
        }
        let (per_payer, in_total) = self.exposure();
        if per_payer == Worth::ZERO || in_total < per_payer {
            return Err(SessionOptionsError::Nothing(
                self.exposure_per_payer.to_string().into(),
                self.exposure_in_total.to_string().into(),
            ));
        }
        if self.challenge_lifetime.is_zero() {
            return Err(SessionOptionsError::Time(
                "a session's challenge that is over at once cannot be used",
            ));
        }
        if self.voucher_wait.is_zero() {
            return Err(SessionOptionsError::Time(
                "a request that waits for no voucher at all cannot be metered",
            ));
        }
        self.retention.check().map_err(SessionOptionsError::Time)
    }

    /// How far a voucher of the first protocol may be ahead where a request costs so much and a voucher
    /// adds so much at the least; `None` where that cannot be counted.
    pub(crate) fn ahead(&self, currency: &Currency, price: Amount, least: Amount) -> Option<Ahead> {
        let requests = price
            .max(least)
            .checked_mul(self.v1_requests_ahead.into())?;
        let worth = match &self.v1_ahead {
            Some(worth) => worth.in_currency(currency).ok()?,
            None => Amount::ZERO,
        };
        Some(Ahead {
            price,
            allowance: requests.max(worth),
        })
    }

    /// What everything is counted in.
    #[must_use]
    pub const fn unit(&self) -> &Unit {
        self.exposure_per_payer.unit()
    }

    /// The two caps on what is unsettled: of a payer, and of all.
    #[must_use]
    pub fn exposure(&self) -> (Worth, Worth) {
        let worth = |price: &Price| price.worth().unwrap_or_default();
        (
            worth(&self.exposure_per_payer),
            worth(&self.exposure_in_total),
        )
    }
}
