//! What can happen to a channel, and how bytes become it.

use super::super::action::Bytes;

/// Something that happens. Numbers that name something are taken modulo how many there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// A request comes.
    Ask {
        /// To which process.
        process: u8,
        /// With what.
        voucher: Shown,
        /// What it costs.
        price: u8,
        /// Its idempotency key. The same key is the same request, unless it is odd by chance.
        key: Option<u8>,
    },
    /// A process goes on with what it writes.
    Run {
        /// Which one.
        process: u8,
        /// How far.
        turns: u8,
    },
    /// A request's handler ends.
    Serve {
        /// In which process.
        process: u8,
        /// Which request.
        which: u8,
        /// Whether it served.
        well: bool,
    },
    /// A metered request goes on.
    Meter {
        /// In which process.
        process: u8,
        /// What it does.
        step: Metered,
        /// How much it is about.
        amount: u8,
    },
    /// The payer does something on the rail.
    Payer(OnRail),
    /// A process looks at the rail.
    Look(u8),
    /// A process hands in what it may.
    Settle(u8),
    /// A process stops the service, with the buyer's closing voucher or without one, and closes on the
    /// rail once nothing is in flight.
    Close {
        /// Which one.
        process: u8,
        /// Whether the buyer wants it.
        farewell: bool,
    },
    /// A process does what has to be done now and then.
    Chore {
        /// Which one.
        process: u8,
        /// What.
        chore: Chore,
    },
    /// A process dies, and another is there.
    Crash(u8),
    /// What the store does to a commit of a process that is still to come.
    Commit {
        /// Of which process.
        process: u8,
        /// Which: the next is 0.
        nth: u8,
        /// What it does.
        fault: Fault,
    },
    /// Time passes.
    Wait(u16),
    /// The clock jumps back.
    JumpBack(u8),
}

/// What a request shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// No voucher.
    Nothing,
    /// One that says so much more than what was accepted.
    Higher(u8),
    /// The highest again.
    Equal,
    /// One that says less.
    Lower(u8),
    /// One that says more than is locked.
    Beyond(u8),
}

/// What a metered request does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metered {
    /// It reserves an estimate.
    Reserve,
    /// It pays for a piece and delivers it.
    Draw,
    /// It ends with what it cost.
    Correct,
    /// It ends and cost nothing more.
    Refund,
    /// One that is served under a key pays for a piece and delivers it, unless an earlier run paid for it.
    Beyond,
}

/// What the payer does on the rail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnRail {
    /// It locks more, which takes a request to close back.
    TopUp(u8),
    /// It asks for the channel's end.
    RequestClose,
    /// It takes what is left, if it waited long enough.
    Withdraw,
}

/// What has to be done now and then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chore {
    /// What is not needed of the grant is given back.
    GiveBack,
    /// What the dead left over is ended.
    EndLeftOver,
    /// The channel is taken for oneself for a while.
    Acquire,
    /// And let go.
    Release,
    /// What was kept of repeated requests is forgotten.
    ForgetCalls,
    /// The channel is forgotten, if it is over.
    Forget,
}

/// What happens to a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is refused, and nothing is written.
    Busy,
    /// It is written, and that is not known.
    DoubtWritten,
    /// It is not written, and that is not known.
    DoubtLost,
}

impl Action {
    /// Makes at most so many actions of bytes.
    #[must_use]
    pub fn decode_some(bytes: &[u8], most: usize) -> Vec<Self> {
        let mut bytes = Bytes::of(bytes);
        let mut actions = Vec::new();
        while !bytes.is_empty() && actions.len() < most {
            actions.push(Self::decode(&mut bytes));
        }
        actions
    }

    fn decode(bytes: &mut Bytes<'_>) -> Self {
        let process = bytes.below(2);
        match bytes.below(64) {
            0..=15 => Self::Ask {
                process,
                voucher: shown(bytes),
                price: [0, 1, 2, 3, 5, 15][bytes.below(6) as usize],
                key: Some(bytes.below(32)).filter(|key| *key < 8),
            },
            16..=30 => Self::Run {
                process,
                turns: [1, 2, 3, 4, 8, 40, 40, 40][bytes.below(8) as usize],
            },
            31..=38 => Self::Serve {
                process,
                which: bytes.below(5),
                well: bytes.below(4) > 0,
            },
            39..=43 => Self::Meter {
                process,
                step: [
                    Metered::Reserve,
                    Metered::Draw,
                    Metered::Draw,
                    Metered::Correct,
                    Metered::Refund,
                    Metered::Beyond,
                    Metered::Beyond,
                    Metered::Beyond,
                ][bytes.below(8) as usize],
                amount: bytes.below(25),
            },
            44..=45 => Self::Payer(match bytes.below(16) {
                0..=10 => OnRail::TopUp(bytes.next()),
                11 => OnRail::RequestClose,
                _ => OnRail::Withdraw,
            }),
            46..=48 => Self::Look(process),
            49..=50 => Self::Settle(process),
            51 if bytes.below(4) == 0 => Self::Close {
                process,
                farewell: bytes.below(2) == 0,
            },
            51 if bytes.below(2) == 0 => Self::Chore {
                process,
                chore: Chore::Forget,
            },
            51 => Self::Look(process),
            52..=55 => Self::Chore {
                process,
                chore: [
                    Chore::GiveBack,
                    Chore::GiveBack,
                    Chore::EndLeftOver,
                    Chore::Acquire,
                    Chore::Release,
                    Chore::ForgetCalls,
                    Chore::Forget,
                ][bytes.below(7) as usize],
            },
            56 => Self::Crash(process),
            57 => Self::Settle(process),
            58..=59 => Self::Commit {
                process,
                nth: bytes.below(4),
                fault: [Fault::Busy, Fault::DoubtWritten, Fault::DoubtLost]
                    [bytes.below(3) as usize],
            },
            60..=62 => Self::Wait([1, 1, 5, 5, 11, 31, 61, 301, 901][bytes.below(9) as usize]),
            _ => Self::JumpBack(bytes.below(60)),
        }
    }
}

fn shown(bytes: &mut Bytes<'_>) -> Shown {
    match bytes.below(10) {
        0..=5 => Shown::Higher([3, 5, 8, 15][bytes.below(4) as usize]),
        6 => Shown::Nothing,
        7 => Shown::Equal,
        8 => Shown::Lower(1 + bytes.below(20)),
        _ => Shown::Beyond(1 + bytes.below(50)),
    }
}
