//! What goes wrong with sockets only.

use farthing_core::{bounds, noun::socket::SocketError, payment::Moved};
use http::StatusCode;

use crate::error::TransportError;

/// Why a socket does not go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SocketFault {
    /// The client only looks at what is asked for.
    #[error("a dry run opens no socket")]
    Dry,
    /// The server answered the opening with something else.
    #[error("the server opens no WebSocket there: it answered {0}")]
    Plain(StatusCode),
    /// The seller asks for no session that could be paid.
    #[error("the server asks for no session on its WebSocket")]
    Unasked,
    /// The connection failed.
    #[error("the WebSocket broke")]
    Broken(#[source] TransportError),
    /// The seller closed it before its last receipt.
    #[error("the server closed the WebSocket before its last receipt{0}")]
    Closed(Goodbye),
    /// Nothing was heard of the seller.
    #[error("the server says nothing on its WebSocket")]
    Silent,
    /// The seller said what is none of the scheme's messages.
    #[error("what the server says on its WebSocket cannot be read")]
    Garbage(#[source] SocketError),
    /// The seller says more than is held, and not what was waited for.
    #[error("the server says too much on its WebSocket before it takes the payment")]
    TooMuch,
    /// The seller gave up.
    #[error("the server ended the WebSocket: {0}")]
    Ended(Box<str>),
    /// What is to be said is larger than a message may be.
    #[error("a message has {} bytes at the most", bounds::SOCKET_MESSAGE)]
    TooLarge,
    /// What is to be said would be read as a message of the scheme.
    #[error("the message would be read as one about payments")]
    Scheme,
    /// It is over.
    #[error("the WebSocket is over")]
    Over,
}

/// With what a socket was closed, as far as it was said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Goodbye(pub(super) Option<(u16, Box<str>)>);

impl std::fmt::Display for Goodbye {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            Some((code, why)) if why.is_empty() => write!(f, ": {code}"),
            Some((code, why)) => write!(f, ": {code}, {why}"),
            None => Ok(()),
        }
    }
}

impl Goodbye {
    /// Whether it says that all is well.
    pub(super) fn is_well(&self) -> bool {
        matches!(self.0, Some((1000, _)))
    }
}

impl SocketFault {
    /// Whether money moved. Where that is not known, what it may have cost is counted in the session.
    #[must_use]
    pub const fn moved(&self) -> Moved {
        match self {
            Self::Dry
            | Self::Plain(_)
            | Self::Unasked
            | Self::TooLarge
            | Self::Scheme
            | Self::Over => Moved::No,
            _ => Moved::Unknown,
        }
    }

    pub(crate) const fn hint(&self) -> &'static str {
        match self {
            Self::Dry => "ask without the dry run",
            Self::Plain(_) | Self::Unasked => "check the address",
            Self::TooLarge | Self::Scheme => "say something else; the socket goes on",
            Self::Over => "open another one",
            _ => "what came is paid for as far as it is counted in the session; try again later",
        }
    }
}
