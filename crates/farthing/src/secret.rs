//! The challenge secret, kept in a file beside the store.
//!
//! A gate signs its challenges with a secret. With a new one at each start, every challenge that
//! was handed out before would be refused, so it is made once and kept:
//!
//! ```
//! # let dir = tempfile::tempdir()?;
//! let path = dir.path().join("challenge-secret");
//! let first = farthing::secret::load_or_create(&path)?;
//! let again = farthing::secret::load_or_create(&path)?;
//! assert_eq!(first.expose(), again.expose());
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use farthing_core::{
    encoding::base64url::{self, Base64UrlError},
    value::Secret,
};
use ring::rand::{SecureRandom, SystemRandom};

use crate::file::{self, FileError, Readers};

/// Bytes of a secret that is made here, and the fewest of one that is read.
pub const BYTES: usize = 32;

/// Bytes of the largest file that is read.
const LARGEST: u64 = 4096;

/// Why there is no secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SecretFileError {
    /// The file is there and cannot be read.
    #[error("the secret in {path} cannot be read")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is not there and cannot be made.
    #[error("the secret cannot be written to {path}")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Others than its owner may read or write the file.
    #[error("others than its owner can open {path}: run `chmod 600` on it")]
    Exposed {
        /// The file.
        path: PathBuf,
    },
    /// It is a folder, a pipe or a device.
    #[error("{path} is no plain file")]
    NoFile {
        /// The file.
        path: PathBuf,
    },
    /// The file belongs to somebody else, who knows what it holds.
    #[error(
        "{path} belongs to another user: remove it, or give it to the user that runs this or to root"
    )]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// Anybody could put another file into its place.
    #[error(
        "everybody can put files into {folder}, where the secret {path} lies: run `chmod o-w` on it"
    )]
    Folder {
        /// The file.
        path: PathBuf,
        /// The folder.
        folder: PathBuf,
    },
    /// What the file holds is not base64url.
    #[error("{path} does not hold a secret")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Base64UrlError,
    },
    /// What the file holds is too short to be safe, or too long to be one.
    #[error("the secret in {path} has not {BYTES} bytes or more")]
    Weak {
        /// The file.
        path: PathBuf,
    },
    /// The system has no randomness to give.
    #[error("the system gave no randomness")]
    Randomness,
}

/// Reads the secret in a file, or makes one there that only its owner can read.
///
/// Several processes may do this at once: they end up with the same secret, because a file that is
/// whole is put in its place only where there is none.
///
/// # Errors
/// When the file cannot be read or made, when it holds no secret, or when [somebody
/// else](crate::file) could have put it there or can open it.
pub fn load_or_create(path: impl AsRef<Path>) -> Result<Secret, SecretFileError> {
    let path = path.as_ref();
    match file::open_secret(path, Readers::Owner) {
        Ok(file) => read(path, &file),
        Err(FileError::Read(error)) if error.kind() == io::ErrorKind::NotFound => create(path),
        Err(error) => Err(SecretFileError::of(path, error)),
    }
}

/// Reads the secret in a file that has to be there.
///
/// # Errors
/// When the file cannot be read, when it holds no secret, or when [somebody else](crate::file)
/// could have put it there or can open it.
pub fn load(path: impl AsRef<Path>) -> Result<Secret, SecretFileError> {
    let path = path.as_ref();
    match file::open_secret(path, Readers::Owner) {
        Ok(file) => read(path, &file),
        Err(error) => Err(SecretFileError::of(path, error)),
    }
}

impl SecretFileError {
    fn of(path: &Path, error: FileError) -> Self {
        let path = path.into();
        match error {
            FileError::Read(source) => Self::Read { path, source },
            FileError::NoFile => Self::NoFile { path },
            FileError::Exposed => Self::Exposed { path },
            FileError::Foreign => Self::Foreign { path },
            FileError::Folder(folder) => Self::Folder { path, folder },
        }
    }
}

fn read(path: &Path, file: &File) -> Result<Secret, SecretFileError> {
    let failed = |source| SecretFileError::Read {
        path: path.into(),
        source,
    };
    let mut text = String::new();
    file.take(LARGEST)
        .read_to_string(&mut text)
        .map_err(failed)?;
    let text = Secret::new(text);
    let bytes = base64url::decode(text.expose().trim_ascii()).map_err(|source| {
        SecretFileError::Damaged {
            path: path.into(),
            source,
        }
    })?;
    let secret = Secret::new(bytes);
    if secret.len() < BYTES {
        return Err(SecretFileError::Weak { path: path.into() });
    }
    Ok(secret)
}

fn create(path: &Path) -> Result<Secret, SecretFileError> {
    let failed = |source| SecretFileError::Write {
        path: path.into(),
        source,
    };
    let (mut bytes, mut name) = ([0; BYTES], [0; 8]);
    let random = SystemRandom::new();
    random
        .fill(&mut bytes)
        .and_then(|()| random.fill(&mut name))
        .map_err(|_| SecretFileError::Randomness)?;
    let secret = Secret::new(bytes);

    let mut draft = path.as_os_str().to_owned();
    draft.push(format!(".{}", base64url::encode(name)));
    let draft = PathBuf::from(draft);
    let written = write(&draft, &secret).and_then(|()| fs::hard_link(&draft, path));
    let removed = fs::remove_file(&draft);
    match written {
        Ok(()) => removed.map_err(failed)?,
        // Somebody else was quicker, and theirs is the one.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            return load(path);
        }
        Err(source) => return Err(failed(source)),
    }
    sync_folder(path).map_err(failed)?;
    Ok(secret)
}

fn write(path: &Path, secret: &Secret) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    let text = Secret::new(base64url::encode(secret.expose()));
    file.write_all(text.expose())?;
    file.write_all(b"\n")?;
    file.sync_all()
}

/// Makes the new name durable, which on Unix is the folder's to keep.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    if cfg!(unix) {
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?;
    }
    Ok(())
}
