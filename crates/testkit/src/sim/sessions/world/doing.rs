//! What the processes are made to do, apart from what requests ask of them: they serve, meter, look at
//! their rail, settle, close and die.

use farthing_core::{
    domain::calls::HeldCall, intent::session::Standing, port::backend::Partition, value::Amount,
};

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
            used,
        } = process.serving.remove(which);
        let key = self.requests[request].key;
        // What delivered a piece is served.
        if !is_well && !is_again && used.is_zero() {
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
        if step == Metered::Beyond {
            return self.meter_beyond(at, amount);
        }
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

    /// One that is served under a key uses more: it pays for that unless an earlier run did.
    fn meter_beyond(&mut self, at: usize, amount: Amount) {
        let (requests, process) = (&mut self.requests, &mut self.processes[at]);
        let serving = process.serving.iter_mut();
        let Some((serving, call)) = serving
            .filter_map(|it| it.call.clone().map(|call| (it, call)))
            .next_back()
        else {
            return;
        };
        let used = sum(serving.used, amount);
        let paid = call.call().metered;
        let Some(price) = used.checked_sub(paid).filter(|price| !price.is_zero()) else {
            serving.used = used;
            self.tally.paid_before += 1;
            return;
        };
        let request = requests.len();
        requests.push(Request {
            price,
            key: None,
            fate: Fate::Asked,
        });
        let (call, rows) = call.metered(used, self.now);
        process.waiting.push_back(Job::Beyond {
            request,
            of: serving.request,
            price,
            used,
            call,
            rows,
        });
    }

    /// A piece beyond what was paid before is paid, and is delivered.
    pub(super) fn paid_beyond(
        &mut self,
        at: usize,
        (request, of): (usize, usize),
        price: Amount,
        used: Amount,
        call: HeldCall,
    ) -> Result<(), String> {
        if self.is_forgotten {
            return Err("what is forgotten is charged".to_owned());
        }
        if let Some(key) = self.requests[of].key {
            let beyond = self.beyond.entry(key).or_default();
            beyond.charged = sum(beyond.charged, price);
            beyond.most = beyond.most.max(used);
            if beyond.charged > beyond.most {
                return Err(format!("a call that used {used} paid {beyond:?}"));
            }
        }
        let mut serving = self.processes[at].serving.iter_mut();
        if let Some(serving) = serving.find(|it| it.request == of) {
            (serving.used, serving.call) = (used, Some(call));
        }
        self.deliver(at, request, price)
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
            | Job::Beyond { request, .. }
            | Job::Unserved { request, .. } => Some(*request),
            _ => None,
        });
        let in_flight = died.serving.iter().filter(|it| !it.is_again);
        let in_flight = in_flight.map(|it| it.request);
        for request in of_jobs.chain(in_flight) {
            self.requests[request].fate = Fate::LeftOver;
        }
        for job in &died.at_work {
            match job {
                // A call may have begun anew, so what was paid for the one before is over.
                Job::Buy { request, .. } => {
                    if let Some(key) = self.requests[*request].key {
                        self.beyond.remove(&key);
                    }
                }
                // It may be forgotten by now, or half of it.
                Job::Chore(Chore::Forget) => {
                    self.is_forgotten |=
                        now(self.channels.load(&id())).is_ok_and(|it| it.is_none());
                }
                _ => {}
            }
        }
        if died.ends_left_over() {
            self.doubt_what_is_sure();
        }
    }
}
