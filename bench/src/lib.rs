//! What Farthing costs, as ratios to floors that are measured in the same run.
//!
//! A row is two sides: what we do, and the least that anybody has to do for the same request. Both
//! are run in turns, a batch of each, and the row's ratio is the median over the turns; machines
//! differ, and so do the hours of one machine, but both sides see the same ones.
//!
//! ```
//! use farthing_bench::rows;
//!
//! // A goal is a ratio.
//! assert!(rows::all().iter().filter_map(|row| row.goal).all(|goal| goal >= 1.0));
//! ```

pub mod command;
pub mod count;
pub mod line;
pub mod measure;
pub mod report;
pub mod rows;
pub mod side;
pub mod turns;
