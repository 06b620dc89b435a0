//! Reading transactions that others signed.

use alloy_primitives::{Address, Bytes, U256};
use alloy_rlp::Error;
use farthing_evm::{ChainId, Signature};

use super::{
    AccessListEntry, Authored, Call, DecodeError, Delegation, HalfTransaction, MAX_BYTES,
    MAX_CALLS, MAX_ENTRIES, Received, SignedTransaction, Transaction,
    encode::{SPONSOR, Sponsor, TEMPO},
};
use crate::{
    key::{AccountSignature, SignedKeyAuthorization},
    rlp::Reader,
};

impl Received {
    /// Reads a transaction, or a sender's half in either of its forms, and checks every signature in it
    /// that matters.
    ///
    /// A transaction has one form: what is written otherwise is refused, so that no two texts are the same
    /// transaction. The one exception is the last byte of a signature over secp256k1, where 0 and 1 count as 27
    /// and 28, as they do for the chain; the hash is that of the chain.
    ///
    /// # Errors
    /// When it is none that a chain would take.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let (kind, fields) = match bytes {
            [kind @ (TEMPO | SPONSOR), fields @ ..] if bytes.len() <= MAX_BYTES => (*kind, fields),
            [kind, ..] if bytes.len() <= MAX_BYTES => return Err(DecodeError::Kind(*kind)),
            _ => return Err(DecodeError::Size(bytes.len())),
        };
        let parts = Parts::read(fields)?;
        parts.transaction.check()?;
        let rewritten = parts.write(kind)?;
        if !is_same(bytes, &rewritten) {
            return Err(DecodeError::NotCanonical);
        }
        parts.assemble(rewritten)
    }
}

/// What the place of the sponsor's signature holds.
enum Place {
    Nobody,
    Somebody,
    Sender(Address),
    Signed(Signature),
}

/// A transaction whose signatures are not checked yet.
struct Parts {
    transaction: Transaction,
    place: Place,
    signature: AccountSignature,
}

impl Parts {
    fn read(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut outer = Reader::new(bytes);
        let mut fields = outer.list()?;
        outer.end()?;
        let chain = ChainId::new(fields.item()?).map_err(|_| Error::Custom("no chain id"))?;
        let mut transaction = Transaction::new(chain, Vec::new());
        transaction.max_priority_fee_per_gas = fields.item()?;
        transaction.max_fee_per_gas = fields.item()?;
        transaction.gas_limit = fields.item()?;
        transaction.calls = fields.items(MAX_CALLS, call)?;
        transaction.access_list = fields.items(MAX_ENTRIES, entry)?;
        transaction.nonce_key = fields.item()?;
        transaction.nonce = fields.item()?;
        transaction.valid_before = fields.number()?;
        transaction.valid_after = fields.number()?;
        transaction.fee_token = fields.optional()?;
        let place = Place::read(&mut fields)?;
        transaction.sponsored = !matches!(place, Place::Nobody);
        transaction.authorizations = fields.items(MAX_ENTRIES, delegation)?;
        if fields.has_list() {
            transaction.key_authorization = Some(SignedKeyAuthorization::read(&mut fields)?);
        }
        let signature = fields.bytes()?;
        fields.end()?;
        let signature = AccountSignature::parse(signature).map_err(DecodeError::Sender)?;
        Ok(Self {
            transaction,
            place,
            signature,
        })
    }

    /// The one form of it.
    fn write(&self, kind: u8) -> Result<Vec<u8>, DecodeError> {
        let sponsor = match (kind, &self.place) {
            (TEMPO, Place::Nobody) => Sponsor::Nobody,
            (TEMPO, Place::Somebody) => Sponsor::Somebody,
            (TEMPO, Place::Signed(signature)) => Sponsor::Signed(signature),
            (SPONSOR, Place::Sender(sender)) => Sponsor::Sender(*sender),
            _ => return Err(Error::Custom("the sponsor's place holds something else").into()),
        };
        let transaction = &self.transaction;
        Ok(transaction.bytes(kind, transaction.fee_token, &sponsor, Some(&self.signature)))
    }

    /// Checks the signatures.
    fn assemble(self, bytes: Vec<u8>) -> Result<Received, DecodeError> {
        let authored =
            Authored::checked(self.transaction, self.signature).map_err(DecodeError::Sender)?;
        let sponsor = match self.place {
            Place::Nobody => None,
            Place::Signed(signature) => {
                let digest = authored.transaction().sponsor_hash(authored.sender());
                Some(signature.recover(digest).map_err(DecodeError::Sponsor)?)
            }
            Place::Sender(named) if named != authored.sender() => {
                let signed = authored.sender();
                return Err(DecodeError::OtherSender { named, signed });
            }
            Place::Sender(_) | Place::Somebody => {
                return Ok(Received::Half(HalfTransaction::made(authored)?));
            }
        };
        let whole = SignedTransaction::written(authored, sponsor, bytes)?;
        Ok(Received::Whole(whole))
    }
}

impl Place {
    fn read(fields: &mut Reader<'_>) -> Result<Self, DecodeError> {
        if fields.skip_empty() {
            return Ok(Self::Nobody);
        }
        if !fields.has_list() {
            return match fields.bytes()? {
                [0] => Ok(Self::Somebody),
                bytes => Address::try_from(bytes)
                    .map(Self::Sender)
                    .map_err(|_| Error::UnexpectedLength.into()),
            };
        }
        let mut parts = fields.list()?;
        let odd: bool = parts.item()?;
        let (r, s): (U256, U256) = (parts.item()?, parts.item()?);
        parts.end()?;
        let mut bytes = [27 + u8::from(odd); 65];
        bytes[..32].copy_from_slice(&r.to_be_bytes::<32>());
        bytes[32..64].copy_from_slice(&s.to_be_bytes::<32>());
        Signature::parse(&bytes)
            .map(Self::Signed)
            .map_err(DecodeError::Sponsor)
    }
}

/// Whether both are the same but for the parity at the end of a signature over secp256k1.
fn is_same(read: &[u8], rewritten: &[u8]) -> bool {
    match (read.split_last(), rewritten.split_last()) {
        (Some((a, head)), Some((b, other))) => {
            head == other && (a == b || a.checked_add(27) == Some(*b))
        }
        _ => false,
    }
}

fn call(reader: &mut Reader<'_>) -> Result<Call, Error> {
    let mut fields = reader.list()?;
    let call = Call {
        to: fields.optional()?,
        value: fields.item()?,
        input: Bytes::copy_from_slice(fields.bytes()?),
    };
    fields.end()?;
    Ok(call)
}

fn entry(reader: &mut Reader<'_>) -> Result<AccessListEntry, Error> {
    let mut fields = reader.list()?;
    let entry = AccessListEntry {
        address: fields.item()?,
        storage_keys: fields.items(MAX_ENTRIES, Reader::item)?,
    };
    fields.end()?;
    Ok(entry)
}

fn delegation(reader: &mut Reader<'_>) -> Result<Delegation, Error> {
    let mut fields = reader.list()?;
    let delegation = Delegation {
        chain: fields.item()?,
        address: fields.item()?,
        nonce: fields.item()?,
        signature: AccountSignature::parse(fields.bytes()?)
            .map_err(|_| Error::Custom("a delegation's signature is of no kind"))?,
    };
    fields.end()?;
    Ok(delegation)
}
