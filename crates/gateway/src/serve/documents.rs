//! The discovery documents of a gateway: made once a reload, served without work.

use bytes::Bytes;
use farthing::server::Gate;
use http::{HeaderMap, Method, Response};

use crate::{config::Config, forward::Pools};

/// What is told of the prices beforehand.
pub(super) struct Documents;

impl Documents {
    pub(super) async fn new(_: &Config, _: &Gate, _: &Pools) -> Self {
        Self
    }

    pub(super) fn answer(&self, _: &Method, _: &str, _: &HeaderMap) -> Option<Response<Bytes>> {
        None
    }
}
