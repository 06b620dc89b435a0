//! The rows that channels are kept in.

use farthing_core::{
    encoding::packed::{Packer, UnpackError, Unpacker},
    intent::session::{ChannelId, OnChain, Terms},
    port::backend::{Key, Place, Row, StoreError, Table, Write},
    value::{Amount, Reference, Timestamp},
};

use super::descriptor::{ChannelDescriptor, Salt};
use crate::account::Account;

/// A channel by its id.
pub(super) const CHANNELS: Table = Table::new("ledger.channels");
/// What was done under a name: what locks, and jobs.
pub(super) const DONE: Table = Table::new("ledger.done");
/// Which channel something happened to, numbered without a gap. The number is the ledger's block.
pub(super) const NEWS: Table = Table::new("ledger.news");

/// The form both kinds of rows are written in.
const FORM: u8 = 1;

/// Room for a usual channel, so that it is allocated once.
const USUAL_ROW: usize = 320;

/// A channel as the books have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) channel: ChannelDescriptor,
    pub(super) deposit: Amount,
    pub(super) settled: Amount,
    pub(super) is_closed: bool,
    pub(super) opened_at: Timestamp,
}

impl Kept {
    /// Whether it is the channel that terms are of.
    pub(super) fn is_of(&self, terms: &Terms) -> bool {
        self.channel.terms() == *terms
    }

    pub(super) fn seen(&self) -> OnChain {
        if self.is_closed {
            let settled = Some(self.settled);
            return OnChain::Finalized { settled };
        }
        OnChain::Open {
            deposit: self.deposit,
            settled: self.settled,
            close_requested_at: None,
        }
    }

    pub(super) fn put(&self, id: &ChannelId) -> Write {
        Write::Put {
            table: CHANNELS,
            key: id.to_key(),
            value: self.pack(),
            fence: 0,
            place: Some(Place {
                group: all(),
                at: self.opened_at.as_millis(),
            }),
        }
    }

    pub(super) fn read(row: &Row) -> Result<Self, StoreError> {
        Self::unpack(&row.value).map_err(damaged)
    }

    fn pack(&self) -> Vec<u8> {
        let mut out = Packer::new(FORM, USUAL_ROW);
        out.byte(u8::from(self.is_closed));
        out.amount(self.deposit);
        out.amount(self.settled);
        out.time(self.opened_at);
        let ChannelDescriptor {
            payer,
            payee,
            currency,
            signer,
            salt,
            realm,
        } = &self.channel;
        for account in [payer, payee, signer] {
            out.text(account.did().as_str());
        }
        out.text(currency.as_str());
        out.array(&salt.0);
        out.text(realm.as_str());
        out.finish()
    }

    fn unpack(bytes: &[u8]) -> Result<Self, UnpackError> {
        let mut from = Unpacker::new(bytes, FORM)?;
        let is_closed = match from.byte()? {
            0 => false,
            1 => true,
            _ => return Err(UnpackError::Code("stage")),
        };
        let (deposit, settled, opened_at) = (from.amount()?, from.amount()?, from.time()?);
        let [payer, payee, signer] = [(); 3].map(|()| from.text::<Account>());
        let channel = ChannelDescriptor {
            payer: payer?,
            payee: payee?,
            signer: signer?,
            currency: from.text()?,
            salt: Salt(from.array()?),
            realm: from.text()?,
        };
        from.end()?;
        Ok(Self {
            channel,
            deposit,
            settled,
            is_closed,
            opened_at,
        })
    }
}

/// What became of what has a name. Once it is written it never changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Done {
    /// It was done, at this time.
    At(Timestamp),
    /// It was refused, for this reason and for these of its parts.
    Refused(Why, Vec<usize>),
}

/// Why the ledger refuses something for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    Late,
    Short,
    There,
    Gone,
    Deposit,
    Settlement,
}

impl Why {
    const ALL: [Self; 6] = [
        Self::Late,
        Self::Short,
        Self::There,
        Self::Gone,
        Self::Deposit,
        Self::Settlement,
    ];
}

impl Done {
    pub(super) fn put(&self, name: &Reference) -> Write {
        let mut out = Packer::new(FORM, 16);
        match self {
            Self::At(at) => {
                out.byte(0);
                out.time(*at);
            }
            Self::Refused(why, culprits) => {
                out.byte(1 + *why as u8);
                out.number(culprits.len() as u64);
                for culprit in culprits {
                    out.number(*culprit as u64);
                }
            }
        }
        Write::Put {
            table: DONE,
            key: Key::from(name.as_str()),
            value: out.finish(),
            fence: 0,
            place: None,
        }
    }

    pub(super) fn read(row: &Row) -> Result<Self, StoreError> {
        Self::unpack(&row.value).map_err(damaged)
    }

    fn unpack(bytes: &[u8]) -> Result<Self, UnpackError> {
        let mut from = Unpacker::new(bytes, FORM)?;
        let done = match from.byte()? {
            0 => Self::At(from.time()?),
            code => {
                let why = Why::ALL.get(usize::from(code) - 1);
                let why = *why.ok_or(UnpackError::Code("refusal"))?;
                let most = super::settle::LIMIT;
                let culprits = (0..from.number(most)?).map(|_| from.number(most));
                Self::Refused(why, culprits.collect::<Result<_, _>>()?)
            }
        };
        from.end()?;
        Ok(done)
    }
}

/// The group that all channels, and all news, are listed in.
pub(super) fn all() -> Key {
    Key::from("all")
}

fn damaged(error: UnpackError) -> StoreError {
    StoreError::Corrupt(error.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_became_of_something_is_read_as_it_was_written() {
        let name = Reference::new("open-1").unwrap();
        let all = Why::ALL.into_iter().enumerate();
        let refused = all.map(|(at, why)| Done::Refused(why, (0..at).collect()));
        for done in refused.chain([Done::At(Timestamp::from_secs(1_800_000_000))]) {
            let Write::Put { value, .. } = done.put(&name) else {
                panic!("it is put")
            };
            assert_eq!(Done::unpack(&value).unwrap(), done);
            assert!(Done::unpack(&value[..value.len() - 1]).is_err());
        }
    }
}
