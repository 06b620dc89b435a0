//! The suite of the domain ports over every backend there is.

mod memory {
    use std::sync::Arc;

    use farthing_core::memory::MemoryBackend;

    farthing_testkit::domain_suite!(|| (Arc::new(MemoryBackend::new()), ()));
}

mod sqlite {
    use std::sync::Arc;

    use farthing_store::{SqliteBackend, SqliteOptions};
    use tempfile::TempDir;

    farthing_testkit::domain_suite!(|| {
        let dir = TempDir::new().unwrap();
        let options = SqliteOptions::new(dir.path().join("store.db"));
        (Arc::new(SqliteBackend::open(options).unwrap()), dir)
    });
}
