//! Parallel work on several threads, with results collected on one.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

/// Applies `work` to all items on at most `workers` threads, and `take` to each item's index and result on the
/// calling thread, in order of completion.
///
/// ```
/// let mut lengths = vec![0; 3];
/// slm_sandbox::for_each_parallel(
///     &["a", "bb", "ccc"],
///     2,
///     |text| Ok::<_, std::io::Error>(text.len()),
///     |i, length| {
///         lengths[i] = length;
///         Ok(())
///     },
/// )?;
/// assert_eq!(lengths, [1, 2, 3]);
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
/// The first error of `work` or `take`; items not yet begun are skipped.
pub fn for_each_parallel<T: Sync, R: Send, E: Send>(
    items: &[T],
    workers: usize,
    work: impl Fn(&T) -> Result<R, E> + Sync,
    mut take: impl FnMut(usize, R) -> Result<(), E>,
) -> Result<(), E> {
    let next = AtomicUsize::new(0);
    let (results, inbox) = mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..workers.min(items.len()) {
            let (results, next, work) = (results.clone(), &next, &work);
            scope.spawn(move || {
                loop {
                    let i = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(i) else {
                        return;
                    };
                    // The receiver is dropped after an error.
                    if results.send((i, work(item))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(results);
        inbox
            .into_iter()
            .try_for_each(|(i, result)| take(i, result?))
    })
}
