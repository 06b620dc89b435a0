//! Several processes on one file, and processes that die.
//!
//! A test that needs another process runs its own binary again with only itself selected and a
//! path in the environment: there it plays the other process, and tells on its standard output
//! what was answered.

use std::{
    collections::BTreeSet,
    env,
    io::{self, BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    sync::Arc,
};

use farthing_core::port::backend::{
    Backend as _, Batch, Commit, Partition, Range, StoreError, Write,
};
use farthing_store::{SqliteBackend, SqliteOptions};
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::{ROWS, absent, add, batch, get, options, put, value, write};

const PATH: &str = "FARTHING_TEST_STORE";
const NAME: &str = "FARTHING_TEST_NAME";

/// In the other process: where the store is, and how this process is called.
fn part() -> Option<(PathBuf, String)> {
    Some((env::var_os(PATH)?.into(), env::var(NAME).ok()?))
}

fn command(program: &Path, test: &str, store: &Path, name: &str) -> Command {
    let mut command = Command::new(program);
    command.args(["--exact", &format!("processes::{test}"), "--nocapture"]);
    command
        .env(PATH, store)
        .env(NAME, name)
        .stdout(Stdio::piped());
    command
}

fn start(mut command: Command) -> (Child, BufReader<ChildStdout>) {
    let mut child = command.spawn().unwrap();
    let told = BufReader::new(child.stdout.take().unwrap());
    (child, told)
}

/// The line is whole when it leaves: whoever dies afterwards has said it.
fn tell(word: &str, n: usize) {
    let mut out = io::stdout().lock();
    io::Write::write_fmt(&mut out, format_args!("\n{word} {n}\n")).unwrap();
}

fn heard(told: BufReader<ChildStdout>) -> Vec<(String, usize)> {
    told.lines()
        .map_while(Result::ok)
        .filter_map(|line| told_by(&line))
        .collect()
}

/// The harness of the other process talks as well.
fn told_by(line: &str) -> Option<(String, usize)> {
    let (word, n) = line.split_once(' ')?;
    let known = ["won", "drew", "committed", "doubt", "refused"].contains(&word);
    Some((word.to_owned(), n.parse().ok()?)).filter(|_| known)
}

const KEYS: usize = 150;

/// Claims every key and draws from one counter for each, as another process does at the same time.
#[tokio::main(flavor = "current_thread")]
async fn race(path: PathBuf, name: String) {
    let store = Arc::new(SqliteBackend::open(SqliteOptions::new(path)).unwrap());
    let mut tasks = JoinSet::new();
    for n in 0..KEYS {
        let (store, name) = (Arc::clone(&store), name.clone());
        tasks.spawn(async move {
            let mut claim = batch(vec![put(&format!("k{n}"), name)]);
            claim.guards.push(absent(&format!("k{n}")));
            claim.writes.push(Write::Append {
                table: ROWS,
                group: "log".into(),
                value: n.to_string().into_bytes(),
            });
            if store.commit(claim).await.unwrap() == Commit::Committed {
                tell("won", n);
            }
            if write(&store, vec![add("n", -1, 1000)]).await.unwrap() == Commit::Committed {
                tell("drew", n);
            }
        });
    }
    tasks.join_all().await;
}

#[test]
fn two_processes_on_one_file_race_for_the_same_keys() {
    if let Some((path, name)) = part() {
        return race(path, name);
    }
    let test = "two_processes_on_one_file_race_for_the_same_keys";
    let dir = TempDir::new().unwrap();
    let path = options(&dir).path;
    let exe = env::current_exe().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        let store = SqliteBackend::open(options(&dir)).unwrap();
        crate::wrote(&store, vec![add("n", 200, 1000)]).await;
    });
    let children: Vec<_> = ["one", "two"]
        .map(|name| (name, start(command(&exe, test, &path, name))))
        .into();
    let mut won = Vec::new();
    let mut drew = 0;
    for (name, (mut child, told)) in children {
        for (word, n) in heard(told) {
            if word == "won" {
                won.push((n, name))
            } else {
                drew += 1
            }
        }
        assert!(child.wait().unwrap().success());
    }
    let keys: BTreeSet<_> = won.iter().map(|(n, _)| *n).collect();
    assert_eq!((won.len(), keys.len(), drew), (KEYS, KEYS, 200));
    runtime.block_on(async {
        let store = SqliteBackend::open(options(&dir)).unwrap();
        assert_eq!(get(&store, "n").await.unwrap().unwrap().counter(), Some(0));
        for (n, name) in won {
            assert_eq!(value(&store, &format!("k{n}")).await, Some(name.into()));
        }
        let log = store.range(log()).await.unwrap();
        let numbers: Vec<_> = log
            .iter()
            .filter_map(|row| Some(row.place.as_ref()?.at))
            .collect();
        assert_eq!(numbers, (1..=KEYS as u64).collect::<Vec<_>>());
    });
}

fn log() -> Range {
    Range {
        partition: Partition::Store,
        table: ROWS,
        group: "log".into(),
        before: u64::MAX,
        after: None,
        newest_first: false,
        limit: 1000,
    }
}

/// Three rows that belong together. The large one makes a batch span pages.
fn whole(n: usize) -> Batch {
    let (a, b) = (format!("a{n}"), format!("b{n}"));
    batch(vec![
        put(&a, vec![1; 9000]),
        put(&b, "b"),
        add("n", 1, i128::MAX),
    ])
}

/// Writes until it is killed, or until it is in doubt; several batches are under way at any time.
#[tokio::main(flavor = "current_thread")]
async fn write_on(path: PathBuf, name: String) {
    let first: usize = name.parse().unwrap();
    let store = Arc::new(SqliteBackend::open(SqliteOptions::new(path)).unwrap());
    let mut tasks = JoinSet::new();
    for n in first.. {
        if tasks.len() >= 8 && tasks.join_next().await.unwrap().unwrap() {
            break;
        }
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            match store.commit(whole(n)).await {
                Ok(_) => tell("committed", n),
                Err(error) => {
                    let unavailable = matches!(error, StoreError::Unavailable(_));
                    assert!(error.in_doubt() || unavailable, "{error:?}");
                    tell(if unavailable { "refused" } else { "doubt" }, n);
                    return true;
                }
            }
            false
        });
    }
    tasks.join_all().await;
    // The doubt is over before anything is read, or the read says that it is not.
    match get(&store, "n").await {
        Ok(found) => assert!(found.is_some()),
        Err(error) => assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}"),
    }
}

/// Everything committed is there, and of every batch either all or nothing. Answers how many.
async fn audit(store: &SqliteBackend, committed: &BTreeSet<usize>, tried: usize) -> usize {
    let mut found = 0;
    for n in 0..tried {
        let (a, b) = (format!("a{n}"), format!("b{n}"));
        let (a, b) = (value(store, &a).await, value(store, &b).await);
        assert_eq!(a.is_some(), b.is_some(), "half of batch {n}");
        assert!(
            a.is_some() || !committed.contains(&n),
            "batch {n} was committed and is lost"
        );
        found += usize::from(a.is_some());
    }
    let counted = get(store, "n").await.unwrap().and_then(|row| row.counter());
    assert_eq!(counted, Some(found as i128));
    found
}

#[test]
fn what_was_answered_survives_a_kill() {
    if let Some((path, name)) = part() {
        return write_on(path, name);
    }
    let test = "what_was_answered_survives_a_kill";
    let dir = TempDir::new().unwrap();
    let exe = env::current_exe().unwrap();
    let mut committed = BTreeSet::new();
    let mut first = 0;
    for round in 1..=4 {
        let name = first.to_string();
        let (mut child, mut told) = start(command(&exe, test, &options(&dir).path, &name));
        let mut line = String::new();
        for _ in 0..round * 23 {
            while told_by(line.trim_end()).is_none() {
                line.clear();
                assert_ne!(
                    told.read_line(&mut line).unwrap(),
                    0,
                    "the process ended by itself"
                );
            }
            committed.extend(told_by(line.trim_end()).map(|(_, n)| n));
            line.clear();
        }
        // SIGKILL: no destructor runs, no file is closed in an orderly way.
        child.kill().unwrap();
        assert!(!child.wait().unwrap().success());
        committed.extend(heard(told).into_iter().map(|(_, n)| n));
        first = committed.last().unwrap() + 100;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(async {
            let store = SqliteBackend::open(options(&dir)).unwrap();
            assert!(audit(&store, &committed, first).await >= committed.len());
        });
    }
}

/// A disk that fails while COMMIT writes: the shell limits the size of files, so that writing the
/// journal fails for real. What was answered is there afterwards, and doubt is called doubt.
#[cfg(unix)]
#[test]
fn a_disk_that_fails_leaves_doubt_and_loses_nothing() {
    if let Some((path, name)) = part() {
        return write_on(path, name);
    }
    let test = "a_disk_that_fails_leaves_doubt_and_loses_nothing";
    let dir = TempDir::new().unwrap();
    drop(SqliteBackend::open(options(&dir)).unwrap());
    let exe = env::current_exe().unwrap();
    let limited = command(&exe, test, &options(&dir).path, "0");
    let mut shell = Command::new("sh");
    // Without the trap the signal would end the process instead of failing the call.
    shell
        .args(["-c", "trap '' XFSZ; ulimit -f 1024; exec \"$0\" \"$@\""])
        .arg(&exe);
    shell.args(limited.get_args()).stdout(Stdio::piped());
    shell.envs(
        limited
            .get_envs()
            .filter_map(|(key, value)| Some((key, value?))),
    );
    let (mut child, told) = start(shell);
    let heard = heard(told);
    assert!(child.wait().unwrap().success());
    let of = |wanted: &str| -> BTreeSet<_> {
        heard
            .iter()
            .filter(|(word, _)| word == wanted)
            .map(|(_, n)| *n)
            .collect()
    };
    let (committed, doubt, refused) = (of("committed"), of("doubt"), of("refused"));
    assert!(committed.len() > 10 && !doubt.is_empty(), "{heard:?}");
    let tried = committed.iter().chain(&doubt).max().unwrap() + 1;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        let store = SqliteBackend::open(options(&dir)).unwrap();
        audit(&store, &committed, tried).await;
        for n in refused {
            assert_eq!(
                value(&store, &format!("b{n}")).await,
                None,
                "batch {n} was refused"
            );
        }
    });
}
