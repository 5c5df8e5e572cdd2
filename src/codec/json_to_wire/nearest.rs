//! The name that was probably meant, for messages about names that do not exist.

/// Names longer than this are not compared: nobody mistypes them, and comparing takes quadratic time.
const MAX_LENGTH: usize = 64;

/// The candidate nearest to `name`, if it is near enough to be what was meant; of several the first.
pub(in crate::codec) fn nearest<'c>(name: &str, candidates: impl Iterator<Item = &'c str>) -> Option<&'c str> {
    if name.len() > MAX_LENGTH {
        return None;
    }
    let wanted = fold(name);
    candidates
        .filter(|it| it.len() <= MAX_LENGTH)
        .map(|it| (distance(&wanted, &fold(it)), it))
        .filter(|(distance, it)| *distance <= name.len().min(it.len()).div_ceil(3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, it)| it)
}

/// Case and underscores are the commonest mistake of all and count for nothing.
fn fold(name: &str) -> Vec<char> {
    name.chars()
        .filter(|it| *it != '_')
        .flat_map(char::to_lowercase)
        .collect()
}

/// Optimal string alignment: insertions, deletions, replacements and swaps of neighbours.
fn distance(from: &[char], to: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=to.len()).collect();
    for (row, &a) in from.iter().enumerate() {
        let mut current = vec![row + 1];
        for (column, &b) in to.iter().enumerate() {
            let replaced = above[column] + usize::from(a != b);
            let mut best = replaced.min(above[column + 1] + 1).min(current[column] + 1);
            if row > 0 && column > 0 && from[row - 1] == b && to[column - 1] == a {
                best = best.min(before[column - 1] + 1);
            }
            current.push(best);
        }
        before = std::mem::replace(&mut above, current);
    }
    above.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typos_find_what_was_meant() {
        let names = ["name", "priceUsd", "id", "displayName"];
        for (typo, meant) in [
            ("nmae", Some("name")),
            ("price_usd", Some("priceUsd")),
            ("display_nam", Some("displayName")),
            ("Id", Some("id")),
            ("quantity", None),
            ("", None),
            ("naïm", Some("name")),
        ] {
            assert_eq!(nearest(typo, names.into_iter()), meant, "{typo}");
        }
        assert_eq!(nearest(&"n".repeat(100), names.into_iter()), None);
    }
}
