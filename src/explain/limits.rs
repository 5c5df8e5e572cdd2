//! How often an endpoint may be asked for, as people read it.

use serde_json::{Value, json};

use crate::plan::{LimitIndex, Period, Plan, RateLimit, Recipe, Rule};

/// The limits that a request of an endpoint counts for, in the order in which they are asked.
pub(super) fn of<'p>(plan: &'p Plan, recipe: &Recipe) -> Vec<&'p RateLimit> {
    let at = |it: &LimitIndex| plan.rate_limits.get(it.0);
    plan.limits
        .iter()
        .chain(&recipe.limits)
        .chain(&recipe.limits_by_claim)
        .filter_map(at)
        .collect()
}

/// Its name, how often, and who is counted apart.
pub(super) fn row(limit: &RateLimit) -> [String; 3] {
    let mut often = shown(&limit.rule);
    if let Some(tiers) = &limit.tiers {
        let each = tiers.rules.iter().map(|(name, it)| format!("{name} {}", shown(it)));
        let each: Vec<String> = each.collect();
        often = format!("by {}: {}, else {often}", tiers.by.source, each.join(", "));
    }
    let whom = match &limit.key {
        Some(key) => format!("for each {}", key.source),
        None => "for all together".to_owned(),
    };
    [limit.name.to_string(), often, whom]
}

/// `100/s (200 at once) and 10000/day`.
fn shown(rule: &Rule) -> String {
    let rate = rule.rate.map(|it| {
        let unit = match it.per.as_secs() {
            60 => "m",
            3600 => "h",
            _ => "s",
        };
        format!("{}/{unit} ({} at once)", it.requests, it.burst)
    });
    let quota = rule.quota.map(|it| match it.period {
        Period::Day => format!("{}/day", it.requests),
        Period::Month => format!("{}/month", it.requests),
    });
    rate.into_iter().chain(quota).collect::<Vec<_>>().join(" and ")
}

/// For programs.
pub(super) fn json(limit: &RateLimit) -> Value {
    let [name, often, _] = row(limit);
    json!({ "name": name, "often": often, "key": limit.key.as_ref().map(|it| &*it.source) })
}
