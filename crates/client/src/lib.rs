//! The buyer's side of Farthing: choose an offer, stay within the policy, pay once.
