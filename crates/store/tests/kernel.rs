//! The kernel suite over every backend there is.

mod memory {
    use std::sync::Arc;

    use farthing_core::memory::MemoryBackend;

    farthing_testkit::kernel_suite!(|| (Arc::new(MemoryBackend::new()), ()));
}
