//! Where the steps run.

use rayon::{ThreadPoolBuilder, current_num_threads};

/// Runs `work` inside a rayon pool of its own, with as many threads as the global one. A step is hundreds
/// of parallel loops: started from inside a pool, none of them has to wake a waiting caller. The global
/// pool is not used because a thread that waits for a loop there may steal a whole other training. The
/// stacks are as large as that of a program's first thread. The threads end with the work.
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
