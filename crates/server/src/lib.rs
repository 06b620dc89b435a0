//! The seller's side of Farthing: the Gate, a tower layer and axum extractors.
