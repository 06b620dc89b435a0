//! Files, opened without waiting for anybody and without believing whoever put them there.
//!
//! A pipe in the place of a file would hold up whoever opens it. A key that another user of the
//! machine put in its place beforehand would be that user's key. So a file is looked at once it is
//! open, and a secret is read only from one that nobody else could have put there:
//!
//! - it belongs to the user that runs this, or to root, and so does a link that leads to it;
//! - nobody whom it is kept from can open it;
//! - no folder above it is one that everybody can write to, unless it has the sticky bit, as `/tmp`.
//!
//! A folder that its group can write to is trusted with its group, and a folder's owner is not
//! looked at: what lies in it is. On systems without owners and modes nothing of this is checked.

use std::{
    fs::{self, File, Metadata, OpenOptions},
    io::{self, Read},
    path::{Path, PathBuf},
};

/// Links that are followed one after the other, as many as the kernel does.
const LINKS: usize = 40;

/// Who may read the file of a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readers {
    /// Its owner.
    Owner,
    /// Its group, too, but not write it: that is how secrets are handed to services.
    Group,
}

/// Why a file is not read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// It cannot be opened or read.
    #[error("it cannot be read")]
    Read(#[from] io::Error),
    /// It is a folder, a pipe or a device.
    #[error("it is no plain file")]
    NoFile,
    /// Others can open it.
    #[error("others than its owner can open it")]
    Exposed,
    /// It belongs to somebody who is neither the user that runs this nor root.
    #[error("it belongs to another user")]
    Foreign,
    /// Everybody can put files into a folder above it.
    #[error("everybody can put files into {}", .0.display())]
    Folder(PathBuf),
}

/// Opens a plain file, and never waits: what is a pipe or a device is refused.
///
/// # Errors
/// When it cannot be opened or is no plain file.
pub fn open(path: impl AsRef<Path>) -> Result<File, FileError> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY;
        let flags = i32::try_from(flags.bits()).unwrap_or_default();
        std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, flags);
    }
    let file = options.open(path)?;
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(FileError::NoFile)
    }
}

/// Reads a plain file of at most so many bytes, and never waits.
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("openapi.json");
/// std::fs::write(&path, "{}")?;
/// assert_eq!(farthing::file::read(&path, 2)?, b"{}");
/// assert!(farthing::file::read(&path, 1).is_err());
/// assert!(farthing::file::read(dir.path(), 2).is_err());
/// # Ok::<_, std::io::Error>(())
/// ```
///
/// # Errors
/// When it cannot be read, is no plain file, or is larger.
pub fn read(path: impl AsRef<Path>, most: u64) -> io::Result<Vec<u8>> {
    let file = open(path).map_err(|error| match error {
        FileError::Read(error) => error,
        other => io::Error::new(io::ErrorKind::InvalidInput, other),
    })?;
    let mut bytes = Vec::new();
    file.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("it is larger than {most} bytes"),
        ));
    }
    Ok(bytes)
}

/// Opens the file of a secret, where nobody else could have put it there or can read it.
///
/// # Errors
/// When it cannot be opened, is no plain file, or is not to be trusted.
pub fn open_secret(path: impl AsRef<Path>, readers: Readers) -> Result<File, FileError> {
    let path = path.as_ref();
    check_way(path)?;
    let file = open(path)?;
    check_secret(&file, readers)?;
    Ok(file)
}

/// Checks that a file which is open is its owner's, and that its owner is to be trusted.
///
/// # Errors
/// When it is not.
pub fn check_secret(file: &File, readers: Readers) -> Result<(), FileError> {
    let metadata = file.metadata()?;
    if is_exposed(&metadata, readers) {
        return Err(FileError::Exposed);
    }
    if is_foreign(&metadata) {
        return Err(FileError::Foreign);
    }
    Ok(())
}

/// Whether something belongs to a user who is neither the one that runs this nor root.
#[must_use]
pub fn is_foreign(metadata: &Metadata) -> bool {
    #[cfg(unix)]
    {
        let owner = std::os::unix::fs::MetadataExt::uid(metadata);
        is_of_others(owner, rustix::process::geteuid().as_raw())
    }
    #[cfg(not(unix))]
    {
        let _ = metadata;
        false
    }
}

/// Whether whoever owns a thing is neither this user nor root.
#[cfg(unix)]
const fn is_of_others(owner: u32, user: u32) -> bool {
    owner != user && owner != 0
}

/// Looks at all folders and links on the way to a file. The file need not be there.
fn check_way(path: &Path) -> Result<(), FileError> {
    let mut path = path.to_owned();
    for _ in 0..LINKS {
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        let folder = fs::canonicalize(folder.unwrap_or(Path::new(".")))?;
        for above in folder.ancestors() {
            if is_everybodys(&fs::metadata(above)?) {
                return Err(FileError::Folder(above.into()));
            }
        }
        let metadata = fs::symlink_metadata(&path)?;
        if !metadata.is_symlink() {
            return Ok(());
        }
        if is_foreign(&metadata) {
            return Err(FileError::Foreign);
        }
        path = folder.join(fs::read_link(&path)?);
    }
    // Opening it says what is wrong with it.
    Ok(())
}

#[cfg(unix)]
fn mode(metadata: &Metadata) -> u32 {
    std::os::unix::fs::PermissionsExt::mode(&metadata.permissions())
}

#[cfg(not(unix))]
fn mode(_: &Metadata) -> u32 {
    0
}

fn is_exposed(metadata: &Metadata, readers: Readers) -> bool {
    let closed = match readers {
        Readers::Owner => 0o077,
        Readers::Group => 0o037,
    };
    mode(metadata) & closed != 0
}

/// Whether everybody can put something in the place of what lies in a folder.
fn is_everybodys(folder: &Metadata) -> bool {
    const STICKY: u32 = 0o1000;
    mode(folder) & 0o002 != 0 && mode(folder) & STICKY == 0
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, chown, symlink};

    use super::*;

    fn set(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    fn secret(folder: &Path, name: &str) -> PathBuf {
        let path = folder.join(name);
        fs::write(&path, "hunter2").unwrap();
        set(&path, 0o600);
        path
    }

    #[track_caller]
    fn check(path: &Path, expect: &str) {
        let opened = open_secret(path, Readers::Owner).map(|_| "opened".to_owned());
        let said = opened.unwrap_or_else(|error| error.to_string());
        assert_eq!(said, expect, "{}", path.display());
    }

    #[test]
    fn a_secret_is_its_owners_and_the_owner_is_one_to_trust() {
        for (owner, user, others) in [
            (1000, 1000, false),
            (0, 1000, false),
            (0, 0, false),
            (1001, 1000, true),
            (1000, 0, true),
        ] {
            assert_eq!(is_of_others(owner, user), others, "{owner} for {user}");
        }
        let dir = tempfile::tempdir().unwrap();
        let path = secret(dir.path(), "secret");
        let link = dir.path().join("link");
        symlink(&path, &link).unwrap();
        check(&path, "opened");
        check(&link, "opened");
        // Only root can give a file away; for everybody else the table above has to do.
        if rustix::process::geteuid().is_root() {
            let foreign = secret(dir.path(), "foreign");
            chown(&foreign, Some(12_345), None).unwrap();
            check(&foreign, "it belongs to another user");
            let to_foreign = dir.path().join("to-foreign");
            symlink(&foreign, &to_foreign).unwrap();
            check(&to_foreign, "it belongs to another user");
            std::os::unix::fs::lchown(&link, Some(12_345), None).unwrap();
            check(&link, "it belongs to another user");
        }
        set(&path, 0o640);
        check(&path, "others than its owner can open it");
        assert!(open_secret(&path, Readers::Group).is_ok());
        set(&path, 0o620);
        assert!(open_secret(&path, Readers::Group).is_err());
    }

    #[test]
    fn a_folder_of_everybodys_holds_no_secret() {
        let dir = tempfile::tempdir().unwrap();
        let inner = dir.path().join("inner");
        fs::create_dir(&inner).unwrap();
        let path = secret(&inner, "secret");
        let outside = secret(dir.path(), "outside");
        let link = inner.join("link");
        symlink("../outside", &link).unwrap();
        for (mode, closed) in [
            (0o700, true),
            (0o755, true),
            (0o775, true),
            (0o1777, true),
            (0o777, false),
            (0o703, false),
        ] {
            set(&inner, mode);
            let said = format!(
                "everybody can put files into {}",
                fs::canonicalize(&inner).unwrap().display()
            );
            let said = if closed { "opened" } else { &said };
            check(&path, said);
            check(&link, said);
            check(&outside, "opened");
        }
        set(&inner, 0o700);
        set(dir.path(), 0o777);
        assert!(matches!(
            open_secret(&path, Readers::Owner),
            Err(FileError::Folder(_))
        ));
        set(dir.path(), 0o700);
        let again = dir.path().join("again");
        symlink("again", &again).unwrap();
        assert!(matches!(
            open_secret(&again, Readers::Owner),
            Err(FileError::Read(_))
        ));
    }

    /// Whoever waits for a pipe here waits for ever, so another thread does.
    #[test]
    fn a_pipe_is_refused_and_not_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.unwrap().success());
        set(&pipe, 0o600);
        let (said, heard) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let read = read(&pipe, 10).map_err(|error| error.to_string());
            let opened = open_secret(&pipe, Readers::Owner).map(|_| ());
            let _ = said.send((read, opened.map_err(|error| error.to_string())));
        });
        let patience = std::time::Duration::from_secs(20);
        let refused = "it is no plain file".to_owned();
        let (read, opened) = heard.recv_timeout(patience).expect("it waits");
        assert_eq!(read, Err(refused.clone()));
        assert_eq!(opened, Err(refused));
    }
}
