//! The listener: connections in, with a bound on how many, and out again at the end.

use std::{
    io,
    net::IpAddr,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use farthing::clock;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, watch},
    time::{interval, timeout},
};

use super::{
    Phase, Shared,
    line::{LOOK, Line, Verdict},
    live::Live,
    peers::{self, Seat},
    service::Requests,
};
use crate::observe::metrics::Metrics;

/// How long to wait where the system has no more room for connections.
const BREATHE: Duration = Duration::from_millis(100);

/// Takes connections until the gateway is on its way out.
pub(super) async fn listen(listener: TcpListener, shared: Arc<Shared>) {
    let mut phase = shared.phase.subscribe();
    // Each connection is looked at once before it is said that there is room again.
    let mut crowded: Option<Instant> = None;
    loop {
        let taken = tokio::select! {
            biased;
            () = leaves(&mut phase, Phase::Serving) => return,
            taken = take(&listener, &shared) => taken,
        };
        match taken {
            Ok((stream, hop, permit)) => {
                if crowded.is_some_and(|since| clock::monotonic().duration_since(since) > LOOK) {
                    crowded = None;
                    shared.is_crowded.store(false, Ordering::Relaxed);
                }
                let Some(place) = Place::take(&shared, hop, permit) else {
                    tracing::debug!(client = %hop, "a peer has all its connections");
                    continue;
                };
                let line = Arc::new(Line::new(hop));
                shared
                    .connections
                    .spawn(connection(stream, line, place, Arc::clone(&shared)));
            }
            // One connection that went away as it came says nothing about the others.
            Err(error) if is_of_one(&error) => {}
            Err(error) => {
                tracing::warn!("no connection can be taken: {error}");
                crowded = Some(clock::monotonic());
                shared.is_crowded.store(true, Ordering::Relaxed);
                tokio::time::sleep(BREATHE).await;
            }
        }
    }
}

/// What a connection takes up, and gives back however it ends.
struct Place {
    metrics: Arc<Metrics>,
    _permit: OwnedSemaphorePermit,
    _seat: Seat,
}

impl Place {
    /// None where the peer has as many connections as it may have.
    fn take(shared: &Shared, hop: IpAddr, permit: OwnedSemaphorePermit) -> Option<Self> {
        let most = peers::most(&shared.live.load().config, hop);
        let metrics = Arc::clone(&shared.metrics);
        let Some(seat) = shared.peers.seat(hop, most) else {
            metrics.connections_refused.fetch_add(1, Ordering::Relaxed);
            return None;
        };
        metrics.connections.up();
        metrics.connections_taken.fetch_add(1, Ordering::Relaxed);
        Some(Self {
            metrics,
            _permit: permit,
            _seat: seat,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.metrics.connections.down();
    }
}

type Taken = (TcpStream, IpAddr, OwnedSemaphorePermit);

/// The next connection, once there is room for it. Until then it waits where the system keeps it.
async fn take(listener: &TcpListener, shared: &Shared) -> io::Result<Taken> {
    let permit = Arc::clone(&shared.room)
        .acquire_owned()
        .await
        .map_err(io::Error::other)?;
    let (stream, from) = listener.accept().await?;
    stream.set_nodelay(true)?;
    Ok((stream, from.ip().to_canonical(), permit))
}

fn is_of_one(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, InvalidInput};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset | InvalidInput
    )
}

/// Waits until the phase is another one.
pub(super) async fn leaves(phase: &mut watch::Receiver<Phase>, this: Phase) {
    // Where nobody is left who could change it, it is over.
    let _ = phase.wait_for(|phase| *phase != this).await;
}

async fn connection(stream: TcpStream, line: Arc<Line>, place: Place, shared: Arc<Shared>) {
    // What a connection is served with, it is served with to its end; each request on it sees the
    // rules of its own time.
    let (terms, tls) = {
        let live = shared.live.load();
        (Terms::of(&live), live.tls.clone())
    };
    match tls {
        None => serve(stream, line, terms, shared).await,
        Some(tls) => {
            let shaking = tokio_rustls::TlsAcceptor::from(tls.config).accept(stream);
            match timeout(terms.head_within, shaking).await {
                Ok(Ok(stream)) => serve(stream, line, terms, shared).await,
                Ok(Err(_)) | Err(_) => {
                    place
                        .metrics
                        .handshakes_failed
                        .fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    }
    drop(place);
}

/// What a connection is served with.
struct Terms {
    http: auto::Builder<TokioExecutor>,
    head_within: Duration,
}

impl Terms {
    fn of(live: &Live) -> Self {
        Self {
            http: live.http.clone(),
            head_within: live.config.limits.head_within,
        }
    }
}

async fn serve<I>(io: I, line: Arc<Line>, terms: Terms, shared: Arc<Shared>)
where
    I: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let Terms { http, head_within } = terms;
    let mut phase = shared.phase.subscribe();
    let service = Requests {
        line: Arc::clone(&line),
        shared: Arc::clone(&shared),
    };
    let mut connection = std::pin::pin!(http.serve_connection(TokioIo::new(io), service));
    let mut looks = interval(LOOK);
    let mut known = Phase::Serving;
    let mut is_leaving = false;
    loop {
        tokio::select! {
            biased;
            // How a connection ends is its client's affair.
            _ = connection.as_mut() => return,
            () = leaves(&mut phase, known) => {
                known = *phase.borrow();
                if known == Phase::Over {
                    return;
                }
                is_leaving = true;
                connection.as_mut().graceful_shutdown();
            }
            _ = looks.tick() => match verdict(&line, head_within, &shared) {
                Verdict::Goes => {}
                // It was told to go, and had time for it.
                Verdict::Idle if is_leaving => return,
                Verdict::Idle => {
                    is_leaving = true;
                    connection.as_mut().graceful_shutdown();
                }
                Verdict::Stalled => {
                    tracing::debug!(client = %line.hop.address, "a client takes nothing of its answer");
                    return;
                }
            },
        }
    }
}

/// What is to become of a connection. Where the system has no room for others, one that nobody asks
/// anything on makes some: what was paid for needs connections, too.
fn verdict(line: &Line, head_within: Duration, shared: &Shared) -> Verdict {
    let is_crowded = || shared.is_crowded.load(Ordering::Relaxed);
    match line.verdict(head_within) {
        Verdict::Goes if line.is_spare() && is_crowded() => Verdict::Idle,
        verdict => verdict,
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::Semaphore;

    use super::{super::peers::Peers, *};

    #[test]
    fn a_connection_that_panics_gives_back_what_it_took() {
        let (metrics, peers) = (Arc::new(Metrics::new()), Arc::new(Peers::default()));
        let room = Arc::new(Semaphore::new(1));
        let peer = IpAddr::from([192, 0, 2, 1]);
        metrics.connections.up();
        let place = Place {
            metrics: Arc::clone(&metrics),
            _permit: Arc::clone(&room).try_acquire_owned().unwrap(),
            _seat: peers.seat(peer, Some(1)).unwrap(),
        };
        assert!(peers.seat(peer, Some(1)).is_none());
        let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
            let _place = place;
            panic!("as a connection might");
        }));
        assert!(ended.is_err());
        assert_eq!(
            (metrics.connections.get(), room.available_permits()),
            (0, 1)
        );
        assert!(peers.seat(peer, Some(1)).is_some());
    }
}
