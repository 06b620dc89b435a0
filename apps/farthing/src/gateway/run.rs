//! A gateway's run: started, told about, reloaded, ended.

use std::{
    io::IsTerminal as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use farthing::clock::SystemClock;
use farthing_gateway::{
    config::{Config, LogFormat, Quick, RuleKey, Store},
    serve::{Deps, Gateway, ReloadError, Watch},
};
use tokio::time::{MissedTickBehavior, interval};
use tracing_subscriber::EnvFilter;

use super::{
    GatewayError, LISTEN, Run,
    seller::Seller,
    show,
    signals::{Signals, Wish},
};
use crate::{
    error::{Error, with_causes},
    exit::Exit,
    keystore::{Keystore, private_folder},
    screen::{self, Paint},
};

/// The file of a gateway where nobody names one.
pub(super) const FILE: &str = "farthing.toml";

/// The network of Tempo where nobody names one.
pub(super) const MAINNET: &str = "tempo";

/// How often it is looked whether a file changed.
const LOOK: Duration = Duration::from_secs(1);

/// What a gateway is told, and where that stands.
pub(super) struct Told {
    pub(super) config: Config,
    pub(super) file: Option<PathBuf>,
    /// The seller's key, where we keep it.
    pub(super) key: Option<PathBuf>,
}

pub(super) async fn run(run: Run, keystore: &Keystore) -> Result<Exit, Error> {
    let mut signals = Signals::listen().map_err(Error::System)?;
    let terminal = Terminal::now();
    let json = run.json;
    let told = told(run, keystore)?;
    trace(told.config.log.format);
    let file = told.file.clone();
    let mut watch = file
        .as_ref()
        .map(|file| Watch::new(&files(file, &told.config)));
    let gateway = Gateway::start(told.config.clone(), Deps::new(Arc::new(SystemClock)))
        .await
        .map_err(|error| GatewayError::from(Box::new(error)))?;
    let text = if json {
        show::listening_json(&gateway, &told).to_string()
    } else {
        show::listening(&gateway, &told, Paint::for_stdout())
    };
    screen::data(text).map_err(Error::System)?;

    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            wish = signals.next() => match (wish, &file) {
                (Wish::End, _) => break,
                // Whoever started it closed the terminal, or means the signal's plain sense.
                (Wish::Reload, file) if file.is_none() || terminal.is_gone() => break,
                (Wish::Reload, Some(file)) => {
                    if let Some(watch) = &mut watch {
                        watch.know(&files(file, &gateway.config()));
                    }
                    reload(&gateway, file, json).await;
                }
                (Wish::Reload, None) => break,
            },
            _ = looks.tick() => if let (Some(watch), Some(file)) = (&mut watch, &file)
                && watch.has_changed(&files(file, &gateway.config()))
            {
                reload(&gateway, file, json).await;
            },
        }
    }
    end(&gateway, &mut signals, json).await
}

/// The terminal a gateway was started at.
struct Terminal(bool);

impl Terminal {
    fn now() -> Self {
        Self(std::io::stdout().is_terminal())
    }

    /// Whether there was one, and it was closed.
    fn is_gone(&self) -> bool {
        self.0 && !std::io::stdout().is_terminal()
    }
}

/// What goes wrong is told on stderr, in the form of the access log, where `RUST_LOG` does not ask
/// for more: what is owed, a document that cannot be had, a store that fails.
fn trace(format: LogFormat) {
    let builder = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new("warn"))
        .with_writer(std::io::stderr)
        .with_ansi(false);
    // Where `RUST_LOG` asked, somebody is told already.
    let _ = match format {
        LogFormat::Json => builder.json().try_init(),
        LogFormat::Lines | LogFormat::Off => builder.try_init(),
    };
}

/// What is under way is finished, as long as that is allowed to take; a second signal ends at once.
async fn end(gateway: &Gateway, signals: &mut Signals, json: bool) -> Result<Exit, Error> {
    let drain = gateway.config().limits.drain;
    if json {
        put(&serde_json::json!({ "event": "stopping" }));
    } else {
        screen::tell(format!(
            "stopping: what is under way has {} s to finish; the same again ends at once",
            drain.as_secs()
        ));
    }
    tokio::select! {
        stopped = gateway.stop() => {
            if json {
                put(&show::stopped_json(stopped));
            } else if let Some(text) = show::stopped(stopped) {
                screen::tell(text);
            }
            Ok(Exit::Done)
        }
        () = signals.end() => {
            tell(json, "ended at once; what was claimed is finished by the next start");
            Ok(Exit::Interrupted)
        }
    }
}

async fn reload(gateway: &Gateway, file: &Path, json: bool) {
    let done = gateway.reload_file(file).await;
    if json {
        put(&show::reloaded_json(&done));
        return;
    }
    match done {
        Ok(changes) => screen::tell(format!("reloaded {}: {changes}", file.display())),
        Err(ReloadError::File(findings)) => {
            let paint = Paint::for_stderr();
            screen::tell(format!(
                "{} {} has mistakes; it goes on as before",
                paint.bad("not reloaded:"),
                file.display()
            ));
            for finding in findings {
                screen::tell(format!("\n{finding}"));
            }
        }
        Err(error) => screen::tell(format!(
            "{} {}; it goes on as before",
            Paint::for_stderr().bad("not reloaded:"),
            with_causes(&error)
        )),
    }
}

/// The files whose change is a reason to read them again.
fn files(file: &Path, config: &Config) -> Vec<PathBuf> {
    let mut files = vec![file.to_owned()];
    files.extend(config.sources.iter().cloned());
    files
}

fn told(run: Run, keystore: &Keystore) -> Result<Told, Error> {
    let (Some(url), Some(price)) = (run.url, run.price) else {
        let file = match run.config {
            Some(file) => file,
            None if Path::new(FILE).exists() => FILE.into(),
            None => return Err(GatewayError::Nothing(FILE).into()),
        };
        let config = Config::read(&file).map_err(GatewayError::File)?;
        return Ok(Told {
            config,
            file: Some(file),
            key: None,
        });
    };
    let free = run.free.into_iter().map(free);
    let free = free.collect::<Result<Vec<_>, _>>()?;
    let store = match run.store {
        Some(store) => store,
        None => {
            let folder = keystore.dir().join("gateway").join(name(&url));
            private_folder(&folder)?;
            folder.join("farthing.db")
        }
    };
    let seller = Seller::for_rails(run.tempo.is_some(), run.account, &store)?;
    let network = run.network.unwrap_or_else(|| MAINNET.to_owned());
    let listen = run.listen.unwrap_or_else(|| {
        let usual = LISTEN.parse();
        usual.expect("it is an address")
    });
    let quick = Quick {
        to: url,
        price,
        free,
        listen,
        site: run.site,
        account: seller.as_ref().map(|seller| seller.account.clone()),
        tempo: run.tempo.map(|recipient| (recipient, network)),
        store,
    };
    Ok(Told {
        config: Config::quick(quick).map_err(GatewayError::from)?,
        file: None,
        key: seller.and_then(|seller| seller.key),
    })
}

fn free(rule: String) -> Result<RuleKey, GatewayError> {
    match rule.parse::<RuleKey>() {
        Ok(key) => Ok(key),
        Err(source) => Err(GatewayError::Free { rule, source }),
    }
}

/// A folder's name for an upstream: `127.0.0.1-3000`.
fn name(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let host = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
    let name: String = host
        .chars()
        .map(|c| if plain(c) { c } else { '-' })
        .take(100)
        .collect();
    if name.trim_matches(['.', '-']).is_empty() {
        "upstream".to_owned()
    } else {
        name
    }
}

fn tell(json: bool, text: &str) {
    if json {
        put(&serde_json::json!({ "event": "note", "message": text }));
    } else {
        screen::tell(text);
    }
}

/// A line for a program. Where nobody reads any more, the gateway goes on.
fn put(line: &serde_json::Value) {
    let _ = screen::data(line);
}

/// Where payments are kept, as it can be named from any folder.
pub(super) fn store(config: &Config) -> PathBuf {
    let path = match &config.store {
        Store::Sqlite(path) => path.as_path(),
        _ => Path::new("elsewhere"),
    };
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_folder_is_called_after_the_upstream() {
        for (url, name) in [
            ("http://127.0.0.1:3000", "127.0.0.1-3000"),
            ("https://api.example.com/v1?x", "api.example.com"),
            ("http://[::1]:80/", "---1--80"),
            ("http://../..", "upstream"),
            ("", "upstream"),
        ] {
            assert_eq!(super::name(url), name, "{url}");
        }
    }
}
