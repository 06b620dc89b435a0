//! An axum router whose routes have prices and are told of.

use axum::{
    Router,
    handler::Handler,
    routing::{MethodFilter, on},
};

use super::{Discovery, DiscoveryError, Operation};
use crate::{
    gate::{Gate, PreparedRoute},
    layer::{PaymentLayer, Pricing, split_key},
    route::Route,
};

/// A router that is given each route once, with its price, and knows what to tell of them.
///
/// ```
/// use axum::{Router, extract::Path};
/// use farthing_server::{
///     Gate, Paid, Route,
///     discovery::{Discovery, PricedRouter, Service},
/// };
///
/// async fn weather(Path(city): Path<String>, paid: Paid) -> String {
///     format!("{city} is sunny; you paid {} {}", paid.amount, paid.currency)
/// }
///
/// fn app(gate: &Gate) -> Result<Router, Box<dyn std::error::Error>> {
///     let price = Route::priced("$0.002")?.described("The weather of a city");
///     let app = PricedRouter::new(gate)
///         .priced("GET /weather/{city}", price, weather)?
///         .free("GET /health", || async { "fine" })?
///         .discovered(Discovery::new(Service::new("Weather", "1.0.0")?))?;
///     Ok(app)
/// }
/// ```
///
/// `GET /openapi.json` and `GET /llms.txt` are then served beside them, free of charge.
#[derive(Debug)]
#[must_use]
pub struct PricedRouter<S = ()> {
    gate: Gate,
    router: Router<S>,
    operations: Vec<Operation>,
    /// The paths that are there, as the router behind sees them: it would panic about two that
    /// are in each other's way, and here that is an error.
    paths: matchit::Router<()>,
}

impl<S: Clone + Send + Sync + 'static> PricedRouter<S> {
    /// A router without routes.
    pub fn new(gate: &Gate) -> Self {
        Self {
            gate: gate.clone(),
            router: Router::new(),
            operations: Vec::new(),
            paths: matchit::Router::new(),
        }
    }

    /// A route with a price, by `METHOD /path/{parameter}`. A GET takes HEAD as well.
    ///
    /// # Errors
    /// When the key is none or taken, or the price cannot be asked by the gate's methods.
    pub fn priced<H, T>(self, key: &str, route: Route, handler: H) -> Result<Self, DiscoveryError>
    where
        H: Handler<T, S>,
        T: 'static,
    {
        let route = self
            .gate
            .route(route)
            .map_err(|source| DiscoveryError::Price {
                key: key.into(),
                source,
            })?;
        let layer = PaymentLayer::table(&self.gate, Pricing::one(route.clone()));
        let (filter, operation) = read(key, Some(&route))?;
        let handler = on(filter, handler).route_layer(layer);
        self.add(key, operation, handler)
    }

    /// A route that costs nothing.
    ///
    /// # Errors
    /// When the key is none or taken.
    pub fn free<H, T>(self, key: &str, handler: H) -> Result<Self, DiscoveryError>
    where
        H: Handler<T, S>,
        T: 'static,
    {
        let (filter, operation) = read(key, None)?;
        self.add(key, operation, on(filter, handler))
    }

    /// Says more about the route that was added last, such as what it accepts. Without a route it
    /// does nothing.
    pub fn told(mut self, say: impl FnOnce(Operation) -> Operation) -> Self {
        if let Some(last) = self.operations.pop() {
            self.operations.push(say(last));
        }
        self
    }

    /// The routes, and beside them the documents that tell of them.
    ///
    /// # Errors
    /// When the documents cannot be made.
    pub fn discovered(self, discovery: Discovery) -> Result<Router<S>, DiscoveryError> {
        let documents = discovery.operations(self.operations).build()?;
        Ok(self.router.merge(documents.router()))
    }

    /// The routes alone.
    pub fn into_router(self) -> Router<S> {
        self.router
    }

    fn add(
        mut self,
        key: &str,
        operation: Operation,
        handler: axum::routing::MethodRouter<S>,
    ) -> Result<Self, DiscoveryError> {
        let wrong = |source| DiscoveryError::Route {
            key: key.into(),
            source,
        };
        let path = operation.pattern.to_route();
        let known = |other: &Operation| other.pattern == operation.pattern;
        let mut others = self.operations.iter().filter(|other| known(other));
        if others.any(|other| other.method == operation.method) {
            return Err(DiscoveryError::Double(key.into()));
        }
        if !self.operations.iter().any(known) {
            self.paths
                .insert(path.as_str(), ())
                .map_err(|source| wrong(Some(source)))?;
        }
        self.router = self.router.route(&path, handler);
        self.operations.push(operation);
        Ok(self)
    }
}

fn read(
    key: &str,
    route: Option<&PreparedRoute>,
) -> Result<(MethodFilter, Operation), DiscoveryError> {
    let (method, path) = split_key(key).ok_or_else(|| DiscoveryError::Key(key.into()))?;
    let filter = MethodFilter::try_from(method.clone());
    let filter = filter.map_err(|_| DiscoveryError::Route {
        key: key.into(),
        source: None,
    })?;
    Ok((filter, Operation::new(method, path, route)?))
}
