//! Hashing on all cores where there are threads, one after another elsewhere (wasm32).

#[cfg(feature = "files")]
use rayon::prelude::*;

/// `each(index, chunk)` of the chunks of `size` values; the last may be shorter.
pub(crate) fn map_chunks<T: Sync, R: Send>(
    values: &[T],
    size: usize,
    each: impl Fn(usize, &[T]) -> R + Sync,
) -> Vec<R> {
    #[cfg(feature = "files")]
    let chunks = values.par_chunks(size);
    #[cfg(not(feature = "files"))]
    let chunks = values.chunks(size);
    chunks.enumerate().map(|(index, chunk)| each(index, chunk)).collect()
}
