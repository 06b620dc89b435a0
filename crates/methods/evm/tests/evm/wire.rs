//! A line to a server that can be disturbed.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, tcp},
    sync::watch,
    task::{JoinHandle, JoinSet},
};

/// What the line does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// It carries everything.
    Open,
    /// It breaks, and so does every new one.
    Cut,
    /// It swallows what the server says.
    Silent,
    /// It says something else instead.
    Garbled,
}

/// The line; it ends when this is dropped.
pub(crate) struct Wire {
    address: SocketAddr,
    line: watch::Sender<Line>,
    carried: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Wire {
    pub(crate) async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (line, seen) = watch::channel(Line::Open);
        let carried = Arc::new(AtomicUsize::new(0));
        let count = carried.clone();
        let task = tokio::spawn(async move {
            let mut lines = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                lines.spawn(carry(stream, server, seen.clone()));
            }
        });
        Self {
            address,
            line,
            carried,
            task,
        }
    }

    pub(crate) fn ws_url(&self) -> String {
        format!("ws://{}", self.address)
    }

    pub(crate) fn set(&self, line: Line) {
        self.line.send_replace(line);
    }

    /// How many connections there were.
    pub(crate) fn carried(&self) -> usize {
        self.carried.load(Ordering::SeqCst)
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn carry(
    stream: TcpStream,
    server: SocketAddr,
    mut line: watch::Receiver<Line>,
) -> io::Result<()> {
    let (mut from_us, to_us) = stream.into_split();
    let (from_server, mut to_server) = TcpStream::connect(server).await?.into_split();
    let forth = tokio::io::copy(&mut from_us, &mut to_server);
    let back = back(from_server, to_us, line.clone());
    tokio::select! {
        _ = forth => {}
        _ = back => {}
        _ = line.wait_for(|line| *line == Line::Cut) => {}
    }
    Ok(())
}

async fn back(
    mut server: tcp::OwnedReadHalf,
    mut us: tcp::OwnedWriteHalf,
    line: watch::Receiver<Line>,
) -> io::Result<()> {
    let mut some = [0; 4096];
    loop {
        let length = server.read(&mut some).await?;
        if length == 0 {
            return Ok(());
        }
        let line = *line.borrow();
        match line {
            Line::Silent => {}
            Line::Garbled => us.write_all(&[0xff; 64]).await?,
            Line::Open | Line::Cut => us.write_all(&some[..length]).await?,
        }
    }
}
