//! Paths: from templates to parts, and from parts to text.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::{Endpoint, PathPart, Piece};
use crate::publish::add;
use crate::schema::path_template::PathTemplate;

/// What may stand in a segment as it is (RFC 3986 §3.3), braces being no part of it.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'!')
    .remove(b'$')
    .remove(b'&')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b'+')
    .remove(b',')
    .remove(b';')
    .remove(b'=')
    .remove(b'@');

/// The parts of a template. A wildcard outside of variables is one more variable, behind those that have names.
pub(super) fn parts(template: &PathTemplate) -> Vec<PathPart> {
    let mut parts: Vec<PathPart> = Vec::new();
    let mut n_variables = template.variables().len();
    let mut last = None;
    for part in template.parts() {
        let piece = match part.text {
            text if part.is_literal => Piece::Literal(text.to_owned()),
            "*" => Piece::One,
            _ => Piece::Rest,
        };
        match (part.variable, parts.last_mut()) {
            (Some(variable), Some(PathPart::Variable { pieces, .. })) if last == Some(variable) => pieces.push(piece),
            (Some(variable), _) => parts.push(PathPart::Variable {
                param: variable,
                pieces: vec![piece],
            }),
            (None, _) => parts.push(match piece {
                Piece::Literal(text) => PathPart::Literal(text),
                wildcard => {
                    n_variables += 1;
                    PathPart::Variable {
                        param: n_variables - 1,
                        pieces: vec![wildcard],
                    }
                }
            }),
        }
        last = part.variable;
    }
    parts
}

/// A segment of text, encoded.
pub(crate) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, SEGMENT).to_string()
}

/// The names that the wildcards of a variable go by: its own, numbered where there are several.
pub(crate) fn wildcard_names(name: &str, pieces: &[Piece]) -> Vec<String> {
    let n = pieces.iter().filter(|it| !matches!(it, Piece::Literal(_))).count();
    match n {
        1 => vec![name.to_owned()],
        _ => (1..=n).map(|at| format!("{name}_{at}")).collect(),
    }
}

pub(super) fn url(endpoint: &Endpoint) -> String {
    let mut out = String::new();
    for part in &endpoint.path {
        match part {
            PathPart::Literal(text) => {
                out.push('/');
                out.push_str(&encoded(text));
            }
            PathPart::Variable { param, pieces } => {
                let name = endpoint.params.get(*param).map_or("", |it| &*it.name);
                let mut names = wildcard_names(name, pieces).into_iter();
                for piece in pieces {
                    match piece {
                        Piece::Literal(text) => {
                            out.push('/');
                            out.push_str(&encoded(text));
                        }
                        Piece::One | Piece::Rest => {
                            add(&mut out, format_args!("/{{{}}}", names.next().unwrap_or_default()));
                        }
                    }
                }
            }
        }
    }
    finish(endpoint, out)
}

pub(super) fn shape(endpoint: &Endpoint) -> String {
    let mut out = String::new();
    let mut add = |text: &str| {
        out.push('/');
        out.push_str(text);
    };
    for part in &endpoint.path {
        match part {
            PathPart::Literal(text) => add(&encoded(text)),
            PathPart::Variable { pieces, .. } => {
                for piece in pieces {
                    match piece {
                        Piece::Literal(text) => add(&encoded(text)),
                        Piece::One => add("{}"),
                        Piece::Rest => add("{**}"),
                    }
                }
            }
        }
    }
    format!("{} {}", endpoint.method, finish(endpoint, out))
}

fn finish(endpoint: &Endpoint, mut out: String) -> String {
    if out.is_empty() {
        out.push('/');
    }
    if let Some(verb) = &endpoint.verb {
        out.push(':');
        out.push_str(&encoded(verb));
    }
    out
}
