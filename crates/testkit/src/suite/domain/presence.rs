//! Which processes are there.

use std::{sync::Arc, time::Duration};

use farthing_core::{
    domain::presence::{Presence, Said, Who},
    port::backend::Backend,
    value::Timestamp,
};

const GOOD: &str = "a healthy store answers";
const ONE: Who = [1; 16];
const TWO: Who = [2; 16];
const ALIVE: Duration = Duration::from_secs(10);

fn at(secs: u64) -> Timestamp {
    Timestamp::from_secs(secs)
}

async fn say(presence: &Presence, who: Who, since: u64, (now, until): (u64, u64)) {
    let said = Said {
        who,
        since: at(since),
        until: at(until),
    };
    presence.say(said, at(now)).await.expect(GOOD);
}

/// Who stops saying that it is there is gone when its time is over, and not before; who was never there
/// has nothing to be waited for, and nothing is known of it.
pub async fn a_process_is_there_for_as_long_as_it_says_so(store: Arc<dyn Backend>) {
    let presence = Presence::new(store);
    let gone = async |charged, now| presence.are_gone(&TWO, at(charged), at(now), ALIVE).await;
    let there = async |now| presence.is_anybody_there(&TWO, at(now), ALIVE).await;
    // Nobody said anything: whoever charged is not known to be gone.
    assert!(!gone(1_000, 1_000).await.expect(GOOD));
    assert!(!there(1_000).await.expect(GOOD));
    say(&presence, ONE, 1_000, (1_000, 1_010)).await;
    say(&presence, ONE, 1_000, (1_005, 1_015)).await;
    say(&presence, TWO, 1_012, (1_012, 1_022)).await;
    for (charged, now, expect) in [
        (1_001, 1_014, false),
        (1_001, 1_015, true),
        (1_015, 1_015, true),
        // Before it began, or after it was gone.
        (999, 1_015, false),
        (1_016, 1_020, false),
    ] {
        let are_gone = gone(charged, now).await.expect(GOOD);
        assert_eq!(are_gone, expect, "charged at {charged}, asked at {now}");
    }
    assert!(there(1_014).await.expect(GOOD));
    assert!(!there(1_015).await.expect(GOOD));
    // One of many that is there may be serving.
    say(&presence, [3; 16], 1_010, (1_014, 1_024)).await;
    assert!(!gone(1_001, 1_020).await.expect(GOOD));
    // It ends, and says so.
    say(&presence, [3; 16], 1_010, (1_018, 1_018)).await;
    assert!(gone(1_001, 1_020).await.expect(GOOD));
    // A day later nothing is known of those that ended.
    let later = 1_024 + Duration::from_secs(24 * 60 * 60).as_secs();
    say(&presence, TWO, 1_012, (later, later + 10)).await;
    assert!(!gone(1_001, later).await.expect(GOOD));
}

/// One that was killed before the clock was set back is not waited for until the clock is there again;
/// one that lives is back with its next word.
pub async fn a_clock_that_is_set_back_keeps_nobody_there(store: Arc<dyn Backend>) {
    let presence = Presence::new(store);
    say(&presence, ONE, 9_000, (9_000, 9_010)).await;
    for (now, expect) in [(8_989, false), (8_990, true), (9_009, true), (9_010, false)] {
        let there = presence.is_anybody_there(&TWO, at(now), ALIVE).await;
        assert_eq!(there.expect(GOOD), expect, "asked at {now}");
        let gone = presence.are_gone(&TWO, at(9_005), at(now), ALIVE).await;
        assert_eq!(gone.expect(GOOD), !expect, "asked at {now}");
    }
    say(&presence, ONE, 9_000, (1_000, 1_010)).await;
    let there = presence.is_anybody_there(&TWO, at(1_001), ALIVE).await;
    assert!(there.expect(GOOD));
}
