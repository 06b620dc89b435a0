//! Named points at which a test lets the process die.

/// Dies here, without any clean-up, when `FARTHING_ABORT_AT` names this point. Nothing at all
/// without the `abort-points` feature, which only tests turn on.
#[inline]
pub(crate) fn point(name: &str) {
    #[cfg(feature = "abort-points")]
    if std::env::var_os("FARTHING_ABORT_AT").is_some_and(|at| at == name) {
        std::process::abort();
    }
    #[cfg(not(feature = "abort-points"))]
    let _ = name;
}

/// Every point, in the order in which a payment comes by.
#[cfg(feature = "abort-points")]
pub const POINTS: &[&str] = &[
    "proven",
    "claimed",
    "sent",
    "settled",
    "run",
    "answered",
    "held",
    "captured",
    "delivering",
    "delivered",
];

/// Every point of the till, in the order in which the money of a session comes by.
#[cfg(feature = "abort-points")]
pub const TILL_POINTS: &[&str] = &[
    "funding-checked",
    "funding-claimed",
    "funding-sent",
    "funding-moved",
    "funding-booked",
    "funding-done",
    "close-wanted",
    "close-stopped",
    "settlement-decided",
    "settlement-journaled",
    "settlement-handed-in",
    "observed",
    "ended",
    "settlement-observed",
    "settlement-booked",
    "settlement-written-off",
];

/// Every point of a request that a channel pays for, in the order in which it comes by.
#[cfg(feature = "abort-points")]
pub const SEAT_POINTS: &[&str] = &[
    "voucher-checked",
    "charged",
    "seat-answered",
    "seat-taken-back",
];
