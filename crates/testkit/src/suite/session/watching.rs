//! What the rail says of channels.

use farthing_core::port::session::Handing;

use super::{DEPOSIT, SessionRail, job, open, open_by, settles};

/// Several channels are seen at once, in the order asked for, and as of blocks that never fall.
pub async fn the_rail_shows_what_happened(rail: &dyn SessionRail) {
    let (one, two) = (
        open(rail).await,
        open_by(rail, rail.other(), DEPOSIT / 2).await,
    );
    let of = [
        (two.id().clone(), two.terms.clone()),
        (one.id().clone(), one.terms.clone()),
    ];
    let seen = rail.session().look(&of).await.expect("the rail answers");
    let blocks: Vec<u64> = seen.iter().flatten().map(|seen| seen.block).collect();
    assert_eq!(blocks.len(), 2);
    assert_eq!(blocks[0], blocks[1], "they are of one block");
    assert_eq!(two.numbers(rail).await, (DEPOSIT / 2, 0));

    settles(
        rail,
        &job(1, vec![one.item(Handing::Settle(one.voucher(rail, 300)))]),
    )
    .await;
    let later = one.seen(rail).await.expect("it is there").block;
    assert!(
        later >= blocks[1],
        "what is seen later is of no earlier block"
    );
    assert_eq!(one.numbers(rail).await, (DEPOSIT, 300));
    let nothing = rail.session().look(&[]).await.expect("nothing is no error");
    assert!(nothing.is_empty());
}

/// What happened after a block is named, and nothing happened after the newest one.
pub async fn news_names_what_something_happened_to(rail: &dyn SessionRail) {
    let session = rail.session();
    let start = session.news(None).await.expect("the rail answers");
    assert!(start.channels.is_empty(), "the newest block alone");
    let channel = open(rail).await;
    session.wait_for_news().await;
    let news = session
        .news(Some(start.block))
        .await
        .expect("the rail answers");
    assert!(news.block >= start.block && news.at >= start.at);
    assert!(news.channels.contains(channel.id()), "{news:?}");

    let quiet = session
        .news(Some(news.block))
        .await
        .expect("the rail answers");
    assert!(!quiet.channels.contains(channel.id()), "{quiet:?}");

    settles(
        rail,
        &job(
            1,
            vec![channel.item(Handing::Settle(channel.voucher(rail, 300)))],
        ),
    )
    .await;
    let news = session
        .news(Some(quiet.block))
        .await
        .expect("the rail answers");
    let named = news.channels.iter().filter(|id| *id == channel.id());
    assert_eq!(named.count(), 1, "each once: {news:?}");
}

/// What was never opened is nothing, beside channels that are.
pub async fn a_channel_that_never_was_is_not_seen(rail: &dyn SessionRail) {
    let channel = open(rail).await;
    let offer = super::offer(rail);
    let deposit = farthing_core::value::Amount::new(DEPOSIT);
    let never = rail.payer().open(&offer, deposit, rail.now()).await;
    let never = never.expect("it is only signed");
    let payload = rail.payer().present_opening(
        &never.channel,
        &never.locking.transaction,
        farthing_core::value::Amount::ZERO,
    );
    let payload = payload.expect("it is presented");
    let (_, checked) = super::check(rail, &payload, None)
        .await
        .expect("it is good");
    let of = [
        (never.channel.id.clone(), checked.terms),
        (channel.id().clone(), channel.terms.clone()),
    ];
    let seen = rail.session().look(&of).await.expect("the rail answers");
    assert!(seen[0].is_none() && seen[1].is_some(), "{seen:?}");
}
