//! The place of the one stream that a channel has.

use tokio::sync::watch;

/// A stream's place on its channel. The next stream to begin takes it.
#[derive(Debug)]
pub(crate) struct StreamPlace {
    number: u64,
    newest: watch::Receiver<u64>,
}

impl StreamPlace {
    pub(super) fn take(streams: &watch::Sender<u64>) -> Self {
        let newest = streams.subscribe();
        let mut number = 0;
        streams.send_modify(|newest| {
            *newest += 1;
            number = *newest;
        });
        Self { number, newest }
    }

    /// Resolves when a later stream takes the place.
    pub(crate) async fn ended(&mut self) {
        let number = self.number;
        if self
            .newest
            .wait_for(|newest| *newest != number)
            .await
            .is_err()
        {
            // The channel left the memory, which it does not while a stream holds it.
            std::future::pending::<()>().await;
        }
    }
}
