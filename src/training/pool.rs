//! Where the steps run.

use rayon::{ThreadPoolBuilder, current_num_threads};

/// Runs it on a thread of a pool of its own, with as many threads as rayon's. A step is hundreds of
/// parallel loops: begun on a thread outside a pool, each would wake all of the pool's and then the
/// one that waits; begun inside, it wakes the others alone. The pool is not rayon's, on which a thread
/// that waits for its loop could pick up another training, whole. Its stacks are as large as that of a
/// program's first thread, on which callers expect to run.
pub fn in_own_pool<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    let pool = ThreadPoolBuilder::new()
        .num_threads(current_num_threads())
        .stack_size(8 << 20)
        .build();
    match pool {
        Ok(pool) => pool.install(work),
        // The system has no more threads; it goes on with those it has.
        Err(_) => work(),
    }
}
