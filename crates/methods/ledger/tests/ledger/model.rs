//! Any sequence of steps, compared with four plain numbers.

use farthing_core::{
    domain::claims::Held,
    payment::{Event, Payment, SettlePolicy},
    port::method::Booking,
};
use proptest::{collection::vec, prelude::*};

use crate::{fixture::NOW, world::World};

#[derive(Clone, Debug)]
enum Action {
    Deposit { who: usize, amount: u128 },
    Withdraw { who: usize, amount: u128 },
    Hold { payer: usize, amount: u128 },
    Transfer { payer: usize, amount: u128 },
    Capture { nth: usize },
    Release { nth: usize },
    Refund { nth: usize },
}

fn action() -> impl Strategy<Value = Action> {
    let (who, amount) = (0..2usize, 1..400u128);
    prop_oneof![
        (who.clone(), amount.clone()).prop_map(|(who, amount)| Action::Deposit { who, amount }),
        (who.clone(), amount.clone()).prop_map(|(who, amount)| Action::Withdraw { who, amount }),
        (who.clone(), amount.clone()).prop_map(|(payer, amount)| Action::Hold { payer, amount }),
        (who, amount).prop_map(|(payer, amount)| Action::Transfer { payer, amount }),
        any::<usize>().prop_map(|nth| Action::Capture { nth }),
        any::<usize>().prop_map(|nth| Action::Release { nth }),
        any::<usize>().prop_map(|nth| Action::Refund { nth }),
    ]
}

/// What the books should say, and the payments that may still go somewhere.
#[derive(Default)]
struct Model {
    available: [u128; 2],
    held: [u128; 2],
    open: Vec<(usize, Held<Payment>)>,
    settled: Vec<(usize, Held<Payment>)>,
}

impl Model {
    /// Takes from what may be spent, where there is enough.
    fn take(&mut self, who: usize, amount: u128) -> bool {
        let left = self.available[who].checked_sub(amount);
        self.available[who] = left.unwrap_or(self.available[who]);
        left.is_some()
    }
}

fn pick<T>(from: &mut Vec<T>, nth: usize) -> Option<T> {
    (!from.is_empty()).then(|| from.swap_remove(nth % from.len()))
}

async fn apply(world: &World, model: &mut Model, id: u32, action: Action) {
    let fund = |who, amount| world.funding(&format!("bank-{id}"), who, amount);
    match action {
        Action::Deposit { who, amount } => {
            world.accounts.deposit(&fund(who, amount)).await.unwrap();
            model.available[who] += amount;
        }
        Action::Withdraw { who, amount } => {
            let done = world.accounts.withdraw(&fund(who, amount)).await.is_ok();
            assert_eq!(done, model.take(who, amount));
        }
        Action::Hold { payer, amount } => {
            let held = world
                .claim(world.payment(id, payer, amount), Booking::Hold)
                .await;
            assert_eq!(held.is_some(), model.take(payer, amount));
            if let Some(held) = held {
                model.held[payer] += amount;
                model.open.push((payer, held));
            }
        }
        Action::Transfer { payer, amount } => {
            let mut payment = world.payment(id, payer, amount);
            payment.policy = SettlePolicy::First;
            let settle = world.settle(&payment);
            payment.advance(settle, NOW).unwrap();
            let held = world.claim(payment, Booking::Transfer).await;
            assert_eq!(held.is_some(), model.take(payer, amount));
            if let Some(held) = held {
                model.available[1 - payer] += amount;
                model.settled.push((payer, held));
            }
        }
        Action::Capture { nth } => {
            let Some((payer, held)) = pick(&mut model.open, nth) else {
                return;
            };
            let amount = held.record.amount.units();
            let events = [
                Event::Run,
                Event::Serve { stored: true },
                world.settle(&held.record),
            ];
            let held = world.step(held, events, Booking::Capture).await.unwrap();
            model.held[payer] -= amount;
            model.available[1 - payer] += amount;
            model.settled.push((payer, held));
        }
        Action::Release { nth } => {
            let Some((payer, held)) = pick(&mut model.open, nth) else {
                return;
            };
            let amount = held.record.amount.units();
            world
                .step(held, [Event::Void], Booking::Release)
                .await
                .unwrap();
            model.held[payer] -= amount;
            model.available[payer] += amount;
        }
        Action::Refund { nth } => {
            let Some((payer, held)) = pick(&mut model.settled, nth) else {
                return;
            };
            let amount = held.record.amount.units();
            let done = world
                .step(held, [Event::Refund], Booking::Refund)
                .await
                .is_some();
            assert_eq!(done, model.take(1 - payer, amount));
            model.available[payer] += if done { amount } else { 0 };
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn the_books_say_what_plain_numbers_say(actions in vec(action(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (world, mut model) = (World::new([0, 0]).await, Model::default());
            for (id, action) in (0u32..).zip(actions) {
                apply(&world, &mut model, id, action).await;
                for who in [0, 1] {
                    assert_eq!(world.has(who).await, (model.available[who], model.held[who]));
                }
                assert_eq!(world.total().await, 0);
            }
        });
    }
}
