//! Charge for an API, or pay for one, over HTTP 402.
