//! What Farthing is tested with: a fake clock, faulty parts, the suites, the simulator.

pub mod chain;
pub mod clock;
pub mod faulty;
pub mod method;
pub mod peer;
pub mod process;
pub mod sim;
pub mod suite;
pub mod trace;
