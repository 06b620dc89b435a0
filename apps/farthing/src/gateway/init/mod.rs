//! `farthing gateway init`: a first file, which `gateway check` accepts.

mod operations;
mod write;

use std::{
    fs::File,
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use clap::Args as Arguments;
use farthing::{
    core::{
        bounds,
        noun::discovery::Document,
        value::{Price, Realm},
    },
    ledger::Account,
};
use farthing_gateway::config::Config;

use super::{
    GatewayError,
    run::{FILE, MAINNET},
    seller::Seller,
};
use crate::{
    args::any_path,
    error::Error,
    exit::{self, Exit},
    program, screen,
};
use write::Draft;

/// The arguments of `farthing gateway init`.
#[derive(Debug, Arguments)]
#[command(after_help = exit::help())]
pub(super) struct Init {
    /// The API's OpenAPI document, JSON: a rule for each operation; '-' for stdin
    #[arg(long, value_name = "FILE", value_parser = any_path())]
    from: Option<PathBuf>,
    /// What an operation costs that names no price
    #[arg(long, value_name = "PRICE", default_value = "$0.002")]
    price: Price,
    /// The API to stand in front of
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:3000")]
    to: String,
    /// The public host that buyers call
    #[arg(long, value_name = "HOST", default_value = super::LISTEN)]
    site: Realm,
    /// Who is paid on the ledger [default: a key made once, beside the store]
    #[arg(long, value_name = "DID")]
    account: Option<Account>,
    /// Who is paid on Tempo, in stablecoins; without --account only there
    #[arg(long, value_name = "ADDRESS")]
    tempo: Option<String>,
    /// The network of Tempo: 'tempo', or 'moderato' to try it out
    #[arg(long, value_name = "NAME", requires = "tempo", default_value = MAINNET)]
    network: String,
    /// The file to write, which must not be there; '-' for stdout
    #[arg(short = 'o', long = "output", value_name = "FILE")]
    #[arg(default_value = FILE, value_parser = any_path())]
    output: PathBuf,
}

pub(super) fn run(init: &Init) -> Result<Exit, Error> {
    let shown = init.output.as_os_str() == "-";
    if !shown && init.output.symlink_metadata().is_ok() {
        return Err(GatewayError::Exists(init.output.clone()).into());
    }
    let document = init.from.as_deref().map(document).transpose()?;
    let file = if shown { Path::new(FILE) } else { &init.output };
    let store = file.with_file_name("farthing.db");
    let seller = Seller::for_rails(init.tempo.is_some(), init.account.clone(), &store)?;
    let tempo = init.tempo.as_deref();
    let draft = Draft {
        site: &init.site,
        to: &init.to,
        account: seller.as_ref().map(|seller| &seller.account),
        key: seller
            .as_ref()
            .and_then(|seller| seller.key.as_deref().and_then(Path::file_name)),
        tempo: tempo.map(|recipient| (recipient, init.network.as_str())),
        price: &init.price,
        document: document.as_ref(),
    };
    let text = draft.text();
    // What the command line says may be no URL or no price of the ledger: that is told before
    // anything is written.
    if let Err(findings) = Config::from_bytes(file, text.as_bytes()) {
        return Err(GatewayError::Draft(findings).into());
    }
    if shown {
        screen::data(text.trim_end()).map_err(Error::System)?;
        return Ok(Exit::Done);
    }
    put(&init.output, text.as_bytes())?;
    screen::data(init.output.display()).map_err(Error::System)?;
    if let Some(seller) = &seller
        && let Some(key) = &seller.key
    {
        screen::tell(format!(
            "paid to {}, whose key is in {}",
            seller.account,
            key.display()
        ));
    }
    let me = program::name();
    let config = if init.output.as_os_str() == FILE {
        String::new()
    } else {
        format!(" --config {}", program::quoted(&init.output))
    };
    screen::hint(format!(
        "look at the prices, then `{me} gateway check{config}` and `{me} gateway{config}`"
    ));
    Ok(Exit::Done)
}

fn document(path: &Path) -> Result<Document, Error> {
    let failed = |source: io::Error| Error::Input {
        path: path.into(),
        source,
    };
    let most = bounds::DISCOVERY as u64 + 1;
    let mut bytes = Vec::new();
    if path.as_os_str() == "-" {
        io::stdin()
            .take(most)
            .read_to_end(&mut bytes)
            .map_err(failed)?;
    } else {
        let file = File::open(path).map_err(failed)?;
        file.take(most).read_to_end(&mut bytes).map_err(failed)?;
    }
    let document = Document::parse(&bytes).map_err(|source| GatewayError::Document {
        path: path.into(),
        source,
    })?;
    Ok(document)
}

/// Writes a file where there is none. It holds no secret, so others may read it.
fn put(path: &Path, content: &[u8]) -> Result<(), Error> {
    let written = File::create_new(path).and_then(|mut file| {
        file.write_all(content)?;
        file.sync_all()
    });
    match written {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            Err(GatewayError::Exists(path.into()).into())
        }
        Err(source) => Err(Error::Output {
            path: path.into(),
            source,
        }),
    }
}
