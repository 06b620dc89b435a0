//! The file of the challenge secret.
#![cfg(all(feature = "server", unix))]
#![expect(clippy::unwrap_used, reason = "these are the helpers of tests")]

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    sync::{Arc, Barrier},
    thread,
};

use farthing::secret::{self, SecretFileError};

#[test]
fn is_made_once_for_its_owner_only() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("secret");
    let first = secret::load_or_create(&path).unwrap();
    assert_eq!(first.len(), secret::BYTES);
    assert_ne!(first.expose(), [0; secret::BYTES]);
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(
        secret::load_or_create(&path).unwrap().expose(),
        first.expose()
    );
    assert_eq!(names(dir.path()), ["secret"], "the draft is gone");
}

#[test]
fn two_folders_have_two_secrets() {
    let dir = tempfile::tempdir().unwrap();
    let make = |name| secret::load_or_create(dir.path().join(name)).unwrap();
    assert_ne!(make("one").expose(), make("two").expose());
}

#[test]
fn whoever_comes_at_once_gets_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let path = Arc::new(dir.path().join("secret"));
    let start = Arc::new(Barrier::new(16));
    let threads: Vec<_> = (0..16)
        .map(|_| {
            let (path, start) = (Arc::clone(&path), Arc::clone(&start));
            thread::spawn(move || {
                start.wait();
                secret::load_or_create(&*path).unwrap().expose().to_vec()
            })
        })
        .collect();
    let mut secrets: Vec<_> = threads
        .into_iter()
        .map(|thread| thread.join().unwrap())
        .collect();
    secrets.dedup();
    assert_eq!(secrets.len(), 1);
    assert_eq!(names(dir.path()), ["secret"]);
}

#[test]
fn what_others_can_open_or_guess_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("secret");
    let check = |text: &str, mode: u32| {
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        secret::load_or_create(&path)
    };
    let good = "A".repeat(43);
    assert!(check(&good, 0o600).is_ok());
    assert!(matches!(
        check(&good, 0o640),
        Err(SecretFileError::Exposed { .. })
    ));
    assert!(matches!(
        check(&good[..40], 0o600),
        Err(SecretFileError::Weak { .. })
    ));
    assert!(matches!(
        check("not base64url!", 0o600),
        Err(SecretFileError::Damaged { .. })
    ));
    assert!(matches!(
        check("", 0o600),
        Err(SecretFileError::Weak { .. })
    ));
    let shown = check("hunter2 hunter2!", 0o600).unwrap_err();
    assert!(!format!("{shown:?}").contains("hunter2"));
}

#[test]
fn what_others_could_have_put_there_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let set = |mode| fs::set_permissions(dir.path(), fs::Permissions::from_mode(mode)).unwrap();
    let path = dir.path().join("secret");
    set(0o777);
    let refused = secret::load_or_create(&path).unwrap_err();
    assert!(
        matches!(refused, SecretFileError::Folder { .. }),
        "{refused}"
    );
    assert_eq!(names(dir.path()), [""; 0], "nothing is made there either");
    set(0o1777);
    let ours = secret::load_or_create(&path).unwrap();
    set(0o755);
    assert_eq!(secret::load(&path).unwrap().expose(), ours.expose());
    // Only root can give a file away; whose a file may be is a table in `farthing::file`.
    if std::os::unix::fs::chown(&path, Some(12_345), None).is_ok() {
        let refused = secret::load_or_create(&path).unwrap_err();
        assert!(
            matches!(refused, SecretFileError::Foreign { .. }),
            "{refused}"
        );
    }
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}
