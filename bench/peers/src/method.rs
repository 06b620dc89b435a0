//! A seller as the peer's documentation has one, with a method of our own.

use std::{future::Future, sync::Arc};

use mpp::{
    Base64UrlJson, ChargeMethod, ChargeRequest, PaymentChallenge, PaymentCredential, Receipt,
    VerificationError, format_authorization, format_receipt, format_www_authenticate,
    parse_authorization,
    protocol::core::compute_challenge_id_with_header,
    server::{
        Mpp,
        middleware::{FnVerifier, PaymentLayer},
    },
};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};

const REALM: &str = "api.example.com";
const SECRET: &str = "0123456789abcdef0123456789abcdef";
const RECIPIENT: &str = "did:key:z6MktwupdmLXVVqTzCw4i46r4uGyosGXRnR3XjN4Zq7oMMsw";

/// A seller, and the buyer whose key it knows.
#[derive(Clone)]
pub struct Shop {
    mpp: Mpp<Signed>,
    request: ChargeRequest,
    buyer: Arc<Ed25519KeyPair>,
}

impl Shop {
    /// One with a price of a fifth of a cent.
    pub fn open() -> Self {
        let buyer = Ed25519KeyPair::from_seed_unchecked(&[1; 32]).expect("32 bytes are a seed");
        let key = buyer.public_key().as_ref().to_vec();
        Self {
            mpp: Mpp::new_with_config(Signed { key }, REALM, SECRET, "usd6", RECIPIENT),
            request: ChargeRequest {
                amount: "2000".to_owned(),
                currency: "usd6".to_owned(),
                recipient: Some(RECIPIENT.to_owned()),
                ..ChargeRequest::default()
            },
            buyer: Arc::new(buyer),
        }
    }

    /// A challenge for one request.
    pub fn challenge(&self) -> PaymentChallenge {
        PaymentChallenge::with_secret_key_full(
            SECRET,
            REALM,
            "ledger",
            "charge",
            Base64UrlJson::from_typed(&self.request).expect("a request can be written"),
            Some("2099-01-01T00:00:00Z"),
            None,
            None,
            None,
            None,
        )
    }

    /// Whether a credential echoes a challenge of this shop.
    pub fn is_ours(&self, credential: &PaymentCredential) -> bool {
        let echo = &credential.challenge;
        let id = compute_challenge_id_with_header(
            SECRET,
            REALM,
            echo.method.as_str(),
            echo.intent.as_str(),
            echo.request.raw(),
            echo.expires.as_deref(),
            None,
            None,
            None,
        );
        id == echo.id
    }

    /// What a buyer sends.
    pub fn credential(&self) -> String {
        let challenge = self.challenge();
        let signature = self.buyer.sign(challenge.id.as_bytes());
        let payload = serde_json::json!({ "signature": hex(signature.as_ref()) });
        let credential = PaymentCredential::new(challenge.to_echo(), payload);
        format_authorization(&credential).expect("a credential can be written")
    }
}

/// The peer's layer in front of a route.
pub fn layer(shop: &Shop) -> PaymentLayer<FnVerifier> {
    let (offering, taking) = (shop.clone(), shop.clone());
    PaymentLayer::from_fns(
        move || format_www_authenticate(&offering.challenge()).map_err(|e| e.to_string()),
        move |text| {
            let shop = taking.clone();
            Box::pin(async move {
                let credential = parse_authorization(&text).map_err(|e| e.to_string())?;
                let receipt = shop
                    .mpp
                    .verify_credential_with_expected_request(&credential, &shop.request)
                    .await
                    .map_err(|e| e.to_string())?;
                format_receipt(&receipt).map_err(|e| e.to_string())
            })
        },
    )
}

/// Paid by a signature over the challenge's id.
#[derive(Clone)]
struct Signed {
    key: Vec<u8>,
}

impl ChargeMethod for Signed {
    fn method(&self) -> &str {
        "ledger"
    }

    fn verify(
        &self,
        credential: &PaymentCredential,
        _: &ChargeRequest,
    ) -> impl Future<Output = Result<Receipt, VerificationError>> + Send {
        let signature = credential.payload["signature"].as_str().and_then(unhex);
        let key = UnparsedPublicKey::new(&ED25519, &self.key);
        let id = credential.challenge.id.as_bytes();
        let good = signature.is_some_and(|signature| key.verify(id, &signature).is_ok());
        let receipt = good
            .then(|| Receipt::success("ledger", credential.challenge.id.as_str()))
            .ok_or_else(|| VerificationError::new("the signature is not the buyer's"));
        async { receipt }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes().chunks(2);
    digits
        .map(|two| u8::from_str_radix(std::str::from_utf8(two).ok()?, 16).ok())
        .collect()
}
