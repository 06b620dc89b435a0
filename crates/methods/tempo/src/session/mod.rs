//! Sessions on Tempo: channels in an escrow, and the vouchers that are paid out of them.
//!
//! A channel is [somewhere](Escrow) and [between some](Origin); both together are a [`TempoChannel`], whose id is the
//! hash of them. What its [`Vouchers`] say is signed over that id, at that contract, on that chain. Both sides
//! build and read the same [calls](open), [events](ChannelEvent) and [states](read_states).
//!
//! ```
//! use farthing_core::value::Amount;
//! use farthing_evm::{Address, B256, ChainId, SigningKey};
//! use farthing_tempo::session::*;
//!
//! let key = SigningKey::from_bytes([7; 32])?;
//! let escrow = Escrow::reserve(ChainId::new(42_431)?);
//! let channel = TempoChannel::new(escrow, Origin::V2(Descriptor {
//!     payer: key.address(),
//!     payee: Address::repeat_byte(1),
//!     operator: Address::ZERO,
//!     token: Address::repeat_byte(2),
//!     salt: B256::repeat_byte(3),
//!     authorized_signer: Address::ZERO,
//!     expiring_nonce_hash: B256::repeat_byte(4),
//! }))?;
//! let digest = Vouchers::of(&escrow).digest(channel.id(), Amount::new(25))?;
//! let signature = key.sign(digest);
//!
//! // Kept are the two numbers; what the chain is handed is made of them.
//! let kept = read_signature(&signature.to_bytes())?;
//! assert_eq!(sendable(&kept, digest, channel.origin().signer())?, signature);
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```

mod calls;
mod descriptor;
mod ended;
mod escrow;
mod events;
mod hex;
mod id;
mod payer;
mod server;
mod state;
mod voucher;

pub(crate) use calls::v2::ExpiringNonceHashNotSet;
pub use calls::{Open, TopUp, approve, is_approval, open, read_open, read_top_up};
pub use descriptor::{Descriptor, Opened, Origin};
pub use escrow::{Escrow, GRACE, RESERVE_ADDRESS, protocol_name};
pub use events::{ChannelEvent, Happened};
pub use id::{ChannelError, TempoChannel, channel_id, read_channel_id};
pub use payer::{SessionPayerOptions, TempoSessionPayer};
pub use server::{Settling, TempoSession, TempoSessionError, TempoSessionOptions};
pub(crate) use state::newest;
pub use state::{States, read_states};
pub use voucher::{Vouchers, read_signature, sendable, write_signature};
