//! Sellers that ask for what they may not have, and say what cannot be.

use std::time::Duration;

use farthing_client::{Error, SessionFault, SocketFault, Stage};
use farthing_core::{
    noun::socket::{Form, FromSeller},
    value::Amount,
};
use farthing_testkit::method::{self, FakeDescriptor};

use super::{
    WEALTH, WORD, counts, purse, rest,
    rogue::{Line, Rogue},
    used,
};

/// What one socket may cost by the policy of these tests.
const CAP: u128 = 100_000;

fn session(error: Option<Error>) -> SessionFault {
    match error {
        Some(Error::Session(fault)) => *fault,
        other => panic!("{other:?}"),
    }
}

/// Opens a socket, reads it to its end, and waits until it is counted.
async fn read(rogue: &Rogue) -> (Vec<String>, SessionFault) {
    let mut socket = rogue.client.socket(rogue.url()).await.unwrap();
    let (words, error) = rest(&mut socket).await;
    socket.close().await;
    (words, session(error))
}

#[tokio::test]
async fn a_seller_that_asks_for_more_than_one_socket_may_cost_gets_nothing_for_it() {
    for over_http in [true, false] {
        let rogue = Rogue::open(over_http, |mut line: Line| async move {
            line.take().await;
            line.word("one").await;
            line.need(CAP + 1).await;
            // What comes now would be a voucher for it.
            assert_eq!(line.credential().await, None);
        })
        .await;
        let (words, fault) = read(&rogue).await;
        assert_eq!(words, ["one"]);
        assert!(matches!(fault, SessionFault::Cap { .. }), "{fault:?}");
        assert_eq!(counts(&rogue.client).await, (WORD, WORD, WORD));
        assert_eq!(used(&rogue.client).await, WORD);
    }
}

#[tokio::test]
async fn a_seller_that_asks_for_ever_and_delivers_nothing_is_answered_eight_times() {
    for over_http in [true, false] {
        let rogue = Rogue::open(over_http, |mut line: Line| async move {
            let mut said = line.take().await;
            loop {
                line.need(said + WORD).await;
                match line.credential().await {
                    Some(next) => said = next,
                    None => break,
                }
            }
            // The opening's, and one for each of the eight.
            assert_eq!(line.vouchers.len(), 9);
        })
        .await;
        let (words, fault) = read(&rogue).await;
        assert!(words.is_empty());
        assert!(matches!(fault, SessionFault::Nags), "{fault:?}");
        assert_eq!(counts(&rogue.client).await.0, 9 * WORD);
    }
}

#[tokio::test]
async fn a_seller_that_asks_again_for_what_it_has_is_answered_eight_times() {
    let rogue = Rogue::open(true, |mut line: Line| async move {
        let said = line.take().await;
        loop {
            line.need(said).await;
            match line.credential().await {
                Some(again) => assert_eq!(again, said),
                None => break,
            }
        }
        assert_eq!(line.vouchers.len(), 9);
    })
    .await;
    let (_, fault) = read(&rogue).await;
    assert!(matches!(fault, SessionFault::Nags), "{fault:?}");
    assert_eq!(counts(&rogue.client).await.0, WORD);
}

#[tokio::test]
async fn a_question_about_another_channel_is_nobodys() {
    let rogue = Rogue::open(true, |mut line: Line| async move {
        let said = line.take().await;
        let (buyer, shop) = (method::account("buyer"), method::account("shop"));
        let other = FakeDescriptor::new(
            &buyer,
            &shop,
            farthing_core::intent::session::Protocol::V2,
            "other",
        );
        line.need_of(other.id(), 50 * WORD).await;
        line.word("one").await;
        let last = line.receipt(said, WORD, Some(1));
        line.say(FromSeller::CloseReady(last)).await;
        assert_eq!(line.credential().await, None);
    })
    .await;
    let mut socket = rogue.client.socket(rogue.url()).await.unwrap();
    let (words, error) = rest(&mut socket).await;
    assert!(error.is_none(), "{error:?}");
    assert_eq!(
        (words.as_slice(), socket.close().await.cost()),
        (&["one".to_owned()][..], Amount::new(WORD))
    );
    assert_eq!(counts(&rogue.client).await, (WORD, WORD, 0));
}

#[tokio::test]
async fn a_receipt_above_our_count_ends_the_channels_use() {
    type Lie = fn(&Line, u128) -> FromSeller;
    let lies: [Lie; 3] = [
        // More was spent than one socket may cost.
        |line, said| FromSeller::Receipt(line.receipt(said, CAP + 1, None)),
        // More was accepted than was ever signed.
        |line, said| FromSeller::Receipt(line.receipt(said + 1, 0, None)),
        |line, said| FromSeller::CloseReady(line.receipt(said, CAP + 1, Some(1))),
    ];
    for lie in lies {
        let rogue = Rogue::open(true, move |mut line: Line| async move {
            let said = line.take().await;
            line.word("one").await;
            let lie = lie(&line, said);
            line.say(lie).await;
            assert_eq!(line.credential().await, None);
        })
        .await;
        let (words, fault) = read(&rogue).await;
        assert_eq!(words, ["one"]);
        assert!(matches!(fault, SessionFault::Disputed(_)), "{fault:?}");
        let purse = purse(&rogue.client).await;
        assert!(purse.dispute.is_some());
        assert_eq!(
            (purse.stage, purse.signed),
            (Stage::Open, Amount::new(WORD))
        );
        // Nothing more is signed for it, and nothing else locked.
        let error = rogue.client.socket(rogue.url()).await.unwrap_err();
        let fault = session(Some(error));
        assert!(matches!(fault, SessionFault::Disputed(_)), "{fault:?}");
        assert_eq!((rogue.opened(), used(&rogue.client).await), (1, WORD));
    }
}

#[tokio::test]
async fn a_frame_without_end_is_not_read() {
    let rogue = Rogue::open(true, |mut line: Line| async move {
        line.take().await;
        line.word(&"x".repeat(2 * 1024 * 1024)).await;
        assert_eq!(line.credential().await, None);
    })
    .await;
    let (words, fault) = read(&rogue).await;
    assert!(words.is_empty());
    assert!(
        matches!(fault, SessionFault::Socket(SocketFault::Broken(_))),
        "{fault:?}"
    );
    assert_eq!(counts(&rogue.client).await, (WORD, WORD, WORD));
}

#[tokio::test]
async fn what_is_poured_out_before_the_payment_is_taken_is_bounded() {
    let rogue = Rogue::open(true, |mut line: Line| async move {
        line.credential().await;
        for _ in 0..1_000 {
            line.word("free").await;
        }
    })
    .await;
    let error = rogue.client.socket(rogue.url()).await.unwrap_err();
    // Nobody said whether the opening was taken: it is shown again as it is.
    assert_eq!(
        error.moved(),
        farthing_core::payment::Moved::Unknown,
        "{error}"
    );
    assert_eq!(purse(&rogue.client).await.stage, Stage::Opening);
}

#[tokio::test]
async fn words_that_are_no_messages_end_it() {
    let rogue = Rogue::open(true, |mut line: Line| async move {
        line.take().await;
        // What nobody knows is passed over, and what is broken is not.
        line.text(r#"{"mpp":"payment-news","data":1}"#).await;
        line.word("one").await;
        line.text("not json").await;
        assert_eq!(line.credential().await, None);
    })
    .await;
    let (words, fault) = read(&rogue).await;
    assert_eq!(words, ["one"]);
    assert!(
        matches!(fault, SessionFault::Socket(SocketFault::Garbage(_))),
        "{fault:?}"
    );
}

#[tokio::test]
async fn a_seller_that_hangs_up_is_told_and_what_it_may_have_charged_stays_counted() {
    for over_http in [true, false] {
        let rogue = Rogue::open(over_http, |mut line: Line| async move {
            let said = line.take().await;
            line.word("one").await;
            line.need(said + WORD).await;
            assert_eq!(line.credential().await, Some(said + WORD));
            line.word("two").await;
            // No goodbye, and no receipt.
        })
        .await;
        let (words, fault) = read(&rogue).await;
        assert_eq!(words, ["one", "two"]);
        assert!(
            matches!(
                fault,
                SessionFault::Socket(SocketFault::Broken(_) | SocketFault::Closed(_))
            ),
            "{fault:?}"
        );
        let all = (2 * WORD, 2 * WORD, 2 * WORD);
        assert_eq!(counts(&rogue.client).await, all);
    }
}

#[tokio::test]
async fn a_seller_of_the_other_form_is_understood_and_refuses_a_few_times_at_most() {
    let rogue = Rogue::open(false, |mut line: Line| async move {
        line.take().await;
        line.word("one").await;
        loop {
            line.ask(Some("the voucher is not good enough")).await;
            if line.credential().await.is_none() {
                break;
            }
        }
        assert_eq!(line.vouchers, [WORD; 5]);
    })
    .await;
    let mut socket = rogue.client.socket(rogue.url()).await.unwrap();
    assert_eq!(socket.form(), Form::Type);
    let (words, error) = rest(&mut socket).await;
    assert_eq!(words, ["one"]);
    let fault = session(error);
    assert_eq!(
        fault.to_string(),
        "the server ended the WebSocket: the voucher is not good enough"
    );
    assert_eq!(counts(&rogue.client).await.0, WORD);
}

#[tokio::test]
async fn a_seller_that_greets_in_the_other_form_is_answered_in_it() {
    // Over HTTP it asks as those of the one form do, and speaks the other.
    let rogue = Rogue::open(true, |mut line: Line| async move {
        line.form = Form::Type;
        line.ask(None).await;
        let first = line.credential().await.unwrap();
        let again = line.credential().await.unwrap();
        assert_eq!((first, again), (WORD, WORD));
        // As one does that knows no other form.
        let (status, message) = (None, "a credential is expected".to_owned());
        line.say(FromSeller::Error { status, message }).await;
        let taken = line.receipt(WORD, 0, None);
        line.say(FromSeller::Receipt(taken)).await;
        line.word("one").await;
        let last = line.receipt(WORD, WORD, Some(1));
        line.say(FromSeller::Receipt(last)).await;
        line.close().await;
    })
    .await;
    let mut socket = rogue.client.socket(rogue.url()).await.unwrap();
    assert_eq!(socket.form(), Form::Type);
    let (words, error) = rest(&mut socket).await;
    assert!(error.is_none(), "{error:?}");
    assert_eq!(words, ["one"]);
    assert_eq!(socket.close().await.cost(), Amount::new(WORD));
    assert_eq!(counts(&rogue.client).await, (WORD, WORD, 0));
}

#[tokio::test]
async fn a_reader_that_does_not_read_holds_up_nothing_but_its_socket() {
    let rogue = Rogue::open(true, |mut line: Line| async move {
        line.take().await;
        for _ in 0..64 {
            line.word("free").await;
        }
        assert_eq!(line.credential().await, None);
    })
    .await;
    let socket = rogue.client.socket(rogue.url()).await.unwrap();
    // It says something all the same.
    for _ in 0..8 {
        socket.send("hello").await.unwrap();
    }
    let closing = tokio::time::timeout(Duration::from_secs(30), socket.close());
    assert_eq!(closing.await.unwrap().cost(), Amount::new(WORD));
    let truth = rogue.reserve.truth();
    assert!(truth.balance(method::account("buyer").as_str()) <= WEALTH);
}

#[tokio::test]
async fn what_answers_a_voucher_is_not_taken_for_the_last_receipt() {
    for is_last in [false, true] {
        let rogue = Rogue::open(false, move |mut line: Line| async move {
            let said = line.take().await;
            line.word("one").await;
            line.need(said + WORD).await;
            assert_eq!(line.credential().await, Some(2 * WORD));
            let taken = line.receipt(2 * WORD, WORD, None);
            line.say(FromSeller::Receipt(taken)).await;
            if is_last {
                line.word("two").await;
                let last = line.receipt(2 * WORD, 2 * WORD, Some(2));
                line.say(FromSeller::Receipt(last)).await;
            }
            // It hangs up without a goodbye, as programs of this form do.
        })
        .await;
        let mut socket = rogue.client.socket(rogue.url()).await.unwrap();
        let (words, error) = rest(&mut socket).await;
        socket.close().await;
        let (signed, owed, unsure) = counts(&rogue.client).await;
        assert_eq!((signed, owed), (2 * WORD, 2 * WORD));
        match is_last {
            true => {
                assert!(error.is_none(), "{error:?}");
                assert_eq!((words.len(), unsure), (2, 0));
            }
            false => {
                let fault = session(error);
                let SessionFault::Socket(fault) = fault else {
                    panic!("{fault:?}")
                };
                assert!(
                    matches!(fault, SocketFault::Broken(_) | SocketFault::Closed(_)),
                    "{fault:?}"
                );
                assert_eq!((words.len(), unsure), (1, 2 * WORD));
            }
        }
    }
}

#[tokio::test]
async fn a_refusal_in_words_is_told_and_costs_nothing() {
    let rogue = Rogue::open(true, |mut line: Line| async move {
        line.take().await;
        line.word("one").await;
        let said = line.vouchers[0];
        line.need(said + WORD).await;
        line.credential().await.unwrap();
        let (status, message) = (Some(402), "the voucher is of yesterday".to_owned());
        line.say(FromSeller::Error { status, message }).await;
        assert_eq!(line.credential().await, None);
    })
    .await;
    let (words, fault) = read(&rogue).await;
    assert_eq!(words, ["one"]);
    assert!(
        fault.to_string().contains("the voucher is of yesterday"),
        "{fault}"
    );
}
