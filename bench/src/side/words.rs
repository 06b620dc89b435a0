//! The two halves of the scheme's own work, beside the one hash that neither can do without.

use std::{cell::RefCell, hint::black_box};

use farthing::{
    clock::SystemClock,
    core::{
        binding::{Binder, Issue, Opaque, Secrets, Template},
        header::authorization,
        memory::MemoryBackend,
        noun::Request,
        port::clock::Clock as _,
        value::{Entropy, Secret},
    },
};
use ring::{
    hmac,
    rand::{SecureRandom as _, SystemRandom},
};

use super::{
    call::{over_and_over, runtime},
    shop::{Shop, key},
};
use crate::rows::Pair;

/// A challenge, with the entropy it takes.
pub(crate) fn challenge() -> Pair {
    let template = template();
    let pool = RefCell::new((vec![0; 1024], 1024));
    let now = SystemClock.now();
    let ours = over_and_over(move || {
        let opaque = Opaque::new([9; 16], entropy(&mut pool.borrow_mut()));
        let mut text = String::new();
        black_box(&template).issue(&Issue::new(now, &opaque), &mut text);
        black_box(text);
    });
    Pair {
        ours,
        floor: floor(),
    }
}

/// A credential of the ledger's, from the header's value to an authentic challenge.
pub(crate) fn credential() -> Pair {
    let runtime = runtime();
    let shop = Shop::open(&runtime, std::sync::Arc::new(MemoryBackend::new()));
    let text = runtime.block_on(shop.sign());
    let (template, now) = (template(), SystemClock.now());
    let mut buffer = Vec::new();
    let ours = over_and_over(move || {
        let read = authorization::decode(black_box(&text), &mut buffer).expect("a credential");
        let slots = read.slots().expect("slots within their grammar");
        template
            .authenticate(&slots, read.id(), now)
            .expect("the challenge is ours");
    });
    Pair {
        ours,
        floor: floor(),
    }
}

fn floor() -> crate::measure::Side {
    let key = hmac::Key::new(hmac::HMAC_SHA256, &[1; 32]);
    let message = [7; 200];
    over_and_over(move || {
        black_box(hmac::sign(black_box(&key), black_box(&message)));
    })
}

/// The offer of the shop's paid route.
fn template() -> Template {
    let secrets = Secrets::new(&Secret::new([7; 32])).expect("32 bytes are a secret");
    let request = serde_json::json!({
        "amount": "2000",
        "currency": "usd6",
        "recipient": key(2).account().recipient(),
    });
    Binder::new(secrets).template(
        "api.example.com".parse().expect("a realm"),
        "ledger".parse().expect("a method"),
        "charge".parse().expect("an intent"),
        &Request::new(&request).expect("a request"),
    )
}

/// Sixteen bytes from a page of the system's randomness, as the gate takes them.
fn entropy((page, used): &mut (Vec<u8>, usize)) -> Entropy {
    if *used == page.len() {
        SystemRandom::new()
            .fill(page)
            .expect("the system has randomness");
        *used = 0;
    }
    let mut out = [0; 16];
    out.copy_from_slice(&page[*used..*used + 16]);
    *used += 16;
    Entropy(out)
}
