//! The signals a gateway hears.

use std::io;

/// What somebody wants of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// To read its file again.
    Reload,
    /// To end.
    End,
}

/// SIGHUP reads the file again; Ctrl-C and SIGTERM end.
#[cfg(unix)]
pub(super) struct Signals([tokio::signal::unix::Signal; 3]);

#[cfg(unix)]
impl Signals {
    /// Listens from now on, so that none comes too early to be heard.
    pub(super) fn listen() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self([
            signal(SignalKind::hangup())?,
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
        ]))
    }

    pub(super) async fn next(&mut self) -> Wish {
        let [hang_up, interrupt, terminate] = &mut self.0;
        tokio::select! {
            _ = hang_up.recv() => Wish::Reload,
            _ = interrupt.recv() => Wish::End,
            _ = terminate.recv() => Wish::End,
        }
    }

    /// The next one that ends it.
    pub(super) async fn end(&mut self) {
        while self.next().await != Wish::End {}
    }
}

/// Ctrl-C ends.
#[cfg(not(unix))]
pub(super) struct Signals;

#[cfg(not(unix))]
impl Signals {
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self)
    }

    pub(super) async fn next(&mut self) -> Wish {
        let _ = tokio::signal::ctrl_c().await;
        Wish::End
    }

    pub(super) async fn end(&mut self) {
        self.next().await;
    }
}
