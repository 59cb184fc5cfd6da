//! The permutation that copies make: cells that shall be equal form a cycle.

use std::collections::HashMap;

/// A cell that the permutation moves, in a column that the place of it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moved {
    /// Its row.
    pub row: u32,
    /// Column that it is moved to, counted among the permuted ones.
    pub to_column: u16,
    /// Row that it is moved to.
    pub to_row: u32,
}

/// A cell of a permuted column, which is counted among the permuted ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Cell {
    pub column: u32,
    pub row: u32,
}

/// The cycles of the cells that copies touched; every other cell is alone.
///
/// Which of the possible cycles through the same cells it is decides the key, so cycles are joined
/// exactly as the library does: the smaller one is relabelled (of equal ones the right one), and the
/// successors of the two copied cells are exchanged.
#[derive(Debug, Default)]
pub(super) struct Cycles {
    members: Vec<Member>,
    /// Where each cell is among the members.
    places: HashMap<Cell, usize>,
}

#[derive(Debug)]
struct Member {
    cell: Cell,
    /// Place of the cell that this one is moved to.
    next: usize,
    /// Place of the cell that names the cycle.
    leader: usize,
    /// Cells of the cycle, if this cell names it.
    size: usize,
}

impl Cycles {
    pub(super) fn join(&mut self, left: Cell, right: Cell) {
        let (left, right) = (self.place(left), self.place(right));
        let (mut larger, mut smaller) = (self.members[left].leader, self.members[right].leader);
        if larger == smaller {
            return;
        }
        if self.members[larger].size < self.members[smaller].size {
            std::mem::swap(&mut larger, &mut smaller);
        }
        self.members[larger].size += self.members[smaller].size;
        let mut member = smaller;
        loop {
            self.members[member].leader = larger;
            member = self.members[member].next;
            if member == smaller {
                break;
            }
        }
        let (left_next, right_next) = (self.members[left].next, self.members[right].next);
        self.members[left].next = right_next;
        self.members[right].next = left_next;
    }

    fn place(&mut self, cell: Cell) -> usize {
        let members = &mut self.members;
        *self.places.entry(cell).or_insert_with(|| {
            let place = members.len();
            members.push(Member { cell, next: place, leader: place, size: 1 });
            place
        })
    }

    /// For each of the permuted columns the cells that do not stay where they are, by rows.
    pub(super) fn moved(&self, columns: usize) -> Vec<Vec<Moved>> {
        let mut moved = vec![Vec::new(); columns];
        for (place, member) in self.members.iter().enumerate() {
            if member.next == place {
                continue;
            }
            let to = self.members[member.next].cell;
            moved[member.cell.column as usize].push(Moved {
                row: member.cell.row,
                // The profile has refused so many columns that this would not fit.
                to_column: to.column as u16,
                to_row: to.row,
            });
        }
        for cells in &mut moved {
            cells.sort_unstable_by_key(|cell| cell.row);
        }
        moved
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const COLUMNS: usize = 3;
    const ROWS: usize = 16;

    /// The library's algorithm over all cells, `column * ROWS + row`.
    struct Naive {
        mapping: Vec<usize>,
        leaders: Vec<usize>,
        sizes: Vec<usize>,
    }

    impl Naive {
        fn copy(&mut self, left: usize, right: usize) {
            let (mut a, mut b) = (self.leaders[left], self.leaders[right]);
            if a == b {
                return;
            }
            if self.sizes[a] < self.sizes[b] {
                std::mem::swap(&mut a, &mut b);
            }
            self.sizes[a] += self.sizes[b];
            self.leaders.iter_mut().filter(|leader| **leader == b).for_each(|leader| *leader = a);
            self.mapping.swap(left, right);
        }
    }

    fn cell(index: usize) -> Cell {
        Cell { column: (index / ROWS) as u32, row: (index % ROWS) as u32 }
    }

    proptest! {
        #[test]
        fn cycles_are_those_of_a_dense_permutation(
            copies in prop::collection::vec((0..COLUMNS * ROWS, 0..COLUMNS * ROWS), 0..80),
        ) {
            let all: Vec<usize> = (0..COLUMNS * ROWS).collect();
            let sizes = vec![1; all.len()];
            let mut naive = Naive { mapping: all.clone(), leaders: all.clone(), sizes };
            let mut cycles = Cycles::default();
            for (left, right) in copies {
                naive.copy(left, right);
                cycles.join(cell(left), cell(right));
            }
            let moved = cycles.moved(COLUMNS);
            let mut found = all;
            for (column, cells) in moved.iter().enumerate() {
                prop_assert!(cells.is_sorted_by(|a, b| a.row < b.row));
                for cell in cells {
                    let to = usize::from(cell.to_column) * ROWS + cell.to_row as usize;
                    let from = column * ROWS + cell.row as usize;
                    prop_assert_ne!(from, to);
                    found[from] = to;
                }
            }
            prop_assert_eq!(found, naive.mapping);
        }
    }
}
