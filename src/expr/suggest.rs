//! The nearest name, for "did you mean `price_usd`?".
//!
//! Leaves the sentence to its callers. Invariant: a suggestion depends on the name and the candidates only, and of equally
//! near candidates the first one is taken.

/// The candidate nearest to `name`, if one is near enough to be worth saying. Case, dashes and underscores weigh nothing:
/// `priceUsd` is `price_usd`. A part of a name is near to it: `price` to `price_usd`.
///
/// ```
/// use weft::expr::suggest::nearest;
///
/// assert_eq!(nearest("PIAD", ["UNKNOWN", "PAID", "SHIPPED"]), Some("PAID"));
/// assert_eq!(nearest("x", ["y"]), None);
/// ```
pub fn nearest<'c>(name: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let wanted = normalized(name);
    // A third of the letters may be wrong; of one or two letters none.
    let limit = wanted.len() / 3;
    let mut best: Option<(usize, &'c str)> = None;
    for candidate in candidates {
        if candidate == name {
            continue;
        }
        let letters = normalized(candidate);
        let distance = if is_part(&wanted, &letters) {
            1
        } else if letters.len().abs_diff(wanted.len()) > limit {
            continue;
        } else {
            distance(&wanted, &letters)
        };
        if distance <= limit && best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// The letters of a name that count. Names that are longer than any sensible one are cut.
fn normalized(name: &str) -> Vec<char> {
    name.chars()
        .filter(|it| !matches!(it, '_' | '-' | ' '))
        .flat_map(char::to_lowercase)
        .take(64)
        .collect()
}

/// The longer one begins or ends with all of the shorter, which is at least half of it.
fn is_part(a: &[char], b: &[char]) -> bool {
    let (short, long) = if a.len() < b.len() { (a, b) } else { (b, a) };
    let is_long_enough = short.len() >= 4 && short.len() < long.len() && short.len() * 2 >= long.len();
    is_long_enough && (long.starts_with(short) || long.ends_with(short))
}

/// How many letters have to be inserted, left out, replaced or swapped with their neighbour (optimal string alignment).
fn distance(a: &[char], b: &[char]) -> usize {
    let mut upper: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for (row, from) in a.iter().enumerate() {
        let mut current = Vec::with_capacity(above.len());
        current.push(row + 1);
        for (column, to) in b.iter().enumerate() {
            let mut cost = (above[column] + usize::from(from != to))
                .min(above[column + 1] + 1)
                .min(current[column] + 1);
            let swapped = row > 0 && column > 0 && a[row - 1] == *to && b[column - 1] == *from;
            if swapped {
                cost = cost.min(upper[column - 1] + 1);
            }
            current.push(cost);
        }
        upper = std::mem::replace(&mut above, current);
    }
    above[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_found_if_it_is_near() {
        for (name, candidates, expected) in [
            ("PIAD", &["UNKNOWN", "PAID", "SHIPPED"][..], Some("PAID")),
            ("PAYED", &["UNKNOWN", "PAID"], None),
            ("priceUsd", &["price", "price_usd"], Some("price_usd")),
            ("price", &["name", "price_usd"], Some("price_usd")),
            ("display", &["id", "display_name", "displays"], Some("display_name")),
            ("unit", &["units", "nanos"], Some("units")),
            ("nmae", &["name", "id"], Some("name")),
            ("x", &["y"], None),
            ("", &["a"], None),
            ("id", &["ids", "ID"], Some("ID")),
            ("colour", &["color", "colours"], Some("color")),
        ] {
            assert_eq!(nearest(name, candidates.iter().copied()), expected, "{name}");
        }
    }
}
