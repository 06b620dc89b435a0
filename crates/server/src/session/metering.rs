//! What a unit costs on a route, and when it is charged.

use std::{str::FromStr, sync::Arc, time::Duration};

use farthing_core::value::{MethodId, Price};
use serde_json::{Map, Value};

use crate::route::RouteError;

/// What a unit costs on a route, and when it is charged.
///
/// ```
/// use farthing_server::session::Metering;
///
/// // Each request is one unit, charged before its handler runs.
/// let _ = Metering::per_request("$0.0001")?.suggested_deposit("$1")?;
/// // What is used is charged while it is served.
/// let _ = Metering::by_use("$0.000025", "word")?.estimate(20).min_delta("$0.001")?;
/// # Ok::<(), farthing_server::RouteError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Metering {
    pub(crate) price: Price,
    pub(crate) unit: Box<str>,
    pub(crate) by_use: bool,
    pub(crate) estimate: u64,
    pub(crate) deposit: Option<Price>,
    pub(crate) min_delta: Option<Price>,
    pub(crate) voucher_wait: Option<Duration>,
    pub(crate) terms: Arc<[(MethodId, Map<String, Value>)]>,
}

impl Metering {
    /// Each request is one unit. It is charged before the handler runs, and given back where the
    /// handler does not serve.
    ///
    /// # Errors
    /// When the price is not written as one.
    pub fn per_request(price: &str) -> Result<Self, RouteError> {
        Ok(Self {
            price: Price::from_str(price)?,
            unit: "request".into(),
            by_use: false,
            estimate: 1,
            deposit: None,
            min_delta: None,
            voucher_wait: None,
            terms: Arc::default(),
        })
    }

    /// What is used is charged while it is served, by the handler's meter, in units of this name:
    /// `word`, `llm_token`, `byte`.
    ///
    /// # Errors
    /// When the price is not written as one, or the name cannot stand in a challenge.
    pub fn by_use(price: &str, unit: &str) -> Result<Self, RouteError> {
        let is_name =
            (1..=64).contains(&unit.len()) && unit.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_name {
            return Err(RouteError::Unit(unit.into()));
        }
        Ok(Self {
            unit: unit.into(),
            by_use: true,
            ..Self::per_request(price)?
        })
    }

    /// How many units are reserved before a handler runs that charges by use: a request whose balance
    /// does not cover them is told what is missing. The default is one.
    #[must_use]
    pub const fn estimate(mut self, units: u64) -> Self {
        self.estimate = units;
        self
    }

    /// What the buyer is advised to lock. It binds nobody.
    ///
    /// # Errors
    /// When it is not written as a price.
    pub fn suggested_deposit(mut self, deposit: &str) -> Result<Self, RouteError> {
        self.deposit = Some(Price::from_str(deposit)?);
        Ok(self)
    }

    /// The least by which a voucher has to pass the one before it.
    ///
    /// # Errors
    /// When it is not written as a price.
    pub fn min_delta(mut self, delta: &str) -> Result<Self, RouteError> {
        self.min_delta = Some(Price::from_str(delta)?);
        Ok(self)
    }

    /// How long the meter waits for a voucher when the balance is out. The default is the gate's.
    #[must_use]
    pub const fn voucher_within(mut self, wait: Duration) -> Self {
        self.voucher_wait = Some(wait);
        self
    }

    /// What the route says to one method alone about its channels. Said again, it counts as it was
    /// said last.
    ///
    /// # Errors
    /// When the method's name is none.
    pub fn terms(mut self, method: &str, terms: Map<String, Value>) -> Result<Self, RouteError> {
        let method = MethodId::from_str(method)?;
        let others = self.terms.iter().filter(|(known, _)| *known != method);
        self.terms = others.cloned().chain([(method.clone(), terms)]).collect();
        Ok(self)
    }

    pub(crate) fn terms_of(&self, method: &MethodId) -> Option<&Map<String, Value>> {
        let mut terms = self.terms.iter();
        terms.find_map(|(known, terms)| (known == method).then_some(terms))
    }
}
