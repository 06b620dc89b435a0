//! What a client dials with where the program chose nothing.

/// An HTTP client to start from: the environment's proxy carries TLS only.
///
/// Plain HTTP is for loopback, and no proxy stands before that: one that the environment names for
/// `http` would read the credential, and could ask a price of its own.
pub fn http_builder() -> reqwest::ClientBuilder {
    let builder = reqwest::Client::builder().no_proxy();
    let named = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
    let address = named
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|at| !at.is_empty()));
    match address.and_then(|address| reqwest::Proxy::https(address).ok()) {
        Some(proxy) => builder.proxy(proxy.no_proxy(reqwest::NoProxy::from_env())),
        None => builder,
    }
}

/// Makes ring the cryptography of this process: rustls comes without any of
/// its own. Where the program chose another before, that choice stays.
///
/// [`Client`](crate::Client) does this when it is built. A program that builds a
/// [`reqwest::Client`] of its own calls it first.
pub fn provide_crypto() {
    // It fails only where there is one.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
