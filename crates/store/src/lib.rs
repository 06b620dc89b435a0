//! Durable backends for Farthing: SQLite, the embedded default.
