//! What a voucher's signer signs, and in which forms it comes.

use std::borrow::Cow;

use alloy_sol_types::Eip712Domain;
use farthing_core::{
    intent::session::{Protocol, RawSignature, TooWide},
    value::Amount,
};
use farthing_evm::{Address, B256, Bytes, Signature, SignatureError, Typed, U256};

use super::escrow::Escrow;

mod v1 {
    alloy_sol_types::sol! {
        struct Voucher { bytes32 channelId; uint128 cumulativeAmount; }
    }
}

mod v2 {
    alloy_sol_types::sol! {
        struct Voucher { bytes32 channelId; uint96 cumulativeAmount; }
    }
}

/// The vouchers of an escrow, with what is the same for all of them hashed once (draft, "Voucher Signing
/// Format").
#[derive(Debug)]
pub struct Vouchers(Kind);

#[derive(Debug)]
enum Kind {
    V1(Typed<v1::Voucher>),
    V2(Typed<v2::Voucher>),
}

impl Vouchers {
    /// The vouchers of an escrow's channels.
    #[must_use]
    pub fn of(escrow: &Escrow) -> Self {
        let name = match escrow.protocol {
            Protocol::V1 => "Tempo Stream Channel",
            Protocol::V2 => "TIP20 Channel Reserve",
        };
        let domain = Eip712Domain {
            name: Some(Cow::Borrowed(name)),
            version: Some(Cow::Borrowed("1")),
            chain_id: Some(U256::from(escrow.chain.get())),
            verifying_contract: Some(escrow.contract),
            salt: None,
        };
        Self(match escrow.protocol {
            Protocol::V1 => Kind::V1(Typed::new(&domain)),
            Protocol::V2 => Kind::V2(Typed::new(&domain)),
        })
    }

    /// The hash of the domain.
    #[must_use]
    pub fn separator(&self) -> B256 {
        match &self.0 {
            Kind::V1(typed) => typed.separator(),
            Kind::V2(typed) => typed.separator(),
        }
    }

    /// What is signed.
    ///
    /// # Errors
    /// When the protocol has no room for the amount.
    pub fn digest(&self, channel: B256, cumulative: Amount) -> Result<B256, TooWide> {
        match &self.0 {
            Kind::V1(typed) => Ok(typed.digest(&v1::Voucher {
                channelId: channel,
                cumulativeAmount: cumulative.units(),
            })),
            Kind::V2(typed) => Ok(typed.digest(&v2::Voucher {
                channelId: channel,
                cumulativeAmount: super::calls::narrow(cumulative)?,
            })),
        }
    }
}

/// Reads a voucher's signature in every form that is taken: 65 bytes that end with 27, 28, 0 or 1, or the
/// 64 of EIP-2098. Of each the two numbers are kept: a check against a known key looks at nothing else,
/// and what goes to the chain is [written anew](sendable).
///
/// # Errors
/// When it is of another length, or a contract would refuse it in any form: s in the upper half, or a
/// number out of range.
pub fn read_signature(bytes: &[u8]) -> Result<RawSignature, SignatureError> {
    let signature = match <&[u8; 64]>::try_from(bytes) {
        Ok(compact) => Signature::from_compact(compact)?,
        Err(_) => Signature::parse(bytes)?,
    };
    Ok(RawSignature {
        r: signature.r().0,
        s: signature.s().0,
    })
}

/// The one form that every contract takes: r, s, and of 27 and 28 the one that recovers to the signer.
///
/// # Errors
/// When it is not this signer's, or of something else.
pub fn sendable(
    raw: &RawSignature,
    digest: B256,
    signer: Address,
) -> Result<Signature, SignatureError> {
    let mut bytes = [27; 65];
    bytes[..32].copy_from_slice(&raw.r);
    bytes[32..64].copy_from_slice(&raw.s);
    let signature = Signature::parse(&bytes)?;
    [signature, signature.flipped()]
        .into_iter()
        .find(|it| it.recover(digest) == Ok(signer))
        .ok_or(SignatureError::Mismatch)
}

/// A signature as a payload has it: 65 bytes in hexadecimal.
#[must_use]
pub fn write_signature(signature: &Signature) -> String {
    Bytes::copy_from_slice(&signature.to_bytes()).to_string()
}

#[cfg(test)]
mod tests {
    use farthing_evm::{ChainId, SigningKey};

    use super::*;

    fn signed(protocol: Protocol) -> (Signature, B256, Address) {
        let key = SigningKey::from_bytes([7; 32]).unwrap();
        let escrow = Escrow {
            protocol,
            ..Escrow::reserve(ChainId::new(1337).unwrap())
        };
        let digest = Vouchers::of(&escrow).digest(B256::repeat_byte(1), Amount::new(5));
        let digest = digest.unwrap();
        (key.sign(digest), digest, key.address())
    }

    #[test]
    fn every_form_that_is_taken_becomes_the_one_that_settles() {
        for protocol in [Protocol::V1, Protocol::V2] {
            let (signature, digest, signer) = signed(protocol);
            let whole = signature.to_bytes();
            let with = |last: u8| {
                let mut bytes = whole;
                bytes[64] = last;
                bytes.to_vec()
            };
            let mut compact = whole[..64].to_vec();
            compact[32] |= u8::from(signature.y_is_odd()) << 7;
            let forms = [with(27), with(28), with(0), with(1), compact];
            for form in forms {
                let raw = read_signature(&form).unwrap();
                let sendable = sendable(&raw, digest, signer).unwrap();
                assert_eq!(sendable.to_bytes(), whole);
            }
            let raw = read_signature(&whole).unwrap();
            let other = super::sendable(&raw, digest, Address::repeat_byte(9));
            assert_eq!(other, Err(SignatureError::Mismatch));
        }
    }

    #[test]
    fn other_lengths_and_endings_are_refused() {
        let (signature, ..) = signed(Protocol::V2);
        let mut bytes = signature.to_bytes();
        for last in [2, 26, 29, 255] {
            bytes[64] = last;
            assert_eq!(read_signature(&bytes), Err(SignatureError::Parity));
        }
        for length in [0, 63, 66, 130] {
            assert_eq!(
                read_signature(&vec![1; length]),
                Err(SignatureError::Length(length))
            );
        }
    }

    #[test]
    fn the_second_protocol_has_96_bits() {
        let chain = ChainId::new(1337).unwrap();
        let vouchers = Vouchers::of(&Escrow::reserve(chain));
        let most = Protocol::V2.most();
        assert!(vouchers.digest(B256::ZERO, most).is_ok());
        let more = Amount::new(most.units() + 1);
        assert_eq!(vouchers.digest(B256::ZERO, more), Err(TooWide { most }));
    }
}
