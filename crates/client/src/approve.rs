//! Asking somebody before a payment is signed, and telling them what it waits for.

use std::{fmt, future::Future, sync::Arc};

use farthing_core::{
    port::{
        BoxFuture,
        payer::{Fee, Share},
    },
    value::{Amount, Currency, MethodId, Realm, Recipient},
};
use url::Url;

/// What somebody is asked to approve. The policy allows it already and its budgets are reserved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// What is bought.
    pub url: Url,
    /// In whose name it is asked for.
    pub realm: Realm,
    /// The method it would be paid by.
    pub method: MethodId,
    /// How much.
    pub amount: Amount,
    /// Of what.
    pub currency: Currency,
    /// The network it would be paid on, where the method has several: `eip155:4217`.
    pub network: Option<Box<str>>,
    /// To whom.
    pub recipient: Option<Recipient>,
    /// Who gets which part of it, where it is parted.
    pub shares: Vec<Share>,
    /// What the rail may take beside it.
    pub fee: Option<Fee>,
    /// Whether it is locked in a channel, out of which requests are paid later, and not spent yet. What of
    /// it is not spent comes back.
    pub is_deposit: bool,
    /// What the server says it is for. Nothing holds it to that.
    pub description: Option<Box<str>>,
}

/// Somebody who says yes or no. A client without one is unattended: its policy alone decides.
pub trait Approve: Send + Sync + 'static {
    /// Whether to pay.
    fn approve(&self, ask: Ask) -> BoxFuture<'_, bool>;
}

/// A function as an approver.
pub(crate) struct Asking<F>(pub(crate) F);

impl<F, T> Approve for Asking<F>
where
    F: Fn(Ask) -> T + Send + Sync + 'static,
    T: Future<Output = bool> + Send + 'static,
{
    fn approve(&self, ask: Ask) -> BoxFuture<'_, bool> {
        Box::pin((self.0)(ask))
    }
}

type Telling = dyn Fn(&Realm) + Send + Sync;

/// Whoever is told that another program opens the channel that a request waits for.
#[derive(Clone, Default)]
pub(crate) struct Onlooker(pub(crate) Option<Arc<Telling>>);

impl Onlooker {
    pub(crate) fn tell(&self, realm: &Realm) {
        if let Some(tell) = &self.0 {
            tell(realm);
        }
    }
}

/// Whoever is asked, if anybody is.
#[derive(Clone, Default)]
pub(crate) struct Approver(pub(crate) Option<Arc<dyn Approve>>);

impl fmt::Debug for Approver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() {
            "Approver"
        } else {
            "unattended"
        })
    }
}
