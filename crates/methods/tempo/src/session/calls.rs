//! The calls of both contracts, as bytes, and back.
//!
//! What is read has one form: data that an encoder would write otherwise is not read at all, so that no
//! two texts are the same call.

use alloy_primitives::Uint;
use alloy_sol_types::SolCall;
use farthing_core::{
    intent::session::{Protocol, TooWide},
    value::Amount,
};
use farthing_evm::{Address, B256, Bytes, Signature, U256};

use super::{
    descriptor::{Descriptor, Origin},
    escrow::Escrow,
    id::TempoChannel,
};
use crate::transaction::Call;

pub(super) mod v1 {
    //! The escrow of the first protocol. The draft's appendix adds to a deposit with a uint128; the deployed
    //! contract takes a uint256, and has the fields of a channel in this order.

    alloy_sol_types::sol! {
        #[derive(Debug, Default, PartialEq, Eq)]
        struct Channel {
            bool finalized;
            uint64 closeRequestedAt;
            address payer;
            address payee;
            address token;
            address authorizedSigner;
            uint128 deposit;
            uint128 settled;
        }

        function CLOSE_GRACE_PERIOD() returns (uint64);
        function open(address payee, address token, uint128 deposit, bytes32 salt, address authorizedSigner) returns (bytes32);
        function topUp(bytes32 channelId, uint256 additionalDeposit);
        function settle(bytes32 channelId, uint128 cumulativeAmount, bytes signature);
        function close(bytes32 channelId, uint128 cumulativeAmount, bytes signature);
        function requestClose(bytes32 channelId);
        function withdraw(bytes32 channelId);
        function getChannelsBatch(bytes32[] channelIds) returns (Channel[]);
    }
}

pub(super) mod v2 {
    //! The reserve of the second protocol (TIP-1034).

    alloy_sol_types::sol! {
        #[derive(Debug, Default, PartialEq, Eq)]
        struct ChannelDescriptor {
            address payer;
            address payee;
            address operator;
            address token;
            bytes32 salt;
            address authorizedSigner;
            bytes32 expiringNonceHash;
        }
        #[derive(Debug, Default, PartialEq, Eq)]
        struct ChannelState {
            uint96 settled;
            uint96 deposit;
            uint32 closeRequestedAt;
        }

        function CLOSE_GRACE_PERIOD() returns (uint64);
        function open(address payee, address operator, address token, uint96 deposit, bytes32 salt, address authorizedSigner) returns (bytes32);
        function topUp(ChannelDescriptor descriptor, uint96 additionalDeposit);
        function settle(ChannelDescriptor descriptor, uint96 cumulativeAmount, bytes signature);
        function close(ChannelDescriptor descriptor, uint96 cumulativeAmount, uint96 captureAmount, bytes signature);
        function requestClose(ChannelDescriptor descriptor);
        function withdraw(ChannelDescriptor descriptor);
        function getChannelStatesBatch(bytes32[] channelIds) returns (ChannelState[]);

        error ExpiringNonceHashNotSet();
    }
}

mod token {
    alloy_sol_types::sol! {
        function approve(address spender, uint256 amount) returns (bool);
    }
}

/// What an opening asks for. Who calls is the payer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Open {
    /// Who is paid.
    pub payee: Address,
    /// Who may settle and close beside the payee; zero for nobody, and always by the first protocol.
    pub operator: Address,
    /// The token that is locked.
    pub token: Address,
    /// How much of it.
    pub deposit: Amount,
    /// What tells the channel from others.
    pub salt: B256,
    /// Who signs the vouchers; zero for the payer itself.
    pub authorized_signer: Address,
}

/// What a top-up asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopUp {
    /// The channel's id.
    pub channel: B256,
    /// How much is added.
    pub additional: Amount,
}

/// The call that opens a channel.
///
/// # Errors
/// When the protocol has no room for the deposit.
pub fn open(escrow: &Escrow, open: &Open) -> Result<Call, TooWide> {
    let Open {
        payee,
        operator,
        token,
        deposit,
        salt,
        authorized_signer,
    } = *open;
    let data = match escrow.protocol {
        Protocol::V1 => v1::openCall {
            payee,
            token,
            deposit: deposit.units(),
            salt,
            authorizedSigner: authorized_signer,
        }
        .abi_encode(),
        Protocol::V2 => v2::openCall {
            payee,
            operator,
            token,
            deposit: narrow(deposit)?,
            salt,
            authorizedSigner: authorized_signer,
        }
        .abi_encode(),
    };
    Ok(call(escrow.contract, data))
}

/// The call that lets an escrow take a deposit from the caller. The chain's own reserve needs none.
#[must_use]
pub fn approve(token: Address, escrow: &Escrow, amount: Amount) -> Call {
    let approve = token::approveCall {
        spender: escrow.contract,
        amount: U256::from(amount.units()),
    };
    call(token, approve.abi_encode())
}

impl TempoChannel {
    /// The call that adds to the deposit.
    ///
    /// # Errors
    /// When the protocol has no room for the amount.
    pub fn top_up(&self, additional: Amount) -> Result<Call, TooWide> {
        Ok(self.call(match self.origin() {
            Origin::V1(_) => v1::topUpCall {
                channelId: self.id(),
                additionalDeposit: U256::from(additional.units()),
            }
            .abi_encode(),
            Origin::V2(descriptor) => v2::topUpCall {
                descriptor: descriptor.into(),
                additionalDeposit: narrow(additional)?,
            }
            .abi_encode(),
        }))
    }

    /// The call that pays the payee up to what a voucher says.
    ///
    /// # Errors
    /// When the protocol has no room for the amount.
    pub fn settle(&self, cumulative: Amount, signature: &Signature) -> Result<Call, TooWide> {
        let signature = Bytes::copy_from_slice(&signature.to_bytes());
        Ok(self.call(match self.origin() {
            Origin::V1(_) => v1::settleCall {
                channelId: self.id(),
                cumulativeAmount: cumulative.units(),
                signature,
            }
            .abi_encode(),
            Origin::V2(descriptor) => v2::settleCall {
                descriptor: descriptor.into(),
                cumulativeAmount: narrow(cumulative)?,
                signature,
            }
            .abi_encode(),
        }))
    }

    /// The call that ends the channel: `capture` is paid out in all, and the rest goes back. By the first
    /// protocol, what the voucher says is what is paid out, and a voucher is always asked for; by the second,
    /// none is needed where nothing more is paid out.
    ///
    /// # Errors
    /// When the protocol has no room for an amount.
    pub fn close(
        &self,
        cumulative: Amount,
        capture: Amount,
        signature: Option<&Signature>,
    ) -> Result<Call, TooWide> {
        let signature = signature.map(Signature::to_bytes);
        let signature: Bytes = signature.map(Vec::from).unwrap_or_default().into();
        Ok(self.call(match self.origin() {
            Origin::V1(_) => v1::closeCall {
                channelId: self.id(),
                cumulativeAmount: cumulative.units(),
                signature,
            }
            .abi_encode(),
            Origin::V2(descriptor) => v2::closeCall {
                descriptor: descriptor.into(),
                cumulativeAmount: narrow(cumulative)?,
                captureAmount: narrow(capture)?,
                signature,
            }
            .abi_encode(),
        }))
    }

    /// The call by which the payer asks for the channel's end.
    #[must_use]
    pub fn request_close(&self) -> Call {
        self.call(match self.origin() {
            Origin::V1(_) => v1::requestCloseCall {
                channelId: self.id(),
            }
            .abi_encode(),
            Origin::V2(descriptor) => v2::requestCloseCall {
                descriptor: descriptor.into(),
            }
            .abi_encode(),
        })
    }

    /// The call by which the payer takes back what is left, after the grace.
    #[must_use]
    pub fn withdraw(&self) -> Call {
        self.call(match self.origin() {
            Origin::V1(_) => v1::withdrawCall {
                channelId: self.id(),
            }
            .abi_encode(),
            Origin::V2(descriptor) => v2::withdrawCall {
                descriptor: descriptor.into(),
            }
            .abi_encode(),
        })
    }

    fn call(&self, data: Vec<u8>) -> Call {
        call(self.escrow().contract, data)
    }
}

/// Reads the data of a call that opens a channel. `None` for any other.
#[must_use]
pub fn read_open(protocol: Protocol, data: &[u8]) -> Option<Open> {
    Some(match protocol {
        Protocol::V1 => {
            let call: v1::openCall = strict(data)?;
            Open {
                payee: call.payee,
                operator: Address::ZERO,
                token: call.token,
                deposit: Amount::new(call.deposit),
                salt: call.salt,
                authorized_signer: call.authorizedSigner,
            }
        }
        Protocol::V2 => {
            let call: v2::openCall = strict(data)?;
            Open {
                payee: call.payee,
                operator: call.operator,
                token: call.token,
                deposit: Amount::new(call.deposit.to()),
                salt: call.salt,
                authorized_signer: call.authorizedSigner,
            }
        }
    })
}

/// Reads the data of a call that adds to a channel's deposit. `None` for any other, and for more than any
/// channel can hold.
#[must_use]
pub fn read_top_up(escrow: &Escrow, data: &[u8]) -> Option<TopUp> {
    Some(match escrow.protocol {
        Protocol::V1 => {
            let call: v1::topUpCall = strict(data)?;
            TopUp {
                channel: call.channelId,
                additional: Amount::new(u128::try_from(call.additionalDeposit).ok()?),
            }
        }
        Protocol::V2 => {
            let call: v2::topUpCall = strict(data)?;
            TopUp {
                channel: Descriptor::from(&call.descriptor).id(escrow),
                additional: Amount::new(call.additionalDeposit.to()),
            }
        }
    })
}

/// Whether the data of a call lets an escrow take exactly this much from the caller.
#[must_use]
pub fn is_approval(data: &[u8], escrow: &Escrow, amount: Amount) -> bool {
    strict::<token::approveCall>(data).is_some_and(|call| {
        call.spender == escrow.contract && call.amount == U256::from(amount.units())
    })
}

/// An amount in 96 bits.
pub(super) fn narrow(amount: Amount) -> Result<Uint<96, 2>, TooWide> {
    Uint::try_from(amount.units()).map_err(|_| TooWide {
        most: Protocol::V2.most(),
    })
}

/// Reads a call that is written in the one way to write it.
fn strict<C: SolCall>(data: &[u8]) -> Option<C> {
    let call = C::abi_decode_validate(data).ok()?;
    (call.abi_encode() == data).then_some(call)
}

fn call(to: Address, data: Vec<u8>) -> Call {
    Call {
        to: Some(to),
        value: U256::ZERO,
        input: data.into(),
    }
}

impl From<&Descriptor> for v2::ChannelDescriptor {
    fn from(descriptor: &Descriptor) -> Self {
        Self {
            payer: descriptor.payer,
            payee: descriptor.payee,
            operator: descriptor.operator,
            token: descriptor.token,
            salt: descriptor.salt,
            authorizedSigner: descriptor.authorized_signer,
            expiringNonceHash: descriptor.expiring_nonce_hash,
        }
    }
}

impl From<&v2::ChannelDescriptor> for Descriptor {
    fn from(descriptor: &v2::ChannelDescriptor) -> Self {
        Self {
            payer: descriptor.payer,
            payee: descriptor.payee,
            operator: descriptor.operator,
            token: descriptor.token,
            salt: descriptor.salt,
            authorized_signer: descriptor.authorizedSigner,
            expiring_nonce_hash: descriptor.expiringNonceHash,
        }
    }
}
