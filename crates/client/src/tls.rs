//! TLS for programs that chose nothing: rustls comes without cryptography of its own.

/// Makes ring the cryptography of this process, unless the program chose another before.
///
/// [`Client`](crate::Client) does this when it is built. A program that builds a
/// [`reqwest::Client`] of its own calls it first.
pub fn provide_crypto() {
    // Where the program made its choice, that choice stays.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
