//! The `farthing` command line.

fn main() {}
