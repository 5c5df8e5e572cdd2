//! Commands in a folder of their own, and what they print.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use socket2::{Domain, Socket, Type};

use super::backend::Backend;

/// A folder with a copy of the project; it goes with the value.
pub(crate) struct Session {
    folder: PathBuf,
    backend: Backend,
    /// Bound, so that nobody else gets its address, and never listening.
    gone: Socket,
}

impl Session {
    pub(crate) fn start() -> Self {
        static N: AtomicUsize = AtomicUsize::new(0);
        let name = format!("weft-cli-{}-{}", std::process::id(), N.fetch_add(1, Ordering::Relaxed));
        let folder = std::env::temp_dir().join(name);
        copy(&super::root().join("fixtures/cli/project"), &folder);
        let gone = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        gone.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
        Self {
            folder,
            backend: Backend::start(),
            gone,
        }
    }

    /// What a command prints, and its code.
    pub(crate) fn run(&self, command: &str) -> (String, i32) {
        let binary = Path::new(env!("CARGO_BIN_EXE_weft"));
        let path = std::env::var("PATH").unwrap_or_default();
        let path = format!("{}:{path}", binary.parent().unwrap().display());
        let gone = self.gone.local_addr().unwrap().as_socket().unwrap();
        let output = Command::new("sh")
            .args(["-c", command])
            .current_dir(&self.folder)
            .env("PATH", path)
            .env("RECS", self.backend.address())
            .env("GONE", gone.to_string())
            .env_remove("WEFT_CONFIG")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let text = [output.stdout, output.stderr].map(|it| String::from_utf8(it).unwrap());
        let shown = text.concat().replace(&self.folder.display().to_string(), "/project");
        (without_ids(&shown), output.status.code().unwrap_or(-1))
    }
}

/// Trace ids are different each time: 32 hexadecimal digits become `TRACE`.
fn without_ids(text: &str) -> String {
    let is_hex = |it: char| it.is_ascii_digit() || ('a'..='f').contains(&it);
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(is_hex) {
        let length = rest[at..].find(|it| !is_hex(it)).unwrap_or(rest.len() - at);
        let run = &rest[at..at + length];
        out.push_str(&rest[..at]);
        out.push_str(if length == 32 { "TRACE" } else { run });
        rest = &rest[at + length..];
    }
    out + rest
}

impl Drop for Session {
    fn drop(&mut self) {
        // A folder that is left over in the system's temporary files harms nobody.
        drop(fs::remove_dir_all(&self.folder));
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

/// The session as it went: the commands of `text`, and what they print now. Lines that begin with `#` are kept.
pub(crate) fn play(text: &str, run: impl Fn(&str) -> (String, i32)) -> String {
    let mut played = String::new();
    for part in commands(text) {
        played.push_str(&part.before);
        let (printed, code) = run(&part.command);
        played.extend(["$ ", &part.command, "\n"]);
        let kept = if lines_match(&part.expected, &expected_form(&printed, code)) {
            part.expected.clone()
        } else {
            expected_form(&printed, code)
        };
        played.push_str(&kept);
    }
    played
}

fn expected_form(printed: &str, code: i32) -> String {
    let mut text = printed.to_owned();
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    if code != 0 {
        text.extend(["? ", &code.to_string(), "\n"]);
    }
    text
}

/// A command and what it should print.
struct Part {
    /// Comments and blank lines in front of it.
    before: String,
    command: String,
    expected: String,
}

fn commands(text: &str) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    let mut before = String::new();
    for line in text.lines() {
        if let Some(command) = line.strip_prefix("$ ") {
            parts.push(Part {
                before: std::mem::take(&mut before),
                command: command.to_owned(),
                expected: String::new(),
            });
        } else {
            let into = match parts.last_mut() {
                Some(part) => &mut part.expected,
                None => &mut before,
            };
            into.push_str(line);
            into.push('\n');
        }
    }
    parts
}

/// Whether two sessions say the same; `[..]` in the first stands for any text within a line.
pub(crate) fn matches(expected: &str, found: &str) -> bool {
    lines_match(expected, found)
}

fn lines_match(expected: &str, found: &str) -> bool {
    let (expected, found): (Vec<_>, Vec<_>) = (expected.lines().collect(), found.lines().collect());
    expected.len() == found.len() && expected.iter().zip(&found).all(|(a, b)| line_matches(a, b))
}

fn line_matches(expected: &str, found: &str) -> bool {
    let Some((before, after)) = expected.split_once("[..]") else {
        return expected == found;
    };
    let Some(mut rest) = found.strip_prefix(before) else {
        return false;
    };
    loop {
        if line_matches(after, rest) {
            return true;
        }
        let mut chars = rest.chars();
        if chars.next().is_none() {
            return false;
        }
        rest = chars.as_str();
    }
}

/// The first lines that differ.
pub(crate) fn difference(expected: &str, found: &str) -> String {
    let (expected, found): (Vec<_>, Vec<_>) = (expected.lines().collect(), found.lines().collect());
    let first = (0..expected.len().max(found.len()))
        .find(|at| match (expected.get(*at), found.get(*at)) {
            (Some(a), Some(b)) => !line_matches(a, b) && a != b,
            _ => true,
        })
        .unwrap_or(0);
    let shown = |lines: &[&str], sign: &str| {
        let lines = lines.iter().skip(first).take(12);
        lines.map(|it| format!("{sign} {it}")).collect::<Vec<_>>().join("\n")
    };
    format!("line {}:\n{}\n{}", first + 1, shown(&expected, "-"), shown(&found, "+"))
}
