//! A process that a test starts to see it die.
//!
//! It is the test's own binary again, told to run one test: there that test has something to do, and it says
//! on stdout where it listens, with a line `listening ADDRESS`. What it is to do is said in its environment.

use std::{
    env,
    io::{BufRead as _, BufReader, Read as _},
    net::SocketAddr,
    process::{Child, ChildStdout, Command, Stdio},
};

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
        let me = env::current_exe().expect("a test has a binary");
        let mut command = Command::new(me);
        command.args(["--exact", test, "--nocapture"]);
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
