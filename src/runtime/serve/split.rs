//! Who gets this request of those that backends are split between: chosen once, so that one answer is never made of two.

use http::request::Parts;

use super::input::{self, Around};
use crate::expr::Value;
use crate::plan::{Backend, Portion, Recipe};
use crate::runtime::backend::balance::hash_of;
use crate::runtime::execute::Chosen;
use crate::runtime::snapshot::Running;

/// Chooses for each backend that is split and that the recipe calls.
pub(super) fn choose(running: &Running, recipe: &Recipe, parts: &Parts, around: Around<'_>) -> Chosen {
    let mut chosen = Chosen::default();
    let backends = &running.snapshot.plan.backends;
    for from in &recipe.splits {
        let Some((backend, split)) = backends.get(from.0).and_then(|it| Some((it, it.split.as_ref()?))) else {
            continue;
        };
        let holds = |it: &&Portion| {
            let when = it.when.as_ref().and_then(|it| input::holds(it, parts, around));
            when == Some(true)
        };
        let portion = split.portions.iter().find(holds).or_else(|| {
            let total = split.total();
            let sticky = split.sticky.as_ref().and_then(|it| input::value_of(it, parts, around));
            let at = match sticky {
                Some(value) => place(backend, &value, total),
                None => running.backends.get(*from).map_or(0, |it| it.draw(total)),
            };
            split.at(at)
        });
        if let Some((portion, to)) = portion.and_then(|it| Some((it, backends.get(it.to.0)?))) {
            running.hall.metrics.went(&backend.name, &to.name);
            chosen.add(*from, portion.to);
        }
    }
    chosen
}

/// A number below `total` that stands for a value. It is another one for each backend, and another one than targets are
/// chosen by: else a part that gets one value of ten would give all of them to one target of ten.
fn place(backend: &Backend, value: &Value, total: u64) -> u64 {
    let mut bytes = format!("{}\0", backend.name).into_bytes();
    value.write_key(&mut bytes);
    let scaled = u128::from(hash_of(&bytes)) * u128::from(total);
    u64::try_from(scaled >> 64).unwrap_or_default()
}
