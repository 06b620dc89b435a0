//! TLS by files, HTTP/1.1 and HTTP/2 over it.

use std::{fs, path::Path, time::Duration};

use rcgen::{CertificateParams, CertifiedIssuer, KeyPair};
use reqwest::{Certificate, Client, Version};

use crate::{
    OK,
    rig::{Rig, Upstream},
};

const RULES: &str = "[routes]\n\"GET /free\" = \"free\"\n\"GET /paid\" = \"$0.002\"\n";

/// A certificate for this machine under an authority of its own, written into a folder.
fn issue(folder: &Path) -> Certificate {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, key).unwrap();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let cert = params.signed_by(&key, &authority).unwrap();
    fs::write(folder.join("cert.pem"), cert.pem()).unwrap();
    write_key(folder, &key.serialize_pem());
    Certificate::from_pem(authority.pem().as_bytes()).unwrap()
}

fn write_key(folder: &Path, pem: &str) {
    let path = folder.join("key.pem");
    let _ = fs::remove_file(&path);
    fs::write(&path, pem).unwrap();
    let mode = <fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o600);
    fs::set_permissions(&path, mode).unwrap();
}

fn client(authority: &Certificate, http1: bool) -> Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = Client::builder()
        .no_proxy()
        .tls_certs_only([authority.clone()])
        .timeout(Duration::from_secs(20));
    let builder = if http1 { builder.http1_only() } else { builder };
    builder.build().unwrap()
}

async fn open(folder: &Path, to: &str) -> Rig {
    let text = format!(
        "tls = {{ cert = \"{0}/cert.pem\", key = \"{0}/key.pem\" }}\n{RULES}",
        folder.display()
    );
    Rig::open(to, &text).await
}

#[tokio::test]
async fn both_versions_are_spoken_and_paid_over() {
    let folder = tempfile::tempdir().unwrap();
    let authority = issue(folder.path());
    let upstream = Upstream::says(OK).await;
    let rig = open(folder.path(), &upstream.url()).await;
    let url = |path: &str| format!("https://{}{path}", rig.address);
    let mut moved = 0;
    for (http1, version) in [(true, Version::HTTP_11), (false, Version::HTTP_2)] {
        let client = client(&authority, http1);
        let free = client.get(url("/free")).send().await.unwrap();
        assert_eq!((free.status().as_u16(), free.version()), (200, version));
        let offered = client.get(url("/paid")).send().await.unwrap();
        assert_eq!(offered.status(), 402);
        let challenge = offered.headers()["www-authenticate"].to_str().unwrap();
        let offered = crate::rig::Answer {
            status: 402,
            headers: vec![("www-authenticate".to_owned(), challenge.to_owned())],
            body: Vec::new(),
            whole: true,
            trailers: Vec::new(),
        };
        let credential = rig.sign(&offered).await;
        let paid = client.get(url("/paid")).header("authorization", credential);
        let paid = paid.send().await.unwrap();
        assert_eq!((paid.status().as_u16(), paid.version()), (200, version));
        assert!(paid.headers().contains_key("payment-receipt"));
        assert_eq!(paid.text().await.unwrap(), "ok");
        moved += 2_000;
        rig.assert_moved(moved).await;
    }
    let plain = crate::rig::exchange(rig.address, b"GET /free HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(!plain.starts_with(b"HTTP/"), "{plain:?}");
}

#[tokio::test]
async fn a_new_certificate_is_taken_and_a_bad_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let first = issue(folder.path());
    let upstream = Upstream::says(OK).await;
    let rig = open(folder.path(), &upstream.url()).await;
    let url = format!("https://{}/free", rig.address);
    let is_shown = async |authority: &Certificate| {
        let answered = client(authority, false).get(&url).send().await;
        answered.is_ok_and(|answer| answer.status() == 200)
    };
    // A connection that is there already stays.
    let kept = client(&first, false);
    assert_eq!(kept.get(&url).send().await.unwrap().status(), 200);

    fs::write(folder.path().join("cert.pem"), "no certificate").unwrap();
    let error = rig.gateway.reload(rig.gateway.config()).await.unwrap_err();
    assert!(error.to_string().contains("no certificate"), "{error}");
    assert!(is_shown(&first).await, "the old one is kept");

    let second = issue(folder.path());
    let changes = rig.gateway.reload(rig.gateway.config()).await.unwrap();
    assert_eq!(changes.settings, ["the certificate"]);
    assert!(is_shown(&second).await && !is_shown(&first).await);
    assert_eq!(kept.get(&url).send().await.unwrap().status(), 200);

    write_key(folder.path(), &KeyPair::generate().unwrap().serialize_pem());
    let error = rig.gateway.reload(rig.gateway.config()).await.unwrap_err();
    assert!(
        error.to_string().contains("cannot be used together"),
        "{error}"
    );
    assert!(is_shown(&second).await);
    assert!(
        rig.gateway
            .config()
            .sources
            .iter()
            .any(|path| path.ends_with("key.pem"))
    );
}
