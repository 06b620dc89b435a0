//! Between whom a channel is: what its id is the hash of.

use alloy_sol_types::SolValue;
use farthing_core::intent::session::Protocol;
use farthing_evm::{Address, B256, U256, keccak256};
use serde::{Deserialize, Serialize};

use super::{
    calls::Open,
    escrow::Escrow,
    hex::{read_address, read_word},
};

/// A channel of the second protocol. The chain keeps none of it: whoever names the channel says all of it,
/// and it hashes to the channel's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// Who locked the deposit.
    #[serde(deserialize_with = "read_address")]
    pub payer: Address,
    /// Who is paid out of it.
    #[serde(deserialize_with = "read_address")]
    pub payee: Address,
    /// Who may settle and close beside the payee; zero for nobody.
    #[serde(deserialize_with = "read_address")]
    pub operator: Address,
    /// The token that is locked.
    #[serde(deserialize_with = "read_address")]
    pub token: Address,
    /// What the payer chose to tell this channel from others.
    #[serde(deserialize_with = "read_word")]
    pub salt: B256,
    /// Who signs the vouchers; zero for the payer itself.
    #[serde(deserialize_with = "read_address")]
    pub authorized_signer: Address,
    /// What the opening transaction is known by: [`Authored::identity`](crate::Authored::identity).
    #[serde(deserialize_with = "read_word")]
    pub expiring_nonce_hash: B256,
}

/// A channel of the first protocol, as it was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Opened {
    /// Who locked the deposit.
    #[serde(deserialize_with = "read_address")]
    pub payer: Address,
    /// Who is paid out of it, and settles and closes it.
    #[serde(deserialize_with = "read_address")]
    pub payee: Address,
    /// The token that is locked.
    #[serde(deserialize_with = "read_address")]
    pub token: Address,
    /// What the payer chose to tell this channel from others.
    #[serde(deserialize_with = "read_word")]
    pub salt: B256,
    /// Who signs the vouchers; zero for the payer itself.
    #[serde(deserialize_with = "read_address")]
    pub authorized_signer: Address,
}

/// Between whom a channel is, by either protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// By the first protocol.
    V1(Opened),
    /// By the second.
    V2(Descriptor),
}

impl Descriptor {
    /// The id of this channel at a contract (draft, "Channel Descriptor").
    #[must_use]
    pub fn id(&self, escrow: &Escrow) -> B256 {
        let Self {
            payer,
            payee,
            operator,
            token,
            salt,
            authorized_signer,
            expiring_nonce_hash,
        } = *self;
        let place = (escrow.contract, U256::from(escrow.chain.get()));
        let hashed = (
            payer,
            payee,
            operator,
            token,
            salt,
            authorized_signer,
            expiring_nonce_hash,
            place.0,
            place.1,
        );
        keccak256(hashed.abi_encode())
    }
}

impl Opened {
    /// The id of this channel at a contract (draft, "Contract-Backed Channel State").
    #[must_use]
    pub fn id(&self, escrow: &Escrow) -> B256 {
        let Self {
            payer,
            payee,
            token,
            salt,
            authorized_signer,
        } = *self;
        let chain = U256::from(escrow.chain.get());
        let hashed = (
            payer,
            payee,
            token,
            salt,
            authorized_signer,
            escrow.contract,
            chain,
        );
        keccak256(hashed.abi_encode())
    }
}

impl Origin {
    /// What an opening makes its channel's id of. The identity is the opening transaction's, and says
    /// nothing by the first protocol; neither does the operator, which that one does not know.
    #[must_use]
    pub const fn of(protocol: Protocol, payer: Address, open: &Open, identity: B256) -> Self {
        let Open {
            payee,
            operator,
            token,
            deposit: _,
            salt,
            authorized_signer,
        } = *open;
        match protocol {
            Protocol::V1 => Self::V1(Opened {
                payer,
                payee,
                token,
                salt,
                authorized_signer,
            }),
            Protocol::V2 => Self::V2(Descriptor {
                payer,
                payee,
                operator,
                token,
                salt,
                authorized_signer,
                expiring_nonce_hash: identity,
            }),
        }
    }

    /// By which protocol it is kept.
    #[must_use]
    pub const fn protocol(&self) -> Protocol {
        match self {
            Self::V1(_) => Protocol::V1,
            Self::V2(_) => Protocol::V2,
        }
    }

    /// Who locked the deposit.
    #[must_use]
    pub const fn payer(&self) -> Address {
        match self {
            Self::V1(opened) => opened.payer,
            Self::V2(descriptor) => descriptor.payer,
        }
    }

    /// Who is paid out of it.
    #[must_use]
    pub const fn payee(&self) -> Address {
        match self {
            Self::V1(opened) => opened.payee,
            Self::V2(descriptor) => descriptor.payee,
        }
    }

    /// The token that is locked.
    #[must_use]
    pub const fn token(&self) -> Address {
        match self {
            Self::V1(opened) => opened.token,
            Self::V2(descriptor) => descriptor.token,
        }
    }

    /// Who may settle and close beside the payee, if anybody may.
    #[must_use]
    pub fn operator(&self) -> Option<Address> {
        match self {
            Self::V1(_) => None,
            Self::V2(descriptor) => Some(descriptor.operator).filter(|it| !it.is_zero()),
        }
    }

    /// Whose signature a voucher has to have: the authorized signer where there is one, else the payer.
    #[must_use]
    pub fn signer(&self) -> Address {
        let (signer, payer) = match self {
            Self::V1(opened) => (opened.authorized_signer, opened.payer),
            Self::V2(descriptor) => (descriptor.authorized_signer, descriptor.payer),
        };
        if signer.is_zero() { payer } else { signer }
    }

    /// The id of this channel at a contract.
    #[must_use]
    pub fn id(&self, escrow: &Escrow) -> B256 {
        match self {
            Self::V1(opened) => opened.id(escrow),
            Self::V2(descriptor) => descriptor.id(escrow),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn written() -> Value {
        json!({
            "payer": "0x11111111111111111111111111111111111111aB",
            "payee": "0x2222222222222222222222222222222222222222",
            "operator": "0x0000000000000000000000000000000000000000",
            "token": "0x20C0000000000000000000000000000000000000",
            "salt": format!("0x{}", "aA".repeat(32)),
            "authorizedSigner": "0x3333333333333333333333333333333333333333",
            "expiringNonceHash": format!("0x{}", "bb".repeat(32)),
        })
    }

    #[test]
    fn a_descriptor_is_read_in_any_case_and_written_in_small_letters() {
        let read: Descriptor = serde_json::from_value(written()).unwrap();
        let text = serde_json::to_string(&read).unwrap();
        let small = written()
            .to_string()
            .to_lowercase()
            .replace("authorizedsigner", "authorizedSigner")
            .replace("expiringnoncehash", "expiringNonceHash");
        let small: Value = serde_json::from_str(&small).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), small);
        assert_eq!(serde_json::from_str::<Descriptor>(&text).unwrap(), read);
        assert_eq!(Origin::V2(read).operator(), None);
        assert_eq!(Origin::V2(read).signer(), Address::repeat_byte(0x33));
    }

    #[test]
    fn what_is_missing_twice_or_of_another_length_is_refused_and_what_is_unknown_passed_over() {
        let read = |value: Value| serde_json::from_value::<Descriptor>(value);
        let names = [
            "payer",
            "payee",
            "operator",
            "token",
            "salt",
            "authorizedSigner",
            "expiringNonceHash",
        ];
        for name in names {
            let mut missing = written();
            missing.as_object_mut().unwrap().remove(name);
            assert!(read(missing).is_err(), "{name}");
            for bad in [
                json!("0x"),
                json!("11"),
                json!(7),
                json!(null),
                json!(format!("0x{}", "1".repeat(66))),
            ] {
                let mut wrong = written();
                wrong[name] = bad;
                assert!(read(wrong).is_err(), "{name}");
            }
        }
        let mut bare = written();
        bare["salt"] = json!("aa".repeat(32));
        assert!(read(bare).is_err());
        let mut more = written();
        more["later"] = json!(1);
        assert!(read(more).is_ok());
        let twice = written().to_string().replacen('{', r#"{"salt":"0x00","#, 1);
        assert!(serde_json::from_str::<Descriptor>(&twice).is_err());
    }

    #[test]
    fn who_signs_is_the_payer_where_nobody_is_named() {
        let opened = Opened {
            payer: Address::repeat_byte(1),
            payee: Address::repeat_byte(2),
            token: Address::repeat_byte(3),
            salt: B256::ZERO,
            authorized_signer: Address::ZERO,
        };
        assert_eq!(Origin::V1(opened).signer(), opened.payer);
    }
}
