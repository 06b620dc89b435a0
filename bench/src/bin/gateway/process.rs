//! A server in a process of its own, pinned to a core, and what it uses.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use crate::Failed;

/// The core of the servers that are compared, and the core of everything else.
pub(crate) const SERVERS: usize = 1;
pub(crate) const OTHERS: usize = 0;

/// A server that ends with this value.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Server {
    /// Starts a program that prints its address on one of its first lines.
    pub(crate) fn start(core: usize, program: &Path, args: &[&str]) -> Result<Self, Failed> {
        let mut child = pinned(core, program)
            .args(args)
            .stdout(Stdio::piped())
            .spawn()?;
        let stdout = child.stdout.take().ok_or("the program has no output")?;
        let mut lines = BufReader::new(stdout);
        let mut said = String::new();
        loop {
            let mut line = String::new();
            if lines.read_line(&mut line)? == 0 {
                let _ = child.kill();
                let name = program.display();
                return Err(format!("`{name}` ended before it listened: {said}").into());
            }
            if let Some(address) = address_in(&line) {
                // What it prints later goes nowhere, and must not fill a pipe.
                std::thread::spawn(move || std::io::copy(&mut lines, &mut std::io::sink()));
                return Ok(Self { child, address });
            }
            said.push_str(&line);
        }
    }

    /// Starts a program that listens at an address it was told, and waits until it does.
    pub(crate) fn start_at(
        core: usize,
        program: &Path,
        args: &[&str],
        address: SocketAddr,
    ) -> Result<Self, Failed> {
        let mut child = pinned(core, program).args(args).spawn()?;
        for _ in 0..200 {
            if std::net::TcpStream::connect(address).is_ok() {
                return Ok(Self { child, address });
            }
            if let Some(status) = child.try_wait()? {
                return Err(format!("`{}` ended with {status}", program.display()).into());
            }
            std::thread::sleep(Duration::from_millis(25));
        }
        let _ = child.kill();
        Err(format!("`{}` does not listen", program.display()).into())
    }

    /// The processor time it and its children used so far.
    pub(crate) fn cpu(&self) -> Result<Duration, Failed> {
        let mut ticks = 0;
        for id in self.family() {
            let stat = fs::read_to_string(format!("/proc/{id}/stat"))?;
            let after = stat.rsplit_once(')').ok_or("a process without a name")?.1;
            let fields: Vec<&str> = after.split_whitespace().collect();
            ticks += fields[11].parse::<u64>()? + fields[12].parse::<u64>()?;
        }
        Ok(Duration::from_millis(ticks * 10))
    }

    /// The memory it and its children have in use, in KiB.
    pub(crate) fn memory(&self) -> Result<u64, Failed> {
        let mut total = 0;
        for id in self.family() {
            let status = fs::read_to_string(format!("/proc/{id}/status"))?;
            let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
            let number = line.and_then(|line| line.split_whitespace().next());
            total += number.ok_or("a process without memory")?.parse::<u64>()?;
        }
        Ok(total)
    }

    fn family(&self) -> Vec<u32> {
        let id = self.child.id();
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children"));
        let children = children.unwrap_or_default();
        let more = children.split_whitespace().filter_map(|id| id.parse().ok());
        std::iter::once(id).chain(more).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Its own children go with it: nginx ends its worker on a quick stop.
        let _ = Command::new("kill")
            .args(["-TERM", &self.child.id().to_string()])
            .status();
        for _ in 0..40 {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return;
            }
            std::thread::sleep(Duration::from_millis(25));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A program on one core. Threads count the cores they may use, so a server on one core starts one
/// worker.
pub(crate) fn pinned(core: usize, program: &Path) -> Command {
    let mut command = Command::new("taskset");
    command
        .args(["-c", &core.to_string()])
        .arg(program)
        .stdin(Stdio::null());
    command
}

/// The first `127.0.0.1:PORT` of a line.
fn address_in(line: &str) -> Option<SocketAddr> {
    let start = line.find("127.0.0.1:")?;
    let rest = &line[start..];
    let port = rest["127.0.0.1:".len()..].find(|c: char| !c.is_ascii_digit());
    let end = port.map_or(rest.trim_end().len(), |end| "127.0.0.1:".len() + end);
    rest[..end].parse().ok()
}
