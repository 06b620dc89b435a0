//! The suite of the session ports: what [`farthing_core::port::session`] and
//! [`farthing_core::port::session_payer`] promise, on a given rail.
//!
//! A case is an async function that takes a [`SessionRail`], both sides of a method on a rail of
//! their own, and panics where a promise is broken. [`session_suite!`](crate::session_suite) makes a
//! test of each. What only one method has (its transactions, its contracts) is that method's to test.

use std::time::Duration;

use farthing_core::{
    intent::session::{ChannelId, OnChain, Protocol, Seen, SessionRequest, Terms, Voucher},
    noun::{Challenge, Expires, Request},
    port::{
        BoxFuture,
        method::{Outcome, Refusal},
        session::{
            Action, Checked, FundOrder, Funding, Handing, Said, Session, SettleItem, SettleJob,
            Settled, Shown, Verifier, WantedSession,
        },
        session_payer::{Keeping, SessionOffer, SessionPayer},
    },
    value::{Amount, ChallengeId, Price, Realm, Timestamp},
};
use serde_json::{Value, value::RawValue};

mod funding;
mod leaving;
mod offers;
mod payouts;
mod reading;
mod vouchers;
mod watching;

pub use funding::*;
pub use leaving::*;
pub use offers::*;
pub use payouts::*;
pub use reading::*;
pub use vouchers::*;
pub use watching::*;

/// Both sides of a method, on a rail where nothing happened yet that matters.
pub trait SessionRail: Send + Sync {
    /// The seller's side.
    fn session(&self) -> &dyn Session;

    /// A buyer, with [`DEPOSIT`] several times over on its account.
    fn payer(&self) -> &dyn SessionPayer;

    /// Another buyer, with as much.
    fn other(&self) -> &dyn SessionPayer;

    /// A buyer with nothing.
    fn poor(&self) -> &dyn SessionPayer;

    /// The price of a unit: [`UNIT`] in base units of the currency offered first.
    fn price(&self) -> Price;

    /// The time, by the clock of both sides.
    fn now(&self) -> Timestamp;

    /// Lets the rail do what it was handed: a block, a moment.
    fn pass(&self) -> BoxFuture<'_, ()>;

    /// Lets so much time pass on the rail. `false` where that cannot be.
    fn advance(&self, by: Duration) -> BoxFuture<'_, bool>;

    /// What the payer and the seller have, outside of channels, in the currency offered first.
    fn have(&self) -> BoxFuture<'_, (u128, u128)>;

    /// The most the rail keeps of the payer's for itself in each of its transactions.
    fn fee(&self) -> u128 {
        0
    }

    /// Whether a payer can ask the rail for a channel's end, without the seller.
    fn lets_payers_leave(&self) -> bool {
        true
    }
}

/// What a unit costs in all cases.
pub const UNIT: u128 = 100;

/// What most cases lock.
pub const DEPOSIT: u128 = 100_000;

/// How often a case asks a rail again before it gives up.
const TRIES: u32 = 200;

/// Makes one test a case, each by its own name.
///
/// The argument is called once a test and answers with a future of a [`SessionRail`]. The caller
/// needs `tokio` with `macros` and `rt-multi-thread` among its dependencies.
#[macro_export]
macro_rules! session_suite {
    ($make:expr) => {
        $crate::session_suite! { $make ;
            what_is_asked_for_can_be_quoted
            a_price_that_cannot_be_said_is_refused
            a_buyer_pays_only_what_it_understands
            a_channel_is_opened_once
            a_channel_opens_with_the_voucher_it_brought
            an_opening_is_for_what_is_asked_for
            an_opening_is_over_when_it_says
            nobody_locks_what_they_do_not_have
            a_top_up_is_done_once
            a_top_up_is_of_the_channel_that_is_kept
            what_cannot_be_read_is_malformed
            unknown_members_are_passed_over
            a_voucher_is_its_signers
            a_voucher_is_of_one_channel
            a_voucher_has_room_for_what_its_protocol_says
            terms_of_another_method_have_no_verifier
            a_settlement_is_done_once
            a_settlement_rises_within_the_deposit
            a_job_is_done_whole_or_not_at_all
            two_jobs_pay_a_voucher_once
            a_close_pays_what_it_says_and_gives_the_rest_back
            a_channel_with_nothing_spent_gives_all_back
            nothing_happens_to_a_closed_channel
            a_voucher_that_anybody_else_signed_pays_nothing
            the_rail_shows_what_happened
            news_names_what_something_happened_to
            a_channel_that_never_was_is_not_seen
            a_payer_leaves_without_its_seller
            a_top_up_takes_a_request_to_close_back
            a_snapshot_is_read_by_its_payer_alone
        }
    };
    ($make:expr ; $($name:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                let rail = ($make)().await;
                $crate::suite::session::$name(&rail).await;
            }
        )*
    };
}

/// The realm of all cases.
fn realm() -> Realm {
    Realm::new("suite.example").expect("this is a realm")
}

fn challenge_id() -> ChallengeId {
    ChallengeId::new("kM9xPqWvT2nJrHsY4aDfEb").expect("this is a challenge's id")
}

/// What the seller asks for first.
fn asked(rail: &dyn SessionRail) -> SessionRequest {
    let wanted = WantedSession {
        price: &rail.price(),
        unit: Some("word"),
        deposit: None,
        min_delta: None,
        terms: None,
    };
    let mut requests = rail.session().prepare(&wanted).expect("the price is good");
    requests.swap_remove(0)
}

fn offer_of(rail: &dyn SessionRail, request: SessionRequest) -> SessionOffer {
    let mut challenge = Challenge::new(
        challenge_id(),
        realm(),
        rail.session().method().clone(),
        farthing_core::intent::session::id(),
        Request::new(&request).expect("a request fits"),
    );
    let hour = Duration::from_secs(3600);
    challenge.expires = Some(Expires::new(rail.now().saturating_add(hour)));
    SessionOffer {
        protocol: request.protocol().expect("the protocol is known"),
        challenge,
        request,
    }
}

fn offer(rail: &dyn SessionRail) -> SessionOffer {
    offer_of(rail, asked(rail))
}

fn shown<'a>(
    rail: &dyn SessionRail,
    request: &'a SessionRequest,
    payload: &'a RawValue,
    ids: &'a (ChallengeId, Realm),
) -> Shown<'a> {
    Shown {
        challenge: &ids.0,
        realm: &ids.1,
        request,
        expires: rail.now().saturating_add(Duration::from_secs(3600)),
        source: None,
        payload,
        now: rail.now(),
    }
}

/// Reads a payload that answers what is asked for.
fn read(rail: &dyn SessionRail, payload: &RawValue) -> Result<Action, Refusal> {
    let (request, ids) = (asked(rail), (challenge_id(), realm()));
    rail.session().read(&shown(rail, &request, payload, &ids))
}

/// What a funding payload is checked to be.
async fn check(
    rail: &dyn SessionRail,
    payload: &RawValue,
    terms: Option<&Terms>,
) -> Result<(Funding, Checked), Refusal> {
    let (request, ids) = (asked(rail), (challenge_id(), realm()));
    let shown = shown(rail, &request, payload, &ids);
    let (Action::Open(funding) | Action::TopUp(funding)) = rail.session().read(&shown)? else {
        unreachable!("the payload funds nothing")
    };
    let checked = rail.session().check(shown, &funding, terms).await?;
    Ok((funding, checked))
}

/// Sends what funds a channel until the rail has said what became of it.
async fn fund(rail: &dyn SessionRail, order: FundOrder<'_>) -> Outcome {
    for _ in 0..TRIES {
        match rail.session().fund(order).await {
            Outcome::Pending { .. } | Outcome::Unknown { .. } => rail.pass().await,
            outcome => return outcome,
        }
    }
    unreachable!("the rail does not say what became of a funding")
}

/// Hands in a job until the rail has said what became of it.
async fn settle(rail: &dyn SessionRail, job: &SettleJob) -> Settled {
    for _ in 0..TRIES {
        match rail.session().settle(job).await {
            Settled::Pending { .. } | Settled::Unknown { .. } => rail.pass().await,
            settled => return settled,
        }
    }
    unreachable!("the rail does not say what became of a settlement")
}

/// An open channel, as both sides keep it.
struct Opened {
    keeping: Keeping,
    terms: Terms,
    first: Said,
}

/// Opens a channel by a buyer.
async fn open_by(rail: &dyn SessionRail, payer: &dyn SessionPayer, deposit: u128) -> Opened {
    let offer = offer(rail);
    let deposit = Amount::new(deposit);
    let opening = payer.open(&offer, deposit, rail.now()).await;
    let opening = opening.expect("a buyer opens a channel");
    let (keeping, transaction) = (opening.channel, opening.locking.transaction);
    let payload = payer.present_opening(&keeping, &transaction, Amount::ZERO);
    let payload = payload.expect("a buyer presents what it opened");
    let (funding, checked) = check(rail, &payload, None).await.expect("it is good");
    assert_eq!((&funding.channel, checked.amount), (&keeping.id, deposit));
    let effect = checked.verified.effect.expect("something is sent");
    let order = FundOrder {
        channel: &keeping.id,
        terms: &checked.terms,
        effect: &effect,
    };
    let outcome = fund(rail, order).await;
    assert!(matches!(outcome, Outcome::Settled { .. }), "{outcome:?}");
    Opened {
        first: funding.voucher.expect("an opening has a voucher"),
        terms: checked.terms,
        keeping,
    }
}

async fn open(rail: &dyn SessionRail) -> Opened {
    open_by(rail, rail.payer(), DEPOSIT).await
}

impl Opened {
    fn id(&self) -> &ChannelId {
        &self.keeping.id
    }

    fn protocol(&self) -> Protocol {
        self.keeping.protocol
    }

    fn verifier(&self, rail: &dyn SessionRail) -> std::sync::Arc<dyn Verifier> {
        let verifier = rail.session().verifier(self.id(), &self.terms);
        verifier.expect("an open channel has a verifier")
    }

    /// What a voucher of its payer says, as the seller reads it.
    fn said(&self, rail: &dyn SessionRail, cumulative: u128) -> Said {
        self.said_by(rail, rail.payer(), cumulative)
    }

    fn said_by(&self, rail: &dyn SessionRail, payer: &dyn SessionPayer, cumulative: u128) -> Said {
        let payload = payer.voucher(&self.keeping, Amount::new(cumulative), false);
        match read(rail, &payload.expect("a buyer signs")).expect("a voucher is read") {
            Action::Voucher(said) => said,
            action => unreachable!("a voucher is read as {action:?}"),
        }
    }

    fn voucher(&self, rail: &dyn SessionRail, cumulative: u128) -> Voucher {
        let said = self.said(rail, cumulative);
        self.verifier(rail).check(&said).expect("it is good")
    }

    fn item(&self, how: Handing) -> SettleItem {
        SettleItem {
            channel: self.id().clone(),
            terms: self.terms.clone(),
            how,
        }
    }

    async fn seen(&self, rail: &dyn SessionRail) -> Option<Seen> {
        let of = [(self.id().clone(), self.terms.clone())];
        let mut seen = rail.session().look(&of).await.expect("the rail answers");
        assert_eq!(seen.len(), 1);
        seen.remove(0)
    }

    /// What is locked and paid out, of a channel that is open.
    async fn numbers(&self, rail: &dyn SessionRail) -> (u128, u128) {
        match self.seen(rail).await.map(|seen| seen.state) {
            Some(OnChain::Open {
                deposit, settled, ..
            }) => (deposit.units(), settled.units()),
            other => unreachable!("the channel is not open: {other:?}"),
        }
    }
}

fn job(id: u8, items: Vec<SettleItem>) -> SettleJob {
    // A rail that others share has seen small numbers before.
    let mut long = [id; 16];
    long[..8].copy_from_slice(&fresh().to_be_bytes());
    SettleJob { id: long, items }
}

/// A number that no case of this process had before.
fn fresh() -> u64 {
    static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
    NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
}

async fn settles(rail: &dyn SessionRail, job: &SettleJob) {
    let settled = settle(rail, job).await;
    assert!(matches!(settled, Settled::Done { .. }), "{settled:?}");
}

/// Hands in a job that the rail refuses, and says for which of its items it did.
async fn refuses(rail: &dyn SessionRail, job: &SettleJob) -> Vec<usize> {
    match settle(rail, job).await {
        Settled::Refused { culprits, .. } => culprits,
        settled => unreachable!("the job was not refused: {settled:?}"),
    }
}

/// A payload with one member changed, or taken away.
fn with(payload: &RawValue, member: &str, value: Option<Value>) -> Box<RawValue> {
    let mut all: Value = serde_json::from_str(payload.get()).expect("a payload is JSON");
    let members = all.as_object_mut().expect("a payload is an object");
    match value {
        Some(value) => drop(members.insert(member.to_owned(), value)),
        None => drop(members.remove(member)),
    }
    serde_json::value::to_raw_value(&all).expect("JSON is written as JSON")
}
