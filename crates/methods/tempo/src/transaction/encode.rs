//! A transaction's bytes: one list of fields in four forms, for the sender and for the sponsor, to be
//! signed and to be sent.

use alloy_primitives::{Address, B256, U256, keccak256};
use alloy_rlp::{EMPTY_STRING_CODE, Encodable};
use farthing_evm::Signature;

use super::{Authored, Transaction};
use crate::{
    key::AccountSignature,
    rlp::{self, list, list_of},
};

/// The type of the transaction.
pub(super) const TEMPO: u8 = 0x76;

/// The domain of what is for the sponsor: what it signs, and the half that is handed to it.
pub(super) const SPONSOR: u8 = 0x78;

/// What stands in the place of the sponsor's signature.
pub(super) enum Sponsor<'a> {
    /// There is no sponsor.
    Nobody,
    /// There will be one.
    Somebody,
    /// The one who signed is told to the one who will.
    Sender(Address),
    /// The signature.
    Signed(&'a Signature),
}

impl Transaction {
    /// What the sender signs.
    #[must_use]
    pub fn signing_hash(&self) -> B256 {
        keccak256(self.signing_bytes())
    }

    /// What the sender signs, before it is hashed.
    pub(super) fn signing_bytes(&self) -> Vec<u8> {
        let sponsor = if self.sponsored {
            Sponsor::Somebody
        } else {
            Sponsor::Nobody
        };
        // Who pays the fee says in which token.
        let fee_token = self.fee_token.filter(|_| !self.sponsored);
        self.bytes(TEMPO, fee_token, &sponsor, None)
    }

    /// What a sponsor of this sender signs.
    pub(super) fn sponsor_hash(&self, sender: Address) -> B256 {
        keccak256(self.bytes(SPONSOR, self.fee_token, &Sponsor::Sender(sender), None))
    }

    pub(super) fn bytes(
        &self,
        kind: u8,
        fee_token: Option<Address>,
        sponsor: &Sponsor<'_>,
        signature: Option<&AccountSignature>,
    ) -> Vec<u8> {
        let mut out = Vec::with_capacity(512);
        out.push(kind);
        list(&mut out, |out| {
            self.fields(out, fee_token, sponsor);
            if let Some(signature) = signature {
                signature.to_bytes().encode(out);
            }
        });
        out
    }

    fn fields(&self, out: &mut Vec<u8>, fee_token: Option<Address>, sponsor: &Sponsor<'_>) {
        self.chain.get().encode(out);
        self.max_priority_fee_per_gas.encode(out);
        self.max_fee_per_gas.encode(out);
        self.gas_limit.encode(out);
        list_of(out, &self.calls, |out, call| {
            list(out, |out| {
                rlp::optional(out, call.to);
                call.value.encode(out);
                call.input.encode(out);
            });
        });
        list_of(out, &self.access_list, |out, entry| {
            list(out, |out| {
                entry.address.encode(out);
                list_of(out, &entry.storage_keys, |out, key| key.encode(out));
            });
        });
        self.nonce_key.encode(out);
        self.nonce.encode(out);
        rlp::optional(out, self.valid_before);
        rlp::optional(out, self.valid_after);
        rlp::optional(out, fee_token);
        sponsor.write(out);
        list_of(out, &self.authorizations, |out, delegation| {
            list(out, |out| {
                delegation.chain.encode(out);
                delegation.address.encode(out);
                delegation.nonce.encode(out);
                delegation.signature.to_bytes().encode(out);
            });
        });
        if let Some(authorization) = &self.key_authorization {
            authorization.write(out);
        }
    }
}

impl Authored {
    /// The bytes of a transaction that is handed to its sponsor.
    pub(super) fn half_bytes(&self) -> Vec<u8> {
        let sender = Sponsor::Sender(self.sender());
        self.transaction()
            .bytes(SPONSOR, None, &sender, Some(self.signature()))
    }

    /// The bytes of a transaction that a node takes.
    pub(super) fn whole_bytes(&self, sponsor: Option<&Signature>) -> Vec<u8> {
        let transaction = self.transaction();
        let sponsor = sponsor.map_or(Sponsor::Nobody, Sponsor::Signed);
        transaction.bytes(
            TEMPO,
            transaction.fee_token,
            &sponsor,
            Some(self.signature()),
        )
    }
}

impl Sponsor<'_> {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Nobody => out.push(EMPTY_STRING_CODE),
            Self::Somebody => out.push(0),
            Self::Sender(address) => address.encode(out),
            Self::Signed(signature) => list(out, |out| {
                let number = |half: B256| U256::from_be_bytes(half.0);
                signature.y_is_odd().encode(out);
                number(signature.r()).encode(out);
                number(signature.s()).encode(out);
            }),
        }
    }
}
