//! Secrets, read from where a file says they are.

use std::{
    io::{self, Read},
    path::{Path, PathBuf},
};

use farthing::{
    core::{
        bounds::SECRET_MIN,
        encoding::base64url::{self, Base64UrlError},
    },
    file::{self, FileError, Readers},
};

use super::{Secret, SecretFrom};

/// Bytes of the largest secret.
const LARGEST: u64 = 64 * 1024;

/// Why a secret is not there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SecretError {
    /// The environment has no such variable.
    #[error("the environment has no {0}")]
    NoVariable(String),
    /// There is nothing in it.
    #[error("the secret is empty")]
    Empty,
    /// The file cannot be read.
    #[error("{path} cannot be read")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is a folder, a pipe or a device.
    #[error("{0} is no plain file")]
    NoFile(PathBuf),
    /// Everybody on the machine may read it, or others than its owner write it.
    #[error("others than its owner can open {0}")]
    Exposed(PathBuf),
    /// It belongs to somebody else, who knows what it holds.
    #[error("{0} belongs to another user")]
    Foreign(PathBuf),
    /// Anybody could put another file into its place.
    #[error("everybody can put files into {folder}, where {path} lies")]
    Folder {
        /// The file.
        path: PathBuf,
        /// The folder.
        folder: PathBuf,
    },
    /// It is larger than any secret.
    #[error("{0} is larger than 64 KiB")]
    Large(PathBuf),
    /// What should be a key is not base64url.
    #[error("the key is not base64url")]
    Encoding(#[source] Base64UrlError),
    /// What should be a key is too short to be one.
    #[error("the key has {0} bytes, and at least {SECRET_MIN} are needed")]
    Short(usize),
}

impl SecretFrom {
    /// The secret as it is there now, without its last line end.
    ///
    /// # Errors
    /// When it is not there, is empty, or lies where others can read it.
    pub fn read(&self) -> Result<Secret, SecretError> {
        let secret = match self {
            Self::Env(name) => {
                let value =
                    std::env::var_os(name).ok_or_else(|| SecretError::NoVariable(name.clone()))?;
                Secret::new(value.into_encoded_bytes())
            }
            Self::File(path) => Secret::new(read(path)?),
        };
        let bytes = secret.expose();
        let line = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            return Err(SecretError::Empty);
        }
        Ok(Secret::new(line))
    }

    /// The secret as a key: base64url of at least 32 bytes, as the file beside a store has it.
    ///
    /// # Errors
    /// When it is not there or is no key.
    pub fn read_key(&self) -> Result<Secret, SecretError> {
        let text = self.read()?;
        let key = base64url::decode(text.expose().trim_ascii()).map_err(SecretError::Encoding)?;
        let key = Secret::new(key);
        if key.len() < SECRET_MIN {
            return Err(SecretError::Short(key.len()));
        }
        Ok(key)
    }
}

impl SecretError {
    /// Why a file is not read.
    pub(super) fn of(path: &Path, error: FileError) -> Self {
        let path = path.to_owned();
        match error {
            FileError::Read(source) => Self::Read { path, source },
            FileError::NoFile => Self::NoFile(path),
            FileError::Exposed => Self::Exposed(path),
            FileError::Foreign => Self::Foreign(path),
            FileError::Folder(folder) => Self::Folder { path, folder },
            other => Self::Read {
                path,
                source: io::Error::other(other),
            },
        }
    }
}

fn read(path: &Path) -> Result<Vec<u8>, SecretError> {
    let failed = |source| SecretError::Read {
        path: path.into(),
        source,
    };
    // A group may read it, because that is how secrets are handed to services.
    let file =
        file::open_secret(path, Readers::Group).map_err(|error| SecretError::of(path, error))?;
    let mut bytes = Vec::new();
    file.take(LARGEST + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() as u64 > LARGEST {
        return Err(SecretError::Large(path.into()));
    }
    Ok(bytes)
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;

    fn file(folder: &Path, content: &str, mode: u32) -> SecretFrom {
        let path = folder.join(format!("{mode:o}-{}", content.len()));
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        SecretFrom::File(path)
    }

    #[test]
    fn a_file_of_a_secret_is_its_owners() {
        let folder = tempfile::tempdir().unwrap();
        for (mode, good) in [
            (0o600, true),
            (0o640, true),
            (0o400, true),
            (0o644, false),
            (0o660, false),
            (0o604, false),
        ] {
            let read = file(folder.path(), "hunter2\r\n", mode).read();
            assert_eq!(read.is_ok(), good, "{mode:o}");
            assert!(read.is_err() || read.unwrap().expose() == b"hunter2");
        }
        let inside = SecretFrom::File(folder.path().into());
        assert!(matches!(inside.read(), Err(SecretError::NoFile(_))));
        let secret = file(folder.path(), "hunter2", 0o600);
        for (mode, good) in [(0o777, false), (0o1777, true), (0o775, true)] {
            fs::set_permissions(folder.path(), fs::Permissions::from_mode(mode)).unwrap();
            let is_folder = matches!(secret.read(), Err(SecretError::Folder { .. }));
            assert_eq!(
                (is_folder, secret.read().is_ok()),
                (!good, good),
                "{mode:o}"
            );
        }
    }

    #[test]
    fn a_key_is_long_and_base64url() {
        let folder = tempfile::tempdir().unwrap();
        let key = base64url::encode([7; 32]);
        assert_eq!(
            file(folder.path(), &key, 0o600)
                .read_key()
                .unwrap()
                .expose(),
            [7; 32]
        );
        let short = file(folder.path(), &base64url::encode([7; 31]), 0o600);
        assert!(matches!(short.read_key(), Err(SecretError::Short(31))));
        let other = file(folder.path(), "a key!", 0o600);
        assert!(matches!(other.read_key(), Err(SecretError::Encoding(_))));
        let empty = file(folder.path(), "\n", 0o600);
        assert!(matches!(empty.read_key(), Err(SecretError::Empty)));
        let missing = SecretFrom::Env("FARTHING_TEST_NO_SUCH".into());
        assert!(matches!(missing.read(), Err(SecretError::NoVariable(_))));
    }
}
