//! What can happen, and how bytes become it.

/// Something that happens to the shop. Numbers that name something are taken modulo how many
/// there are, so any sequence makes sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Somebody asks, signs and presents.
    Pay {
        /// What for.
        route: u8,
        /// By which offer.
        offer: u8,
        /// How the answer is read.
        reading: Reading,
        /// How far it gets before the next action.
        turns: u8,
    },
    /// A credential is presented again.
    Retry {
        /// Which, counted from the newest.
        which: u8,
        /// How the answer is read.
        reading: Reading,
        /// How far it gets.
        turns: u8,
    },
    /// A credential is presented several times at once.
    Duplicate {
        /// Which.
        which: u8,
        /// How often.
        times: u8,
        /// How far they get.
        turns: u8,
    },
    /// A proof is presented with another challenge than the one it was made for.
    Swap {
        /// Whose proof.
        which: u8,
    },
    /// Everybody gets a few turns.
    Turns(u8),
    /// A client goes away, wherever its request is.
    Drop(u8),
    /// The clients that waited with reading go on.
    Read,
    /// The process dies and another one opens.
    Crash,
    /// The reconciler has its round.
    Reconcile {
        /// How far it gets.
        turns: u8,
    },
    /// Time passes, for the clock and for the timers.
    Wait(u16),
    /// The clock jumps, and the timers do not.
    Jump {
        /// By how many seconds.
        secs: u16,
        /// Whether back.
        back: bool,
    },
    /// How the rail answers the next call.
    Rail(RailAnswer),
    /// How the handler answers the next call.
    Handler(Behaviour),
    /// What the store does to a commit that is still to come.
    Commit {
        /// Which: the next is 0.
        nth: u8,
        /// What it does.
        fault: CommitFault,
    },
    /// The store goes down, or comes back.
    Store {
        /// Whether reads fail.
        reads: bool,
        /// Whether writes fail.
        writes: bool,
    },
    /// What was held goes on, and the store is well.
    Heal,
    /// How slow store and rail are.
    Pace(u8),
}

/// How a client reads an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// To its last byte.
    Whole,
    /// Not at all.
    Nothing,
    /// One frame.
    OneFrame,
    /// To its last byte, when it is told to.
    Later,
}

/// How the rail answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RailAnswer {
    /// It refuses for good.
    Refuse,
    /// It is not done.
    Pending(u8),
    /// It takes it, and moves the value with its next block.
    Block,
    /// It moves the value, and its answer is lost.
    MovedButLost,
    /// The call is lost.
    Lost,
    /// It never answers, and moved the value or did not.
    Never(bool),
}

/// What the handler does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behaviour {
    /// It answers with something small.
    Small,
    /// It answers with more than is stored.
    Large,
    /// It answers with a stream of unknown length.
    Stream,
    /// It answers with nothing but a head.
    Empty,
    /// It fails.
    Fail,
    /// It never answers.
    Hang,
    /// It takes its time.
    Slow(u8),
}

/// What happens to a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommitFault {
    /// It is refused, and nothing is written.
    Full,
    /// The same, and it may be tried again.
    Busy,
    /// It is written, and that is not known.
    DoubtWritten,
    /// It is not written, and that is not known.
    DoubtLost,
    /// It waits before it is written.
    HoldBefore,
    /// It waits after it was written.
    HoldAfter,
}

/// Bytes, one after the other; zeros when there are no more.
pub(super) struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    pub(super) const fn of(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn next(&mut self) -> u8 {
        let (first, rest) = self.0.split_first().unwrap_or((&0, &[]));
        self.0 = rest;
        *first
    }

    pub(super) fn below(&mut self, bound: u8) -> u8 {
        self.next() % bound
    }
}

impl Action {
    /// Makes actions of bytes, up to their end.
    #[must_use]
    pub fn decode_all(bytes: &[u8]) -> Vec<Self> {
        let mut bytes = Bytes(bytes);
        let mut actions = Vec::new();
        while !bytes.0.is_empty() {
            actions.push(Self::decode(&mut bytes));
        }
        actions
    }

    fn decode(bytes: &mut Bytes<'_>) -> Self {
        match bytes.below(64) {
            0..=15 => Self::Pay {
                route: bytes.next(),
                offer: bytes.next(),
                reading: reading(bytes),
                turns: turns(bytes),
            },
            16..=25 => Self::Retry {
                which: bytes.below(6),
                reading: reading(bytes),
                turns: turns(bytes),
            },
            26..=28 => Self::Duplicate {
                which: bytes.below(4),
                times: 2 + bytes.below(3),
                turns: turns(bytes),
            },
            29 => Self::Swap {
                which: bytes.below(4),
            },
            30..=32 => Self::Turns(turns(bytes)),
            33..=34 => Self::Drop(bytes.next()),
            35..=36 => Self::Read,
            37..=38 => Self::Crash,
            39..=42 => Self::Reconcile {
                turns: turns(bytes),
            },
            43..=45 => Self::Wait([1, 5, 11, 31, 65, 301, 901, 5000][bytes.below(8) as usize]),
            46 => Self::Jump {
                secs: [1, 10, 31, 120, 310, 1000][bytes.below(6) as usize],
                back: bytes.below(3) == 0,
            },
            47..=50 => Self::Rail(rail(bytes)),
            51..=54 => Self::Handler(handler(bytes)),
            55..=58 => Self::Commit {
                nth: bytes.below(5),
                fault: fault(bytes),
            },
            59 => Self::Store {
                reads: bytes.below(2) == 0,
                writes: bytes.below(2) == 0,
            },
            60..=61 => Self::Heal,
            _ => Self::Pace(bytes.below(4)),
        }
    }
}

fn turns(bytes: &mut Bytes<'_>) -> u8 {
    [0, 1, 2, 3, 5, 8, 13, 40, 40, 40, 120, 120][bytes.below(12) as usize]
}

fn reading(bytes: &mut Bytes<'_>) -> Reading {
    match bytes.below(8) {
        0 => Reading::Nothing,
        1 => Reading::OneFrame,
        2 => Reading::Later,
        _ => Reading::Whole,
    }
}

fn rail(bytes: &mut Bytes<'_>) -> RailAnswer {
    match bytes.below(11) {
        0 | 1 => RailAnswer::Refuse,
        7..=10 => RailAnswer::Block,
        2 => RailAnswer::Pending(bytes.below(60)),
        3 => RailAnswer::MovedButLost,
        4 => RailAnswer::Lost,
        5 => RailAnswer::Never(true),
        _ => RailAnswer::Never(false),
    }
}

fn handler(bytes: &mut Bytes<'_>) -> Behaviour {
    match bytes.below(9) {
        0 | 1 => Behaviour::Large,
        2 => Behaviour::Stream,
        3 => Behaviour::Empty,
        4 | 5 => Behaviour::Fail,
        6 => Behaviour::Hang,
        7 => Behaviour::Slow(bytes.below(30)),
        _ => Behaviour::Small,
    }
}

fn fault(bytes: &mut Bytes<'_>) -> CommitFault {
    match bytes.below(6) {
        0 => CommitFault::Full,
        1 => CommitFault::Busy,
        2 => CommitFault::DoubtWritten,
        3 => CommitFault::DoubtLost,
        4 => CommitFault::HoldBefore,
        _ => CommitFault::HoldAfter,
    }
}

/// Bytes from a seed (splitmix64, as Sebastiano Vigna published it).
pub(super) struct Script(u64);

impl Script {
    pub(super) fn new(seed: u64, episode: usize) -> Self {
        let mut script = Self(seed);
        let start = script.next();
        Self(start ^ (episode as u64).wrapping_mul(0xd134_2543_de82_ef95))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Bytes that suffice for so many actions.
    pub(super) fn bytes(mut self, count: usize) -> Vec<u8> {
        let words = std::iter::repeat_with(|| self.next().to_be_bytes());
        words.take(count).flatten().collect()
    }

    pub(super) fn actions(self, count: usize) -> Vec<Action> {
        let bytes = self.bytes(count);
        let mut bytes = Bytes(&bytes);
        (0..count).map(|_| Action::decode(&mut bytes)).collect()
    }
}
