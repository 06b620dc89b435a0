//! Any sequence of steps, compared with plain numbers.

use farthing_core::port::session::{Handing, Session as _, SettleJob};
use proptest::{collection::vec, prelude::*};

use super::{Open, Ready, Shop, done, forged, fund, job, paid};

#[derive(Clone, Debug)]
enum Action {
    PayIn {
        amount: u128,
    },
    Open {
        amount: u128,
    },
    TopUp {
        nth: usize,
        amount: u128,
    },
    Settle {
        nth: usize,
        cumulative: u128,
    },
    Close {
        nth: usize,
        capture: u128,
        more: u128,
    },
    CloseForFree {
        nth: usize,
    },
    SettleTwo {
        nth: usize,
        cumulative: u128,
        forge: bool,
    },
    FundAgain {
        nth: usize,
    },
    SettleAgain {
        nth: usize,
    },
}

fn action() -> impl Strategy<Value = Action> {
    let (nth, amount) = (any::<usize>(), 1..400u128);
    prop_oneof![
        amount.clone().prop_map(|amount| Action::PayIn { amount }),
        amount.clone().prop_map(|amount| Action::Open { amount }),
        (nth, amount.clone()).prop_map(|(nth, amount)| Action::TopUp { nth, amount }),
        (nth, 0..600u128).prop_map(|(nth, cumulative)| Action::Settle { nth, cumulative }),
        (nth, 0..600u128, 0..50u128).prop_map(|(nth, capture, more)| Action::Close {
            nth,
            capture,
            more
        }),
        nth.prop_map(|nth| Action::CloseForFree { nth }),
        (nth, 0..600u128, any::<bool>()).prop_map(|(nth, cumulative, forge)| {
            Action::SettleTwo {
                nth,
                cumulative,
                forge,
            }
        }),
        nth.prop_map(|nth| Action::FundAgain { nth }),
        nth.prop_map(|nth| Action::SettleAgain { nth }),
    ]
}

#[derive(Clone)]
struct Known {
    channel: Open,
    deposit: u128,
    settled: u128,
    is_closed: bool,
}

/// What the books should say, and what was sent before.
#[derive(Default)]
struct Model {
    available: u128,
    earned: u128,
    channels: Vec<Known>,
    fundings: Vec<(Ready, bool)>,
    jobs: Vec<(SettleJob, bool)>,
}

impl Model {
    fn held(&self) -> u128 {
        let open = self.channels.iter().filter(|it| !it.is_closed);
        open.map(|it| it.deposit - it.settled).sum()
    }

    fn pick(&self, nth: usize) -> Option<usize> {
        (!self.channels.is_empty()).then(|| nth % self.channels.len())
    }

    /// Pays a channel out, where it may be.
    fn pay(&mut self, at: usize, total: u128, closes: bool) -> bool {
        let it = &mut self.channels[at];
        let rises = total > it.settled || (closes && total == it.settled);
        if it.is_closed || total > it.deposit || !rises {
            return false;
        }
        self.earned += total - it.settled;
        it.settled = total;
        if closes {
            it.is_closed = true;
            self.available += it.deposit - total;
        }
        true
    }
}

async fn lock(shop: &Shop, model: &mut Model, at: Option<usize>, amount: u128) {
    let known = at.map(|at| model.channels[at].clone());
    let (keeping, payload) = match &known {
        None => {
            let (keeping, payload) = shop.opening(amount).await;
            (Some(keeping), payload)
        }
        Some(known) => (None, shop.top_up(&known.channel, amount).await),
    };
    let terms = known.as_ref().map(|known| &known.channel.terms);
    let expect = model.available >= amount && known.as_ref().is_none_or(|it| !it.is_closed);
    let ready = shop.check(&payload, terms).await;
    assert_eq!(ready.is_ok(), expect);
    let Ok(ready) = ready else {
        return;
    };
    assert!(done(&fund(&shop.sessions, &ready).await));
    model.available -= amount;
    match (at, keeping) {
        (None, Some(keeping)) => model.channels.push(Known {
            channel: Open {
                keeping,
                terms: ready.terms.clone(),
            },
            deposit: amount,
            settled: 0,
            is_closed: false,
        }),
        (Some(at), _) => model.channels[at].deposit += amount,
        (None, None) => unreachable!("an opening has a channel"),
    }
    model.fundings.push((ready, true));
}

async fn hand_in(shop: &Shop, model: &mut Model, job: SettleJob, expect: bool) {
    assert_eq!(paid(&shop.sessions.settle(&job).await), expect, "{job:?}");
    model.jobs.push((job, expect));
}

async fn apply(shop: &Shop, model: &mut Model, id: u32, action: Action) {
    match action {
        Action::PayIn { amount } => {
            shop.pay_in(&format!("bank-{id}"), amount).await;
            model.available += amount;
        }
        Action::Open { amount } => lock(shop, model, None, amount).await,
        Action::TopUp { nth, amount } => {
            if let Some(at) = model.pick(nth) {
                lock(shop, model, Some(at), amount).await;
            }
        }
        Action::Settle { nth, cumulative } => {
            let Some(at) = model.pick(nth) else { return };
            let item = shop.pay(&model.channels[at].channel, cumulative);
            let expect = model.pay(at, cumulative, false);
            hand_in(shop, model, job(id, vec![item]), expect).await;
        }
        Action::Close { nth, capture, more } => {
            let Some(at) = model.pick(nth) else { return };
            let says = Some(capture + more);
            let item = shop.close(&model.channels[at].channel, capture, says);
            let expect = model.pay(at, capture, true);
            hand_in(shop, model, job(id, vec![item]), expect).await;
        }
        Action::CloseForFree { nth } => {
            let Some(at) = model.pick(nth) else { return };
            let settled = model.channels[at].settled;
            let item = shop.close(&model.channels[at].channel, settled, None);
            let expect = model.pay(at, settled, true);
            hand_in(shop, model, job(id, vec![item]), expect).await;
        }
        Action::SettleTwo {
            nth,
            cumulative,
            forge,
        } => {
            let Some(at) = model.pick(nth) else { return };
            let next = (at + 1) % model.channels.len();
            let channel = model.channels[next].channel.clone();
            let second = match forge {
                true => channel.item(Handing::Settle(forged(cumulative))),
                false => shop.pay(&channel, cumulative),
            };
            let items = vec![shop.pay(&model.channels[at].channel, cumulative), second];
            let mut after = Model {
                channels: model.channels.clone(),
                ..Model::default()
            };
            let both = after.pay(at, cumulative, false) && after.pay(next, cumulative, false);
            let expect = both && !forge && next != at;
            if expect {
                model.pay(at, cumulative, false);
                model.pay(next, cumulative, false);
            }
            hand_in(shop, model, job(id, items), expect).await;
        }
        Action::FundAgain { nth } => {
            if !model.fundings.is_empty() {
                let (ready, expect) = &model.fundings[nth % model.fundings.len()];
                assert_eq!(done(&fund(&shop.restarted(), ready).await), *expect);
            }
        }
        Action::SettleAgain { nth } => {
            if !model.jobs.is_empty() {
                let (job, expect) = &model.jobs[nth % model.jobs.len()];
                assert_eq!(paid(&shop.restarted().settle(job).await), *expect);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn the_books_of_channels_say_what_plain_numbers_say(actions in vec(action(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let (shop, mut model) = (Shop::new(0).await, Model::default());
            for (id, action) in (0u32..).zip(actions) {
                apply(&shop, &mut model, id, action).await;
                let expect = (model.available, model.held(), model.earned);
                assert_eq!(shop.has().await, expect);
                for known in model.channels.iter().filter(|it| !it.is_closed) {
                    let numbers = shop.numbers(&known.channel).await;
                    assert_eq!(numbers, (known.deposit, known.settled));
                }
            }
        });
    }
}
