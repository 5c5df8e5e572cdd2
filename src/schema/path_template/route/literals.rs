//! The literal segments of all nodes in one table, so that what a lookup costs does not grow with what is in it.
//!
//! Open addressing, half empty; the texts stand one behind another beside the slots. The hash needs no secret: only templates
//! are put in, and a lookup that finds nothing ends at the first empty slot, whoever chose the text.

use super::{NodeIndex, ROOT, narrow};

/// Where a literal leads.
#[derive(Clone, Debug, Default)]
pub(super) struct Literals {
    /// A power of two of them, or none.
    slots: Vec<Slot>,
    n: usize,
    /// Of all slots, decoded.
    texts: Vec<u8>,
}

/// An empty one leads to the root, to which no way leads.
#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    hash: u32,
    from: NodeIndex,
    to: NodeIndex,
    /// Where its text begins, and how long it is.
    start: u32,
    length: u32,
}

impl Literals {
    /// The node behind a segment of a node.
    pub(super) fn find(&self, from: NodeIndex, text: &str) -> Option<NodeIndex> {
        let hash = hash(from, text);
        let mut at = self.first(hash)?;
        loop {
            let slot = self.slots[at];
            if slot.to == ROOT {
                return None;
            }
            if slot.hash == hash && slot.from == from && self.text(slot) == Some(text.as_bytes()) {
                return Some(slot.to);
            }
            at = (at + 1) & (self.slots.len() - 1);
        }
    }

    fn text(&self, slot: Slot) -> Option<&[u8]> {
        let start = slot.start as usize;
        self.texts.get(start..start + slot.length as usize)
    }

    /// Adds a segment that is not there.
    pub(super) fn insert(&mut self, from: NodeIndex, text: &str, to: NodeIndex) {
        if self.n * 2 >= self.slots.len() {
            let larger = vec![Slot::default(); (self.slots.len() * 2).max(8)];
            for slot in std::mem::replace(&mut self.slots, larger) {
                if slot.to != ROOT {
                    self.put(slot);
                }
            }
        }
        self.n += 1;
        let (start, length) = (narrow(self.texts.len()), narrow(text.len()));
        self.texts.extend_from_slice(text.as_bytes());
        self.put(Slot {
            hash: hash(from, text),
            from,
            to,
            start,
            length,
        });
    }

    fn put(&mut self, slot: Slot) {
        let Some(mut at) = self.first(slot.hash) else { return };
        while self.slots[at].to != ROOT {
            at = (at + 1) & (self.slots.len() - 1);
        }
        self.slots[at] = slot;
    }

    fn first(&self, hash: u32) -> Option<usize> {
        let mask = self.slots.len().checked_sub(1)?;
        Some(hash as usize & mask)
    }
}

fn hash(from: NodeIndex, text: &str) -> u32 {
    const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
    let mix = |hash: u64, word: u64| (hash.rotate_left(29) ^ word).wrapping_mul(ODD);
    let mut hash = mix(text.len() as u64, u64::from(from));
    let mut words = text.as_bytes().chunks_exact(8);
    for word in &mut words {
        hash = mix(hash, word.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)));
    }
    let rest = words.remainder().iter();
    let hash = mix(hash, rest.fold(0, |word, byte| word << 8 | u64::from(*byte)));
    // The high bits are the mixed ones.
    (hash >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_literal_is_found_where_it_was_put_and_nowhere_else() {
        let mut literals = Literals::default();
        assert_eq!(literals.find(0, "a"), None);
        let texts: Vec<String> = (0..500).map(|it| format!("{}{it}", "kind".repeat(it % 4))).collect();
        for (at, text) in texts.iter().enumerate() {
            literals.insert(narrow(at % 7), text, narrow(at + 1));
        }
        for (at, text) in texts.iter().enumerate() {
            assert_eq!(literals.find(narrow(at % 7), text), Some(narrow(at + 1)));
            assert_eq!(literals.find(narrow(at % 7 + 1), text), None);
            assert_eq!(literals.find(narrow(at % 7), &format!("{text}x")), None);
        }
    }
}
