//! Showing an answer to a person.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, IsTerminal, Write},
    path::{Path, PathBuf},
};

use bytes::Bytes;

use super::{running::Running, session};
use crate::{
    args::Pay,
    error::{Error, told},
    exit::Exit,
    screen::{self, Paint, clean},
};
use farthing::{
    client::{Outlay, Response, Standing},
    core::{encoding::sse::Reader, header::MONEY_MOVED, payment::Moved},
};

/// Where the body goes.
pub(super) enum Sink {
    Stdout {
        /// Whether the last line was left open.
        open: bool,
    },
    File(Output),
}

/// A file for the body.
pub(super) struct Output {
    path: PathBuf,
    file: File,
    /// Whether it was not there before and nothing came for it yet: it goes again then.
    is_new: bool,
}

impl Drop for Output {
    fn drop(&mut self) {
        if self.is_new {
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl Sink {
    /// Opens the file before anything is paid for. What it held is kept until there is an answer.
    pub(super) fn open(path: Option<&Path>) -> Result<Self, Error> {
        let Some(path) = path.filter(|path| *path != Path::new("-")) else {
            return Ok(Self::Stdout { open: false });
        };
        let is_new = !path.exists();
        let mut options = OpenOptions::new();
        match options.write(true).create(true).truncate(false).open(path) {
            Ok(file) => Ok(Self::File(Output {
                path: path.into(),
                file,
                is_new,
            })),
            Err(source) => Err(Error::Output {
                path: path.into(),
                source,
            }),
        }
    }

    /// The file's path, where it is one.
    pub(super) fn path(&self) -> Option<&Path> {
        match self {
            Self::Stdout { .. } => None,
            Self::File(output) => Some(&output.path),
        }
    }

    /// Writes a body as it comes in.
    pub(super) async fn take(&mut self, response: &mut Response) -> Result<(), Error> {
        self.take_as(response, Form::Raw, None).await
    }

    /// The same in a form, and tells meanwhile what it costs.
    async fn take_as(
        &mut self,
        response: &mut Response,
        mut form: Form,
        mut running: Option<Running>,
    ) -> Result<(), Error> {
        let moved = response.paid().map_or(Moved::No, Outlay::moved);
        let failed = |source| Error::Answer { source, moved };
        self.empty().map_err(failed)?;
        while let Some(chunk) = response.chunk().await? {
            let chunk = form.of(chunk).map_err(failed)?;
            if chunk.is_empty() {
                continue;
            }
            self.put(&chunk, running.as_mut()).map_err(failed)?;
        }
        self.flush().map_err(failed)
    }

    /// Writes a piece, and tells what it costs by then.
    pub(super) fn put(&mut self, piece: &[u8], running: Option<&mut Running>) -> io::Result<()> {
        let mut running = running;
        if let Some(running) = &mut running {
            running.before();
        }
        self.write(piece)?;
        // Whoever waits for a word sees it.
        self.flush()?;
        if let Some(running) = running {
            running.after(matches!(self, Self::Stdout { open: true }));
        }
        Ok(())
    }

    /// What follows on the terminal stands on a line of its own. The data is left as it came.
    pub(super) fn finish_line(&self) {
        if matches!(self, Self::Stdout { open: true }) && io::stdout().is_terminal() {
            screen::tell("");
        }
    }

    /// Begins with nothing, where the place can be emptied.
    pub(super) fn empty(&mut self) -> io::Result<()> {
        match self {
            Self::Stdout { .. } => Ok(()),
            Self::File(output) => {
                output.is_new = false;
                // A pipe or a terminal has no length to set.
                if output.file.metadata()?.is_file() {
                    output.file.set_len(0)?;
                }
                Ok(())
            }
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Stdout { open } => {
                *open = bytes.last().map_or(*open, |last| *last != b'\n');
                io::stdout().lock().write_all(bytes)
            }
            Self::File(output) => output.file.write_all(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Stdout { .. } => io::stdout().lock().flush(),
            Self::File(output) => output.file.flush(),
        }
    }
}

/// How a body is written.
enum Form {
    Raw,
    /// The data of an event stream's events, a line each.
    Text(Reader),
}

impl Form {
    fn of(&mut self, chunk: Bytes) -> io::Result<Bytes> {
        let Self::Text(reader) = self else {
            return Ok(chunk);
        };
        let messages = reader.push(&chunk).map_err(io::Error::other)?;
        let lines = messages.iter().map(|message| format!("{}\n", message.data));
        Ok(lines.collect::<String>().into())
    }
}

/// Prints the answer: head where it is asked for, body, and on stderr what it cost.
pub(super) async fn print(
    mut response: Response,
    mut sink: Sink,
    pay: &Pay,
) -> Result<Exit, Error> {
    if pay.include {
        let moved = response.paid().map_or(Moved::No, Outlay::moved);
        let mut head = format!("{:?} {}\r\n", response.version(), response.status()).into_bytes();
        for (name, value) in response.headers() {
            head.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
        }
        head.extend(b"\r\n");
        let mut out = io::stdout().lock();
        out.write_all(&head)
            .and_then(|()| out.flush())
            .map_err(|source| Error::Answer { source, moved })?;
    }
    let is_events = session::is_stream(&response);
    let form = match pay.text && is_events {
        true => Form::Text(Reader::default()),
        false => Form::Raw,
    };
    let is_told = is_events && !pay.silent;
    let bill = response.bill().filter(|_| is_told);
    let running = bill.map(|bill| Running::new(bill, sink.path().is_none()));
    sink.take_as(&mut response, form, running).await?;
    let exit = exit_of(&response);
    if response.bill().is_some() {
        sink.finish_line();
        return Ok(exit);
    }
    if !pay.silent || !matches!(exit, Exit::Done | Exit::Status) {
        sink.finish_line();
        conclude(&response);
    }
    Ok(exit)
}

/// How a run ends that got this answer.
pub(super) fn exit_of(response: &Response) -> Exit {
    let failed = !response.status().is_success();
    let refused = response.status().is_client_error() || response.status().is_server_error();
    match response.paid() {
        Some(outlay) if failed => match outlay.moved() {
            Moved::No => Exit::Unpaid,
            Moved::Yes => Exit::Owed,
            Moved::Unknown => Exit::Unresolved,
        },
        None if refused => Exit::Status,
        _ => Exit::Done,
    }
}

/// Whether the server says beside its answer that it did not charge for it. That is its word only.
pub(super) fn denies(response: &Response) -> bool {
    let said = response.headers().get(MONEY_MOVED);
    said.is_some_and(|said| said.as_bytes() == b"false")
}

/// The last lines on stderr.
fn conclude(response: &Response) {
    let paint = Paint::for_stderr();
    let status = response.status();
    let Some(outlay) = response.paid() else {
        if exit_of(response) == Exit::Status {
            screen::tell(format!(
                "{} the server answered {status}; nothing was paid",
                paint.bad("error:")
            ));
        } else {
            screen::tell(paint.dim("free: nothing was paid"));
        }
        return;
    };
    let price = outlay.price();
    let by = &outlay.currency.rail;
    let reference = outlay.reference.as_ref();
    let under = reference.map_or_else(String::new, |reference| {
        format!(", {}", clean(reference.as_str()))
    });
    match outlay.standing {
        Standing::Paid => screen::tell(format!("{} {price} by {by}{under}", paint.good("paid"))),
        Standing::Unconfirmed if denies(response) => screen::tell(format!(
            "{} {price} by {by}; the server says that it did not charge for this answer",
            paint.asks("paid?")
        )),
        Standing::Unconfirmed => screen::tell(format!(
            "{} {price} by {by}; it was served without a receipt",
            paint.asks("paid?")
        )),
        _ => {
            screen::tell(format!(
                "{} the server answered {status} to a payment of {price}",
                paint.bad("error:")
            ));
            let mut rows = vec![
                ("whose", "the server".to_owned()),
                ("money", told(outlay.moved()).to_owned()),
                ("payment", outlay.payment.to_string()),
            ];
            if denies(response) {
                rows.insert(2, ("says", "the server says that nothing moved".to_owned()));
            }
            screen::tell(screen::rows(paint, 2, &rows));
        }
    }
    if !outlay.recorded {
        screen::hint("the store could not be written: the payment is still listed as pending");
    } else if outlay.standing == Standing::Paid {
        screen::hint(format!("farthing receipts show {}", outlay.payment));
    } else {
        screen::hint("farthing receipts list --pending");
    }
}
