//! What the calls of one request did, and when.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use crate::plan::{Call, Listed, Plan};
use crate::runtime::backend::code;
use crate::runtime::execute::ReplySource;
use crate::runtime::watch::{Address, Event, Note};
use crate::time::Instant;

/// How wide the bars are, in characters.
const WIDTH: u32 = 32;

/// What the calls of one request did, in the order in which they began.
pub(super) struct Waterfall<'p> {
    rows: Vec<Row<'p>>,
    took: Duration,
}

/// What one call did.
struct Row<'p> {
    name: String,
    backend: &'p str,
    /// Counted from the request.
    started: Duration,
    took: Duration,
    /// `OK`, `UNAVAILABLE`, `skipped`.
    ended: &'static str,
    /// `backend`, `cache`, `shared`, `stale`; nothing where nothing was sent.
    source: &'static str,
    bytes: usize,
    /// What stands in for it.
    then: Option<&'static str>,
    /// The call whose end it waited for.
    after: Option<String>,
}

impl<'p> Waterfall<'p> {
    pub(super) fn of(
        plan: &'p Plan,
        calls: &[Listed<'p>],
        notes: Vec<Note>,
        (started, took): (Instant, Duration),
    ) -> Self {
        let reading = Reading {
            plan,
            calls,
            notes,
            started,
        };
        let mut rows: Vec<_> = reading.notes.iter().filter_map(|it| reading.row(it)).collect();
        rows.sort_by_key(|it| it.started);
        Self { rows, took }
    }

    pub(super) fn text(&self, status: http::StatusCode, bytes: usize, cache: Option<&str>) -> String {
        let mut out = String::new();
        let cache = cache.map(|it| format!(", {it}")).unwrap_or_default();
        let took = millis(self.took);
        // Writing to a String cannot fail.
        let _infallible = writeln!(out, "\n{status} in {took}, {}{cache}", size(bytes));
        let width = |of: &dyn Fn(&Row<'_>) -> String| {
            let widths = self.rows.iter().map(|it| of(it).chars().count());
            widths.max().unwrap_or(0)
        };
        let names = width(&|it| it.name.clone());
        let backends = width(&|it| it.backend.to_owned());
        let ends = width(&|it| it.ended.to_owned());
        for row in &self.rows {
            let mut facts = Vec::new();
            if row.source == "backend" && row.bytes > 0 {
                facts.push(size(row.bytes));
            }
            match row.source {
                "cache" => facts.push("from the cache".to_owned()),
                "stale" => facts.push("from the cache, no longer fresh".to_owned()),
                "shared" => facts.push("shared with an equal call".to_owned()),
                _ => {}
            }
            facts.extend(row.then.map(str::to_owned));
            facts.extend(row.after.as_ref().map(|it| format!("after {it}")));
            let time = if row.source.is_empty() {
                String::new()
            } else {
                millis(row.took)
            };
            let line = format!(
                "{:names$}  {:backends$}  {}  {time:>8}  {:ends$}  {}",
                row.name,
                row.backend,
                self.bar(row),
                row.ended,
                facts.join(", ")
            );
            let _infallible = writeln!(out, "{}", line.trim_end());
        }
        out
    }

    fn bar(&self, row: &Row<'_>) -> String {
        let whole = self.took.as_secs_f64().max(1e-9);
        let at = |time: Duration| {
            let part = (time.as_secs_f64() / whole * f64::from(WIDTH)).clamp(0.0, f64::from(WIDTH));
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "between 0 and WIDTH"
            )]
            let cells = part.round() as usize;
            cells
        };
        let width = WIDTH as usize;
        let from = at(row.started).min(width - 1);
        let to = at(row.started + row.took).clamp(from + 1, width);
        let bar = if row.source.is_empty() { "·" } else { "━" };
        format!(
            "{}{}{}",
            " ".repeat(from),
            bar.repeat(to - from),
            " ".repeat(width - to)
        )
    }

    pub(super) fn json(&self) -> Value {
        let row = |it: &Row<'_>| {
            json!({
                "call": it.name,
                "backend": it.backend,
                "started_ms": it.started.as_secs_f64() * 1e3,
                "took_ms": it.took.as_secs_f64() * 1e3,
                "ended": it.ended,
                "source": it.source,
                "bytes": it.bytes,
                "then": it.then,
                "after": it.after,
            })
        };
        json!({
            "took_ms": self.took.as_secs_f64() * 1e3,
            "calls": self.rows.iter().map(row).collect::<Vec<_>>(),
        })
    }
}

/// The notes of one request, and the calls that they are about.
struct Reading<'n, 'p> {
    plan: &'p Plan,
    calls: &'n [Listed<'p>],
    notes: Vec<Note>,
    started: Instant,
}

impl<'p> Reading<'_, 'p> {
    fn row(&self, note: &Note) -> Option<Row<'p>> {
        let listed = self.calls.iter().find(|it| Address::of(it.call) == note.of)?;
        let since = |it: Instant| it.saturating_duration_since(self.started);
        let mut row = Row {
            name: listed.name.to_string(),
            backend: "",
            started: since(note.at),
            took: Duration::ZERO,
            ended: "",
            source: "",
            bytes: 0,
            then: self.stand_in(note),
            after: self.waited_for(listed, note),
        };
        match &note.what {
            Event::Exchanged(report) => {
                row.name = report.call.to_string();
                row.backend = self
                    .plan
                    .backends
                    .get(report.backend.0)
                    .map(|it| &*it.name)
                    .unwrap_or_default();
                (row.started, row.took) = (since(report.started), report.took);
                (row.ended, row.bytes) = (code::name(report.code), report.bytes);
                row.source = match report.source {
                    ReplySource::Backend => "backend",
                    ReplySource::Cache => "cache",
                    ReplySource::Shared => "shared",
                    ReplySource::Stale => "stale",
                };
            }
            Event::Skipped => row.ended = "skipped",
            // What failed at its backend has a row already.
            Event::Failed(code, _) if !self.was_sent(note) && is_sent(listed.call) => row.ended = code::name(*code),
            _ => return None,
        }
        if listed.in_loop {
            row.name = format!("{}[{}]", row.name, note.element);
        }
        Some(row)
    }

    fn of_same_call(&self, note: &Note) -> impl Iterator<Item = &Note> {
        let (of, element) = (note.of, note.element);
        self.notes.iter().filter(move |it| it.of == of && it.element == element)
    }

    fn was_sent(&self, note: &Note) -> bool {
        self.of_same_call(note).any(|it| matches!(it.what, Event::Exchanged(_)))
    }

    fn stand_in(&self, note: &Note) -> Option<&'static str> {
        self.of_same_call(note).find_map(|it| match it.what {
            Event::FellBack => Some("its fallback stands in"),
            Event::LeftOut => Some("left out"),
            _ => None,
        })
    }

    /// Of the calls that it waits for, the one that was settled last.
    fn waited_for(&self, listed: &Listed<'_>, note: &Note) -> Option<String> {
        let began = self.of_same_call(note).find(|it| matches!(it.what, Event::Began))?.at;
        self.last_before(listed, Some(note.element), began)
    }

    /// Of the calls that a call needs, or else the one around it, the one that was settled last before `began`.
    fn last_before(&self, listed: &Listed<'_>, element: Option<usize>, began: Instant) -> Option<String> {
        let settled = listed.call.needs.iter().filter_map(|need| {
            let call = listed.dependency(*need)?;
            let settled = self.notes.iter().filter(|it| {
                let same = need.level > 0 || element.is_none_or(|element| it.element == element);
                matches!(it.what, Event::Settled) && it.of == Address::of(call) && same && it.at <= began
            });
            Some((settled.map(|it| it.at).max()?, call))
        });
        let last = settled.max_by_key(|it| it.0).map(|(_, call)| call.name.to_string());
        last.or_else(|| {
            let around = self
                .calls
                .iter()
                .find(|it| listed.around.is_some_and(|call| std::ptr::eq(it.call, call)))?;
            self.last_before(around, None, began)
        })
    }
}

fn is_sent(call: &Call) -> bool {
    matches!(
        call.kind,
        crate::plan::CallKind::Grpc(_) | crate::plan::CallKind::Http(_)
    )
}

fn millis(time: Duration) -> String {
    format!("{:.1}ms", time.as_secs_f64() * 1e3)
}

fn size(bytes: usize) -> String {
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..1_048_576 => format!("{}.{} KiB", bytes / 1024, bytes % 1024 * 10 / 1024),
        _ => format!("{}.{} MiB", bytes >> 20, ((bytes & 0xf_ffff) * 10) >> 20),
    }
}
