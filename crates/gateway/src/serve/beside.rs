//! The till of a gateway's file without the gateway: what its operator settles and closes channels with,
//! beside a gateway that runs, or where none does.

use std::sync::Arc;

use farthing::{
    core::port::{backend::Backend, clock::Clock, session::Session},
    server::{
        Observer,
        session::{OnDemand, Till},
    },
};

use super::{chain, error::LiveError, sessions, till::Parts};
use crate::{config::Config, observe::metrics::Metrics};

/// A till for what a file says, over its store. It settles what it is told to and nothing else, and has
/// the file's keys for that.
///
/// # Errors
/// When the file's chain does not answer, or its channels cannot be kept as it says.
pub async fn till(
    config: &Config,
    store: Arc<dyn Backend>,
    clock: Arc<dyn Clock>,
    observer: Option<Observer>,
) -> Result<Till, LiveError> {
    let parts = Parts {
        backend: store,
        clock,
        metrics: Arc::new(Metrics::new()),
    };
    let on_chain = match &config.pay.tempo {
        Some(pay) => chain::channels(pay, &parts).await?,
        None => None,
    };
    let on_chain = on_chain.map(|rail| Arc::new(rail) as Arc<dyn Session>);
    Ok(Till::on_demand(OnDemand {
        rails: sessions::rails(&config.pay, on_chain, &parts),
        store: parts.backend,
        clock: parts.clock,
        observer,
        settle: sessions::options(&config.pay.session).settle,
    })?)
}
