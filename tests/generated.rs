//! Pages of the guide that are made from lists in the code: the lists say what there is, the pages show it.
//!
//! `UPDATE=1 cargo test --test generated` rewrites the pages.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use weft::expr::function::{FUNCTIONS, Form as FunctionForm, Function};
use weft::language::diagnostic::codes::CODES;
use weft::language::spec::keys::{Availability, Form, KEYS, Key, Place};

/// Compares a page with what it should be, or rewrites it.
fn compare(name: &str, wanted: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/guide").join(name);
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, wanted).unwrap();
        return;
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    let line = wanted.lines().zip(found.lines()).position(|(a, b)| a != b);
    assert!(
        found == wanted,
        "docs/guide/{name} differs from the list it is made of, first in line {}; run `UPDATE=1 cargo test --test generated`",
        line.unwrap_or_else(|| wanted.lines().count().min(found.lines().count())) + 1,
    );
}

/// The line that says where a page comes from.
fn head(title: &str, about: &str) -> String {
    format!("# {title}\n\n<!-- Made by `UPDATE=1 cargo test --test generated`. -->\n\n{about}\n")
}

/// Text in a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

// === keys.md ===

/// Places in the order of the page: title and place. Every place stands here once.
const PLACES: &[(&str, &[(&str, Place)])] = &[
    (
        "Compositions",
        &[
            ("an endpoint", Place::Endpoint),
            ("`forward`", Place::Forward),
            ("a fragment", Place::Fragment),
            ("a param", Place::Param),
            ("`body`", Place::Body),
            ("`json`", Place::Json),
            ("`auth` of an endpoint", Place::AllOf),
            ("a requirement", Place::Require),
            ("a cookie", Place::Cookie),
            ("`cache` of an endpoint", Place::EndpointCache),
            ("`errors`", Place::Errors),
            ("a rule for a failure", Place::ErrorRule),
            ("`deprecated`", Place::Deprecated),
        ],
    ),
    (
        "Calls",
        &[
            ("a `grpc` call", Place::CallGrpc),
            ("an `http` call", Place::CallHttp),
            ("a `compose` call", Place::CallCompose),
            ("a `for` call", Place::CallFor),
            ("a `value` call", Place::CallValue),
            ("`cache` of a call", Place::CallCache),
            ("`retry` of a call", Place::CallRetry),
            ("`hedge`", Place::Hedge),
        ],
    ),
    (
        "The gateway file",
        &[
            ("weft.yaml", Place::Gateway),
            ("`admin`", Place::Admin),
            ("`tls`", Place::Tls),
            ("an entry of `certificates`", Place::Certificate),
            ("`proxy_protocol`", Place::ProxyProtocol),
            ("an entry of `auth`", Place::Provider),
            ("`jwt`", Place::Jwt),
            ("`introspection`", Place::Introspection),
            ("`api_key`", Place::ApiKey),
            ("`signature`", Place::Signature),
            ("keys for signatures", Place::Signer),
            ("`basic`", Place::Basic),
            ("`client_certificate`", Place::ClientCertificate),
            ("`expose`", Place::Expose),
            ("a backend", Place::Backend),
            ("a target", Place::Target),
            ("`descriptors` of a backend", Place::Descriptors),
            ("`discovery`", Place::Discovery),
            ("`dns` of `discovery`", Place::Dns),
            ("`consul` of `discovery`", Place::Consul),
            ("`kubernetes` of `discovery`", Place::Kubernetes),
            ("`tls` of a backend", Place::BackendTls),
            ("`auth` of a backend", Place::BackendAuth),
            ("`client_credentials`", Place::ClientCredentials),
            ("`balance` of a backend", Place::Balance),
            ("`retry` of a backend", Place::Retry),
            ("`budget`", Place::Budget),
            ("`breaker`", Place::Breaker),
            ("`slow`", Place::Slow),
            ("`limit`", Place::Limit),
            ("`health`", Place::Health),
            ("`eject`", Place::Eject),
            ("`keepalive`", Place::Keepalive),
            ("an entry of `split`", Place::Split),
            ("`mirror`", Place::Mirror),
            ("`defaults`", Place::Defaults),
            ("`access`", Place::Access),
            ("a rate limit", Place::RateLimit),
            ("a tier", Place::Tier),
            ("`cors`", Place::Cors),
            ("`compression`", Place::Compression),
            ("`limits`", Place::Limits),
            ("`cache`", Place::Storage),
            ("`redis`", Place::Redis),
            ("`telemetry`", Place::Telemetry),
            ("`log`", Place::Log),
            ("`shutdown`", Place::Shutdown),
        ],
    ),
];

fn keys_page() -> String {
    let mut page = head(
        "Keys",
        "Every key, by the place where it may stand.\n\
         A key that is not listed is an error; one that is not in this version is refused by name.",
    );
    for (title, places) in PLACES {
        write!(page, "\n## {title}\n").unwrap();
        for (title, place) in *places {
            let here: Vec<&Key> = KEYS.iter().filter(|it| it.places.contains(place)).collect();
            let (now, later): (Vec<&Key>, Vec<&Key>) =
                here.into_iter().partition(|it| it.availability == Availability::Now);
            write!(page, "\n### {}\n", capital(title)).unwrap();
            if !now.is_empty() {
                page.push_str("\n| key | holds | meaning |\n| --- | --- | --- |\n");
            }
            for key in now {
                writeln!(
                    page,
                    "| `{}` | {} | {} |",
                    key.name,
                    cell(&form(&key.form)),
                    cell(key.doc)
                )
                .unwrap();
            }
            if !later.is_empty() {
                let names: Vec<_> = later.iter().map(|it| format!("`{}`", it.name)).collect();
                write!(page, "\nNot in this version: {}.\n", names.join(", ")).unwrap();
            }
        }
    }
    page
}

/// The anchor that a title gets where the page is shown.
fn anchor(title: &str) -> String {
    let kept = title.to_lowercase().replace(' ', "-");
    kept.chars()
        .filter(|it| it.is_alphanumeric() || matches!(it, '-' | '_'))
        .collect()
}

/// What a key holds, in a few words.
fn form(it: &Form) -> String {
    match it {
        Form::Bool => "`true` or `false`".to_owned(),
        Form::Condition => "a condition".to_owned(),
        Form::Duration => "a duration".to_owned(),
        Form::Either(forms) => {
            let mut words: Vec<String> = Vec::new();
            for it in *forms {
                let word = form(it);
                if !words.contains(&word) {
                    words.push(word);
                }
            }
            words.join(" or ")
        }
        Form::Expression => "an expression".to_owned(),
        Form::Integer(least, greatest) => format!("an integer, {least} to {greatest}"),
        Form::List(of) => format!("a list; each {}", form(of)),
        Form::Literal => "a literal".to_owned(),
        Form::Loop => "`NAME in $LIST`".to_owned(),
        Form::Map(of) => format!("a map by name; each {}", form(of)),
        Form::Method => "`package.Service/Method`".to_owned(),
        Form::Name => "a name".to_owned(),
        Form::Null => "`null`".to_owned(),
        Form::Object(place) => {
            let title = PLACES.iter().flat_map(|it| it.1).find(|it| it.1 == *place);
            title.map_or_else(String::new, |(title, _)| format!("[{title}](#{})", anchor(title)))
        }
        Form::OneOf(words) => {
            let words: Vec<_> = words.iter().map(|it| format!("`{it}`")).collect();
            words.join(", ")
        }
        Form::Percent => "a part, as `20%`".to_owned(),
        Form::Quota => "a quota, as `10000/day`".to_owned(),
        Form::Rate => "a rate, as `10/s`".to_owned(),
        Form::Scalar => "a scalar".to_owned(),
        Form::Size => "a size".to_owned(),
        Form::Template => "a template".to_owned(),
        Form::Text => "text".to_owned(),
        Form::Version => "`1`".to_owned(),
    }
}

#[test]
fn the_page_of_keys_is_made_from_the_list() {
    let shown: Vec<Place> = PLACES.iter().flat_map(|it| it.1).map(|it| it.1).collect();
    for key in KEYS {
        for place in key.places {
            let n = shown.iter().filter(|it| *it == place).count();
            assert_eq!(n, 1, "{place:?} stands {n} times on the page");
        }
    }
    compare("keys.md", &keys_page());
}

// === diagnostics.md ===

/// The files of an example in `fixtures/check`, by the name that the page gives them.
fn example(code: &str, name: &str) -> Vec<(String, String)> {
    fn visit(folder: &Path, below: &str, files: &mut Vec<(String, String)>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let shown = format!("{below}{}", path.file_name().unwrap().to_str().unwrap());
            if path.is_dir() {
                visit(&path, &format!("{shown}/"), files);
            } else {
                files.push((shown, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/check").join(code);
    let mut files = Vec::new();
    match fs::read_to_string(folder.join(name).with_extension("yaml")) {
        Ok(text) => files.push((String::new(), text)),
        Err(_) if folder.join(name).is_dir() => visit(&folder.join(name), "", &mut files),
        Err(_) => {}
    }
    // The gateway file first, where it is about that.
    files.sort_by_key(|(name, _)| (name != "weft.yaml", name.clone()));
    files
}

/// Text of a fixture without what only the tests read.
fn unmarked(text: &str) -> String {
    let lines = text.lines().map(|line| {
        let at = ["# error: [", "# warning: ["]
            .iter()
            .filter_map(|it| line.find(it))
            .min();
        at.map_or(line, |at| line[..at].trim_end())
    });
    lines.fold(String::new(), |text, line| text + line + "\n")
}

/// The examples of a code: what is refused, what is said of it, and what is not refused.
fn examples(code: &str) -> String {
    let mut text = String::new();
    let shown = |text: &mut String, name: &str, title: &str| {
        for (file, content) in example(code, name) {
            let language = file.rsplit_once('.').map_or("yaml", |it| it.1);
            let of = if file.is_empty() {
                String::new()
            } else {
                format!(", `{file}`")
            };
            // The second word keeps these apart from the examples of the other pages.
            write!(
                text,
                "\n{title}{of}:\n\n```{language} {name}\n{}```\n",
                unmarked(&content)
            )
            .unwrap();
        }
    };
    shown(&mut text, "wrong", "Wrong");
    let drawn = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("fixtures/check/{code}/wrong.stderr"));
    if let Ok(drawn) = fs::read_to_string(drawn) {
        let short = drawn
            .replace(&format!("fixtures/check/{code}/wrong/"), "")
            .replace(&format!("fixtures/check/{code}/wrong.yaml"), "page.yaml");
        write!(text, "\n```text\n{}```\n", unmarked(&short)).unwrap();
    }
    shown(&mut text, "right", "Right");
    text
}

#[test]
fn the_page_of_diagnostics_is_made_from_the_list() {
    let mut page = head(
        "Diagnostics",
        "Every code that `weft check` may show, alphabetically.\nA code is never renamed or used for something else.",
    );
    for it in CODES {
        write!(
            page,
            "\n## {}\n\n{}.\n\n{}\n{}",
            it.code,
            capital(it.summary),
            it.explanation,
            examples(it.code),
        )
        .unwrap();
    }
    compare("diagnostics.md", &page);
}

/// Codes that the sources of a folder give to diagnostics.
fn codes_in(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            codes_in(&path, found);
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        for call in [
            "Diagnostic::new(",
            "Diagnostic::warning(",
            "self.error(",
            "ExprError::new(",
        ] {
            let arguments = text.split(call).skip(1).map(str::trim_start);
            let literals = arguments.filter_map(|it| it.strip_prefix('"')?.split_once('"'));
            let is_code = |it: &&str| it.bytes().all(|it| it.is_ascii_lowercase() || it == b'-');
            found.extend(literals.map(|it| it.0).filter(is_code).map(str::to_owned));
        }
    }
}

#[test]
fn every_code_that_is_used_is_explained() {
    let mut used = BTreeSet::new();
    codes_in(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut used);
    assert!(used.len() > 50, "only {} codes were found", used.len());
    let unknown: Vec<_> = used
        .iter()
        .filter(|it| CODES.iter().all(|code| code.code != **it))
        .collect();
    assert!(unknown.is_empty(), "not in the list of codes: {unknown:?}");
}

/// The first letter as a capital, where it is a letter.
fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

// === functions.md ===

/// What the sections of the page are about, by the functions' names; what is named nowhere goes by its form.
const NOT_OF_LISTS: &[(&str, &[&str])] = &[
    ("Null and failure", &["default", "error", "has"]),
    (
        "Conversions",
        &[
            "bool",
            "bytes",
            "double",
            "duration",
            "int",
            "string",
            "timestamp",
            "uint",
            "base64.decode",
            "base64.encode",
        ],
    ),
    ("Objects and messages", &["omit", "pick"]),
];

fn section(it: &Function) -> &'static str {
    if let Some((title, _)) = NOT_OF_LISTS.iter().find(|(_, names)| names.contains(&it.name)) {
        return title;
    }
    if it.name.starts_with("math.") {
        return "Numbers";
    }
    match it.signature.split('.').next().unwrap_or_default() {
        "string" => "Text",
        "timestamp" | "timestamp|duration" => "Time",
        _ => "Lists",
    }
}

#[test]
fn the_page_of_functions_is_made_from_the_list() {
    let mut page = head(
        "Functions",
        "Everything that can be called in an expression.\n\
         What stands before a `.` may be null, and then the outcome is null; an argument may not (see `default`).\n\
         In the methods with a `v`, `v` is a variable of your own that stands for each element.\n\
         Indexes and lengths of text count characters, and begin with 0.",
    );
    let titles = [
        "Null and failure",
        "Conversions",
        "Text",
        "Lists",
        "Objects and messages",
        "Numbers",
        "Time",
    ];
    let mut shown = BTreeSet::new();
    for title in titles {
        write!(page, "\n## {title}\n\n| written | gives |\n| --- | --- |\n").unwrap();
        for it in FUNCTIONS.iter().filter(|it| section(it) == title) {
            assert!(
                it.form != FunctionForm::Macro || it.signature.contains("(v"),
                "{}",
                it.name
            );
            shown.insert(it.name);
            writeln!(page, "| `{}` | {} |", cell(it.signature), cell(it.doc)).unwrap();
        }
    }
    assert_eq!(shown.len(), FUNCTIONS.len(), "a function stands in no section");
    compare("functions.md", &page);
}
