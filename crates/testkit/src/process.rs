//! A process that a test starts to see it die.
//!
//! It is the test's own binary again, told to run one test: there that test has something to do, and it says
//! on stdout where it listens, with a line `listening ADDRESS`. What it is to do is said in its environment.

use std::{
    env, fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::SocketAddr,
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
};

use tokio::runtime::{self, Runtime};

/// What the server reads, to die at a point of that name.
const ABORT: &str = "FARTHING_ABORT_AT";

/// A runtime of one thread: a process that is killed, or looks at what another left.
///
/// # Panics
/// When there is none to be had.
#[must_use]
pub fn runtime() -> Runtime {
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a thread can have a runtime")
}

/// Notes that a handler ran, where every process of a test can count it and none can lose it.
///
/// # Panics
/// When the folder cannot be written to.
pub fn note_run(dir: &Path) {
    let file = fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(dir.join("runs"));
    let written = file.and_then(|mut file| file.write_all(b"."));
    written.expect("a test's folder can be written to");
}

/// How often a handler ran, in all processes of a test.
#[must_use]
pub fn runs(dir: &Path) -> usize {
    fs::read(dir.join("runs")).map_or(0, |runs| runs.len())
}

/// A server in a process of its own. It does not outlive this.
#[derive(Debug)]
pub struct Mortal {
    child: Child,
    address: SocketAddr,
    /// Open for as long as it lives: the harness over there says good-bye.
    _told: BufReader<ChildStdout>,
}

impl Mortal {
    /// Starts the test of this name in another process, and waits until it listens.
    ///
    /// # Panics
    /// When it does not.
    pub fn start(test: &str, told: impl FnOnce(&mut Command)) -> Self {
        Self::start_until(test, None, told)
    }

    /// Starts one that dies at a point, if one is named.
    ///
    /// # Panics
    /// When it does not listen.
    pub fn start_until(test: &str, point: Option<&str>, told: impl FnOnce(&mut Command)) -> Self {
        let me = env::current_exe().expect("a test has a binary");
        let mut command = Command::new(me);
        command.args(["--exact", test, "--nocapture"]);
        command.env_remove(ABORT);
        command.envs(point.map(|point| (ABORT, point)));
        told(&mut command);
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("a test can be started again");
        let stdout = child.stdout.take().expect("its stdout is a pipe");
        let mut told = BufReader::new(stdout);
        let address = told
            .by_ref()
            .lines()
            .map_while(Result::ok)
            .find_map(|line| line.strip_prefix("listening ")?.parse().ok());
        Self {
            child,
            address: address.expect("it says where it listens"),
            _told: told,
        }
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until it is dead, and not by its own will.
    ///
    /// # Panics
    /// When it ended by itself.
    pub fn died(&mut self) {
        let status = self.child.wait().expect("it is our child");
        assert_eq!(status.code(), None, "it ended by itself: {status}");
    }

    /// Kills it, with the signal that cannot be caught. Other tasks may be waiting for it.
    ///
    /// # Panics
    /// When it is not there any more.
    pub fn kill(&self) {
        // `Child::kill` needs the child alone.
        let id = self.child.id().to_string();
        let killed = Command::new("kill").args(["-9", &id]).status();
        assert!(killed.expect("`kill` is there").success());
    }

    /// Waits until it ends by itself, as it should.
    ///
    /// # Panics
    /// When it fails.
    pub fn ended(mut self) {
        let status = self.child.wait().expect("it is our child");
        assert!(status.success(), "{status}");
    }
}

impl Drop for Mortal {
    fn drop(&mut self) {
        // After a failed assertion it is still there.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
