//! Finds the instance of a symbol by its indices.
//!
//! # Design
//!
//! Most symbols have one index and are declared by a loop over nearly all values from 0. Those values are
//! looked up in a table. Everything else is in a map.

use std::collections::HashMap;

/// Stands for no instance.
const NONE: u32 = u32::MAX;

/// The instances of a symbol.
#[derive(Default)]
pub(super) struct Lookup {
    table: Vec<u32>,
    map: HashMap<Box<[i64]>, u32>,
}

impl Lookup {
    /// Makes place for a loop over `from..to`, if values from 0 do not waste much.
    pub fn reserve(&mut self, from: i64, to: i64) {
        if to <= 2 * (to - from) + 64 && to as usize > self.table.len() {
            self.table.resize(to as usize, NONE);
        }
    }

    /// The instance with these indices.
    pub fn get(&self, indices: &[i64]) -> Option<u32> {
        match self.place(indices).map(|place| self.table[place]) {
            Some(instance) if instance != NONE => Some(instance),
            _ if self.map.is_empty() => None,
            _ => self.map.get(indices).copied(),
        }
    }

    /// Adds an instance that is not there.
    pub fn insert(&mut self, indices: &[i64], instance: u32) {
        match self.place(indices) {
            Some(place) => self.table[place] = instance,
            None => {
                self.map.insert(indices.into(), instance);
            }
        }
    }

    fn place(&self, indices: &[i64]) -> Option<usize> {
        let [index] = indices else { return None };
        usize::try_from(*index).ok().filter(|index| *index < self.table.len())
    }
}
