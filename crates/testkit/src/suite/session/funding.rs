//! Opening channels, and locking more in them.

use std::time::Duration;

use farthing_core::{
    noun::problem::ProblemKind,
    port::{
        method::{Fault, Outcome},
        session::{Action, FundOrder},
    },
    value::{Amount, CurrencyCode, Realm, Recipient},
};

use super::{
    DEPOSIT, SessionRail, asked, challenge_id, check, fund, offer, open, open_by, read, realm,
    shown,
};

/// An opening locks the deposit, once however often it is sent, and says who pays.
pub async fn a_channel_is_opened_once(rail: &dyn SessionRail) {
    let (before, _) = rail.have().await;
    let payer = rail.payer();
    let deposit = Amount::new(DEPOSIT);
    let quote = payer.quote(&offer(rail)).expect("it can be paid");
    let opening = payer.open(&offer(rail), deposit, rail.now()).await;
    let opening = opening.expect("a buyer opens a channel");
    assert!(opening.locking.valid_until > rail.now());
    let (keeping, transaction) = (&opening.channel, &opening.locking.transaction);
    let payload = payer.present_opening(keeping, transaction, Amount::ZERO);
    let payload = payload.expect("it is presented");
    let (_, checked) = check(rail, &payload, None).await.expect("it is good");
    assert_eq!(checked.verified.payer.as_ref(), Some(&quote.payer));
    assert_eq!(checked.terms.payer, quote.payer);
    assert_eq!(checked.terms.realm, realm());
    assert_eq!(checked.terms.currency, quote.currency.code);
    assert!(
        !checked.verified.keys.is_empty(),
        "it consumes what is sent"
    );
    let effect = checked.verified.effect.expect("something is sent");
    let order = FundOrder {
        channel: &keeping.id,
        terms: &checked.terms,
        effect: &effect,
    };
    let mut references = Vec::new();
    for _ in 0..3 {
        match fund(rail, order).await {
            Outcome::Settled { reference, .. } => references.push(reference),
            outcome => unreachable!("the opening was not done: {outcome:?}"),
        }
    }
    references.dedup();
    assert_eq!(references.len(), 1, "it is one opening");
    let (after, _) = rail.have().await;
    assert!(before - after >= DEPOSIT && before - after <= DEPOSIT + rail.fee());
    assert!(
        payer
            .may_come(transaction, rail.now())
            .await
            .expect("the rail answers")
    );

    let again = payer.open(&offer(rail), deposit, rail.now()).await;
    let again = again.expect("a buyer opens another channel");
    assert_ne!(again.channel.id, keeping.id, "two channels are not one");
}

/// An opening brings a voucher, which the channel's own key signed.
pub async fn a_channel_opens_with_the_voucher_it_brought(rail: &dyn SessionRail) {
    let channel = open(rail).await;
    let voucher = channel.verifier(rail).check(&channel.first);
    assert_eq!(voucher.expect("it is good").cumulative(), Amount::ZERO);
    assert_eq!(channel.numbers(rail).await, (DEPOSIT, 0));
}

/// An opening for another payee, currency or realm than is asked for is refused, and so is one whose
/// channel has another name.
pub async fn an_opening_is_for_what_is_asked_for(rail: &dyn SessionRail) {
    let payer = rail.payer();
    let opening = payer
        .open(&offer(rail), Amount::new(DEPOSIT), rail.now())
        .await;
    let opening = opening.expect("a buyer opens a channel");
    let payload =
        payer.present_opening(&opening.channel, &opening.locking.transaction, Amount::ZERO);
    let payload = payload.expect("it is presented");

    let mut elsewhere = asked(rail);
    elsewhere.recipient = Recipient::new("somebody-else").expect("a recipient");
    let mut other_money = asked(rail);
    other_money.currency = CurrencyCode::new("qqq9").expect("a currency's code");
    for request in [elsewhere, other_money] {
        let ids = (challenge_id(), realm());
        let shown = shown(rail, &request, &payload, &ids);
        let good = match rail.session().read(&shown) {
            Ok(Action::Open(funding)) => rail.session().check(shown, &funding, None).await.is_ok(),
            Ok(action) => unreachable!("an opening is read as {action:?}"),
            Err(_) => false,
        };
        assert!(!good, "it is paid with something else: {request:?}");
    }

    let other = open_by(rail, rail.other(), DEPOSIT).await;
    let renamed = super::with(&payload, "channelId", Some(other.id().as_str().into()));
    assert!(check(rail, &renamed, None).await.is_err());
    assert!(
        check(rail, &payload, None).await.is_ok(),
        "the changes were at fault"
    );

    // What a channel is worth in another realm is for that realm to say.
    let (request, ids) = (
        asked(rail),
        (challenge_id(), Realm::new("b.example").expect("a realm")),
    );
    let shown = shown(rail, &request, &payload, &ids);
    if let Ok(Action::Open(funding)) = rail.session().read(&shown)
        && let Ok(checked) = rail.session().check(shown, &funding, None).await
    {
        assert_eq!(checked.terms.realm, ids.1);
    }
}

/// What is presented too late is refused before anything is sent.
pub async fn an_opening_is_over_when_it_says(rail: &dyn SessionRail) {
    let payer = rail.payer();
    let opening = payer
        .open(&offer(rail), Amount::new(DEPOSIT), rail.now())
        .await;
    let opening = opening.expect("a buyer opens a channel");
    let payload =
        payer.present_opening(&opening.channel, &opening.locking.transaction, Amount::ZERO);
    let payload = payload.expect("it is presented");
    let (request, ids) = (asked(rail), (challenge_id(), realm()));
    let mut shown = shown(rail, &request, &payload, &ids);
    let Ok(Action::Open(funding)) = rail.session().read(&shown) else {
        unreachable!("an opening is an opening")
    };
    shown.now = opening
        .locking
        .valid_until
        .saturating_add(Duration::from_secs(1));
    let late = rail.session().check(shown, &funding, None).await;
    assert!(late.is_err());
}

/// An account with nothing opens no channel, and nothing is left of the attempt.
pub async fn nobody_locks_what_they_do_not_have(rail: &dyn SessionRail) {
    let poor = rail.poor();
    let opening = poor
        .open(&offer(rail), Amount::new(DEPOSIT), rail.now())
        .await;
    let Ok(opening) = opening else {
        return;
    };
    let (keeping, transaction) = (&opening.channel, &opening.locking.transaction);
    let payload = poor.present_opening(keeping, transaction, Amount::ZERO);
    let payload = payload.expect("it is presented");
    match check(rail, &payload, None).await {
        Err(refusal) => assert!(
            matches!(refusal.fault, Fault::Insufficient | Fault::Invalid),
            "{refusal:?}"
        ),
        Ok((_, checked)) => {
            let effect = checked.verified.effect.expect("something is sent");
            let order = FundOrder {
                channel: &keeping.id,
                terms: &checked.terms,
                effect: &effect,
            };
            let outcome = fund(rail, order).await;
            assert!(matches!(outcome, Outcome::Refused(_)), "{outcome:?}");
            let of = [(keeping.id.clone(), checked.terms.clone())];
            let seen = rail.session().look(&of).await.expect("the rail answers");
            assert_eq!(seen, [None]);
        }
    }
}

/// A top-up raises the deposit, once however often it is sent, and two of them twice.
pub async fn a_top_up_is_done_once(rail: &dyn SessionRail) {
    let channel = open(rail).await;
    for already in 1..=2 {
        let more = Amount::new(DEPOSIT / 4);
        let (payer, offer) = (rail.payer(), offer(rail));
        let locking = payer
            .top_up(&offer, &channel.keeping, more, rail.now())
            .await;
        let payload = locking.expect("a buyer locks more").payload;
        let payload = payload.expect("a top-up is presented");
        let terms = Some(&channel.terms);
        let (funding, checked) = check(rail, &payload, terms).await.expect("it is good");
        assert_eq!((&funding.channel, checked.amount), (channel.id(), more));
        assert_eq!(checked.terms, channel.terms, "a top-up changes no terms");
        let effect = checked.verified.effect.expect("something is sent");
        let order = FundOrder {
            channel: channel.id(),
            terms: &channel.terms,
            effect: &effect,
        };
        for _ in 0..2 {
            let outcome = fund(rail, order).await;
            assert!(matches!(outcome, Outcome::Settled { .. }), "{outcome:?}");
        }
        let expect = DEPOSIT + already * (DEPOSIT / 4);
        assert_eq!(channel.numbers(rail).await, (expect, 0));
    }
}

/// A top-up of one channel is none of another.
pub async fn a_top_up_is_of_the_channel_that_is_kept(rail: &dyn SessionRail) {
    let (channel, other) = (open(rail).await, open_by(rail, rail.other(), DEPOSIT).await);
    let more = Amount::new(DEPOSIT / 4);
    let (payer, offer) = (rail.payer(), offer(rail));
    let locking = payer
        .top_up(&offer, &channel.keeping, more, rail.now())
        .await;
    let payload = locking.expect("a buyer locks more").payload;
    let payload = payload.expect("a top-up is presented");
    let renamed = super::with(&payload, "channelId", Some(other.id().as_str().into()));
    for (payload, terms) in [
        (&payload, &other.terms),
        (&renamed, &other.terms),
        (&renamed, &channel.terms),
    ] {
        assert!(check(rail, payload, Some(terms)).await.is_err());
    }
    let amount = super::with(&payload, "additionalDeposit", Some("1".into()));
    let refusal = check(rail, &amount, Some(&channel.terms))
        .await
        .expect_err("it lies");
    assert_ne!(refusal.kind(), ProblemKind::RailUnavailable);
    assert!(read(rail, &payload).is_ok(), "the changes were at fault");
    assert_eq!(channel.numbers(rail).await, (DEPOSIT, 0));
}
