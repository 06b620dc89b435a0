//! Secrets in the trace of a whole run.
//!
//! With `FARTHING_TRACE` naming a folder, a test that calls [`start`] keeps there what is said at
//! every level, and each secret that is [planted](plant) goes to a file of its own beside it.
//! `cargo xtask test` sets the variable and searches the one for the other when all tests ran.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    path::PathBuf,
    sync::{Mutex, Once},
};

/// The variable that names the folder.
pub const FOLDER: &str = "FARTHING_TRACE";

/// Keeps what this process says from now on, at every level.
///
/// # Panics
/// When the folder cannot be written: a run that was to be searched would not be.
pub fn start() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        if let Some(file) = open("trace") {
            // A test that keeps a trace of its own goes before.
            let _ = tracing_subscriber::fmt()
                .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
                .with_writer(Mutex::new(file))
                .try_init();
        }
    });
}

/// Says that this must be in no trace.
///
/// # Panics
/// When the folder cannot be written.
pub fn plant(secret: &str) {
    static FILE: Mutex<Option<File>> = Mutex::new(None);
    let mut planted = FILE.lock().expect("nobody panics while planting");
    if planted.is_none() {
        *planted = open("planted");
    }
    if let Some(file) = planted.as_mut() {
        writeln!(file, "{secret}").expect("the folder of the trace can be written");
    }
}

fn open(kind: &str) -> Option<File> {
    let folder = PathBuf::from(std::env::var_os(FOLDER)?);
    let path = folder.join(format!("{kind}-{}", std::process::id()));
    let file: io::Result<File> = OpenOptions::new().create(true).append(true).open(path);
    Some(file.expect("the folder of the trace can be written"))
}
