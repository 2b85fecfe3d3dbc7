//! One reader, any number of threads, one writer: segments go through in order, whoever works on them.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread;

use super::LayerError;
use crate::image::deflate::{SEGMENT, WINDOW};

/// A stretch of the tar of at most [`SEGMENT`] bytes, with up to [`WINDOW`] bytes of what came before it.
#[derive(Debug, Default)]
pub struct Segment {
    buffer: Vec<u8>,
    history: usize,
    length: usize,
    /// Deflate data in [`Segment::bytes`], in order, disjoint.
    pub hints: Vec<Range<usize>>,
}

impl Segment {
    /// An empty segment.
    pub fn allocate() -> Self {
        Segment { buffer: vec![0; WINDOW + SEGMENT], ..Segment::default() }
    }

    /// The history, and then the bytes of the segment itself.
    pub fn bytes(&self) -> &[u8] {
        &self.buffer[..self.length]
    }

    /// How many of the bytes are history.
    pub fn history(&self) -> usize {
        self.history
    }

    /// The bytes that this segment adds.
    pub fn fresh(&self) -> &[u8] {
        &self.buffer[self.history..self.length]
    }

    pub fn runs(&self) -> &[Range<usize>] {
        &self.hints
    }

    /// Room for more bytes; empty when the segment is full.
    pub fn space(&mut self) -> &mut [u8] {
        &mut self.buffer[self.length..self.history + SEGMENT]
    }

    /// Says that the first `count` bytes of [`Segment::space`] were filled.
    pub fn advance(&mut self, count: usize) {
        self.length += count;
    }

    /// Starts over as the segment that follows on `end`, the last bytes of the one before.
    pub fn begin(&mut self, end: &[u8]) {
        self.buffer[..end.len()].copy_from_slice(end);
        (self.history, self.length) = (end.len(), end.len());
        self.hints.clear();
    }
}

/// Takes a full segment, and gives one that may be filled.
pub type Sink<'a> = dyn FnMut(&mut Segment) -> Result<(), LayerError> + 'a;

/// More threads than this would wait for the reader, or for the writer: each computes a SHA-256 over all that passes,
/// which no two threads can share.
const MOST_THREADS: usize = 4;

/// Runs `read`, which passes segments to its sink, on a thread of its own; `worker` makes a function for each of
/// `threads` threads that turns a segment into a result; `write` takes the results in the order of the segments.
///
/// What is under way at any time is bounded: a few segments for each thread, and no more than [`MOST_THREADS`].
pub fn run<T: Send, R: Default + Send, W: FnMut(&Segment, &mut R) + Send>(
    threads: usize,
    read: impl FnOnce(&mut Sink) -> Result<T, LayerError> + Send,
    worker: impl Fn() -> W,
    mut write: impl FnMut(&mut R) -> Result<(), LayerError>,
) -> Result<T, LayerError> {
    let threads = threads.clamp(1, MOST_THREADS);
    let (give_back, pool) = mpsc::channel::<(Segment, R)>();
    let (queue, work) = mpsc::channel::<(usize, Segment, R)>();
    let (done, results) = mpsc::channel::<(usize, Segment, R)>();
    let work = Mutex::new(work);
    thread::scope(|scope| {
        let start = |name: &str| thread::Builder::new().name(name.to_owned());
        let reader = start("layer-read").spawn_scoped(scope, move || {
            let (mut index, mut left) = (0, 2 * threads + 2);
            read(&mut |segment| {
                let (fresh, result) = if left > 0 {
                    left -= 1;
                    (Segment::allocate(), R::default())
                } else {
                    // Closed when the writer has failed, which then has the error.
                    pool.recv().map_err(|_| LayerError::Stopped)?
                };
                let full = std::mem::replace(segment, fresh);
                queue.send((index, full, result)).map_err(|_| LayerError::Stopped)?;
                index += 1;
                Ok(())
            })
        });
        let reader = reader.map_err(LayerError::Thread)?;
        for _ in 0..threads {
            let (mut make, done, work) = (worker(), done.clone(), &work);
            let body = move || {
                loop {
                    let next = work.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    let Ok((index, segment, mut result)) = next else { break };
                    make(&segment, &mut result);
                    if done.send((index, segment, result)).is_err() {
                        break;
                    }
                }
            };
            start("layer-encode").spawn_scoped(scope, body).map_err(LayerError::Thread)?;
        }
        drop(done);

        let mut waiting = BTreeMap::new();
        let mut next = 0;
        let mut outcome = Ok(());
        for (index, segment, result) in results {
            waiting.insert(index, (segment, result));
            while let Some((segment, mut result)) = waiting.remove(&next) {
                next += 1;
                outcome = outcome.and_then(|()| write(&mut result));
                let _ = give_back.send((segment, result));
            }
            if outcome.is_err() {
                break;
            }
        }
        drop(give_back);
        let read = reader.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        outcome.and(read)
    })
}

/// The identity of a layer's tar: BLAKE3 over the BLAKE3 of each segment.
pub type TreeHash = [u8; 32];

/// Computes a [`TreeHash`].
#[derive(Default)]
pub struct TreeHasher(blake3::Hasher);

impl TreeHasher {
    pub fn add(&mut self, segment: &[u8; 32]) {
        self.0.update(segment);
    }

    pub fn finish(&self) -> TreeHash {
        *self.0.finalize().as_bytes()
    }
}
