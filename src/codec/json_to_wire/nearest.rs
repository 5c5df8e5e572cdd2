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
    let cost = |row: &[usize], at: Option<usize>| {
        at.and_then(|it| row.get(it))
            .map_or(usize::MAX, |it| it.saturating_add(1))
    };
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=to.len()).collect();
    let mut last = None;
    for (line, a) in from.iter().enumerate() {
        let mut current = vec![line.saturating_add(1)];
        let mut left = None;
        for (column, b) in to.iter().enumerate() {
            let replaced = cost(&above, Some(column)).saturating_sub(usize::from(a == b));
            let deleted = cost(&above, column.checked_add(1));
            let inserted = cost(&current, Some(column));
            let is_swap = last == Some(b) && left == Some(a);
            let swapped = if is_swap {
                cost(&before, column.checked_sub(1))
            } else {
                usize::MAX
            };
            current.push(replaced.min(deleted).min(inserted).min(swapped));
            left = Some(b);
        }
        before = std::mem::replace(&mut above, current);
        last = Some(a);
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
            ("di", Some("id")),
            ("quantity", None),
            ("", None),
            ("naïm", Some("name")),
        ] {
            assert_eq!(nearest(typo, names.into_iter()), meant, "{typo}");
        }
        assert_eq!(nearest(&"n".repeat(100), names.into_iter()), None);
    }
}
