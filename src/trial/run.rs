//! One fixture, from its text to what went otherwise.

mod answer;
mod signed;
mod stage;

use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

pub use self::answer::Answered;
use self::answer::ask;
use self::stage::{Stage, shown};
use super::coverage::Coverage;
use super::drill::{Drill, dispensable, drill};
use super::fixture::{self, Exchange, Fixture, Step};
use super::script::{Asked, Responder, Script};
use crate::language::diagnostic::{Diagnostics, Severity, render};
use crate::language::source::{Node, SourceMap, Span};
use crate::language::spec;
use crate::publish::Api;
use crate::runtime::backend::guard;
use crate::runtime::snapshot::{Hall, Running, Snapshot};
use crate::runtime::watch::{Note, Watch};

/// What is done where an answer is not what the file expects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// It is a failure.
    Holds,
    /// The file is rewritten.
    Rewrite,
}

/// Runs one fixture file in a runtime of its own whose time is simulated. The error lists all that went otherwise.
pub fn run(path: &Path, expected: Expected) -> Result<(), Vec<String>> {
    let text = std::fs::read_to_string(path).map_err(|error| vec![format!("cannot be read: {error}")])?;
    in_simulated_time(async {
        let mut trial = Trial::load(path, text, None)?;
        trial.play().await;
        trial.end(expected)
    })
}

/// What a test of a fixture says.
#[derive(Debug)]
pub struct Tested {
    /// What the fixture shows, in its own words.
    pub about: String,
    /// What went otherwise.
    pub failures: Vec<String>,
    /// Calls that failed on purpose; none where the fixture fails by itself, or they were not wanted.
    pub drills: Vec<Drill>,
    /// What it has seen.
    pub coverage: Coverage,
}

/// Runs one fixture file as [`run`] does, with drills where they are wanted, and notes what it covers.
pub fn test(path: &Path, expected: Expected, drills: bool) -> Tested {
    let text = std::fs::read_to_string(path).map_err(|error| vec![format!("cannot be read: {error}")]);
    let played = text.and_then(|text| {
        in_simulated_time(async {
            let mut trial = Trial::load(path, text.clone(), None)?;
            let about = trial.fixture.about.clone();
            trial.play().await;
            let dispensable = dispensable(&trial.first, &trial.notes.concat());
            let (coverage, answers) = (std::mem::take(&mut trial.coverage), trial.answers.clone());
            Ok((about, trial.end(expected), coverage, (text, dispensable, answers)))
        })
    });
    match played {
        Err(failures) => Tested {
            about: String::new(),
            failures,
            drills: Vec::new(),
            coverage: Coverage::default(),
        },
        Ok((about, ended, coverage, (text, dispensable, answers))) => {
            let failures = ended.err().unwrap_or_default();
            let wanted = drills && failures.is_empty();
            let drills = dispensable.iter().filter(|_| wanted);
            Tested {
                about,
                failures,
                drills: drills.map(|it| drill(path, &text, it, &answers)).collect(),
                coverage,
            }
        }
    }
}

/// Runs a fixture from memory, as if it lay in `folder`. What no backend line of it is about is answered by `responder`.
/// The error says why it cannot be run at all.
pub fn play(text: &str, folder: &Path, responder: Option<Responder>) -> Result<Played, Vec<String>> {
    in_simulated_time(async {
        let mut trial = Trial::load(&folder.join("fixture.yaml"), text.to_owned(), responder)?;
        let api = Api::of(&trial.running.snapshot.plan);
        trial.play().await;
        let mut failures = trial.failures;
        failures.extend(trial.script.surprises());
        Ok(Played {
            answers: trial.answers,
            asked: trial.script.asked(),
            failures,
            metrics: {
                guard::publish(&trial.running.snapshot.guards, &trial.hall.metrics);
                trial.hall.metrics.text()
            },
            api,
        })
    })
}

/// What came of a fixture.
#[derive(Debug)]
pub struct Played {
    /// What the clients got, in the order of the file; `None` for those who left.
    pub answers: Vec<Option<Answered>>,
    /// What the backends were asked, in order.
    pub asked: Vec<Asked>,
    /// What is not as the fixture expects.
    pub failures: Vec<String>,
    /// The metrics in the end, as Prometheus reads them.
    pub metrics: String,
    /// What is offered to clients in the beginning.
    pub api: Api,
}

pub(super) fn in_simulated_time<T>(work: impl Future<Output = Result<T, Vec<String>>>) -> Result<T, Vec<String>> {
    let builder = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build();
    let runtime = builder.map_err(|error| vec![error.to_string()])?;
    tokio::task::LocalSet::new().block_on(&runtime, work)
}

/// A fixture that is being run.
pub(super) struct Trial {
    path: PathBuf,
    text: String,
    fixture: Fixture,
    stage: Stage,
    pub(super) script: Rc<Script>,
    hall: Arc<Hall>,
    pub(super) running: Rc<Running>,
    pub(super) watch: Rc<Watch>,
    /// What was served before any reload.
    first: Arc<Snapshot>,
    pub(super) answers: Vec<Option<Answered>>,
    /// What happened during each answer; of several at once, all of it with the last.
    pub(super) notes: Vec<Vec<Note>>,
    coverage: Coverage,
    failures: Vec<String>,
    rewrites: Vec<(Span, String)>,
}

impl Trial {
    pub(super) fn load(path: &Path, text: String, responder: Option<Responder>) -> Result<Self, Vec<String>> {
        let mut sources = SourceMap::default();
        let mut diagnostics = Diagnostics::default();
        let file = sources.add(path.display().to_string(), text.as_str());
        let folder = path.parent().map(Path::to_owned).unwrap_or_default();
        let Some(document) = spec::document(&sources, file, &mut diagnostics) else {
            return Err(shown(diagnostics, &sources));
        };
        let fixture = fixture::parse(&document.root, &folder).map_err(|(span, mistake)| {
            let (line, column) = sources.position(span.file, span.start);
            vec![format!("{}:{line}:{column}: {mistake}", path.display())]
        })?;
        let mut stage = Stage::set(sources, &fixture, &mut diagnostics)?;
        let nodes = fixture.compositions.clone();
        let Some(plan) = stage.check(&nodes, &folder, &mut diagnostics) else {
            return Err(shown(diagnostics, &stage.sources));
        };
        let script = Script::new(fixture.backends.clone(), responder);
        let hall = Hall::new(plan.settings.cache_memory, None);
        let watch = Rc::new(Watch::default());
        let running = stage.run(plan, None, &hall, &script, &watch);
        Ok(Self {
            path: path.to_owned(),
            text,
            fixture,
            stage,
            script,
            hall,
            first: running.snapshot.clone(),
            running,
            watch,
            answers: Vec::new(),
            notes: Vec::new(),
            coverage: Coverage::default(),
            failures: Vec::new(),
            rewrites: Vec::new(),
        })
    }

    fn metrics(&mut self, wanted: &[(String, f64)]) {
        guard::publish(&self.running.snapshot.guards, &self.hall.metrics);
        let text = self.hall.metrics.text();
        for (name, wanted) in wanted {
            let found = text.lines().find_map(|it| it.strip_prefix(&**name)?.strip_prefix(' '));
            let found = found.unwrap_or("0");
            if found.parse().ok() != Some(*wanted) {
                self.failures.push(format!("{name} is {found}, not {wanted}"));
            }
        }
    }

    pub(super) async fn play(&mut self) {
        let steps = std::mem::take(&mut self.fixture.steps);
        for step in &steps {
            self.script.begin_step();
            match step {
                // What goes on beside the requests has its timers, too: they fire on the way.
                Step::Advance(time) => tokio::time::sleep(*time).await,
                Step::Exchange(exchange) => self.exchange(std::slice::from_ref(&**exchange)).await,
                Step::Metrics(wanted) => self.metrics(wanted),
                Step::Reload { compositions, refused } => self.reload(compositions, refused),
                Step::Together(exchanges) => self.exchange(exchanges).await,
            }
        }
        // What was sent and may not be cancelled ends in its own time.
        self.hall.detached.idle().await;
    }

    async fn exchange(&mut self, exchanges: &[Exchange]) {
        let began = self.script.began();
        let asking = exchanges.iter().map(|it| ask(it, self.running.clone(), began));
        let answers = futures::future::join_all(asking).await;
        for (exchange, answer) in exchanges.iter().zip(answers) {
            let name = format!("{} {}", exchange.method, exchange.target);
            match (&exchange.expect, &answer) {
                (None, None) => {}
                (None, Some(_)) => self
                    .failures
                    .push(format!("{name}: the client was answered before it left")),
                (Some(_), None) => self.failures.push(format!("{name}: no answer")),
                (Some(expect), Some(answer)) => {
                    let wrong = answer.compare(expect);
                    if !wrong.is_empty() {
                        self.rewrites
                            .extend(exchange.expect_span.map(|span| (span, answer.written(expect))));
                    }
                    self.failures
                        .extend(wrong.into_iter().map(|it| format!("{name}: {it}")));
                }
            }
            self.answers.push(answer);
            self.notes.push(Vec::new());
        }
        let notes = self.watch.take();
        self.coverage.add(&self.running.snapshot.plan, &notes);
        self.notes.last_mut().into_iter().for_each(|it| it.clone_from(&notes));
    }

    fn reload(&mut self, nodes: &[Node], refused: &[String]) {
        let mut diagnostics = Diagnostics::default();
        let folder = self.fixture.folder.clone();
        match self.stage.check(nodes, &folder, &mut diagnostics) {
            Some(plan) if refused.is_empty() => {
                let previous = self.running.snapshot.clone();
                self.running = self
                    .stage
                    .run(plan, Some(&previous), &self.hall, &self.script, &self.watch);
            }
            Some(_) => self
                .failures
                .push(format!("the reload works, but {} was expected", refused.join(", "))),
            None => {
                let found = diagnostics.into_sorted();
                let errors = found.iter().filter(|it| it.severity == Severity::Error);
                let codes: Vec<&str> = errors.map(|it| it.code).collect();
                if codes != refused.iter().map(String::as_str).collect::<Vec<_>>() {
                    self.failures
                        .push(render::full(&found, &self.stage.sources, render::Colour::Off));
                }
            }
        }
    }

    fn end(mut self, expected: Expected) -> Result<(), Vec<String>> {
        let surprises = self.script.surprises();
        if expected == Expected::Rewrite && !self.rewrites.is_empty() && surprises.is_empty() {
            self.rewrites.sort_by_key(|it| std::cmp::Reverse(it.0.start));
            for (span, written) in &self.rewrites {
                self.text.replace_range(span.start as usize..span.end as usize, written);
            }
            return std::fs::write(&self.path, &self.text).map_err(|error| vec![error.to_string()]);
        }
        self.failures.extend(surprises);
        if self.failures.is_empty() {
            Ok(())
        } else {
            Err(self.failures)
        }
    }
}
