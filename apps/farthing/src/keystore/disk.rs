//! Files that are there whole or not at all, and that only their owner can open.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use farthing::{
    core::{encoding::base64url, value::Secret},
    file::{self, FileError, Readers},
};
use ring::rand::{SecureRandom, SystemRandom};
use serde::Serialize;

use super::KeystoreError;

/// Bytes of the largest file of a keystore that is read.
const LARGEST: u64 = 64 * 1024;

/// Makes a folder for its owner only, and those above it. One that is there is left as it is.
pub(crate) fn private_folder(dir: &Path) -> Result<(), KeystoreError> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir).map_err(|source| KeystoreError::Write {
        path: dir.into(),
        source,
    })
}

/// Refuses a folder into which others than its owner can put files, and one of another user's: a
/// wallet, a limit or a demo's mark in it could be theirs. That they can read its list of names is
/// no harm.
pub(super) fn check_folder(dir: &Path) -> Result<(), KeystoreError> {
    match fs::metadata(dir) {
        Ok(found) if file::is_foreign(&found) => Err(KeystoreError::Foreign { path: dir.into() }),
        Ok(found) if mode(&found) & 0o022 != 0 => Err(KeystoreError::Writable { dir: dir.into() }),
        // What else is wrong with it is told by whatever opens it.
        _ => Ok(()),
    }
}

#[cfg(unix)]
fn mode(metadata: &fs::Metadata) -> u32 {
    std::os::unix::fs::PermissionsExt::mode(&metadata.permissions())
}

#[cfg(not(unix))]
fn mode(_: &fs::Metadata) -> u32 {
    0
}

/// A name that nobody guesses: 128 bits.
pub(crate) fn random_name() -> Result<String, KeystoreError> {
    let mut bytes = [0; 16];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| KeystoreError::Randomness)?;
    Ok(base64url::encode(bytes))
}

/// A name for a folder that nobody else has: 64 bits, in what every file system and shell takes.
pub(crate) fn folder_name() -> Result<String, KeystoreError> {
    let mut bytes = [0; 8];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| KeystoreError::Randomness)?;
    Ok(format!("{:016x}", u64::from_be_bytes(bytes)))
}

/// Makes a file that is not there yet: written beside its place, made durable, then put there.
pub(super) fn create(path: &Path, content: &[u8]) -> io::Result<()> {
    let draft = draft(path)?;
    let written = write(&draft, content).and_then(|()| fs::hard_link(&draft, path));
    let removed = fs::remove_file(&draft);
    written.and(removed)?;
    sync_folder(path)
}

/// Puts a file in the place of one that may be there, whole.
pub(super) fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let draft = draft(path)?;
    write(&draft, content)
        .and_then(|()| fs::rename(&draft, path))
        .inspect_err(|_| drop(fs::remove_file(&draft)))?;
    sync_folder(path)
}

/// Writes a file for its owner only, where there is none; a half-written one does not stay.
pub(crate) fn write_new(path: &Path, content: &[u8]) -> io::Result<()> {
    write(path, content).inspect_err(|error| {
        if error.kind() != io::ErrorKind::AlreadyExists {
            let _ = fs::remove_file(path);
        }
    })
}

fn draft(path: &Path) -> io::Result<PathBuf> {
    let mut draft = path.as_os_str().to_owned();
    draft.push(format!(".{}", random_name().map_err(io::Error::other)?));
    Ok(draft.into())
}

fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    if cfg!(unix) {
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?;
    }
    Ok(())
}

fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

pub(super) fn json(value: &impl Serialize) -> Vec<u8> {
    let mut text = serde_json::to_vec_pretty(value).expect("texts, numbers and maps are JSON");
    text.push(b'\n');
    text
}

pub(super) fn read(path: &Path) -> Result<Vec<u8>, KeystoreError> {
    let mut content = Vec::new();
    let read = File::open(path).and_then(|file| file.take(LARGEST).read_to_end(&mut content));
    match read {
        Ok(_) => Ok(content),
        Err(source) => Err(KeystoreError::Read {
            path: path.into(),
            source,
        }),
    }
}

pub(super) fn read_if_there(path: &Path) -> Result<Option<Vec<u8>>, KeystoreError> {
    match read(path) {
        Ok(content) => Ok(Some(content)),
        Err(KeystoreError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// The first line of a file, as a secret. Others must not be able to open the file or to have put
/// it there; a pipe, which is waited for, has no permissions that say anything.
pub(super) fn secret(path: &Path) -> Result<Secret, KeystoreError> {
    let is_pipe = fs::metadata(path).is_ok_and(|found| !found.is_file());
    let opened = if is_pipe {
        File::open(path).map_err(FileError::from)
    } else {
        file::open_secret(path, Readers::Owner)
    };
    let mut content = Vec::new();
    let read = opened.and_then(|file| {
        let read = file.take(LARGEST).read_to_end(&mut content);
        read.map_err(FileError::from)
    });
    let content = Secret::new(content);
    read.map_err(|error| KeystoreError::of_secret(path, error))?;
    let line = content.expose().split(|byte| *byte == b'\n').next();
    let line = line.unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.is_empty() {
        return Err(KeystoreError::EmptyPassphrase);
    }
    Ok(Secret::new(line))
}
