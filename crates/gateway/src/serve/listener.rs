//! The listener: connections in, with a bound on how many, and out again at the end.

use std::{io, net::IpAddr, sync::Arc, time::Duration};

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
    service::Requests,
};

/// How long to wait where the system has no more room for connections.
const BREATHE: Duration = Duration::from_millis(100);

/// Takes connections until the gateway is on its way out.
pub(super) async fn listen(listener: TcpListener, shared: Arc<Shared>) {
    let mut phase = shared.phase.subscribe();
    loop {
        let taken = tokio::select! {
            biased;
            () = leaves(&mut phase, Phase::Serving) => return,
            taken = take(&listener, &shared) => taken,
        };
        match taken {
            Ok((stream, hop, permit)) => {
                let line = Arc::new(Line::new(hop));
                shared
                    .connections
                    .spawn(connection(stream, line, permit, Arc::clone(&shared)));
            }
            // One connection that went away as it came says nothing about the others.
            Err(error) if is_of_one(&error) => {}
            Err(error) => {
                tracing::warn!("no connection can be taken: {error}");
                tokio::time::sleep(BREATHE).await;
            }
        }
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

async fn connection(
    stream: TcpStream,
    line: Arc<Line>,
    permit: OwnedSemaphorePermit,
    shared: Arc<Shared>,
) {
    let metrics = Arc::clone(&shared.metrics);
    metrics.connections.up();
    metrics
        .connections_taken
        .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
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
                    metrics
                        .handshakes_failed
                        .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                }
            }
        }
    }
    metrics.connections.down();
    drop(permit);
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
        shared,
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
            _ = looks.tick() => match line.verdict(head_within) {
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
