//! Memory that is kept between transforms.

use std::{
    ops::{Deref, DerefMut},
    sync::{Mutex, PoisonError},
};

use crate::words::Words;

/// Scratch memory of transforms of one size. Fresh memory costs as much time as the arithmetic, so what was
/// used is kept: as many buffers as were ever in use at once.
pub(crate) type Buffers = Spare<Words>;

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
