//! What Farthing is tested with: a fake clock, faulty parts, the suites, the simulator.

pub mod faulty;
pub mod suite;
