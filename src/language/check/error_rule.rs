//! gRPC codes and HTTP statuses by name: `errors:` and the `else:` of `require:`. Their form was checked when files were read.

use http::StatusCode;
use tonic::Code;

use crate::language::diagnostic::{Diagnostic, Diagnostics};
use crate::language::spec::{self, Name};
use crate::plan::{ErrorMatch, ErrorRule, Errors, Otherwise};

/// The codes of google.rpc.Code in its order; OK is not a failure.
const CODES: [(&str, Code); 16] = [
    ("CANCELLED", Code::Cancelled),
    ("UNKNOWN", Code::Unknown),
    ("INVALID_ARGUMENT", Code::InvalidArgument),
    ("DEADLINE_EXCEEDED", Code::DeadlineExceeded),
    ("NOT_FOUND", Code::NotFound),
    ("ALREADY_EXISTS", Code::AlreadyExists),
    ("PERMISSION_DENIED", Code::PermissionDenied),
    ("RESOURCE_EXHAUSTED", Code::ResourceExhausted),
    ("FAILED_PRECONDITION", Code::FailedPrecondition),
    ("ABORTED", Code::Aborted),
    ("OUT_OF_RANGE", Code::OutOfRange),
    ("UNIMPLEMENTED", Code::Unimplemented),
    ("INTERNAL", Code::Internal),
    ("UNAVAILABLE", Code::Unavailable),
    ("DATA_LOSS", Code::DataLoss),
    ("UNAUTHENTICATED", Code::Unauthenticated),
];

/// `errors:` of an endpoint over those of the gateway file.
pub(super) fn errors(near: &spec::Errors, far: &spec::Errors, diagnostics: &mut Diagnostics) -> Errors {
    let expose_details = near
        .expose_details
        .as_ref()
        .or(far.expose_details.as_ref())
        .is_some_and(|it| it.value);
    let in_body = near
        .in_body
        .as_ref()
        .or(far.in_body.as_ref())
        .and_then(|it| it.as_ref())
        .map(|it| it.value.clone());
    let mut map = rules(&near.map, diagnostics);
    map.extend(rules(&far.map, diagnostics));
    Errors {
        expose_details,
        in_body,
        map,
    }
}

/// Rules in written order.
pub(super) fn rules(written: &[spec::ErrorRule], diagnostics: &mut Diagnostics) -> Vec<ErrorRule> {
    written.iter().filter_map(|it| rule(it, diagnostics)).collect()
}

fn rule(written: &spec::ErrorRule, diagnostics: &mut Diagnostics) -> Option<ErrorRule> {
    if written.status.is_none() && written.title.is_none() {
        let title = "this rule changes nothing";
        diagnostics
            .push(Diagnostic::new("missing-key", written.on.span, title).label("give a `status`, a `title` or both"));
    }
    let on = match otherwise_of(&written.on)? {
        Otherwise::Code(code) => ErrorMatch::Code(code),
        Otherwise::Status(status) => ErrorMatch::Status(status),
    };
    let status = written
        .status
        .as_ref()
        .and_then(|it| StatusCode::from_u16(it.value).ok());
    Some(ErrorRule {
        on,
        status,
        title: written.title.as_ref().map(|it| it.value.clone()),
    })
}

/// `else:`.
pub(super) fn otherwise(written: Option<&Name>) -> Otherwise {
    written
        .and_then(otherwise_of)
        .unwrap_or(Otherwise::Code(Code::FailedPrecondition))
}

/// A gRPC code by its name.
pub(super) fn code(name: &str) -> Option<Code> {
    CODES.iter().find(|(it, _)| *it == name).map(|(_, code)| *code)
}

fn otherwise_of(name: &Name) -> Option<Otherwise> {
    if let Some(code) = code(&name.value) {
        return Some(Otherwise::Code(code));
    }
    StatusCode::from_bytes(name.value.as_bytes())
        .ok()
        .map(Otherwise::Status)
}
