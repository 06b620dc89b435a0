//! Key authorizations: an account says which other key may sign for it, and within which limits.

use std::num::NonZeroU64;

use alloy_primitives::{Address, B256, U256, keccak256};
use alloy_rlp::{EMPTY_STRING_CODE, Encodable, Error};
use farthing_evm::ChainId;

use super::{AccountSignatureError, Key, KeyKind, KeySignature};
use crate::{
    rlp::{self, Reader},
    transaction::{DecodeError, MAX_BYTES},
};

/// The most entries of each list in an authorization.
const MOST: usize = 64;

/// What a key may do for an account, as the account signs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyAuthorization {
    /// The chain it counts on.
    pub chain: ChainId,
    /// How the key signs.
    pub kind: KeyKind,
    /// The key's address.
    pub key: Address,
    /// Until when it may sign, in seconds since 1970; `None` for ever.
    pub expiry: Option<NonZeroU64>,
    /// How much it may spend of which token; `None` is without a limit, and a token that is not in the
    /// list cannot be spent.
    pub limits: Option<Vec<TokenLimit>>,
    /// What it may call; `None` is anything, and an empty list nothing.
    pub calls: Option<Vec<CallScope>>,
    /// Something that the account binds it to, and can take back before it is used (TIP-1053).
    pub witness: Option<B256>,
    /// Whether it may itself manage the account's keys. Such a key has no limits.
    pub admin: bool,
    /// The account it is for, where the one who signs is not its root.
    pub account: Option<Address>,
}

/// How much of a token a key may spend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenLimit {
    /// The token.
    pub token: Address,
    /// How much of it, in base units.
    pub limit: U256,
    /// After how many seconds as much may be spent again; `None` for never.
    pub period: Option<NonZeroU64>,
}

/// What a key may call at one address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallScope {
    /// The address.
    pub target: Address,
    /// Which functions; when there are none, all of them.
    pub rules: Vec<SelectorRule>,
}

/// One function that a key may call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SelectorRule {
    /// The function.
    pub selector: [u8; 4],
    /// What its first argument may be; when there are none, any address.
    pub recipients: Vec<Address>,
}

/// An authorization with the signature of the account that gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedKeyAuthorization {
    authorization: KeyAuthorization,
    signature: KeySignature,
    signer: Address,
}

impl KeyAuthorization {
    /// One without any limit, which its fields are then set to.
    #[must_use]
    pub const fn new(chain: ChainId, kind: KeyKind, key: Address) -> Self {
        Self {
            chain,
            kind,
            key,
            expiry: None,
            limits: None,
            calls: None,
            witness: None,
            admin: false,
            account: None,
        }
    }

    /// What the account signs.
    #[must_use]
    pub fn digest(&self) -> B256 {
        let mut out = Vec::with_capacity(256);
        self.write(&mut out);
        keccak256(out)
    }

    /// Signs it with the account's own key.
    #[must_use]
    pub fn sign(self, root: &Key) -> SignedKeyAuthorization {
        let signature = root.sign(self.digest());
        SignedKeyAuthorization {
            authorization: self,
            signature,
            signer: root.address(),
        }
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        // What is missing at the end is left out, and only there.
        let options: [Option<Write<'_>>; 6] = [
            self.expiry.map(|expiry| Write::Number(expiry.get())),
            self.limits.as_deref().map(Write::Limits),
            self.calls.as_deref().map(Write::Calls),
            self.witness.map(Write::Hash),
            self.admin.then_some(Write::Number(1)),
            self.account.map(Write::Address),
        ];
        let last = options.iter().rposition(Option::is_some);
        rlp::list(out, |out| {
            self.chain.get().encode(out);
            (self.kind as u8).encode(out);
            self.key.encode(out);
            let given = last.map_or(0, |last| last + 1);
            for option in &options[..given] {
                match option {
                    Some(option) => option.write(out),
                    None => out.push(EMPTY_STRING_CODE),
                }
            }
        });
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Error> {
        let mut fields = reader.list()?;
        let chain = ChainId::new(fields.item()?).map_err(|_| Error::Custom("no chain id"))?;
        let kind =
            KeyKind::try_from(fields.item::<u8>()?).map_err(|_| Error::Custom("no kind of key"))?;
        let mut authorization = Self::new(chain, kind, fields.item()?);
        authorization.expiry = fields.trailing(Reader::item)?.and_then(NonZeroU64::new);
        authorization.limits = fields.trailing(|fields| fields.items(MOST, limit))?;
        authorization.calls = fields.trailing(|fields| fields.items(MOST, scope))?;
        authorization.witness = fields.trailing(Reader::item)?;
        authorization.admin = match fields.trailing(Reader::item::<u64>)? {
            None => false,
            Some(1) => true,
            Some(_) => return Err(Error::Custom("the mark of an admin key is 1")),
        };
        authorization.account = fields.trailing(Reader::item)?;
        fields.end()?;
        Ok(authorization)
    }
}

impl SignedKeyAuthorization {
    /// Puts a signature that was made elsewhere, by a passkey for one, to an authorization.
    ///
    /// # Errors
    /// When it is a signature of something else.
    pub fn new(
        authorization: KeyAuthorization,
        signature: KeySignature,
    ) -> Result<Self, AccountSignatureError> {
        let signer = signature.signer(authorization.digest())?;
        Ok(Self {
            authorization,
            signature,
            signer,
        })
    }

    /// What was signed.
    #[must_use]
    pub const fn authorization(&self) -> &KeyAuthorization {
        &self.authorization
    }

    /// The signature.
    #[must_use]
    pub const fn signature(&self) -> &KeySignature {
        &self.signature
    }

    /// Who signed it: the account, or one of its admin keys.
    #[must_use]
    pub const fn signer(&self) -> Address {
        self.signer
    }

    /// The bytes of it: what it is kept and handed on as.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(320);
        self.write(&mut out);
        out
    }

    /// Reads what [`encode`](Self::encode) writes, and checks the signature.
    ///
    /// # Errors
    /// When it is something else, or another form of the same.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        if bytes.len() > MAX_BYTES {
            return Err(DecodeError::Size(bytes.len()));
        }
        let mut reader = Reader::new(bytes);
        let read = Self::read(&mut reader)?;
        reader.end()?;
        if read.encode() != bytes {
            return Err(DecodeError::NotCanonical);
        }
        Ok(read)
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        rlp::list(out, |out| {
            self.authorization.write(out);
            self.signature.to_bytes().encode(out);
        });
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut fields = reader.list()?;
        let authorization = KeyAuthorization::read(&mut fields)?;
        let signature = fields.bytes()?;
        fields.end()?;
        KeySignature::parse(signature)
            .and_then(|signature| Self::new(authorization, signature))
            .map_err(DecodeError::Authorization)
    }
}

/// A field that may be missing.
enum Write<'a> {
    Number(u64),
    Limits(&'a [TokenLimit]),
    Calls(&'a [CallScope]),
    Hash(B256),
    Address(Address),
}

impl Write<'_> {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Number(number) => number.encode(out),
            Self::Hash(hash) => hash.encode(out),
            Self::Address(address) => address.encode(out),
            Self::Limits(limits) => rlp::list_of(out, limits, |out, limit| {
                rlp::list(out, |out| {
                    limit.token.encode(out);
                    limit.limit.encode(out);
                    if let Some(period) = limit.period {
                        period.get().encode(out);
                    }
                });
            }),
            Self::Calls(calls) => rlp::list_of(out, calls, |out, scope| {
                rlp::list(out, |out| {
                    scope.target.encode(out);
                    rlp::list_of(out, &scope.rules, |out, rule| {
                        rlp::list(out, |out| {
                            rule.selector.encode(out);
                            rlp::list_of(out, &rule.recipients, |out, one| one.encode(out));
                        });
                    });
                });
            }),
        }
    }
}

fn limit(reader: &mut Reader<'_>) -> Result<TokenLimit, Error> {
    let mut fields = reader.list()?;
    let limit = TokenLimit {
        token: fields.item()?,
        limit: fields.item()?,
        period: fields.trailing(Reader::item)?.and_then(NonZeroU64::new),
    };
    fields.end()?;
    Ok(limit)
}

fn scope(reader: &mut Reader<'_>) -> Result<CallScope, Error> {
    let mut fields = reader.list()?;
    let scope = CallScope {
        target: fields.item()?,
        rules: fields.items(MOST, rule)?,
    };
    fields.end()?;
    Ok(scope)
}

fn rule(reader: &mut Reader<'_>) -> Result<SelectorRule, Error> {
    let mut fields = reader.list()?;
    let rule = SelectorRule {
        selector: fields.item()?,
        recipients: fields.items(MOST, Reader::item)?,
    };
    fields.end()?;
    Ok(rule)
}
