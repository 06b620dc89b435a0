//! The node of a demo's chain: `anvil`, as a process that ends with the demo.

use std::{
    env, io,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use reqwest::Url;
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader},
    process::{Child, Command},
    time::timeout,
};

use super::error::AnvilError;

/// The variable that names the program.
const ANVIL: &str = "FARTHING_ANVIL";

/// How long the node may take until it listens. It takes a fraction of a second.
const START: Duration = Duration::from_secs(60);

/// How much of what a node that does not start says is told.
const SAID: u64 = 2000;

/// What ends the node with the demo, even when the demo is killed: the shell is the node's parent, and
/// waits for the end of its own input, which we hold open.
#[cfg(unix)]
const KEEPER: &str =
    r#""$@" </dev/null & node=$!; exec >&- 2>&-; read -r line; kill -9 "$node"; wait "$node""#;

/// A chain on this machine.
pub(super) struct Node {
    url: Url,
    /// Holds the input whose end is the node's.
    _keeper: Child,
}

impl Node {
    /// Starts a chain that makes a block a second, and one for each transaction.
    pub(super) async fn start(chain: u64) -> Result<Self, AnvilError> {
        let program = find(
            env::var_os(ANVIL).as_deref(),
            env::var_os("PATH").as_deref(),
        );
        let program = program.map_err(|named| AnvilError::Missing { named })?;
        let failed = |source| AnvilError::Start {
            program: program.clone(),
            source,
        };
        let mut keeper = kept(&program);
        keeper
            .args(["--host", "127.0.0.1", "--port", "0", "--chain-id"])
            .arg(chain.to_string())
            // Whatever the chain id, the default is the first hardfork.
            .args(["--network", "tempo", "--hardfork", "T4"])
            .args(["--mixed-mining", "--block-time", "1"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut keeper = keeper.spawn().map_err(failed)?;
        let (stdout, stderr) = (keeper.stdout.take(), keeper.stderr.take());
        let (Some(stdout), Some(stderr)) = (stdout, stderr) else {
            return Err(failed(io::ErrorKind::BrokenPipe.into()));
        };
        let mut lines = BufReader::new(stdout);
        let address = timeout(START, listening(&mut lines)).await;
        let Ok(Ok(Some(address))) = address else {
            let said = said(stderr).await;
            return Err(AnvilError::Silent { program, said });
        };
        // The node says something of each transaction, and stops when nobody reads it.
        drain(lines);
        drain(stderr);
        let url = format!("http://{address}");
        Ok(Self {
            url: url.parse().map_err(|_| AnvilError::Silent {
                program,
                said: address,
            })?,
            _keeper: keeper,
        })
    }

    /// Where it answers.
    pub(super) const fn url(&self) -> &Url {
        &self.url
    }
}

/// The program that is named, or the one on the path; else what was named and is not there.
fn find(
    named: Option<&std::ffi::OsStr>,
    path: Option<&std::ffi::OsStr>,
) -> Result<PathBuf, Option<PathBuf>> {
    if let Some(named) = named.filter(|named| !named.is_empty()) {
        let named = PathBuf::from(named);
        return if named.is_file() {
            Ok(named)
        } else {
            Err(Some(named))
        };
    }
    let name = format!("anvil{}", env::consts::EXE_SUFFIX);
    env::split_paths(path.unwrap_or_default())
        .map(|folder| folder.join(&name))
        .find(|file| file.is_file())
        .ok_or(None)
}

/// A command that runs the program and ends it when we end. A Ctrl-C is not for it: what is under way
/// is finished first.
#[cfg(unix)]
fn kept(program: &Path) -> Command {
    let mut keeper = Command::new("sh");
    keeper.args(["-c", KEEPER, "sh"]).arg(program);
    // It goes when its input ends. Killed, it could not end the node.
    keeper.process_group(0);
    keeper
}

#[cfg(not(unix))]
fn kept(program: &Path) -> Command {
    let mut node = Command::new(program);
    node.kill_on_drop(true);
    node
}

/// Reads until the line that says where a node listens.
async fn listening(lines: &mut BufReader<impl AsyncRead + Unpin>) -> io::Result<Option<String>> {
    let mut line = String::new();
    while lines.read_line(&mut line).await? > 0 {
        if let Some(address) = line.trim().strip_prefix("Listening on ") {
            return Ok(Some(address.to_owned()));
        }
        line.clear();
    }
    Ok(None)
}

/// What a node that ended had to say.
async fn said(stderr: impl AsyncRead + Unpin) -> String {
    let mut said = Vec::new();
    let read = stderr.take(SAID);
    let mut read = read;
    // Whatever came until then is told.
    let _ = timeout(Duration::from_secs(1), read.read_to_end(&mut said)).await;
    String::from_utf8_lossy(&said).trim().to_owned()
}

fn drain(mut from: impl AsyncRead + Unpin + Send + 'static) {
    tokio::spawn(async move {
        let _ = tokio::io::copy(&mut from, &mut tokio::io::sink()).await;
    });
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use super::*;

    #[test]
    fn the_program_is_the_named_one_or_the_first_on_the_path() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder
            .path()
            .join(format!("anvil{}", env::consts::EXE_SUFFIX));
        let path = folder.path().as_os_str();
        assert_eq!(find(None, Some(path)), Err(None));
        std::fs::write(&file, "").unwrap();
        assert_eq!(find(None, Some(path)), Ok(file.clone()));
        assert_eq!(find(Some(OsStr::new("")), Some(path)), Ok(file.clone()));
        assert_eq!(find(Some(file.as_os_str()), None), Ok(file));
        let missing = OsStr::new("/no/such/anvil");
        assert_eq!(find(Some(missing), Some(path)), Err(Some(missing.into())));
        assert_eq!(find(None, None), Err(None));
    }
}
