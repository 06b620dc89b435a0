//! The record of an outgoing payment.

use std::fmt;

use farthing_core::{
    domain::claims::Record,
    encoding::packed::{Packer, UnpackError, Unpacker},
    payment::Moved,
    port::{
        backend::{Key, Place, Table},
        payer::Fee,
    },
    value::{
        Amount, ChallengeId, Currency, CurrencyCode, Did, Fingerprint, MethodId, PaymentId, Realm,
        Recipient, Reference, Timestamp, Worth,
    },
};
use serde::{Deserialize, Serialize};

/// Where an outgoing payment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Standing {
    /// The budgets are reserved. Nothing is signed.
    Reserved,
    /// It is signed and kept, and may have been sent.
    Signed,
    /// The server refused it or kept what was paid, and the rail does not say that the proof is
    /// dead.
    Doubtful,
    /// It was made: there is a receipt, or the rail says so.
    Paid,
    /// The server served without a receipt. It counts as paid, until the rail says what became of
    /// it.
    Unconfirmed,
    /// Nothing moved, and nothing will.
    Void,
}

impl Standing {
    /// Its name, as people and programs read it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reserved => "reserved",
            Self::Signed => "signed",
            Self::Doubtful => "doubtful",
            Self::Paid => "paid",
            Self::Unconfirmed => "unconfirmed",
            Self::Void => "void",
        }
    }

    /// Whether something may yet become of it.
    #[must_use]
    pub const fn is_pending(self) -> bool {
        matches!(self, Self::Reserved | Self::Signed | Self::Doubtful)
    }
}

/// An outgoing payment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outgoing {
    /// Its id.
    pub id: PaymentId,
    /// The HTTP method of the request it pays for.
    pub method: Box<str>,
    /// Where that request goes, with its query; a key that stands in it is kept with it.
    pub url: Box<str>,
    /// The fingerprint of that request.
    pub request: Fingerprint,
    /// Whether that request may be sent again without its caller.
    pub repeatable: bool,
    /// The method it is paid by.
    pub rail: MethodId,
    /// The challenge it answers.
    pub challenge: ChallengeId,
    /// The realm of the challenge.
    pub realm: Realm,
    /// How much.
    pub amount: Amount,
    /// The currency's code.
    pub currency: CurrencyCode,
    /// The currency's decimals.
    pub decimals: u8,
    /// What people call the currency.
    pub symbol: Box<str>,
    /// What the rail may take beside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fee: Option<Toll>,
    /// To whom.
    pub payee: Option<Recipient>,
    /// Who pays.
    pub payer: Did,
    /// When it was reserved.
    pub at: Timestamp,
    /// Where it is.
    pub standing: Standing,
    /// What the rail or the server said of the money, where they did. A server's word counts
    /// against us only: that it moved keeps a reservation, that it did not releases none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claimed: Option<Claimed>,
    /// What the rail calls it, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<Reference>,
    /// The type of the last problem the server answered with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Box<str>>,
    /// Which client works on it. Only together with the lease does it mean anything.
    pub worker: PaymentId,
    /// How often that work said that it goes on. It tells even where two clocks differ.
    pub beat: u32,
    /// Until when that work counts as alive.
    pub lease_until: Timestamp,
    /// How often it was looked at without a result.
    pub asked: u32,
    /// When that was last.
    pub looked_at: Timestamp,
    /// Until when the record is kept once nothing more can become of it.
    pub forget_at: Timestamp,
}

/// What a rail takes from the payer for a payment, at the most. It is in budgets with the amount.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Toll {
    /// How much.
    pub amount: Amount,
    /// The currency's code.
    pub currency: CurrencyCode,
    /// The currency's decimals.
    pub decimals: u8,
    /// What people call the currency.
    pub symbol: Box<str>,
}

impl Toll {
    /// What it is worth in its unit.
    pub(super) fn worth(&self, rail: &MethodId) -> Option<Worth> {
        let currency = Currency {
            code: self.currency.clone(),
            decimals: self.decimals,
            rail: rail.clone(),
            symbol: self.symbol.clone(),
        };
        currency.worth(self.amount)
    }
}

impl From<&Fee> for Toll {
    fn from(fee: &Fee) -> Self {
        Self {
            amount: fee.most,
            currency: fee.currency.code.clone(),
            decimals: fee.currency.decimals,
            symbol: fee.currency.symbol.clone(),
        }
    }
}

impl fmt::Display for Toll {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {}",
            self.amount.to_decimal(self.decimals),
            self.symbol
        )
    }
}

/// What a server said of the money.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Claimed {
    /// That it moved.
    Moved,
    /// That it did not.
    Unmoved,
}

pub(super) const PENDING: &str = "pending";
pub(super) const UNCONFIRMED: &str = "unconfirmed";
pub(super) const DONE: &str = "done";

impl Outgoing {
    /// The currency it is in.
    #[must_use]
    pub fn currency(&self) -> Currency {
        Currency {
            code: self.currency.clone(),
            decimals: self.decimals,
            rail: self.rail.clone(),
            symbol: self.symbol.clone(),
        }
    }

    /// Whether money moved, as far as is known. A server's word is not taken for it that nothing
    /// did while its proof is good.
    #[must_use]
    pub fn moved(&self) -> Moved {
        match (self.standing, self.claimed) {
            (Standing::Reserved | Standing::Void, _) => Moved::No,
            (Standing::Paid, _) | (_, Some(Claimed::Moved)) => Moved::Yes,
            _ => Moved::Unknown,
        }
    }
}

impl Record for Outgoing {
    const TABLE: Table = Table::new("client.payments");
    const KEYS: Table = Table::new("client.keys");

    fn place(&self) -> Option<Place> {
        let (group, at) = match self.standing {
            Standing::Reserved | Standing::Signed | Standing::Doubtful => (PENDING, self.at),
            Standing::Unconfirmed => (UNCONFIRMED, self.at),
            Standing::Paid | Standing::Void => (DONE, self.forget_at),
        };
        Some(Place {
            group: Key::from(group),
            at: at.as_millis(),
        })
    }

    /// A client writes few of them, so they stay as readable as they are.
    fn pack(&self, out: &mut Packer) -> Result<(), serde_json::Error> {
        out.json(self)
    }

    fn unpack(from: &mut Unpacker<'_>) -> Result<Self, UnpackError> {
        from.json()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As it was written before rails had fees.
    const OLDER: &str = r#"{"id":"AAAAAAAAAAAAAAAAAAAAAA","method":"GET","url":"https://a.example/","request":REQUEST,"repeatable":true,"rail":"ledger","challenge":"c1","realm":"a.example","amount":"2000","currency":"usd6","decimals":6,"symbol":"USD","payee":"did:key:z6Mk","payer":"did:key:z6Mj","at":AT,"standing":"signed","worker":"AAAAAAAAAAAAAAAAAAAAAA","beat":0,"lease_until":AT,"asked":0,"looked_at":AT,"forget_at":AT}"#;

    #[test]
    fn what_older_stores_hold_is_read_and_written_as_it_was() {
        let at = serde_json::to_string(&Timestamp::from_secs(1_800_000_000)).unwrap();
        let request = serde_json::to_string(&Fingerprint([7; 32])).unwrap();
        let older = OLDER.replace("AT", &at).replace("REQUEST", &request);
        let record: Outgoing = serde_json::from_str(&older).unwrap();
        assert_eq!(
            (record.fee.clone(), record.amount),
            (None, Amount::new(2_000))
        );
        assert_eq!(serde_json::to_string(&record).unwrap(), older);
    }
}
