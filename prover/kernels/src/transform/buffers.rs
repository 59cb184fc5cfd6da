//! Memory that is kept between transforms.

use std::{
    ops::{Deref, DerefMut},
    sync::{Mutex, PoisonError},
};

use crate::words::Words;

/// Scratch memory of transforms of one size. Fresh memory costs as much time as the arithmetic, so what was
/// used is kept: as many buffers as were ever in use at once.
#[derive(Debug)]
pub(crate) struct Scratch {
    elements: usize,
    spare: Spare<Line>,
}

impl Scratch {
    pub(crate) fn new(elements: usize) -> Self {
        Self { elements, spare: Spare::new(elements.div_ceil(2)) }
    }

    /// Calls a function with memory for all elements, that may hold anything.
    pub(crate) fn with<R>(&self, what: impl FnOnce(&mut [Words]) -> R) -> R {
        let mut lines = self.spare.take();
        what(&mut Line::words(&mut lines)[..self.elements])
    }
}

/// Two elements, aligned as the caches' lines are: a vector's store then touches one of them.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C, align(64))]
struct Line([Words; 2]);

impl Line {
    fn words(lines: &mut [Self]) -> &mut [Words] {
        const { assert!(size_of::<Line>() == 2 * size_of::<Words>()) };
        // SAFETY: a line is two elements and nothing else, and no less aligned; the lifetime is that of the
        // borrow.
        unsafe { std::slice::from_raw_parts_mut(lines.as_mut_ptr().cast(), 2 * lines.len()) }
    }
}

/// Buffers of one length that nobody uses at the moment.
#[derive(Debug)]
pub(crate) struct Spare<T> {
    length: usize,
    buffers: Mutex<Vec<Vec<T>>>,
}

impl<T: Clone + Default> Spare<T> {
    pub(crate) fn new(length: usize) -> Self {
        Self { length, buffers: Mutex::new(Vec::new()) }
    }

    /// A buffer with anything in it, given back when dropped.
    pub(crate) fn take(&self) -> Buffer<'_, T> {
        let kept = self.buffers.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let elements = kept.unwrap_or_else(|| vec![T::default(); self.length]);
        Buffer { elements, home: self }
    }
}

/// A buffer in use.
#[derive(Debug)]
pub(crate) struct Buffer<'a, T> {
    elements: Vec<T>,
    home: &'a Spare<T>,
}

impl<T> Deref for Buffer<'_, T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.elements
    }
}

impl<T> DerefMut for Buffer<'_, T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.elements
    }
}

impl<T> Drop for Buffer<'_, T> {
    fn drop(&mut self) {
        let elements = std::mem::take(&mut self.elements);
        self.home.buffers.lock().unwrap_or_else(PoisonError::into_inner).push(elements);
    }
}
