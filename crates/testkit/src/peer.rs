//! Servers that were not written here, for tests of what has to work with any.
//!
//! They are installed by `cargo xtask tools` (which `cargo xtask test` does by itself) from the lockfiles in
//! `tools/`, into the cache of tools. Where one is missing, [`or_skip`] says so where the run repeats it on
//! its last lines:
//!
//! ```
//! use farthing_testkit::peer;
//!
//! let Some(upstream) = peer::or_skip("the gateway over a JSON API", peer::json_api(r#"{"posts":[]}"#))
//! else {
//!     return;
//! };
//! assert!(upstream.url().starts_with("http://127.0.0.1:"));
//! // It ends with its guard.
//! ```

use std::{
    fmt::Display,
    fs::{self, OpenOptions},
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

/// The variable that names the file for what could not be checked.
const SKIPS: &str = "FARTHING_TEST_SKIPS";

/// The variable that makes a missing peer a failure.
const REQUIRED: &str = "FARTHING_PEERS_REQUIRED";

/// Why a peer is not there, in words.
#[derive(Debug)]
pub struct Missing(String);

impl Missing {
    pub(crate) const fn because(why: String) -> Self {
        Self(why)
    }
}

/// A running server; it ends when this is dropped.
#[derive(Debug)]
pub struct Upstream {
    child: Child,
    url: String,
}

impl Upstream {
    /// Where it listens, without a slash at the end: `http://127.0.0.1:40001`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Starts a program and reads where it listens: the first word with `http://` on its first line.
    ///
    /// Its standard input stays open as long as the guard lives, so a program that ends with its input
    /// does not outlive a test that was killed.
    ///
    /// # Errors
    /// When the program does not start.
    ///
    /// # Panics
    /// When it starts and says something else: then it is there and broken.
    pub fn start(program: &mut Command) -> Result<Self, Missing> {
        let name = program.get_program().to_string_lossy().into_owned();
        let mut child = program
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| Missing(format!("`{name}` does not start: {error}")))?;
        let stdout = child.stdout.take().expect("standard output is piped");
        let mut line = String::new();
        let read = BufReader::new(stdout).read_line(&mut line);
        let url = line
            .split([' ', '(', ')', '\n'])
            .find(|word| word.starts_with("http://"))
            .map(|url| url.trim_end_matches('/').to_owned());
        let started = Self {
            child,
            url: url.unwrap_or_default(),
        };
        assert!(
            read.is_ok() && !started.url.is_empty(),
            "`{name}` did not say where it listens but {line:?}"
        );
        Ok(started)
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The value, or nothing and a line for the end of the run: nothing is skipped in silence.
///
/// # Panics
/// When a run says with `FARTHING_PEERS_REQUIRED` that everything is installed, and when the line
/// cannot be written.
pub fn or_skip<T>(test: &str, found: Result<T, Missing>) -> Option<T> {
    let Missing(why) = match found {
        Ok(found) => return Some(found),
        Err(missing) => missing,
    };
    assert!(std::env::var_os(REQUIRED).is_none(), "{test}: {why}");
    say(format_args!("{test}: {why}"));
    None
}

fn say(line: impl Display) {
    let skips = std::env::var_os(SKIPS);
    let file = skips.map(|path| OpenOptions::new().create(true).append(true).open(path));
    let written = match file {
        Some(file) => file.and_then(|mut file| file.write_all(format!("{line}\n").as_bytes())),
        None => writeln!(std::io::stderr(), "skipped: {line}"),
    };
    written.expect("what is skipped is said");
}

/// A JSON API over the given object, whose members are collections: npm's `json-server`.
///
/// # Errors
/// When it is not installed.
pub fn json_api(data: &str) -> Result<Upstream, Missing> {
    let folder = npm("upstreams")?;
    Upstream::start(node(&folder, "json-api.mjs").arg(data))
}

/// A server of events: npm's `better-sse`.
///
/// `GET /events?count=N` sends N numbered events and ends. `GET /events` stays open, and each
/// `POST /events` sends its body to whoever listens, as one event.
///
/// # Errors
/// When it is not installed.
pub fn event_stream() -> Result<Upstream, Missing> {
    let folder = npm("upstreams")?;
    Upstream::start(&mut node(&folder, "event-stream.mjs"))
}

/// A server of the files in a folder: Python's `http.server`.
///
/// # Errors
/// When there is no Python.
pub fn files(folder: &Path) -> Result<Upstream, Missing> {
    let mut python = python()?;
    python.args(["-u", "-m", "http.server", "0", "--bind", "127.0.0.1"]);
    // What it says of each request is nobody's.
    python.stderr(Stdio::null());
    Upstream::start(python.arg("--directory").arg(folder))
}

/// Where what `tools/NAME/package-lock.json` pins is installed, with the scripts of that folder.
///
/// # Errors
/// When it is not installed, or from another lockfile than the checkout has.
pub fn npm(name: &str) -> Result<PathBuf, Missing> {
    installed("npm", name, "package-lock.json")
}

/// Where what `tools/NAME/requirements.txt` pins is installed, with the scripts of that folder.
///
/// # Errors
/// When it is not installed, or from other requirements than the checkout has.
pub fn pip(name: &str) -> Result<PathBuf, Missing> {
    installed("pip", name, "requirements.txt")
}

/// A script of an npm folder, as a command to give arguments to.
#[must_use]
pub fn node(folder: &Path, script: &str) -> Command {
    let mut node = Command::new("node");
    node.arg(folder.join(script)).current_dir(folder);
    node
}

/// Python as a command, in the version that is there.
///
/// # Errors
/// When there is none.
pub fn python() -> Result<Command, Missing> {
    let runs = |name: &str| {
        let mut python = Command::new(name);
        let quiet = python.stdout(Stdio::null()).stderr(Stdio::null());
        quiet
            .arg("--version")
            .status()
            .is_ok_and(|status| status.success())
    };
    ["python3", "python"]
        .into_iter()
        .find(|name| runs(name))
        .map(Command::new)
        .ok_or_else(|| Missing("no Python on this machine".to_owned()))
}

fn installed(registry: &str, name: &str, lock: &str) -> Result<PathBuf, Missing> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tools")
        .join(name);
    let cache = cache().ok_or_else(|| Missing("no cache folder: set FARTHING_TOOLS".to_owned()))?;
    let home = cache.join(format!("{registry}-{name}"));
    if !source.join(lock).is_file() {
        return Err(Missing(format!("there is no tools/{name}/{lock}")));
    }
    if copied(&source, &home).unwrap_or(false) {
        return Ok(home);
    }
    Err(Missing(format!(
        "tools/{name} is not installed, or in another version; `cargo xtask tools` installs it"
    )))
}

/// Whether each file of a folder is in the other as well, as it is now.
fn copied(source: &Path, home: &Path) -> std::io::Result<bool> {
    let mut same = true;
    for entry in fs::read_dir(source)? {
        let path = entry?.path();
        let name = path.file_name().expect("an entry of a folder has a name");
        same &= path.is_dir() || fs::read(&path)? == fs::read(home.join(name))?;
    }
    Ok(same)
}

/// The cache of tools, by the rule of `cargo xtask tools`.
fn cache() -> Option<PathBuf> {
    let given = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    if let Some(folder) = given("FARTHING_TOOLS") {
        return Some(folder.into());
    }
    let base = given("XDG_CACHE_HOME").map(PathBuf::from);
    let home = || given("HOME").or_else(|| given("USERPROFILE"));
    base.filter(|folder| folder.is_absolute())
        .or_else(|| home().map(|home| PathBuf::from(home).join(".cache")))
        .map(|base| base.join("farthing/tools"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{io::Read, net::TcpStream};

    /// What a server answers, head and body.
    fn ask(upstream: &Upstream, request: &str) -> String {
        let mut stream = open(upstream, request);
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    fn open(upstream: &Upstream, request: &str) -> TcpStream {
        let address = upstream.url().strip_prefix("http://").unwrap();
        let mut stream = TcpStream::connect(address).unwrap();
        let (head, body) = request.split_once('\n').unwrap_or((request, ""));
        let length = body.len();
        let lines = format!(
            "{head} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        stream.write_all(lines.as_bytes()).unwrap();
        stream
    }

    #[test]
    fn the_json_api_answers() {
        let data = r#"{"posts":[{"id":1,"title":"a"}]}"#;
        let Some(upstream) = or_skip("peer: a JSON API", json_api(data)) else {
            return;
        };
        let answer = ask(&upstream, "GET /posts/1");
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        assert!(answer.contains(r#""title": "a""#), "{answer}");
        assert!(ask(&upstream, "GET /posts/2").starts_with("HTTP/1.1 404 "));
    }

    #[test]
    fn the_event_stream_sends_what_it_is_given_when_it_is_given() {
        let Some(upstream) = or_skip("peer: a server of events", event_stream()) else {
            return;
        };
        let answer = ask(&upstream, "GET /events?count=2");
        assert!(answer.contains("id:1\ndata:1\n"), "{answer}");
        assert!(answer.contains("id:2\ndata:2\n"), "{answer}");

        let mut lines = BufReader::new(open(&upstream, "GET /events")).lines();
        let mut next = |wanted: &str| {
            lines
                .find(|line| line.as_ref().unwrap().contains(wanted))
                .unwrap()
        };
        next("retry:").unwrap();
        assert!(ask(&upstream, "POST /events\nhello").ends_with("\r\n\r\n1\n"));
        next("data:\"hello\"").unwrap();
    }

    #[test]
    fn the_file_server_has_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a.txt"), "some text").unwrap();
        let Some(upstream) = or_skip("peer: a server of files", files(folder.path())) else {
            return;
        };
        let answer = ask(&upstream, "GET /a.txt");
        assert!(answer.ends_with("\r\n\r\nsome text"), "{answer}");
    }

    #[test]
    fn a_peer_that_is_not_there_is_told() {
        let Err(Missing(why)) = npm("nothing") else {
            unreachable!("there is no tools/nothing");
        };
        assert!(why.contains("no tools/nothing/package-lock.json"), "{why}");
        let absent = Upstream::start(&mut Command::new("no-such-program-here"));
        assert!(absent.is_err());
    }
}
