//! The nearest name: "did you mean `price_usd`?".

/// The candidate nearest to `name`, if one is near enough to be worth saying. Of two equally near the first stands.
pub fn nearest<'c>(name: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let wanted = folded(name);
    let mut best: Option<(usize, &str)> = None;
    for candidate in candidates {
        let other = folded(candidate);
        let distance = if other == wanted {
            0
        } else if is_part(&wanted, &other) {
            1
        } else {
            distance(&wanted, &other)
        };
        let limit = (wanted.len().max(other.len()) / 3).max(1);
        let is_whole = distance >= wanted.len().min(other.len());
        if distance <= limit && !(is_whole && distance > 0) && best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// `did you mean …?` as a label, or nothing.
pub fn did_you_mean<'c>(name: &str, candidates: impl IntoIterator<Item = &'c str>) -> String {
    nearest(name, candidates).map_or_else(String::new, |it| format!("did you mean `{it}`?"))
}

/// Case, `-` and `_` are what people get wrong first: `priceUsd` for `price_usd`.
fn folded(name: &str) -> Vec<char> {
    name.chars()
        .filter(|it| !matches!(it, '_' | '-'))
        .flat_map(char::to_lowercase)
        .take(64)
        .collect()
}

/// `price` for `price_usd`: the longer one begins or ends with all of the shorter.
fn is_part(a: &[char], b: &[char]) -> bool {
    let (short, long) = if a.len() < b.len() { (a, b) } else { (b, a) };
    short.len() >= 4 && short.len() * 2 >= long.len() && (long.starts_with(short) || long.ends_with(short))
}

/// Insertions, deletions, replacements and swaps of neighbours (optimal string alignment).
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (row, from) in a.iter().enumerate() {
        let mut current = Vec::with_capacity(b.len() + 1);
        current.push(row + 1);
        for (column, to) in b.iter().enumerate() {
            let at = |line: &[usize], at: usize| line.get(at).copied().unwrap_or(usize::MAX / 2);
            let replaced = at(&last, column) + usize::from(from != to);
            let mut cost = replaced.min(at(&last, column + 1) + 1).min(at(&current, column) + 1);
            let is_swap = row > 0 && column > 0 && a.get(row - 1) == Some(to) && b.get(column - 1) == Some(from);
            if is_swap {
                cost = cost.min(at(&before_last, column - 1) + 1);
            }
            current.push(cost);
        }
        before_last = std::mem::replace(&mut last, current);
    }
    last.last().copied().unwrap_or(a.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_found() {
        let fields = ["id", "name", "description", "price_usd", "categories", "stock"];
        for (name, want) in [
            ("priceUsd", Some("price_usd")),
            ("price", Some("price_usd")),
            ("nmae", Some("name")),
            ("names", Some("name")),
            ("descripton", Some("description")),
            ("stok", Some("stock")),
            ("ID", Some("id")),
            ("x", None),
            ("unrelated", None),
            ("", None),
        ] {
            assert_eq!(nearest(name, fields), want, "{name}");
        }
        assert_eq!(nearest("PIAD", ["UNKNOWN", "PAID", "SHIPPED"]), Some("PAID"));
        assert_eq!(nearest("a", ["b", "c"]), None);
    }

    #[test]
    fn a_suggestion_is_a_question() {
        assert_eq!(did_you_mean("tiemout", ["timeout"]), "did you mean `timeout`?");
        assert_eq!(did_you_mean("zzz", ["timeout"]), "");
    }
}
