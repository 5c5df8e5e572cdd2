//! Values that HTTP calls send as text, and what the OpenAPI operation says of its parameters.
//!
//! Text may hold a number, so that only what can never be read is refused: the rest is the backend's to judge.

use super::http_schema::shown;
use super::world::listed;
use crate::expr::{Type, TypeKind};
use crate::language::diagnostic::Diagnostic;
use crate::language::source::Span;
use crate::language::spec::{Literal, Template, TemplateKind, TextPart, TextTemplate};
use crate::schema::json_schema::{JsonTypeRef, Operation, Parameter, Shape};
use crate::schema::suggest;

/// What is sent: its place, its type, and its text where that is known.
pub(super) struct Given<'g> {
    pub(super) span: Span,
    pub(super) ty: &'g Type,
    pub(super) literal: Option<&'g Literal>,
}

impl<'g> Given<'g> {
    /// What a template gives.
    pub(super) fn of(template: &'g Template, ty: &'g Type) -> Self {
        let literal = match &template.kind {
            TemplateKind::Literal(literal) => Some(literal),
            _ => None,
        };
        Self {
            span: template.span,
            ty,
            literal,
        }
    }
}

/// What is wrong with a value for the parameter of this name, if anything is.
pub(super) fn mistake(operation: &Operation, location: &str, name: &str, given: &Given<'_>) -> Option<Diagnostic> {
    let is_meant = |it: &&Parameter| match location {
        "header" => it.name.eq_ignore_ascii_case(name),
        _ => &*it.name == name,
    };
    let of_location = |it: &&Parameter| &*it.location == location;
    let parameter = operation.parameters.iter().filter(of_location).find(is_meant)?;
    let what = match location {
        "header" => "header",
        "path" => "variable",
        _ => "query parameter",
    };
    let subject = format!("the {what} `{}` of {}", parameter.name, shown(operation));
    let may_be_missing = given.ty.nullable && !matches!(given.ty.kind, TypeKind::Any | TypeKind::Unknown);
    if parameter.required && location != "path" && may_be_missing {
        let title = format!("{subject} must be sent, and this may be null");
        return Some(Diagnostic::new("null-does-not-fit", given.span, title).label("null leaves it out"));
    }
    let ty = parameter.ty.as_ref()?;
    let (code, label) = match given.literal {
        Some(literal) => unreadable(&ty.shape, literal)?,
        None => ("wrong-type", misfit(ty, given.ty)?),
    };
    let wanted = match &ty.shape {
        Shape::Words(words) => format!("one of {}", listed(words.iter().map(|it| &**it))),
        Shape::Integer { .. } => "a whole number".to_owned(),
        Shape::Number => "a number".to_owned(),
        Shape::Bool => "true or false".to_owned(),
        Shape::Timestamp => "a time".to_owned(),
        _ => "one value".to_owned(),
    };
    Some(Diagnostic::new(code, given.span, format!("{subject} is {wanted}")).label(label))
}

/// Why a literal cannot be read as what is wanted, with the code of the mistake.
fn unreadable(shape: &Shape, literal: &Literal) -> Option<(&'static str, String)> {
    let written = match literal {
        Literal::Bool(it) => it.to_string(),
        Literal::Number(digits) => digits.to_string(),
        Literal::Text(text) => text.to_string(),
        Literal::List(_) | Literal::Null => return None,
    };
    let wrong = |label: String| Some(("wrong-value", label));
    match shape {
        Shape::Integer { min, max, .. } => match written.parse::<i128>() {
            Ok(number) if (*min..=*max).contains(&number) => None,
            Ok(_) => wrong(format!("expected one from {min} to {max}")),
            Err(_) => wrong("this is none".to_owned()),
        },
        Shape::Number if written.parse::<f64>().is_err() => wrong("this is none".to_owned()),
        Shape::Bool if !matches!(&*written, "true" | "false") => wrong("this is neither".to_owned()),
        Shape::Words(words) if !words.iter().any(|it| **it == *written) => {
            let label = suggest::did_you_mean(&written, words.iter().map(|it| &**it));
            Some(("unknown-value", label))
        }
        _ => None,
    }
}

/// Why no value of a type can be read as what is wanted.
fn misfit(wanted: &JsonTypeRef, given: &Type) -> Option<String> {
    let (is_bool, is_enum) = (given.kind == TypeKind::Bool, matches!(given.kind, TypeKind::Enum(_)));
    let is_time = matches!(given.kind, TypeKind::Timestamp | TypeKind::Duration);
    let (is_int, is_double) = (
        matches!(given.kind, TypeKind::Int(_)),
        matches!(given.kind, TypeKind::Double { .. }),
    );
    let never = match &wanted.shape {
        Shape::Integer { .. } => is_bool || is_enum || is_time || is_double,
        Shape::Number => is_bool || is_enum || is_time,
        Shape::Bool => is_int || is_double || is_enum || is_time,
        Shape::Timestamp => is_bool || is_enum || is_int || is_double || given.kind == TypeKind::Duration,
        _ => false,
    };
    let is_list = matches!(given.kind, TypeKind::List(_)) && !matches!(wanted.shape, Shape::Any | Shape::List(_));
    (never || is_list).then(|| format!("this is `{given}`"))
}

/// The variable of an operation's path that each hole fills, for those that fill one alone; by the place of the hole's part.
pub(super) fn variables<'o>(path: &TextTemplate, operation: &'o Operation) -> Vec<(usize, &'o str)> {
    // Which segment each hole is in.
    let (mut holes, mut n_segments) = (Vec::new(), 0);
    for (at, part) in path.parts.iter().enumerate() {
        match part {
            TextPart::Literal(text, _) => n_segments += text.matches('/').count(),
            TextPart::Hole(_) => holes.push((at, n_segments)),
        }
    }
    let wanted: Vec<&str> = operation.path.split('/').skip(1).collect();
    // A server may put segments before those of the operation. The first slash begins the first segment.
    let Some(before) = n_segments.checked_sub(wanted.len()) else {
        return Vec::new();
    };
    let name_of = |segment: usize| {
        let own = wanted.get(segment.checked_sub(before + 1)?)?;
        own.strip_prefix('{')?.strip_suffix('}')
    };
    holes
        .into_iter()
        .filter(|(at, _)| super::http_call::stands_alone(&path.parts, *at))
        .filter_map(|(at, segment)| Some((at, name_of(segment)?)))
        .collect()
}
