//! `farthing receipts export`: receipts for a spreadsheet or a program, a page at a time.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use farthing::{
    clock::SystemClock,
    core::{
        domain::receipts::Kept,
        port::clock::Clock,
        value::{CurrencyCode, Timestamp},
    },
};
use serde_json::json;

use super::{
    PAGE, Records,
    args::{Export, Format},
    csv, put, receipt,
};
use crate::{error::Error, exit::Exit, keystore::folder_name, money::Money, screen};

/// The columns of the CSV.
const HEAD: [&str; 12] = [
    "payment",
    "time",
    "amount",
    "unit",
    "base_units",
    "currency",
    "decimals",
    "method",
    "reference",
    "recipient",
    "payer",
    "for",
];

/// Where an export goes: stdout, or a file that takes its place once it is whole.
struct Sink {
    out: BufWriter<Box<dyn Write>>,
    /// The file that is written, and the one it becomes.
    draft: Option<(PathBuf, PathBuf)>,
    path: Option<PathBuf>,
}

pub(super) async fn run(export: &Export, records: &Records) -> Result<Exit, Error> {
    let now = SystemClock.now();
    let at = |when: Option<crate::when::When>, or| when.map_or(or, |when| when.at(now));
    let time = at(export.since, Timestamp::EPOCH)..at(export.until, Timestamp::FAR);
    let format = match (export.format, export.json, &export.output) {
        (Some(Format::Csv), true, None) => {
            return Err(Error::Usage {
                what: "stdout cannot be CSV and JSON at once".to_owned(),
                next: "write the CSV to a file with -o, or leave --json out",
            });
        }
        (Some(format), ..) => format,
        (None, true, None) => Format::Json,
        (None, ..) => Format::Csv,
    };
    let mut sink = Sink::open(export.output.as_deref())?;
    let mut count = 0;
    let mut last: Option<Kept> = None;
    sink.put(&match format {
        Format::Csv => csv::line(HEAD),
        Format::Json => "[".to_owned(),
    })?;
    loop {
        let page = records
            .receipts
            .between(time.clone(), last.as_ref(), PAGE)
            .await
            .map_err(super::failed)?;
        for kept in &page {
            sink.put(&match format {
                Format::Csv => row(kept, &records.money),
                Format::Json if count == 0 => format!("\n{}", receipt(kept, &records.money)),
                Format::Json => format!(",\n{}", receipt(kept, &records.money)),
            })?;
            count += 1;
        }
        match page.into_iter().last() {
            Some(kept) => last = Some(kept),
            None => break,
        }
    }
    if format == Format::Json {
        sink.put("\n]\n")?;
    }
    let path = sink.finish()?;
    match path {
        None => Ok(Exit::Done),
        Some(path) if export.json => put(json!({
            "file": path.display().to_string(),
            "format": format.name(),
            "receipts": count,
        })),
        Some(path) => {
            screen::tell(format!("{count} receipts in {}", path.display()));
            Ok(Exit::Done)
        }
    }
}

fn row(kept: &Kept, money: &Money) -> String {
    let known = money.find(kept.receipt.method(), &kept.currency);
    let decimal = known
        .as_ref()
        .map(|known| kept.amount.to_decimal(known.decimals));
    let decimals = known.as_ref().map(|known| known.decimals.to_string());
    let unit = known.as_ref().map(|known| known.symbol.to_string());
    let text = |cell: Option<String>| cell.unwrap_or_default();
    csv::line([
        &*kept.payment.to_string(),
        kept.at.to_text().as_str(),
        &text(decimal),
        &text(unit),
        &kept.amount.to_string(),
        CurrencyCode::as_str(&kept.currency),
        &text(decimals),
        kept.receipt.method().as_str(),
        kept.receipt.reference().as_str(),
        kept.payee.as_ref().map_or("", |payee| payee.as_str()),
        kept.payer.as_ref().map_or("", |payer| payer.as_str()),
        &kept.bought,
    ])
}

impl Sink {
    fn open(path: Option<&Path>) -> Result<Self, Error> {
        let Some(path) = path.filter(|path| *path != Path::new("-")) else {
            return Ok(Self {
                out: BufWriter::new(Box::new(io::stdout())),
                draft: None,
                path: None,
            });
        };
        let failed = |source| Error::Output {
            path: path.into(),
            source,
        };
        // A pipe or a device stays what it is.
        let is_plain = fs::metadata(path).map_or(true, |found| found.is_file());
        let mut options = OpenOptions::new();
        let (file, draft): (File, _) = if is_plain {
            let mut draft = path.as_os_str().to_owned();
            draft.push(format!(".{}", folder_name()?));
            let draft = PathBuf::from(draft);
            // What was bought, and with which keys in the URL, is nobody else's.
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            let file = options.write(true).create_new(true).open(&draft);
            (file.map_err(failed)?, Some((draft, path.to_owned())))
        } else {
            (options.write(true).open(path).map_err(failed)?, None)
        };
        Ok(Self {
            out: BufWriter::new(Box::new(file)),
            draft,
            path: Some(path.to_owned()),
        })
    }

    fn put(&mut self, text: &str) -> Result<(), Error> {
        let done = self.out.write_all(text.as_bytes());
        done.map_err(|source| self.failed(source))
    }

    fn failed(&self, source: io::Error) -> Error {
        match &self.path {
            Some(path) => Error::Output {
                path: path.clone(),
                source,
            },
            None => Error::System(source),
        }
    }

    /// Puts the file in its place, and says which.
    fn finish(mut self) -> Result<Option<PathBuf>, Error> {
        self.out.flush().map_err(|source| self.failed(source))?;
        if let Some((draft, path)) = self.draft.take() {
            fs::rename(&draft, path).map_err(|source| {
                let _ = fs::remove_file(&draft);
                self.failed(source)
            })?;
        }
        Ok(self.path.take())
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        if let Some((draft, _)) = &self.draft {
            let _ = fs::remove_file(draft);
        }
    }
}
