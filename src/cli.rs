//! One file per command. Data goes to standard output, everything else to standard error.
//!
//! Every command exits with 0 when all is well, 1 when it found mistakes, 2 when it could not run.

pub mod audit;
pub mod call;
pub mod check;
pub mod completions;
pub mod demo;
pub mod descriptors;
pub mod diff;
mod dynamic;
pub mod explain;
pub mod init;
pub mod key;
pub mod mock;
pub mod openapi;
pub mod register;
pub mod schema;
pub mod serve;
pub mod test;
pub mod types;

use std::io::{IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::OnceLock;

use anyhow::{Context, ensure};
use clap::{Parser, Subcommand, ValueEnum};

use crate::gateway::load::{Loader, Refused};
use crate::language::diagnostic::{Diagnostic, Severity, render};
use crate::language::source::SourceMap;
use crate::publish::Api;

/// Behind the list of commands.
const AFTER_HELP: &str = "\
Begin with `weft demo`, or with `weft init` and `weft test`.
`weft COMMAND --help` says what a command takes.

Every command ends with 0 when all is well, 1 when it found mistakes, 2 when it could not run.
Data goes to standard output, everything else to standard error.";

/// An API composition gateway: one REST endpoint, many concurrent gRPC and HTTP calls, one JSON response.
#[derive(Debug, Parser)]
#[command(name = "weft", version, about, max_term_width = 100, after_help = AFTER_HELP)]
struct Arguments {
    /// Whether diagnostics are coloured; the variable `NO_COLOR` turns it off as well
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN")]
    color: Color,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show what is open, public, unlimited or weak, and which backend is told what of clients
    Audit(audit::Arguments),
    /// Answer one request in this process, by the real backends; --trace shows what the calls did
    Call(call::Arguments),
    /// Check everything that `serve` would refuse, and show the warnings
    Check(check::Arguments),
    /// Print what a shell needs to complete commands: weft completions bash > …
    Completions(completions::Arguments),
    /// Start real backends on loopback and the gateway in front of them, with curl lines to try
    Demo(demo::Arguments),
    /// Show services, methods and messages as the gateway knows them
    Descriptors(descriptors::Arguments),
    /// Show what changes for clients between two configurations: breaking, or safe
    Diff(diff::Arguments),
    /// Show how an endpoint is answered: its calls as a graph, and why; or what a diagnostic code means
    Explain(explain::Arguments),
    /// Begin a project: gateway file, composition, descriptors and a fixture that passes
    Init(init::Arguments),
    /// Make an API key, and the line for the file of keys that knows only its hash
    Key(key::Arguments),
    /// Start stand-ins for the backends that answer from descriptors and schemas; --serve puts the gateway in front
    Mock(mock::Arguments),
    /// Write the public API as OpenAPI 3.1
    Openapi(openapi::Arguments),
    /// Hand the descriptors of a backend to a running gateway, which says whose pages they break
    Register(register::Arguments),
    /// Write the JSON Schema of compositions or of weft.yaml, for editors
    Schema(schema::Arguments),
    /// Run the gateway; SIGHUP reloads, SIGTERM drains
    Serve(serve::Arguments),
    /// Run fixture files in simulated time, with drills: what the response can do without fails once
    Test(test::Arguments),
    /// Write the public API as types of a programming language, with a client
    Types(types::Arguments),
}

/// Whether diagnostics are coloured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Color {
    /// On a terminal
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// What `--color` says; set once, before any command runs.
static COLOR: OnceLock<Color> = OnceLock::new();

/// How mistakes are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// One line each: path:line:column
    Concise,
    /// With the line and what to write in its place
    #[default]
    Full,
    /// Workflow commands, which GitHub shows beside the lines
    Github,
    /// A JSON array
    Json,
    /// A SARIF 2.1.0 log
    Sarif,
}

impl Format {
    /// Read by people, so that more may be said beside it.
    fn is_for_people(self) -> bool {
        matches!(self, Self::Concise | Self::Full)
    }
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    /// All is well.
    Clean,
    /// It found mistakes.
    Mistakes,
}

/// Runs the command that the process's arguments name.
pub fn run() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let asked_for_help = !error.use_stderr();
            // Where the terminal has gone there is nobody to tell.
            drop(error.print());
            return if asked_for_help {
                ExitCode::SUCCESS
            } else {
                ExitCode::from(2)
            };
        }
    };
    COLOR.get_or_init(|| arguments.color);
    let result = match arguments.command {
        Command::Audit(arguments) => audit::run(&arguments),
        Command::Call(arguments) => call::run(&arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Completions(arguments) => completions::run(&arguments),
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Descriptors(arguments) => descriptors::run(&arguments),
        Command::Diff(arguments) => diff::run(&arguments),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Init(arguments) => init::run(&arguments),
        Command::Key(arguments) => key::run(&arguments),
        Command::Mock(arguments) => mock::run(&arguments),
        Command::Openapi(arguments) => openapi::run(&arguments),
        Command::Register(arguments) => register::run(&arguments),
        Command::Schema(arguments) => schema::run(&arguments),
        Command::Serve(arguments) => serve::run(&arguments),
        Command::Test(arguments) => test::run(&arguments),
        Command::Types(arguments) => types::run(&arguments),
    };
    match result {
        Ok(Ending::Clean) => ExitCode::SUCCESS,
        Ok(Ending::Mistakes) => ExitCode::from(1),
        Err(error) => {
            let shown = error.downcast().and_then(|it| Ok(show_refused(&it)?));
            match shown {
                Ok(()) => ExitCode::from(1),
                Err(error) => {
                    tell(&format!("weft: {error:#}\n"));
                    ExitCode::from(2)
                }
            }
        }
    }
}

/// Shows people why files were refused.
fn show_refused(refused: &Refused) -> std::io::Result<()> {
    show(&refused.diagnostics, &refused.sources, Format::Full)
}

/// Prints data. Whoever reads it may have seen enough: `weft explain | head`.
fn say(text: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

/// `1 mistake`, `2 mistakes`.
fn plural(n: usize, word: &str) -> String {
    format!("{n} {word}{}", if n == 1 { "" } else { "s" })
}

/// Tells people, on standard error. Where nobody listens any more there is nobody to tell: `weft check 2>&1 | head`.
fn tell(text: &str) {
    drop(std::io::stderr().lock().write_all(text.as_bytes()));
}

/// A loader of the gateway file, which has to be there: without it nothing can be checked or run.
fn loader(config: &Path) -> anyhow::Result<Loader> {
    let advice = "`weft init` begins a project, `-c FILE` names another";
    ensure!(
        config.exists(),
        "there is no gateway file `{}`: {advice}",
        config.display()
    );
    ensure!(
        !config.is_dir(),
        "`{}` is a folder, not a gateway file: {advice}",
        config.display()
    );
    Ok(Loader::from_file(config))
}

/// The public API of a gateway file. What cannot be described is said on standard error; a backend that does not say what
/// it serves is an error, since the outcome would lack its endpoints.
fn public(config: &Path) -> anyhow::Result<Api> {
    describe(&mut loader(config)?)
}

/// The public API of what is loaded.
fn describe(loader: &mut Loader) -> anyhow::Result<Api> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let loaded = runtime.block_on(loader.load())?;
    if let Some(reason) = loaded.waiting.first() {
        anyhow::bail!("a backend could not be asked what it serves: {reason}");
    }
    let api = Api::of(&loaded.plan);
    for reason in &api.left_out {
        tell(&format!("left out: {reason}\n"));
    }
    Ok(api)
}

/// Writes what a command made: to a file, or to standard output.
fn write_out(text: &str, output: Option<&Path>) -> anyhow::Result<()> {
    if let Some(path) = output {
        return std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()));
    }
    Ok(say(text)?)
}

/// Shows diagnostics: for people on standard error, with how many there are; for programs on standard output.
fn show(diagnostics: &[Diagnostic], sources: &SourceMap, format: Format) -> std::io::Result<()> {
    match format {
        Format::Concise => tell(&render::concise(diagnostics, sources)),
        Format::Github => say(&render::github(diagnostics, sources))?,
        Format::Json => say(&format!("{}\n", render::json(diagnostics, sources)))?,
        Format::Sarif => say(&format!("{}\n", render::sarif(diagnostics, sources)))?,
        Format::Full => {
            let wanted = match COLOR.get().copied().unwrap_or_default() {
                Color::Always => true,
                Color::Auto => std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none(),
                Color::Never => false,
            };
            let colour = if wanted {
                render::Colour::Ansi
            } else {
                render::Colour::Off
            };
            tell(&render::full(diagnostics, sources, colour));
        }
    }
    let count = |severity| diagnostics.iter().filter(|it| it.severity == severity).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    if errors + warnings > 0 && format.is_for_people() {
        tell(&format!(
            "{}, {}\n",
            plural(errors, "mistake"),
            plural(warnings, "warning")
        ));
    }
    Ok(())
}
