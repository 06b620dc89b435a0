//! What Farthing costs, as ratios to floors measured in the same run.

fn main() {}
