//! The kernel suite over every backend there is.

mod memory {
    use std::sync::Arc;

    use farthing_core::memory::MemoryBackend;

    farthing_testkit::kernel_suite!(|| (Arc::new(MemoryBackend::new()), ()));

    #[tokio::test]
    async fn the_suite_runs_in_a_row_too() {
        farthing_testkit::suite::kernel::run_all(|| (Arc::new(MemoryBackend::new()), ())).await;
    }
}

mod sqlite {
    use crate::fresh;

    farthing_testkit::kernel_suite!(fresh);
}
