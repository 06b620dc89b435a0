//! The stretch that is measured, and the clocks it is measured by.

use std::{ops::AddAssign, sync::OnceLock, time::Duration};

use rustix::time::{ClockId, Timespec, clock_gettime};

/// What a stretch of work took.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spent {
    /// By the clock on the wall.
    pub wall: Duration,
    /// Of the processor, by this thread alone.
    pub thread: Duration,
    /// Of the processor, by all threads.
    pub process: Duration,
    /// Flushes of the disk, where a store was written.
    pub flushes: u64,
    /// What single requests took, where several were under way.
    pub latency: Option<Latency>,
}

/// What single requests took by the clock on the wall.
#[derive(Clone, Copy, Debug)]
pub struct Latency {
    /// Half of them took no longer.
    pub median: Duration,
    /// All but one in a hundred took no longer.
    pub slow: Duration,
}

impl Latency {
    /// That of these requests; none where there were none.
    #[must_use]
    pub fn of(mut each: Vec<Duration>) -> Option<Self> {
        each.sort_unstable();
        Some(Self {
            median: *each.get(each.len() / 2)?,
            slow: *each.get(each.len() * 99 / 100)?,
        })
    }
}

impl AddAssign for Spent {
    fn add_assign(&mut self, more: Self) {
        self.wall += more.wall;
        self.thread += more.thread;
        self.process += more.process;
        self.flushes += more.flushes;
        self.latency = more.latency.or(self.latency);
    }
}

/// Runs requests that were prepared beforehand, so many, and says what they took.
pub type Side = Box<dyn FnMut(usize) -> Spent>;

/// What is called around the measured stretch: a counter of allocations, for example.
pub type Watch = fn(&mut dyn FnMut());

static WATCH: OnceLock<Watch> = OnceLock::new();

/// Has every measured stretch run by `watch`, for the rest of the process.
pub fn watch_with(watch: Watch) {
    // A second watch would be a mistake of the caller's, and the first one stays.
    let _ = WATCH.set(watch);
}

/// Measures work. Nothing that belongs to its preparation is inside.
///
/// Callgrind is told to count inside this function only, so it is never inlined and has no
/// namesake.
#[inline(never)]
pub fn measured_stretch(work: &mut dyn FnMut()) -> Spent {
    if let Some(watch) = WATCH.get() {
        watch(work);
        return Spent::default();
    }
    let before = now();
    work();
    let after = now();
    Spent {
        wall: after.wall.saturating_sub(before.wall),
        thread: after.thread.saturating_sub(before.thread),
        process: after.process.saturating_sub(before.process),
        ..Spent::default()
    }
}

fn now() -> Spent {
    Spent {
        wall: since(clock_gettime(ClockId::Monotonic)),
        thread: since(clock_gettime(ClockId::ThreadCPUTime)),
        process: since(clock_gettime(ClockId::ProcessCPUTime)),
        ..Spent::default()
    }
}

/// The clock on the wall.
pub(crate) fn wall() -> Duration {
    since(clock_gettime(ClockId::Monotonic))
}

fn since(time: Timespec) -> Duration {
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    let rest = u64::try_from(time.tv_nsec).unwrap_or_default();
    Duration::from_secs(seconds) + Duration::from_nanos(rest)
}

/// Keeps this process, with the threads it starts, on one core. What is on other cores then
/// disturbs less, and work on two threads counts twice, as it does on a busy server.
///
/// Where the system does not allow it, the rows are measured all the same, and are less steady.
pub fn stay_on_one_core() {
    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
    let Ok(allowed) = sched_getaffinity(None) else {
        return;
    };
    if let Some(last) = (0..CpuSet::MAX_CPU)
        .rev()
        .find(|core| allowed.is_set(*core))
    {
        let mut one = CpuSet::new();
        one.set(last);
        let _ = sched_setaffinity(None, &one);
    }
}
