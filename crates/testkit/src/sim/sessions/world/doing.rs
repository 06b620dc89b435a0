//! What the processes are made to do, apart from what requests ask of them: they serve, meter, look at
//! their rail, settle, close and die.

use farthing_core::{intent::session::Standing, port::backend::Partition, value::Amount};

use super::{Fate, LEASE, Request, World, id, stored, sum};
use crate::sim::{
    sessions::{
        action::{Chore, Metered},
        process::{CHARGES, Job, Process, Serving, charge_key},
    },
    world::now,
};

impl World {
    pub(super) fn serve(&mut self, at: usize, which: u8, is_well: bool) -> Result<(), String> {
        let process = &mut self.processes[at];
        if process.serving.is_empty() {
            return Ok(());
        }
        let which = usize::from(which) % process.serving.len();
        let Serving {
            request,
            price,
            call,
            is_again,
        } = process.serving.remove(which);
        let key = self.requests[request].key;
        if !is_well && !is_again {
            self.requests[request].fate = Fate::Failing;
            process.waiting.push_back(Job::Unserved {
                request,
                price,
                call,
            });
            return Ok(());
        }
        if let Some((call, key)) = call.zip(key) {
            let answer = is_well.then(|| stored(key));
            let (_, rows) = call.served(answer, self.now);
            process.waiting.push_back(Job::Answered(rows));
        }
        if is_again {
            self.tally.repeated += usize::from(is_well);
            return Ok(());
        }
        self.deliver(at, request, price)
    }

    /// What is delivered was charged, durably.
    pub(super) fn deliver(
        &mut self,
        at: usize,
        request: usize,
        price: Amount,
    ) -> Result<(), String> {
        let partition = Partition::Channel(id().to_key());
        let row = now(self.store.get(&partition, CHARGES, &charge_key(request)));
        let row = row.map_err(|error| error.to_string())?;
        if row.is_none_or(|row| row.value != price.units().to_be_bytes()) {
            return Err(format!("request {request} is delivered and not charged"));
        }
        self.requests[request].fate = Fate::Delivered;
        self.delivered = sum(self.delivered, price);
        self.tally.delivered += 1;
        let process = &mut self.processes[at];
        process.served = sum(process.served, price);
        Ok(())
    }

    pub(super) fn meter(&mut self, at: usize, step: Metered, amount: Amount) {
        let until = self.now.saturating_add(LEASE);
        let process = &mut self.processes[at];
        if step == Metered::Reserve {
            let estimate = amount;
            process.waiting.push_back(Job::Reserve { estimate, until });
            return;
        }
        let Some(id) = process.estimates.first().copied() else {
            return;
        };
        let request = self.requests.len();
        let price = if step == Metered::Refund {
            Amount::ZERO
        } else {
            amount
        };
        let ends = step != Metered::Draw;
        self.requests.push(Request {
            price,
            key: None,
            fate: Fate::Asked,
        });
        process.waiting.push_back(Job::Piece {
            request,
            id,
            price,
            until,
            ends,
        });
    }

    pub(in crate::sim::sessions) fn look(&mut self, at: usize) {
        let process = &mut self.processes[at];
        process.looked_at = self.now;
        process.waiting.push_back(Job::Look(self.rail.seen()));
    }

    /// Hands in what a process knows that it may.
    pub(in crate::sim::sessions) fn settle(&mut self, at: usize) {
        let Some(held) = &self.processes[at].held else {
            return;
        };
        if let Some(voucher) = held.channel().to_settle() {
            self.rail.settle(voucher);
        }
    }

    pub(in crate::sim::sessions) fn close(
        &mut self,
        at: usize,
        farewell: bool,
    ) -> Result<(), String> {
        let Some(held) = &self.processes[at].held else {
            return Ok(());
        };
        let channel = held.channel();
        if channel.standing() == Standing::Closing && channel.is_idle() {
            return self.rail.close(&channel.closing());
        }
        let spent = channel.balance().spent.units();
        let voucher = farewell.then(|| self.voucher(spent));
        self.processes[at].waiting.push_back(Job::Close(voucher));
        Ok(())
    }

    pub(in crate::sim::sessions) fn chore(&mut self, at: usize, chore: Chore) {
        self.processes[at].waiting.push_back(Job::Chore(chore));
    }

    /// Whatever was under way is gone, and nobody knows how far it was.
    pub(in crate::sim::sessions) fn crash(&mut self, at: usize) {
        let died = std::mem::replace(&mut self.processes[at], Process::new(&self.store, self.now));
        self.tally.crashes += 1;
        let jobs = died.waiting.iter().chain(&died.at_work);
        let of_jobs = jobs.filter_map(|job| match job {
            Job::Buy { request, .. }
            | Job::Piece { request, .. }
            | Job::Unserved { request, .. } => Some(*request),
            _ => None,
        });
        let in_flight = died.serving.iter().filter(|it| !it.is_again);
        let in_flight = in_flight.map(|it| it.request);
        for request in of_jobs.chain(in_flight) {
            self.requests[request].fate = Fate::LeftOver;
        }
        if died.ends_left_over() {
            self.doubt_what_is_sure();
        }
    }
}
