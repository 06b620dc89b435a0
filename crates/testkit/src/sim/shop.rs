//! One process of the seller's: a runtime, a gate, and routes with prices.

use std::{future::Future, sync::Arc, time::Duration};

use bytes::Bytes;
use farthing_core::{
    payment::SettlePolicy,
    port::{backend::Backend, clock::Clock},
    value::Secret,
};
use farthing_ledger::Ledger;
use farthing_server::{
    Gate, Options, Route,
    layer::{PaymentLayer, PaymentService, Pricing},
};
use http::{Request, Response};
use http_body_util::Full;
use tokio::runtime::Runtime;
use tower_layer::Layer as _;
use tower_service::Service as _;

use super::{
    handler::{Body, Handler, STORED},
    world::seller,
};
use crate::{clock::FakeClock, method::FakeCharge};

pub(super) type Answered = Response<farthing_server::body::GateBody<Body>>;

/// A process. Dropping it is its death: whatever was under way ends where it is.
pub(super) struct Shop {
    pub(super) gate: Gate,
    service: PaymentService<Handler>,
    runtime: Runtime,
}

/// What a process is opened with; all of it outlives it.
pub(super) struct Parts {
    pub(super) store: Arc<dyn Backend>,
    pub(super) clock: FakeClock,
    pub(super) charge: Arc<FakeCharge>,
    pub(super) handler: Handler,
}

impl Shop {
    pub(super) fn open(parts: &Parts) -> Result<Self, String> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .event_interval(3)
            .build()
            .map_err(|error| format!("no runtime: {error}"))?;
        let clock: Arc<dyn Clock> = Arc::new(parts.clock.clone());
        let mut options = Options::default();
        options.payments_at_once = 6;
        let gate = Gate::builder()
            .realm("sim.example.com")
            .secret(Secret::new([7; 32]))
            .store(Arc::clone(&parts.store))
            .clock(clock)
            .method(Arc::clone(&parts.charge) as _)
            .method(Arc::new(Ledger::new(seller().account().clone())))
            .options(options)
            .build()
            .map_err(|error| format!("no gate: {error}"))?;
        let service = PaymentLayer::table(&gate, pricing(&gate)?).layer(parts.handler.clone());
        Ok(Self {
            gate,
            service,
            runtime,
        })
    }

    /// Starts something in the process.
    pub(super) fn spawn<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> tokio::task::JoinHandle<T> {
        self.runtime.spawn(work)
    }

    /// Gives everybody so many turns.
    pub(super) fn turn(&self, turns: u32) {
        self.runtime.block_on(async {
            for _ in 0..turns {
                tokio::task::yield_now().await;
            }
        });
    }

    /// Lets time pass, for the timers and the clock alike, a few seconds at a time.
    pub(super) fn wait(&self, clock: &FakeClock, secs: u64) {
        let piece = if secs > 400 { secs / 40 } else { 5 };
        let mut left = secs;
        self.runtime.block_on(async {
            while left > 0 {
                let now = Duration::from_secs(left.min(piece));
                clock.advance(now);
                tokio::time::advance(now).await;
                for _ in 0..12 {
                    tokio::task::yield_now().await;
                }
                left = left.saturating_sub(piece);
            }
        });
    }

    /// A request, on its way.
    pub(super) fn request(
        &self,
        request: Request<Full<Bytes>>,
    ) -> impl Future<Output = Option<Answered>> + Send + use<> {
        let mut service = self.service.clone();
        async move { service.call(request).await.ok() }
    }

    /// Runs something to its end that waits for nothing.
    pub(super) fn run<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }
}

fn pricing(gate: &Gate) -> Result<Pricing, String> {
    let priced = |policy| {
        let route = Route::priced("$0.002").map_err(|error| format!("no route: {error}"))?;
        Ok::<_, String>(
            route
                .settle(policy)
                .store_up_to(STORED)
                .hold_up_to(4096)
                .deadline(Duration::from_secs(20)),
        )
    };
    let ready = |route| {
        gate.route(route)
            .map_err(|error| format!("no route: {error}"))
    };
    let (first, after) = (
        ready(priced(SettlePolicy::First)?)?,
        ready(priced(SettlePolicy::After)?)?,
    );
    // Room for two payments of the one buyer there is.
    let credit = priced(SettlePolicy::First)?.credit("$0.004", "$0.006");
    let credit = ready(credit.map_err(|error| format!("no credit: {error}"))?)?;
    let table = [
        ("GET /first", Arc::clone(&first)),
        ("POST /first", first),
        ("GET /after", Arc::clone(&after)),
        ("POST /after", after),
        ("GET /credit", Arc::clone(&credit)),
        ("POST /credit", credit),
    ];
    Pricing::table(table.map(|(key, route)| (key, Some(route))))
        .map_err(|error| format!("no table of prices: {error}"))
}
