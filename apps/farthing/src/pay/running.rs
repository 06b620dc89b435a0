//! What a stream costs, told on stderr while it runs: one line that is drawn anew on a terminal, and
//! elsewhere a line now and then.

use std::{io, io::IsTerminal, time::Duration};

use farthing::{
    client::Bill,
    clock::SystemClock,
    core::{
        port::clock::Clock,
        value::{Amount, Timestamp},
    },
};

use crate::screen;

/// How often a line is told that stays.
const EVERY: Duration = Duration::from_secs(1);

/// The cost of an answer, while it comes.
pub(super) struct Running {
    bill: Bill,
    place: Place,
    told: Amount,
    at: Timestamp,
}

enum Place {
    /// One line at the end of a terminal.
    Line {
        is_drawn: bool,
        /// Whether the answer goes to the same terminal, so that the two take turns.
        is_shared: bool,
    },
    /// Lines that stay.
    Lines,
}

impl Running {
    /// Tells it where a terminal is, and otherwise too. `is_shared` says whether the answer goes to stdout.
    pub(super) fn new(bill: &Bill, is_stdout: bool) -> Self {
        let place = match screen::can_draw() {
            true => Place::Line {
                is_drawn: false,
                is_shared: is_stdout && io::stdout().is_terminal(),
            },
            false => Place::Lines,
        };
        Self {
            bill: bill.clone(),
            place,
            told: Amount::ZERO,
            at: SystemClock.now(),
        }
    }

    /// A piece of the answer is about to be written.
    pub(super) fn before(&mut self) {
        if let Place::Line {
            is_drawn,
            is_shared: true,
        } = &mut self.place
            && std::mem::take(is_drawn)
        {
            screen::erase();
        }
    }

    /// A piece was written, and left a line open or not.
    pub(super) fn after(&mut self, is_open: bool) {
        let cost = self.bill.cost();
        match &mut self.place {
            // Nothing is drawn into the middle of somebody's text.
            Place::Line {
                is_shared: true, ..
            } if is_open => {}
            Place::Line {
                is_drawn,
                is_shared,
            } => {
                if *is_shared || cost != self.told {
                    screen::draw(told(&self.bill, cost));
                    *is_drawn = true;
                }
            }
            Place::Lines => {
                let now = SystemClock.now();
                if cost == self.told || now.since(self.at) < EVERY {
                    return;
                }
                screen::tell(told(&self.bill, cost));
                self.at = now;
            }
        }
        self.told = cost;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.place, Place::Line { is_drawn: true, .. }) {
            screen::erase();
        }
    }
}

fn told(bill: &Bill, cost: Amount) -> String {
    format!("{} by now", bill.currency().display(cost))
}
