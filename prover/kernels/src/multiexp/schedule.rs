//! Which points each lane adds up, and in which order.
//!
//! Points are added with affine coordinates, where a division is shared by many additions that do not
//! depend on each other. So each bucket is a *chain*: a lane starts with the bucket's first point and adds
//! the others one after another, while many other lanes do the same. Eight chains of about the same length
//! lie side by side in an *octet*. A bucket of very many points is cut into several chains.

/// Where there is no item, or no place.
pub(crate) const NONE: u32 = u32::MAX;

/// The bit of an item that says that the point's negative is added; the others are the point's index.
pub(crate) const NEGATIVE: u32 = 1 << 31;

/// The most points of a chain. A kernel may let the carries of a sum grow as long as this.
pub(crate) const LONGEST_CHAIN: usize = 256;

/// Shorter chains are not made by cutting, as long as there are as many points.
const SHORTEST_CUT: f64 = 8.0;

/// What is added up: pairs of a bucket and an item.
pub(crate) trait Terms: Sync {
    /// Calls `visit` with each bucket and item, in the same order every time.
    fn each(&self, visit: &mut impl FnMut(usize, u32));
}

/// Eight chains side by side, the longest first.
#[derive(Clone, Copy, Debug)]
pub struct Octet {
    start: usize,
    shortest: u32,
    longest: u32,
}

impl Octet {
    /// The number of items of the shortest chain: up to there all lanes have items.
    pub(crate) fn shortest(&self) -> usize {
        self.shortest as usize
    }

    /// The number of items of the longest chain.
    pub(crate) fn longest(&self) -> usize {
        self.longest as usize
    }
}

/// Chains, the longest first, and their items.
#[derive(Debug)]
pub struct Schedule {
    items: Vec<u32>,
    octets: Vec<Octet>,
    /// By buckets, the place of the first chain: eight times the octet's plus the lane's.
    places: Vec<u32>,
    /// The places of further chains, by buckets.
    further: Vec<Further>,
}

/// A chain of a bucket that was cut, other than its first.
#[derive(Clone, Copy, Debug)]
pub(super) struct Further {
    /// The bucket.
    pub(super) bucket: u32,
    /// The chain's place.
    pub(super) place: u32,
    length: u32,
}

/// Where a bucket's next item goes.
#[derive(Clone, Copy, Default)]
struct Cursor {
    at: u32,
    left: u32,
    further: u32,
}

impl Schedule {
    /// Sorts the terms into chains. Buckets are below `buckets`, and there are fewer than 2^31 terms.
    pub(crate) fn new(terms: &impl Terms, buckets: usize) -> Self {
        let mut counts = vec![0u32; buckets];
        terms.each(&mut |bucket, _| counts[bucket] += 1);
        let total: usize = counts.iter().map(|count| *count as usize).sum();
        let cut = Cut::new(total);
        let (octets, mut next) = octets(&counts, cut);
        let position = |place: u32| {
            let octet = octets[place as usize / 8].start;
            (octet + place as usize % 8) as u32
        };

        let mut places = vec![NONE; buckets];
        let mut further = Vec::new();
        let mut cursors = vec![Cursor::default(); buckets];
        for (bucket, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            let mut take = |length: u32| {
                let place = next[length as usize];
                next[length as usize] += 1;
                place
            };
            let mut lengths = cut.lengths(*count);
            if let Some(left) = lengths.next() {
                let place = take(left);
                places[bucket] = place;
                let further = further.len() as u32;
                cursors[bucket] = Cursor { at: position(place), left, further };
            }
            further.extend(lengths.map(|length| Further {
                bucket: bucket as u32,
                place: take(length),
                length,
            }));
        }

        let end = octets.last().map_or(0, |octet| octet.start + 8 * octet.longest());
        let mut items = vec![NONE; end];
        terms.each(&mut |bucket, item| {
            let cursor = &mut cursors[bucket];
            if cursor.left == 0 {
                let chain = &further[cursor.further as usize];
                let further = cursor.further + 1;
                *cursor = Cursor { at: position(chain.place), left: chain.length, further };
            }
            items[cursor.at as usize] = item;
            cursor.at += 8;
            cursor.left -= 1;
        });
        Self { items, octets, places, further }
    }

    /// The octets, the longest first.
    pub(crate) fn octets(&self) -> &[Octet] {
        &self.octets
    }

    /// The items of an octet: eight for each step.
    pub(crate) fn items(&self, octet: &Octet) -> &[u32] {
        &self.items[octet.start..][..8 * octet.longest()]
    }

    /// By buckets, the place of the first chain or [`NONE`]; and the places of further chains.
    pub(super) fn into_places(self) -> (Vec<u32>, Vec<Further>) {
        (self.places, self.further)
    }
}

/// How buckets are cut into chains.
#[derive(Clone, Copy)]
struct Cut {
    longest: u32,
}

impl Cut {
    /// For so many terms. Each step of the chains costs a division, each chain that was cut off an addition
    /// later; a division takes about as long as a hundred additions.
    fn new(total: usize) -> Self {
        let balanced = (total as f64 / 80.0).sqrt().max(SHORTEST_CUT);
        Self { longest: (balanced as u32).min(LONGEST_CHAIN as u32) }
    }

    /// The lengths of a bucket's chains, the longest first.
    fn lengths(self, count: u32) -> impl Iterator<Item = u32> {
        let chains = count.div_ceil(self.longest);
        let length = count.checked_div(chains).unwrap_or(0);
        let longer = count.checked_rem(chains).unwrap_or(0);
        (0..chains).map(move |chain| length + u32::from(chain < longer))
    }
}

/// The octets of so many items a bucket, and by lengths the place of the first chain.
fn octets(counts: &[u32], cut: Cut) -> (Vec<Octet>, Vec<u32>) {
    let mut by_length = vec![0u32; cut.longest as usize + 1];
    for count in counts {
        for length in cut.lengths(*count) {
            by_length[length as usize] += 1;
        }
    }
    let mut next = vec![0; by_length.len()];
    let mut octets: Vec<Octet> = Vec::new();
    let (mut place, mut start) = (0, 0);
    for length in (1..=cut.longest).rev() {
        next[length as usize] = place;
        let end = place + by_length[length as usize];
        // The last octet may still have room: its last chains are shorter than its first.
        if place % 8 != 0
            && end > place
            && let Some(octet) = octets.last_mut()
        {
            octet.shortest = length;
        }
        for _ in place.div_ceil(8)..end.div_ceil(8) {
            octets.push(Octet { start, shortest: length, longest: length });
            start += 8 * length as usize;
        }
        place = end;
    }
    if place % 8 != 0
        && let Some(octet) = octets.last_mut()
    {
        octet.shortest = 0;
    }
    (octets, next)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    struct Pairs(Vec<(usize, u32)>);

    impl Terms for Pairs {
        fn each(&self, visit: &mut impl FnMut(usize, u32)) {
            self.0.iter().for_each(|(bucket, item)| visit(*bucket, *item));
        }
    }

    fn check(buckets: &[usize], bound: usize) {
        let pairs = Pairs(buckets.iter().copied().zip(0..).collect());
        let schedule = Schedule::new(&pairs, bound);
        let mut chains = Vec::new();
        let mut longest = LONGEST_CHAIN;
        for octet in schedule.octets() {
            assert!(octet.longest() <= longest && octet.longest() > 0);
            longest = octet.longest();
            let items = schedule.items(octet);
            assert!(items[..8 * octet.shortest()].iter().all(|item| *item != NONE));
            for lane in 0..8 {
                let chain: Vec<u32> = items.iter().skip(lane).step_by(8).copied().collect();
                let length = chain.iter().take_while(|item| **item != NONE).count();
                assert!(length >= octet.shortest());
                assert!(chain[length..].iter().all(|item| *item == NONE));
                chains.push(chain[..length].to_vec());
            }
        }
        let (places, further) = schedule.into_places();
        let mut found = vec![Vec::new(); bound];
        for (bucket, place) in places.iter().enumerate().filter(|(_, place)| **place != NONE) {
            found[bucket].append(&mut chains[*place as usize]);
        }
        for further in further {
            found[further.bucket as usize].append(&mut chains[further.place as usize]);
        }
        let mut expected = vec![Vec::new(); bound];
        pairs.each(&mut |bucket, item| expected[bucket].push(item));
        assert_eq!(found, expected);
        assert!(chains.iter().all(Vec::is_empty));
    }

    proptest! {
        #[test]
        fn each_term_is_in_its_buckets_chains(buckets in prop::collection::vec(0..50usize, 0..500)) {
            check(&buckets, 50);
        }
    }

    #[test]
    fn large_buckets_are_cut() {
        check(&[3; 100_000], 4);
        let buckets: Vec<usize> = (0..50_000usize).map(|i| i.trailing_zeros() as usize).collect();
        check(&buckets, 65);
    }
}
