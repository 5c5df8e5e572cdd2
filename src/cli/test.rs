//! `weft test`: fixture files, run in simulated time; degrade drills; what the fixtures cover.

mod junit;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;

use super::{Ending, say, tell};
use crate::time::Instant;
use crate::trial::{self, Coverage, Expected, Tested};

/// Arguments of `weft test`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Fixture files, or folders of them
    #[arg(default_value = "fixtures")]
    paths: Vec<PathBuf>,
    /// Only fixtures whose path or `about:` holds this text
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// Rewrite what the files expect by what was answered
    #[arg(long)]
    update: bool,
    /// Do not let calls fail on purpose that the response can do without
    #[arg(long)]
    no_drills: bool,
    /// Show which calls and branches of each composition the fixtures have seen
    #[arg(long)]
    coverage: bool,
    /// Fail where fewer of all calls and branches were seen, in percent
    #[arg(long, value_name = "PERCENT")]
    min_coverage: Option<f64>,
    #[arg(long, value_name = "FILE", help = "Write the results as JUnit XML, for CI")]
    junit: Option<PathBuf>,
}

/// One fixture, its results, and the time on the wall that they took.
struct Case {
    path: PathBuf,
    tested: Tested,
    took: Duration,
}

/// Runs all fixtures and says which failed.
pub(super) fn run(arguments: &Arguments) -> anyhow::Result<Ending> {
    let files = trial::find(&arguments.paths).with_context(|| {
        let shown: Vec<_> = arguments.paths.iter().map(|it| it.display().to_string()).collect();
        format!("no fixtures at {}", shown.join(", "))
    })?;
    anyhow::ensure!(!files.is_empty(), "no fixture files (*.yaml) there");
    let expected = if arguments.update {
        Expected::Rewrite
    } else {
        Expected::Holds
    };
    let mut cases = Vec::new();
    let mut coverage = Coverage::default();
    for path in files {
        if !arguments.filter.as_ref().is_none_or(|it| is_named(&path, it)) {
            continue;
        }
        let started = Instant::now();
        let tested = trial::test(&path, expected, !arguments.no_drills);
        coverage.merge(&tested.coverage);
        let took = started.elapsed();
        say(&shown(&path, &tested))?;
        cases.push(Case { path, tested, took });
    }
    anyhow::ensure!(!cases.is_empty(), "no fixture is named like the filter");
    if let Some(path) = &arguments.junit {
        std::fs::write(path, junit::write(&cases)).with_context(|| format!("cannot write `{}`", path.display()))?;
    }
    let n_failed = cases.iter().filter(|it| !is_clean(&it.tested)).count();
    let n_drills: usize = cases.iter().map(|it| it.tested.drills.len()).sum();
    let drills = match n_drills {
        0 => String::new(),
        1 => ", 1 drill".to_owned(),
        n => format!(", {n} drills"),
    };
    say(&format!(
        "{} passed, {n_failed} failed{drills}\n",
        cases.len() - n_failed
    ))?;
    if arguments.coverage {
        say(&covered(&coverage))?;
    }
    let share = share(&coverage);
    let too_little = arguments.min_coverage.is_some_and(|it| share < it);
    if let Some(wanted) = arguments.min_coverage.filter(|_| too_little) {
        tell(&format!(
            "{share:.1}% of calls and branches were seen, {wanted}% are wanted\n"
        ));
    }
    Ok(if n_failed == 0 && !too_little {
        Ending::Clean
    } else {
        Ending::Mistakes
    })
}

fn is_named(path: &Path, text: &str) -> bool {
    let about = || {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let line = text.lines().find_map(|it| it.strip_prefix("about:").map(str::to_owned));
        line.unwrap_or_default()
    };
    path.display().to_string().contains(text) || about().contains(text)
}

fn is_clean(tested: &Tested) -> bool {
    tested.failures.is_empty() && tested.drills.iter().all(|it| it.failures.is_empty())
}

/// A line for a fixture that is well, and below it all that is not.
fn shown(path: &Path, tested: &Tested) -> String {
    let state = if is_clean(tested) { "ok     " } else { "FAILED " };
    let mut out = format!("{state} {}\n", path.display());
    let mut detail = |text: &str| {
        out.extend(["        ", &text.trim_end().replace('\n', "\n        "), "\n"]);
    };
    for failure in &tested.failures {
        detail(failure);
    }
    for drill in &tested.drills {
        for failure in &drill.failures {
            detail(&format!("drill, {} fails: {failure}", drill.call));
        }
        if let Some(on) = &drill.unanswered {
            detail(&format!(
                "drill, {} fails: not judged, since no line answers {on}",
                drill.call
            ));
        }
    }
    out
}

/// Seen of all calls and branches, in percent; all of nothing is all.
fn share(coverage: &Coverage) -> f64 {
    let (mut seen, mut all) = (0, 0);
    for (_, _, unit) in coverage.units() {
        for items in [&unit.calls, &unit.branches] {
            let (some, whole) = items.seen();
            (seen, all) = (seen + some, all + whole);
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "a share in percent")]
    let share = if all == 0 {
        100.0
    } else {
        seen as f64 / all as f64 * 100.0
    };
    share
}

fn covered(coverage: &Coverage) -> String {
    let mut out = String::from("\nSeen of each composition:\n");
    let (mut calls, mut branches) = ((0, 0), (0, 0));
    for (file, name, unit) in coverage.units() {
        let (of_calls, of_branches) = (unit.calls.seen(), unit.branches.seen());
        calls = (calls.0 + of_calls.0, calls.1 + of_calls.1);
        branches = (branches.0 + of_branches.0, branches.1 + of_branches.1);
        let counts = format!(
            "calls {}/{}, branches {}/{}",
            of_calls.0, of_calls.1, of_branches.0, of_branches.1
        );
        out.extend([name, "  ", file, "  ", &counts, "\n"]);
        for call in unit.calls.unseen() {
            out.extend(["  never made: ", call, "\n"]);
        }
        for branch in unit.branches.unseen() {
            out.extend(["  never: ", branch, "\n"]);
        }
    }
    let total = format!(
        "in all: calls {}/{}, branches {}/{}, {:.1}%\n",
        calls.0,
        calls.1,
        branches.0,
        branches.1,
        share(coverage)
    );
    out + &total
}
