//! What a stream waits for, and a refused request lacks.

use serde::{Deserialize, Serialize};

use crate::{
    bounds,
    encoding::json::{self, JsonError},
    intent::session::{ChannelId, Need, Refused},
    noun::problem::Problem,
    payment::Moved,
    value::Amount,
};

/// What the next voucher of a channel has to say: the data of the event `payment-need-voucher`, and
/// members of the problem that tells a request what it lacks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NeedVoucher {
    /// What is accepted now.
    #[serde(rename = "acceptedCumulative")]
    pub accepted: Amount,
    /// Which channel.
    #[serde(rename = "channelId")]
    pub channel: ChannelId,
    /// What is locked in it. Where more is required than this, a top-up comes first.
    pub deposit: Amount,
    /// What the voucher has to say at the least.
    #[serde(rename = "requiredCumulative")]
    pub required: Amount,
}

/// Why a text is no such event.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NeedVoucherError {
    /// It is larger than [`bounds::NEED_VOUCHER`].
    #[error("the event is larger than {} bytes", bounds::NEED_VOUCHER)]
    TooLarge,
    /// It is no JSON object.
    #[error("the event is {0}")]
    Json(#[from] JsonError),
    /// A field is missing, or is not what it should be.
    #[error("the event does not say what a channel needs")]
    Fields(#[source] serde_json::Error),
}

impl NeedVoucher {
    /// What a channel lacks for a price.
    #[must_use]
    pub const fn new(channel: ChannelId, need: &Need) -> Self {
        Self {
            accepted: need.accepted,
            channel,
            deposit: need.deposit,
            required: need.required,
        }
    }

    /// Whether the deposit has to grow before such a voucher can be signed.
    #[must_use]
    pub fn needs_top_up(&self) -> bool {
        self.required > self.deposit
    }

    /// Writes its JSON: one line, as an event's data is.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("texts are JSON")
    }

    /// Reads its JSON. Fields that are not known are passed over.
    ///
    /// # Errors
    /// When it is too large, no JSON object, or lacks a field.
    pub fn parse(text: &str) -> Result<Self, NeedVoucherError> {
        if text.len() > bounds::NEED_VOUCHER {
            return Err(NeedVoucherError::TooLarge);
        }
        let fields = json::parse_object(text)?;
        serde_json::from_value(fields.into()).map_err(NeedVoucherError::Fields)
    }

    /// Reads what a problem says that a request lacked, where it says so.
    #[must_use]
    pub fn from_problem(problem: &Problem) -> Option<Self> {
        let amount = |name| Amount::deserialize(problem.extra.get(name)?).ok();
        Some(Self {
            accepted: amount("acceptedCumulative")?,
            channel: problem.channel.as_deref()?.parse().ok()?,
            deposit: amount("deposit")?,
            required: amount("requiredCumulative")?,
        })
    }
}

impl Refused {
    /// What the peer is told of a step that its channel refused, with what helps it to do better.
    #[must_use]
    pub fn problem(self, channel: &ChannelId) -> Problem {
        let mut problem = Problem::new(self.kind())
            .with_detail(self.to_string())
            .with_moved(Moved::No);
        problem.channel = Some(channel.as_str().into());
        let members: &[(&str, Amount)] = match &self {
            Self::Short(need) => {
                problem.required_top_up = Some(need.lacks);
                &[
                    ("acceptedCumulative", need.accepted),
                    ("deposit", need.deposit),
                    ("requiredCumulative", need.required),
                ]
            }
            Self::Falls { accepted } => &[("acceptedCumulative", *accepted)],
            Self::DeltaTooSmall { least } => &[("minVoucherDelta", *least)],
            Self::ExceedsDeposit { deposit } => &[("deposit", *deposit)],
            Self::Ahead { needed, most } => {
                &[("requiredCumulative", *needed), ("mostCumulative", *most)]
            }
            Self::ClosesBelow { owed } => &[("requiredCumulative", *owed)],
            _ => &[],
        };
        let members = members.iter();
        problem.extra.extend(
            members.map(|(name, amount)| ((*name).to_owned(), amount.units().to_string().into())),
        );
        problem
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn need() -> Need {
        Need {
            lacks: Amount::new(25),
            required: Amount::new(250_025),
            accepted: Amount::new(250_000),
            deposit: Amount::new(500_000),
        }
    }

    #[test]
    fn the_event_of_the_draft_is_read_and_written() {
        let channel: ChannelId = "0x6d0f4fdf".parse().unwrap();
        let needs = NeedVoucher::new(channel, &need());
        assert_eq!(
            needs.to_json(),
            r#"{"acceptedCumulative":"250000","channelId":"0x6d0f4fdf","deposit":"500000","requiredCumulative":"250025"}"#
        );
        let later = needs.to_json().replace('{', r#"{"later":[1],"#);
        assert_eq!(NeedVoucher::parse(&later).unwrap(), needs);
        assert!(!needs.needs_top_up());
    }

    #[test]
    fn what_is_no_event_is_refused() {
        let good = NeedVoucher::new("c".parse().unwrap(), &need()).to_json();
        for (from, to) in [
            ("\"250000\"", "250000"),
            ("\"c\"", "\"\""),
            ("deposit", "deposits"),
            ("\"250025\"", "\"0250025\""),
            ("{", "{\"deposit\":\"1\","),
            ("{", "["),
        ] {
            let bad = good.replacen(from, to, 1);
            assert!(NeedVoucher::parse(&bad).is_err(), "{bad}");
        }
        let large = " ".repeat(bounds::NEED_VOUCHER) + &good;
        let read = NeedVoucher::parse(&large);
        assert!(matches!(read, Err(NeedVoucherError::TooLarge)));
    }

    #[test]
    fn a_problem_says_what_the_event_says() {
        let channel: ChannelId = "0x6d0f".parse().unwrap();
        let problem = Refused::Short(need()).problem(&channel);
        let read = Problem::parse(problem.to_json().as_bytes(), problem.status()).unwrap();
        assert_eq!(
            NeedVoucher::from_problem(&read),
            Some(NeedVoucher::new(channel.clone(), &need()))
        );
        assert_eq!(read.required_top_up, Some(Amount::new(25)));
        let other = Refused::Closed.problem(&channel);
        assert_eq!(NeedVoucher::from_problem(&other), None);
    }
}
