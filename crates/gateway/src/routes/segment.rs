//! Segments of a path, as they are written and as an upstream may read them.

use farthing::core::encoding::percent;

/// The bytes of a segment with its escapes decoded.
pub(super) fn decoded(segment: &str) -> impl Iterator<Item = u8> + Clone {
    percent::decode(segment)
}

/// The same in its plain form: in small letters, and without parameters or what follows a space,
/// or an escaped `?` or `#`.
pub(super) fn plain(segment: impl Iterator<Item = u8> + Clone) -> impl Iterator<Item = u8> + Clone {
    segment
        .take_while(|byte| !matches!(byte, b';' | b' ' | b'?' | b'#'))
        .map(|byte| byte.to_ascii_lowercase())
}

/// Whether a path may have a plain form that is another.
pub(super) fn is_odd(path: &str) -> bool {
    path.ends_with('/')
        || path
            .bytes()
            .any(|byte| byte.is_ascii_uppercase() || matches!(byte, b'%' | b';' | b'.'))
}
