//! Why a stream ended before its end.

use serde_json::Value;

use crate::noun::Receipt;

/// Why a stream that was paid for ended before its end. Its last receipt says so, in a member of
/// its own, because a stream that is cut looks like one that is whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cut {
    /// The balance was out, and no voucher came in time.
    Unpaid,
    /// A newer stream took the channel's place.
    Replaced,
    /// The channel is closed or closing, or its payer asked for that.
    Closed,
    /// Its reader stopped reading.
    Stalled,
    /// The seller is shutting down.
    Stopped,
    /// The seller could not go on.
    Failed,
}

impl Cut {
    /// The member of a receipt that says it.
    pub const MEMBER: &str = "incomplete";

    const ALL: [Self; 6] = [
        Self::Unpaid,
        Self::Replaced,
        Self::Closed,
        Self::Stalled,
        Self::Stopped,
        Self::Failed,
    ];

    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unpaid => "unpaid",
            Self::Replaced => "replaced",
            Self::Closed => "closed",
            Self::Stalled => "stalled",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
        }
    }

    /// Why the stream with this last receipt was cut; `None` where it came to its end. A word that
    /// nobody knows means that the seller could not go on.
    #[must_use]
    pub fn of(receipt: &Receipt) -> Option<Self> {
        match receipt.extra().get(Self::MEMBER)? {
            Value::Null => None,
            word => Some(
                Self::ALL
                    .into_iter()
                    .find(|cut| word.as_str() == Some(cut.as_str()))
                    .unwrap_or(Self::Failed),
            ),
        }
    }

    /// Says it in a receipt.
    #[must_use]
    pub fn say_in(self, receipt: Receipt) -> Receipt {
        receipt.with_extra([(Self::MEMBER.to_owned(), self.as_str().into())])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receipt_says_why_a_stream_was_cut() {
        let whole = Receipt::new(
            "ledger".parse().unwrap(),
            "2026-01-06T12:08:30Z".parse().unwrap(),
            "c".parse().unwrap(),
        );
        assert_eq!(Cut::of(&whole), None);
        for cut in Cut::ALL {
            let read = Receipt::from_json(&cut.say_in(whole.clone()).to_json()).unwrap();
            assert_eq!(Cut::of(&read), Some(cut));
        }
        let later = whole.with_extra([(Cut::MEMBER.to_owned(), "bored".into())]);
        assert_eq!(Cut::of(&later), Some(Cut::Failed));
    }
}
