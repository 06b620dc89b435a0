//! TLS by files.

use std::{path::Path, sync::Arc};

use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

use super::error::TlsError;
use crate::config::Tls;

/// Bytes of the largest file of certificates or keys.
const LARGEST: u64 = 4 * 1024 * 1024;

/// What the handshakes of a listener are made with.
#[derive(Clone)]
pub(super) struct Loaded {
    pub(super) config: Arc<ServerConfig>,
    /// The certificate that is shown.
    pub(super) leaf: CertificateDer<'static>,
}

/// Reads the certificate and its key.
///
/// # Errors
/// When a file cannot be read, or the two do not belong together.
pub(super) fn load(tls: &Tls) -> Result<Loaded, TlsError> {
    let pair = |source| TlsError::Pair {
        cert: tls.cert.clone(),
        key: tls.key.clone(),
        source,
    };
    let chain = chain(&tls.cert)?;
    let leaf = chain[0].clone();
    let key = PrivateKeyDer::from_pem_slice(&read(&tls.key)?).map_err(|_| TlsError::Key {
        path: tls.key.clone(),
    })?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(pair)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(pair)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Loaded {
        config: Arc::new(config),
        leaf,
    })
}

fn chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let pem = read(path)?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match chain {
        Ok(chain) if !chain.is_empty() => Ok(chain),
        _ => Err(TlsError::Certificate { path: path.into() }),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    farthing::file::read(path, LARGEST).map_err(|source| TlsError::Read {
        path: path.into(),
        source,
    })
}
