//! The literal segments of all nodes in one table, so that what a lookup costs does not grow with what is in it.
//!
//! Open addressing, half empty. The hash needs no secret: only templates are put in, and a lookup that finds nothing ends at
//! the first empty slot, whoever chose the text.

use super::NodeIndex;

/// Where a literal leads.
#[derive(Clone, Debug, Default)]
pub(super) struct Literals {
    /// A power of two of them, or none.
    slots: Vec<Option<Slot>>,
    n: usize,
}

#[derive(Clone, Debug)]
struct Slot {
    hash: u64,
    from: NodeIndex,
    to: NodeIndex,
    /// Decoded.
    text: Box<str>,
}

impl Literals {
    /// The node behind a segment of a node.
    pub(super) fn find(&self, from: NodeIndex, text: &str) -> Option<NodeIndex> {
        let hash = hash(from, text);
        let mut at = self.first(hash)?;
        while let Some(slot) = &self.slots[at] {
            if slot.hash == hash && slot.from == from && *slot.text == *text {
                return Some(slot.to);
            }
            at = (at + 1) & (self.slots.len() - 1);
        }
        None
    }

    /// Adds a segment that is not there.
    pub(super) fn insert(&mut self, from: NodeIndex, text: &str, to: NodeIndex) {
        if self.n * 2 >= self.slots.len() {
            let larger = vec![None; (self.slots.len() * 2).max(8)];
            for slot in std::mem::replace(&mut self.slots, larger).into_iter().flatten() {
                self.put(slot);
            }
        }
        self.n += 1;
        let (hash, text) = (hash(from, text), text.into());
        self.put(Slot { hash, from, to, text });
    }

    fn put(&mut self, slot: Slot) {
        let Some(mut at) = self.first(slot.hash) else { return };
        while self.slots[at].is_some() {
            at = (at + 1) & (self.slots.len() - 1);
        }
        self.slots[at] = Some(slot);
    }

    fn first(&self, hash: u64) -> Option<usize> {
        let mask = self.slots.len().checked_sub(1)?;
        // The high bits are the mixed ones.
        Some((hash >> 32) as usize & mask)
    }
}

fn hash(from: NodeIndex, text: &str) -> u64 {
    const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
    let mix = |hash: u64, word: u64| (hash.rotate_left(29) ^ word).wrapping_mul(ODD);
    let mut hash = mix(text.len() as u64, from as u64);
    let mut words = text.as_bytes().chunks_exact(8);
    for word in &mut words {
        hash = mix(hash, word.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)));
    }
    let rest = words.remainder().iter();
    mix(hash, rest.fold(0, |word, byte| word << 8 | u64::from(*byte)))
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
            literals.insert(at % 7, text, at);
        }
        for (at, text) in texts.iter().enumerate() {
            assert_eq!(literals.find(at % 7, text), Some(at));
            assert_eq!(literals.find(at % 7 + 1, text), None);
            assert_eq!(literals.find(at % 7, &format!("{text}x")), None);
        }
    }
}
