//! What a seller asks of vouchers.

use super::{
    Channel, Protocol, Refused, Voucher,
    channel::{less, more},
};
use crate::value::Amount;

/// What a seller asks of a voucher, beside that it is signed and covered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rule {
    /// The least that it has to add.
    pub least: Amount,
    /// How far it may be above what is owed, by the first protocol. `None` is as far as the deposit.
    ///
    /// There a voucher moves what it says, so one above what was spent is never handed in. A payer
    /// who signs nothing else and withdraws has been served for nothing, and that up to this.
    pub ahead: Option<Ahead>,
}

/// How far a voucher of the first protocol may be above what was spent and is reserved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ahead {
    /// What the request costs that it came with.
    pub price: Amount,
    /// What it may say beyond that: other requests may be on their way, and arrive later.
    pub allowance: Amount,
}

impl Ahead {
    /// The most that a first voucher may say.
    #[must_use]
    pub fn most(&self) -> Amount {
        more(self.price, self.allowance)
    }
}

impl Rule {
    /// None but that a voucher does not fall.
    pub const ANY: Self = Self {
        least: Amount::ZERO,
        ahead: None,
    };
}

impl From<Amount> for Rule {
    fn from(least: Amount) -> Self {
        Self { least, ahead: None }
    }
}

impl Channel {
    /// Whether a voucher is near enough to what is owed to be settled soon.
    pub(super) fn is_near(&self, voucher: &Voucher, ahead: &Ahead) -> Result<(), Refused> {
        if self.protocol != Protocol::V1 {
            return Ok(());
        }
        let claimed = more(self.spent, self.reservations.sum());
        // What a paused stream asked for is owed next, whatever it comes with.
        let needed = more(claimed, ahead.price).max(self.awaited.unwrap_or_default());
        let most = more(needed, ahead.allowance);
        match less(voucher.cumulative(), most).is_zero() {
            true => Ok(()),
            false => Err(Refused::Ahead { needed, most }),
        }
    }
}
