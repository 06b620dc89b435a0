//! The suite of the domain ports: what [`farthing_core::domain`] promises, on a given backend.
//!
//! The verbs are written once over the kernel, so a backend that passes the kernel's suite should
//! pass this one; where it does not, one of the two suites has a hole. A case takes an empty store
//! and panics where a promise is broken. [`domain_suite!`](crate::domain_suite) makes a test of
//! each.

use std::{sync::Arc, time::Duration};

use farthing_core::{
    domain::{
        claims::{COUNTERS, Change, Claim, Claimed, Debit, Debts, Held},
        payments::Payments,
    },
    intent::charge,
    payment::{Answer, Event, Payment, SettlePolicy, State},
    port::backend::{Backend, Key, Partition},
    value::{
        Amount, ChallengeId, ClaimKey, CurrencyCode, Entropy, Fingerprint, PaymentId, Realm,
        Reference, RouteId, Timestamp,
    },
};

mod budgets;
mod calls;
mod channels;
mod claims;
mod debits;
mod exposures;
mod forgetting;
mod leases;
mod lists;
mod payments;
mod presence;
mod settlements;
mod stored;
mod together;

pub use budgets::*;
pub use calls::*;
pub use channels::*;
pub use claims::*;
pub use debits::*;
pub use exposures::*;
pub use forgetting::*;
pub use leases::*;
pub use lists::*;
pub use payments::*;
pub use presence::*;
pub use settlements::*;
pub use stored::*;
pub use together::*;

/// Makes one test a case, each by its own name; used like [`kernel_suite!`](crate::kernel_suite).
///
/// ```
/// mod memory {
///     use std::sync::Arc;
///     use farthing_core::memory::MemoryBackend;
///     farthing_testkit::domain_suite!(|| (Arc::new(MemoryBackend::new()), ()));
/// }
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! domain_suite {
    ($make:expr) => {
        $crate::domain_suite! { $make ;
            two_hundred_tasks_race_one_credential_and_one_wins
            a_claim_with_one_taken_key_writes_nothing
            a_claim_names_what_it_failed_on
            a_change_names_the_write_that_fell_short
            a_stale_owner_is_refused_after_a_thaw
            taking_over_is_refused_while_the_owner_goes_on
            one_of_many_takes_over
            forgetting_frees_the_keys
            forgetting_is_refused_once_the_record_moved_on
            a_freed_key_belongs_to_its_next_holder
            debits_are_settled_once
            debits_are_released_once
            what_a_rail_took_for_nothing_stays_counted
            debits_wait_while_nothing_is_known
            a_limit_is_exact_under_contention
            an_exceeded_debit_leaves_the_others_alone
            a_claim_that_settles_keeps_what_is_spent
            the_longest_due_comes_first
            what_is_owed_is_listed_and_never_due
            a_final_payment_is_due_when_it_may_be_forgotten
            the_journal_is_written_with_the_change_and_erased_with_it
            a_refused_change_journals_nothing
            renewing_moves_the_lease_and_keeps_the_fence
            a_lease_is_held_by_one
            a_lease_runs_out_and_its_fence_rises
            a_released_lease_is_free_at_once
            one_of_many_acquires_a_lease
            a_lease_of_a_clock_that_was_ahead_is_over
            a_budget_counts_in_its_window
            a_budget_never_goes_over
            budgets_do_not_mix
            an_answer_is_kept_until_its_time
            an_answer_is_kept_in_its_own_slot
            receipts_come_newest_first_and_page_on
            a_channel_is_opened_once
            one_voucher_pays_for_one_of_many
            many_pay_from_one_channel_to_the_unit
            a_refusal_counts_only_on_what_is_there
            a_request_that_is_repeated_is_charged_once
            a_leased_channel_is_written_by_one
            a_stale_owner_of_a_channel_learns_that_it_is_none
            what_is_unsettled_stays_within_its_caps
            no_channel_holds_more_than_is_counted
            whichever_write_is_the_last_one
            a_call_is_charged_once_and_answered_again
            a_call_that_is_not_served_leaves_nothing
            a_call_is_taken_over_by_one
            calls_of_a_channel_have_bounded_room
            what_many_bring_is_one_write
            rows_that_do_not_hold_hurt_nobody_else
            what_many_need_is_drawn_within_the_caps
            a_store_that_fails_is_told_to_all
            channels_are_listed_and_one_that_ended_apart
            a_channel_is_forgotten_whole_and_not_before_its_end
            a_channel_knows_when_it_was_last_used
            a_job_is_read_as_it_was_written_and_is_written_off_once
            the_last_payouts_of_a_channel_are_kept
            a_process_is_there_for_as_long_as_it_says_so
            a_clock_that_is_set_back_keeps_nobody_there
            nothing_is_journaled_under_a_lease_that_somebody_else_has
            a_stronger_wish_stays_and_the_earlier_time_counts
            an_end_is_counted_once_and_learns_its_name_later
            a_cursor_never_goes_back
            a_counter_of_an_hour_is_forgotten_after_it
            what_a_counter_is_given_back_too_late_goes_too
            a_payer_with_nothing_unsettled_needs_no_counter
            a_channel_says_until_when_its_calls_are_promised
            an_end_that_is_forgotten_stays_added_up
            a_settlement_that_is_over_is_known_until_it_is_forgotten
        }
    };
    ($make:expr ; $($name:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                let (store, kept) = ($make)();
                $crate::suite::domain::$name(store).await;
                drop(kept);
            }
        )*
    };
}

/// When the cases happen.
const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

fn after(secs: u64) -> Timestamp {
    NOW.saturating_add(Duration::from_secs(secs))
}

fn text(name: &str) -> ClaimKey {
    ClaimKey::new(name).expect("a case names its keys well")
}

/// A payment that was just claimed, told apart from others by a number.
fn payment(number: u32) -> Payment {
    let mut entropy = [0; 16];
    entropy[..4].copy_from_slice(&number.to_be_bytes());
    Payment {
        id: PaymentId::new(Entropy(entropy)),
        method: crate::method::method(),
        intent: charge::id(),
        challenge: ChallengeId::new(format!("challenge-{number}"))
            .expect("a number makes a challenge id"),
        realm: Realm::new("api.example.com").expect("it is a host"),
        route: RouteId::new("GET /weather").expect("it is a route"),
        fingerprint: Fingerprint([1; 32]),
        proof: Fingerprint([2; 32]),
        amount: Amount::new(2000),
        currency: CurrencyCode::new("fake6").expect("it is a currency"),
        payee: None,
        payer: Some(crate::method::account("alice")),
        policy: SettlePolicy::First,
        rerunnable: true,
        proof_until: after(300),
        redeliver: Duration::from_secs(900),
        claimed_at: NOW,
        state: State::Claimed,
        answer: Answer::None,
        attempts: 0,
        lease_until: after(30),
        asked: 0,
        awaits: None,
        send_before: None,
        returned: None,
        reference: None,
        settled_at: None,
        confirmed_at: None,
        details: serde_json::Map::new(),
        idempotency: None,
        remember_until: None,
    }
}

/// The claim of a payment's challenge, and of nothing else.
fn claim(payment: Payment) -> Claim<Payment> {
    Claim {
        id: payment.id.to_key(),
        keys: vec![ClaimKey::challenge(&payment.challenge)],
        record: payment,
        debits: Vec::new(),
        guards: Vec::new(),
        effect: Vec::new(),
        debts: Debts::Keep,
    }
}

async fn claimed(payments: &Payments, claim: Claim<Payment>) -> Held<Payment> {
    match payments.claims().claim(claim).await {
        Ok(Claimed::New(held)) => held,
        other => unreachable!("the claim is free: {other:?}"),
    }
}

/// The payment after an event.
fn stepped(payment: &Payment, event: Event) -> Payment {
    let mut next = payment.clone();
    next.advance(event, NOW)
        .expect("a case only takes steps there are");
    next
}

fn settle() -> Event {
    Event::Settle {
        reference: Reference::new("ref-1").expect("it is a reference"),
        at: NOW,
        details: serde_json::Map::new(),
    }
}

async fn change(
    payments: &Payments,
    held: Held<Payment>,
    change: Change<Payment>,
) -> Held<Payment> {
    let changed = payments.claims().change(held, change).await;
    changed.expect("the owner may change what it holds")
}

async fn load(payments: &Payments, payment: &Payment) -> Option<Held<Payment>> {
    let loaded = payments.claims().load(&payment.id.to_key()).await;
    loaded.expect("a healthy store answers")
}

fn debit(counter: &str, amount: u128, limit: u128, keep: bool) -> Debit {
    Debit {
        counter: counter.into(),
        amount: Amount::new(amount),
        limit: Amount::new(limit),
        keep,
    }
}

async fn counted(store: &Arc<dyn Backend>, counter: &str) -> i128 {
    let row = store
        .get(&Partition::Store, COUNTERS, &Key::from(counter))
        .await
        .expect("a healthy store answers");
    row.map_or(0, |row| row.counter().expect("a counter counts"))
}
