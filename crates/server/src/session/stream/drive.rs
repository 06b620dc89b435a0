//! Paying for a stream piece by piece, and handing it over.
//!
//! A piece is made, charged, and handed over; only then is the next one made. So a reader that does
//! not read is charged nothing, and what is charged when a stream breaks is the one piece in flight,
//! which is taken back.

use std::{future::Future, pin::pin, time::Duration};

use farthing_core::{
    noun::{
        Receipt,
        session::{Cut, NeedVoucher},
    },
    value::Amount,
};
use futures_core::Stream;

use super::{Piece, ahead::Ahead};
use crate::{
    layer::panic::CatchPanic,
    session::{
        StreamPlace,
        meter::{Meter, MeterError, Tried, Wait},
    },
};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Where the pieces of a stream go.
pub(super) trait Outlet: Send {
    /// What a piece is.
    type Piece: Send;

    /// Hands something over; `false` when nobody takes it any more. It may be dropped half-way.
    fn give(&mut self, said: Said<Self::Piece>) -> impl Future<Output = bool> + Send;

    /// Takes back what was being handed over when that was dropped half-way. Says whether it was
    /// still there.
    fn take_back(&mut self) -> bool;

    /// Resolves when nobody takes anything any more, or to why the reader wants no more.
    fn gone(&mut self) -> impl Future<Output = ()> + Send;

    /// Says the last word.
    fn last(self, receipt: Receipt, cut: Option<Cut>) -> impl Future<Output = ()> + Send;
}

/// What is handed over.
pub(super) enum Said<P> {
    /// What is paid for.
    Piece(P),
    /// That it is not paid for.
    NeedVoucher(NeedVoucher),
}

/// How a stream is driven.
pub(super) struct Drive {
    pub(super) meter: Meter,
    pub(super) place: StreamPlace,
    /// Units charged ahead.
    pub(super) ahead: u64,
    /// How long a reader may take nothing.
    pub(super) patience: Duration,
}

/// How it ended before its end.
enum Stop {
    Cut(Cut),
    Gone,
}

impl From<MeterError> for Stop {
    fn from(error: MeterError) -> Self {
        let cut = error.cut();
        if cut == Cut::Failed {
            tracing::error!("a stream could not be charged: {error}");
        }
        Self::Cut(cut)
    }
}

impl Drive {
    /// Drives a stream to its end.
    pub(super) async fn run<S, O, E>(mut self, pieces: S, mut outlet: O)
    where
        S: Stream<Item = Result<Piece<O::Piece>, E>> + Send,
        O: Outlet,
        E: Into<BoxError>,
    {
        let mut ahead = Ahead::new(self.meter.clone(), self.ahead);
        let poured = self.pour(pieces, &mut ahead, &mut outlet).await;
        ahead.end().await;
        self.meter.write_down().await;
        let cut = match poured {
            Ok(()) => None,
            Err(Stop::Cut(cut)) => Some(cut),
            Err(Stop::Gone) => return,
        };
        outlet.last(self.meter.receipt(cut), cut).await;
    }

    async fn pour<S, O, E>(
        &mut self,
        pieces: S,
        ahead: &mut Ahead,
        outlet: &mut O,
    ) -> Result<(), Stop>
    where
        S: Stream<Item = Result<Piece<O::Piece>, E>> + Send,
        O: Outlet,
        E: Into<BoxError>,
    {
        let mut pieces = pin!(pieces);
        loop {
            let next = std::future::poll_fn(|context| pieces.as_mut().poll_next(context));
            let next = self.unless_over(outlet, CatchPanic::new(next)).await?;
            let piece = match next {
                Ok(None) => return Ok(()),
                Ok(Some(Ok(piece))) => piece,
                Ok(Some(Err(error))) => {
                    let error: BoxError = error.into();
                    tracing::warn!(channel = %self.meter.channel(), "a stream that is paid for failed: {error}");
                    return Err(Stop::Cut(Cut::Failed));
                }
                Err(_) => {
                    tracing::error!(channel = %self.meter.channel(), "a stream that is paid for panicked");
                    return Err(Stop::Cut(Cut::Failed));
                }
            };
            self.pay(piece.units, ahead, outlet).await?;
            self.hand(Said::Piece(piece.content), outlet).await?;
            ahead.delivered(piece.units);
        }
    }

    /// Charges a piece, and waits for as long as its buyer takes.
    async fn pay<O: Outlet>(
        &mut self,
        units: u64,
        ahead: &mut Ahead,
        outlet: &mut O,
    ) -> Result<(), Stop> {
        let (mut wait, mut told) = (None, Amount::ZERO);
        loop {
            // Whoever is over pays for nothing.
            self.unless_over(outlet, std::future::ready(())).await?;
            let tried = ahead.cover(units).await?;
            let need = match &tried {
                Tried::Done(_) => return Ok(()),
                Tried::Short(need) => Some(*need),
                Tried::Full => None,
            };
            let Some(wait) = &mut wait else {
                let price = ahead.lacks(units)?;
                wait = Some(Wait::begin(&self.meter, price, &tried).await?);
                continue;
            };
            if let Some(need) = need.filter(|need| need.required > told) {
                told = need.required;
                let need = NeedVoucher::new(self.meter.channel().clone(), &need);
                self.hand(Said::NeedVoucher(need), outlet).await?;
            }
            self.unless_over(outlet, wait.again()).await??;
        }
    }

    /// Hands something over, to a reader that takes it in time.
    async fn hand<O: Outlet>(&mut self, said: Said<O::Piece>, outlet: &mut O) -> Result<(), Stop> {
        let given = {
            let (place, closing) = (&mut self.place, &self.meter.tariff().closing);
            tokio::select! {
                biased;
                is_taken = outlet.give(said) => Ok(is_taken),
                () = place.ended() => Err(Cut::Replaced),
                () = closing.cancelled() => Err(Cut::Stopped),
                () = tokio::time::sleep(self.patience) => Err(Cut::Stalled),
            }
        };
        match given {
            Ok(true) => Ok(()),
            Ok(false) => Err(Stop::Gone),
            // It may have been taken in the last moment. Then it is paid for, and what comes next
            // finds out that it is over.
            Err(cut) => match outlet.take_back() {
                true => Err(Stop::Cut(cut)),
                false => Ok(()),
            },
        }
    }

    /// Does something unless the stream is over.
    async fn unless_over<O: Outlet, T>(
        &mut self,
        outlet: &mut O,
        work: impl Future<Output = T>,
    ) -> Result<T, Stop> {
        let (place, closing) = (&mut self.place, &self.meter.tariff().closing);
        tokio::select! {
            biased;
            () = place.ended() => Err(Stop::Cut(Cut::Replaced)),
            () = closing.cancelled() => Err(Stop::Cut(Cut::Stopped)),
            () = outlet.gone() => Err(Stop::Gone),
            done = work => Ok(done),
        }
    }
}
