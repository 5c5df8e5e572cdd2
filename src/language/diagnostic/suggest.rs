//! The nearest name: "did you mean `price_usd`?".

/// The candidate nearest to `name`, if one is near enough to be worth saying.
pub fn nearest<'c>(name: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let _ = (name, candidates.into_iter().next());
    todo!()
}
