//! The nearest name, for "did you mean `price_usd`?".
//!
//! Owns what counts as near, for every name that anybody writes: of fields, enum values, keys, calls. Stands here because
//! everything above names something of a schema. Invariant: a suggestion depends on the name and the candidates only.

/// Names are compared by so many letters at most: nobody mistypes longer ones, and comparing takes quadratic time.
const MAX_LENGTH: usize = 64;

/// The candidate nearest to `name`, if one is near enough to be worth saying; of equally near ones the first. Case, dashes
/// and underscores weigh nothing: `priceUsd` is `price_usd`. A part of a name is near to it: `price` to `price_usd`.
///
/// ```
/// use weft::schema::suggest::nearest;
///
/// assert_eq!(nearest("PIAD", ["UNKNOWN", "PAID", "SHIPPED"]), Some("PAID"));
/// assert_eq!(nearest("x", ["y"]), None);
/// ```
pub fn nearest<'c>(name: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let wanted = folded(name);
    let mut best: Option<(usize, &str)> = None;
    for candidate in candidates {
        if candidate == name {
            continue;
        }
        let letters = folded(candidate);
        // A third of the letters may be wrong, but never all of them.
        let limit = (wanted.len().max(letters.len()) / 3).max(1);
        let distance = if letters == wanted {
            0
        } else if is_part(&wanted, &letters) {
            1
        } else if wanted.len().abs_diff(letters.len()) > limit {
            continue;
        } else {
            distance(&wanted, &letters)
        };
        let is_whole = distance > 0 && distance >= wanted.len().min(letters.len());
        if distance <= limit && !is_whole && best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// `` did you mean `price_usd`? `` as a label, or nothing.
pub fn did_you_mean<'c>(name: &str, candidates: impl IntoIterator<Item = &'c str>) -> String {
    question(nearest(name, candidates))
}

/// [`did_you_mean`] for a name that was found already.
pub fn question(near: Option<&str>) -> String {
    near.map_or_else(String::new, |it| format!("did you mean `{it}`?"))
}

/// What the comment of something deprecated says of what took its place: its first sentence that says so.
///
/// ```
/// use weft::schema::suggest::replacement;
///
/// let comment = "The price in dollars.\nDeprecated: use `price` instead. Gone in 2030.";
/// assert_eq!(replacement(comment).as_deref(), Some("use `price` instead"));
/// assert_eq!(replacement("The price in dollars."), None);
/// ```
pub fn replacement(comment: &str) -> Option<String> {
    let words = comment.split_whitespace().collect::<Vec<_>>().join(" ");
    let sentence = words.split(". ").find(|it| {
        let it = it.to_ascii_lowercase();
        ["use ", "instead", "replaced", "superseded", "moved to"]
            .iter()
            .any(|word| it.contains(word))
    })?;
    let sentence = sentence.trim_end_matches('.');
    let behind = ["Deprecated:", "DEPRECATED:", "deprecated:"]
        .iter()
        .find_map(|it| sentence.split_once(it))
        .map_or(sentence, |(_, it)| it);
    Some(behind.trim().to_owned())
}

/// The letters of a name that count.
fn folded(name: &str) -> Vec<char> {
    name.chars()
        .filter(|it| !matches!(it, '_' | '-' | ' '))
        .flat_map(char::to_lowercase)
        .take(MAX_LENGTH)
        .collect()
}

/// The longer one begins or ends with all of the shorter, which is at least half of it.
fn is_part(a: &[char], b: &[char]) -> bool {
    let (short, long) = if a.len() < b.len() { (a, b) } else { (b, a) };
    short.len() >= 4 && short.len() * 2 >= long.len() && (long.starts_with(short) || long.ends_with(short))
}

/// How many letters have to be inserted, left out, replaced or swapped with their neighbour (optimal string alignment).
fn distance(a: &[char], b: &[char]) -> usize {
    let at = |line: &[usize], at: usize| line.get(at).copied().unwrap_or(usize::MAX / 2);
    let mut upper: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for (row, from) in a.iter().enumerate() {
        let mut current = Vec::with_capacity(above.len());
        current.push(row + 1);
        for (column, to) in b.iter().enumerate() {
            let replaced = at(&above, column) + usize::from(from != to);
            let mut cost = replaced.min(at(&above, column + 1) + 1).min(at(&current, column) + 1);
            let is_swap = row > 0 && column > 0 && a.get(row - 1) == Some(to) && b.get(column - 1) == Some(from);
            if is_swap {
                cost = cost.min(at(&upper, column - 1) + 1);
            }
            current.push(cost);
        }
        upper = std::mem::replace(&mut above, current);
    }
    at(&above, b.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_found_if_it_is_near() {
        let fields = &[
            "id",
            "name",
            "description",
            "price_usd",
            "categories",
            "stock",
            "displayName",
        ][..];
        for (name, candidates, expected) in [
            ("priceUsd", fields, Some("price_usd")),
            ("price", fields, Some("price_usd")),
            ("nmae", fields, Some("name")),
            ("names", fields, Some("name")),
            ("descripton", fields, Some("description")),
            ("stok", fields, Some("stock")),
            ("display_nam", fields, Some("displayName")),
            ("ID", fields, Some("id")),
            ("di", fields, Some("id")),
            ("x", fields, None),
            ("unrelated", fields, None),
            ("", fields, None),
            ("name", &["names", "name"], Some("names")),
            ("PIAD", &["UNKNOWN", "PAID", "SHIPPED"], Some("PAID")),
            ("PAYED", &["UNKNOWN", "PAID"], None),
            ("priceUsd", &["price", "price_usd"], Some("price_usd")),
            ("display", &["id", "display_name", "displays"], Some("display_name")),
            ("unit", &["units", "nanos"], Some("units")),
            ("id", &["ids", "ID"], Some("ID")),
            ("colour", &["color", "colours"], Some("color")),
            ("a", &["b", "c"], None),
        ] {
            assert_eq!(nearest(name, candidates.iter().copied()), expected, "{name}");
        }
        assert_eq!(nearest(&"n".repeat(100), fields.iter().copied()), None);
    }

    #[test]
    fn a_suggestion_is_a_question() {
        assert_eq!(did_you_mean("tiemout", ["timeout"]), "did you mean `timeout`?");
        assert_eq!(did_you_mean("zzz", ["timeout"]), "");
    }
}
