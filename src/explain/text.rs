//! An explanation for a terminal.

use std::fmt::Write as _;

use super::{Explanation, Node, OnFailure, Reason, Source, Wait, access, protection, shown};
use crate::plan::{Backend, Origin};

/// Writes an explanation as text, a screen wide where names allow it.
pub fn write(explained: &Explanation<'_>) -> String {
    let mut out = String::new();
    head(explained, &mut out);
    access(explained, &mut out);
    inputs(explained, &mut out);
    calls(explained, &mut out);
    time(explained, &mut out);
    backends(explained, &mut out);
    limits(explained, &mut out);
    cache(explained, &mut out);
    sights(explained, &mut out);
    builds(explained, &mut out);
    out
}

macro_rules! line {
    ($out:expr, $($text:tt)*) => {{
        // Writing to a String cannot fail.
        let _infallible = writeln!($out, $($text)*);
    }};
}

fn head(explained: &Explanation<'_>, out: &mut String) {
    let Origin { file, line, .. } = &explained.endpoint.origin;
    line!(out, "{}", explained.endpoint.name);
    if let Some(summary) = &explained.endpoint.summary {
        line!(out, "{summary}");
    }
    line!(out, "{file}:{line}");
}

/// Nothing where nothing is asked anywhere.
fn access(explained: &Explanation<'_>, out: &mut String) {
    let access = &explained.endpoint.access;
    if explained.plan.auth.is_empty() && access.allow.is_none() {
        return;
    }
    line!(out, "\nWho may ask\n  {}", access::who(access));
    table(&access::rows(explained.plan, access), out);
    for demand in access::demands(access) {
        line!(out, "  {demand}");
    }
}

fn inputs(explained: &Explanation<'_>, out: &mut String) {
    if explained.inputs.is_empty() {
        return;
    }
    line!(out, "\nInputs");
    let rows: Vec<[String; 4]> = explained
        .inputs
        .iter()
        .map(|it| {
            let mut last = it.absent.clone();
            for constraint in &it.constraints {
                let comma = if last.is_empty() { "" } else { ", " };
                last.extend([comma, constraint.as_str()]);
            }
            [it.name.clone(), it.from.clone(), it.ty.clone(), last]
        })
        .collect();
    table(&rows, out);
}

fn calls(explained: &Explanation<'_>, out: &mut String) {
    line!(out, "\nCalls, as soon as what they wait for is there");
    let mut stages: Vec<usize> = explained.calls.iter().map(|it| it.stage).collect();
    stages.sort_unstable();
    stages.dedup();
    for stage in stages {
        for (nth, node) in explained.calls.iter().filter(|it| it.stage == stage).enumerate() {
            let number = if nth == 0 { stage.to_string() } else { String::new() };
            self::node(node, &format!("{number:>3}  "), "     ", out);
        }
    }
    for (reason, on) in &explained.require {
        line!(out, "     require {}  {}", reason.written(), reason.place());
        waits(on, "       ", out);
    }
    line!(out, "     response");
    waits(&explained.response, "       ", out);
}

fn node(node: &Node, first: &str, indent: &str, out: &mut String) {
    line!(out, "{first}{}: {}", node.name, node.does);
    let facts = facts(node);
    if !facts.is_empty() {
        line!(out, "{indent}  {}", facts.join(", "));
    }
    waits(&node.waits, &format!("{indent}  "), out);
    for it in &node.inner {
        self::node(it, &format!("{indent}  - "), &format!("{indent}    "), out);
    }
}

/// What there is to say of a call besides what it waits for.
pub(super) fn facts(node: &Node) -> Vec<String> {
    let mut facts = Vec::new();
    if node.only_for_fallback {
        facts.push("made only when a fallback asks for it".to_owned());
    }
    if node.after_requires {
        facts.push("starts once every `require` has held".to_owned());
    }
    if let Some(when) = &node.when {
        facts.push(format!("when {when}"));
    }
    match node.failure {
        OnFailure::Fallback => facts.push("has a fallback".to_owned()),
        OnFailure::Stale => facts.push("falls back on its last good reply".to_owned()),
        OnFailure::Optional => facts.push("optional".to_owned()),
        OnFailure::Required => {}
    }
    if let Some(timeout) = node.timeout {
        facts.push(format!("at most {}", shown(timeout)));
    }
    facts.extend(protection::attempts(&node.policy));
    if let Some(ttl) = node.cache {
        facts.push(format!("kept {}", shown(ttl)));
    }
    if let Some(at_once) = node.at_once {
        facts.push(format!("{at_once} calls at once"));
    }
    if node.is_unsafe {
        facts.push("may change something: never cancelled once sent".to_owned());
    }
    facts
}

fn waits(waits: &[Wait], indent: &str, out: &mut String) {
    for wait in waits {
        let verb = if wait.in_fallback { "falls back on" } else { "waits for" };
        for (at, reason) in wait.reasons.iter().enumerate() {
            let on = if at == 0 {
                format!("{verb} {}", wait.on)
            } else {
                " ".repeat(verb.len() + 1 + wait.on.chars().count())
            };
            line!(
                out,
                "{indent}{on}  {}: {}  {}",
                reason.key,
                reason.written(),
                reason.place()
            );
        }
    }
}

fn time(explained: &Explanation<'_>, out: &mut String) {
    let whole = explained.recipe.timeout;
    line!(out, "\nTime");
    if explained.recipe.proxy.is_some() {
        line!(out, "  {} until the backend begins to answer", shown(whole));
        return;
    }
    line!(out, "  {} for the whole request", shown(whole));
    if !explained.critical.is_empty() {
        let chain = explained.critical.join(" → ");
        line!(out, "  critical path: {chain}, {} at most", shown(explained.latest));
    }
    for (wanted, then) in [
        (false, "the answer is then 504"),
        (true, "the response does without it then"),
    ] {
        let calls = explained.hogs.iter().filter(|it| it.1 == wanted);
        let calls: Vec<&str> = calls.map(|it| &*it.0).collect();
        if !calls.is_empty() {
            line!(out, "  may use up all of it alone: {} ({then})", calls.join(", "));
        }
    }
}

fn backends(explained: &Explanation<'_>, out: &mut String) {
    if explained.backends.is_empty() {
        return;
    }
    line!(out, "\nBackends");
    let row = |it: &&Backend| [it.name.to_string(), protection::facts(explained.plan, it).join(", ")];
    let rows: Vec<[String; 2]> = explained.backends.iter().map(row).collect();
    table(&rows, out);
}

fn limits(explained: &Explanation<'_>, out: &mut String) {
    if explained.limits.is_empty() {
        return;
    }
    line!(out, "\nHow often it may be asked for");
    let rows: Vec<[String; 3]> = explained.limits.iter().map(|it| super::limits::row(it)).collect();
    table(&rows, out);
}

fn cache(explained: &Explanation<'_>, out: &mut String) {
    line!(out, "\nCache");
    match &explained.recipe.cache {
        None if explained.recipe.proxy.is_some() => {
            line!(
                out,
                "  nothing is stored; what the backend says of it goes to the client as it is"
            );
        }
        None => line!(out, "  the response is not stored"),
        Some(cache) => {
            let shared = if explained.recipe.identity {
                "each user has entries of their own (private)"
            } else {
                "shared by all clients (public)"
            };
            line!(out, "  the response is kept {}, {shared}", shown(cache.keep.ttl));
            if !cache.keep.stale_while_revalidate.is_zero() {
                let time = shown(cache.keep.stale_while_revalidate);
                line!(out, "  {time} more it is given while a fresh one is made");
            }
            if !cache.keep.stale_if_error.is_zero() {
                let time = shown(cache.keep.stale_if_error);
                line!(out, "  {time} more it stands in for failures");
            }
            if explained.plan.settings.redis.is_some() {
                line!(
                    out,
                    "  in memory, and in Redis for all gateways that are configured alike"
                );
            }
            if explained.cache_key.is_empty() {
                line!(out, "  key: no input, so there is one entry");
            } else {
                line!(out, "  key: {}", explained.cache_key.join(", "));
            }
        }
    }
    if !explained.recipe.vary.is_empty() {
        let names: Vec<_> = explained.recipe.vary.iter().map(http::HeaderName::as_str).collect();
        line!(out, "  Vary: {}", names.join(", "));
    }
    if explained.recipe.identity {
        line!(out, "  it reads who asks: cookies, credentials or addresses");
    }
}

fn sights(explained: &Explanation<'_>, out: &mut String) {
    if explained.sights.is_empty() {
        return;
    }
    line!(out, "\nWho sees what of the request and of replies");
    let rows: Vec<[String; 3]> = explained
        .sights
        .iter()
        .enumerate()
        .map(|(at, it)| {
            let again = at > 0 && explained.sights[at - 1].backend == it.backend;
            let backend = if again { String::new() } else { it.backend.to_string() };
            [backend, it.call.to_string(), seen(&it.sees)]
        })
        .collect();
    table(&rows, out);
}

/// `id, currency; parts of the replies of product, cart`.
pub(super) fn seen(sources: &[Source]) -> String {
    let (mut inputs, mut replies) = (Vec::new(), Vec::new());
    for source in sources {
        match source {
            Source::Input(name) => inputs.push(&**name),
            Source::Reply(name) => replies.push(&**name),
        }
    }
    let mut parts = Vec::new();
    if !inputs.is_empty() {
        parts.push(inputs.join(", "));
    }
    match replies.as_slice() {
        [] => {}
        [one] => parts.push(format!("of the reply of {one}")),
        several => parts.push(format!("of the replies of {}", several.join(", "))),
    }
    if parts.is_empty() {
        "nothing".to_owned()
    } else {
        parts.join("; ")
    }
}

fn builds(explained: &Explanation<'_>, out: &mut String) {
    if explained.builds.is_empty() {
        return;
    }
    line!(
        out,
        "\nBuilt anew out of replies (everything else is passed on as it arrived)"
    );
    let row = |it: &Reason| [it.key.to_string(), it.written(), it.place()];
    let rows: Vec<[String; 3]> = explained.builds.iter().map(row).collect();
    table(&rows, out);
}

/// Columns as wide as their widest cell; the last as it is.
fn table<const N: usize>(rows: &[[String; N]], out: &mut String) {
    let mut widths = [0; N];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    for row in rows {
        let mut text = String::from(" ");
        for (cell, width) in row.iter().zip(widths) {
            let _infallible = write!(text, " {cell:width$} ");
        }
        line!(out, "{}", text.trim_end());
    }
}
