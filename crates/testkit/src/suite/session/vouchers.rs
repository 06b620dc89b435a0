//! Whose a voucher is, and of what.

use farthing_core::{
    intent::session::{Details, Protocol},
    port::session::{Action, Said},
    value::{Amount, MethodId},
};

use super::{DEPOSIT, SessionRail, open, open_by, read};

/// A voucher is good as it was signed, and any other amount or signature is not.
pub async fn a_voucher_is_its_signers(rail: &dyn SessionRail) {
    let channel = open(rail).await;
    let verifier = channel.verifier(rail);
    let good = channel.said(rail, 500);
    assert_eq!(good.channel, *channel.id());
    let voucher = verifier.check(&good).expect("it is good");
    assert_eq!(voucher.cumulative(), Amount::new(500));
    assert_eq!(*voucher.signature(), good.signature);

    for cumulative in [0, 499, 501, DEPOSIT, u128::MAX] {
        let cumulative = Amount::new(cumulative);
        let said = Said {
            cumulative,
            ..good.clone()
        };
        assert!(verifier.check(&said).is_err(), "{cumulative}");
    }
    for byte in [0, 7, 31] {
        let (mut r, mut s) = (good.clone(), good.clone());
        r.signature.r[byte] ^= 1;
        s.signature.s[byte] ^= 1;
        assert!(verifier.check(&r).is_err() && verifier.check(&s).is_err());
    }
    let mut swapped = good.clone();
    (swapped.signature.r, swapped.signature.s) = (good.signature.s, good.signature.r);
    assert!(verifier.check(&swapped).is_err());
    let mut nothing = good.clone();
    (nothing.signature.r, nothing.signature.s) = ([0; 32], [0; 32]);
    assert!(verifier.check(&nothing).is_err());

    // The voucher that closes is a voucher: it says the same, and is signed the same.
    let farewell = rail
        .payer()
        .voucher(&channel.keeping, Amount::new(500), true);
    match read(rail, &farewell.expect("a buyer signs")).expect("it is read") {
        Action::Close(said) => assert!(verifier.check(&said).is_ok()),
        action => unreachable!("a close is read as {action:?}"),
    }
}

/// What one channel's key signed for it pays from no other channel, not even one of the same payer.
pub async fn a_voucher_is_of_one_channel(rail: &dyn SessionRail) {
    let (one, two) = (open(rail).await, open(rail).await);
    let others = open_by(rail, rail.other(), DEPOSIT).await;
    let good = one.said(rail, 500);
    for other in [&two, &others] {
        let verifier = other.verifier(rail);
        assert!(verifier.check(&good).is_err(), "it names another channel");
        let renamed = Said {
            channel: other.id().clone(),
            ..good.clone()
        };
        assert!(
            verifier.check(&renamed).is_err(),
            "it was signed for another channel"
        );
    }
    let others = others.said_by(rail, rail.other(), 500);
    let renamed = Said {
        channel: one.id().clone(),
        ..others
    };
    assert!(one.verifier(rail).check(&renamed).is_err());
    assert!(one.verifier(rail).check(&good).is_ok());
}

/// A buyer signs up to the most the protocol can say, and no more.
pub async fn a_voucher_has_room_for_what_its_protocol_says(rail: &dyn SessionRail) {
    let channel = open(rail).await;
    let most = channel.protocol().most().units();
    let said = channel.said(rail, most);
    assert!(channel.verifier(rail).check(&said).is_ok());
    if channel.protocol() == Protocol::V2 {
        let wide = Amount::new(most + 1);
        assert!(rail.payer().voucher(&channel.keeping, wide, false).is_err());
        let said = Said {
            cumulative: wide,
            ..said
        };
        assert!(channel.verifier(rail).check(&said).is_err());
    }
}

/// A verifier is made of this method's terms, and of those that the channel's id is made of.
pub async fn terms_of_another_method_have_no_verifier(rail: &dyn SessionRail) {
    let (channel, other) = (open(rail).await, open_by(rail, rail.other(), DEPOSIT).await);
    let verifier = |id, terms| rail.session().verifier(id, terms);
    assert!(verifier(channel.id(), &channel.terms).is_ok());
    assert!(verifier(channel.id(), &other.terms).is_err());
    let mut bare = channel.terms.clone();
    bare.details = Details::default();
    bare.method = MethodId::new("nobodys").expect("a method's name");
    assert!(verifier(channel.id(), &bare).is_err());
}
