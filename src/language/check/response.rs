//! What is said to the client: body, status, headers, cookies, deprecation; and `require:`, which says no.

use http::{HeaderName, HeaderValue, StatusCode};

use super::backend::response_header_name;
use super::error_rule;
use super::graph::dependencies;
use super::literal;
use super::mention::Input;
use super::outline::ROOT;
use super::unit::{Purpose, Unit};
use crate::expr::{Facts, Type, TypeKind, Value};
use crate::language::diagnostic::{Diagnostic, Diagnostics};
use crate::language::spec::{Cookie, Deprecated, Literal, Name, Template, TemplateKind};
use crate::plan::{self, Response, ResponseBody, Status};

impl Unit<'_, '_> {
    /// Checks the response.
    pub(super) fn response(&mut self) -> Response {
        let spec = self.outline.spec;
        let scope = self.scope(ROOT, &Facts::new(), Purpose::Render);
        let (body, nullable) = match &spec.response {
            Some(response) => self.response_body(response),
            None => (ResponseBody::Json(super::template::null()), true),
        };
        let status = spec.status.as_ref().map_or(Status::Default, |it| self.status(it));
        let mut headers = Vec::new();
        for (name, value) in &spec.headers {
            let header = response_header_name(name, self.diagnostics);
            let value = self.response_header(name, value, &scope);
            headers.extend(header.map(|name| plan::Header { name, value }));
        }
        let cookies = spec.cookies.iter().map(|it| self.cookie(it)).collect();
        let tags = self.tags(spec.cache.iter().flat_map(|it| &it.tags), &scope);
        let invalidates = self.tags(spec.invalidate.iter().flat_map(|it| &it.value), &scope);
        let needs = dependencies(self.outline, ROOT, &self.outline.graph(ROOT).result_reads, &[]);
        Response {
            body,
            nullable,
            status,
            headers,
            cookies,
            tags,
            invalidates,
            needs,
            mentions: self.mentions_of_result(ROOT),
        }
    }

    fn response_body(&mut self, response: &Template) -> (ResponseBody, bool) {
        let scope = self.scope(ROOT, &Facts::new(), Purpose::Render);
        let typed = self.template(response, None, &scope);
        self.check_choice(response.span, &typed.ty);
        let body = match (typed.template, &typed.ty.kind) {
            (plan::Template::Expression { program, .. }, TypeKind::Bytes) => ResponseBody::Bytes(program),
            (plan::Template::Expression { program, .. }, TypeKind::Message(it))
                if &*it.full_name == "google.api.HttpBody" =>
            {
                ResponseBody::HttpBody(program)
            }
            (template, _) => ResponseBody::Json(template),
        };
        (body, typed.ty.nullable)
    }

    fn status(&mut self, written: &Template) -> Status {
        match &written.kind {
            TemplateKind::Literal(Literal::Number(digits)) => {
                let status = digits
                    .parse()
                    .ok()
                    .and_then(|it| StatusCode::from_u16(it).ok())
                    .filter(|it| (200..400).contains(&it.as_u16()));
                if let Some(status) = status {
                    return Status::Fixed(status);
                }
            }
            TemplateKind::Expression(expression) => {
                let scope = self.scope(ROOT, &Facts::new(), Purpose::Value);
                let Some(checked) = self.expression(expression, &scope) else {
                    return Status::Default;
                };
                match &checked.ty.kind {
                    TypeKind::Int(_) if !checked.ty.nullable => {
                        let origin = self.origin(expression.whole());
                        return Status::Expression(plan::Condition {
                            program: checked.program,
                            origin,
                        });
                    }
                    TypeKind::Unknown => {}
                    TypeKind::Int(_) => {
                        let source = expression.source();
                        let title = format!("`{source}` may be null where the status stands");
                        let help = self.pasteable(expression, &format!("default({source}, 200)"));
                        self.push(Diagnostic::new("maybe-null", expression.whole(), title).help(help));
                    }
                    _ => {
                        let wrong = Diagnostic::new("wrong-type", expression.whole(), "the status is an integer");
                        self.push(wrong.label(format!("this is `{}`", checked.ty)));
                    }
                }
            }
            _ => {}
        }
        Status::Default
    }

    fn cookie(&mut self, written: &Cookie) -> plan::Cookie {
        let scope = self.scope(ROOT, &Facts::new(), Purpose::Send);
        let value = self.response_header(&written.name, &written.value, &scope);
        let mut kept = String::new();
        let path = written.path.as_ref().map_or("/", |it| &*it.value);
        kept.push_str("; Path=");
        kept.push_str(path);
        if let Some(domain) = &written.domain {
            kept.push_str("; Domain=");
            kept.push_str(&domain.value);
        }
        for it in written.path.iter().chain(&written.domain) {
            if it
                .value
                .chars()
                .any(|it| it == ';' || it.is_control() || !it.is_ascii())
            {
                self.push(Diagnostic::new("wrong-value", it.span, "this cannot stand in a cookie"));
            }
        }
        let secure = written.secure.as_ref().is_none_or(|it| it.value);
        if secure {
            kept.push_str("; Secure");
        }
        if written.http_only.as_ref().is_none_or(|it| it.value) {
            kept.push_str("; HttpOnly");
        }
        kept.push_str("; SameSite=");
        kept.push_str(self.same_site(written, secure));
        let age = written
            .max_age
            .as_ref()
            .map(|it| format!("; Max-Age={}", it.value.as_secs()))
            .unwrap_or_default();
        plan::Cookie {
            name: written.name.value.clone(),
            value,
            attributes: format!("{kept}{age}").into(),
            deletion: format!("{kept}; Max-Age=0").into(),
        }
    }

    fn same_site(&mut self, written: &Cookie, secure: bool) -> &'static str {
        let Some(name) = &written.same_site else { return "Lax" };
        match &*name.value {
            "Strict" => "Strict",
            "None" => {
                if !secure {
                    let title = "`same_site: None` needs `secure: true`";
                    self.push(Diagnostic::new("wrong-value", name.span, title).label("browsers refuse such a cookie"));
                }
                "None"
            }
            // The word was checked when the file was read.
            _ => "Lax",
        }
    }

    /// Checks `require:`.
    pub(super) fn requires(&mut self) -> Vec<plan::Require> {
        let spec = self.outline.spec;
        let mut all = Vec::new();
        for (at, written) in spec.require.iter().enumerate() {
            let scope = self.scope(ROOT, &Facts::new(), Purpose::Send);
            let that = self.required(&written.that, &scope);
            let otherwise = error_rule::otherwise(written.otherwise.as_ref());
            let detail = written.detail.as_ref().map(|it| {
                let place = crate::expr::PlaceType {
                    ty: Type::of(TypeKind::String),
                    takes_null: true,
                };
                self.template(it, Some(&place), &scope).template
            });
            let needs = dependencies(self.outline, ROOT, &self.outline.require[at], &[]);
            all.extend(that.map(|that| plan::Require {
                that,
                needs,
                mentions: self.mentions_of_require(at),
                otherwise,
                detail,
            }));
        }
        all
    }

    /// `allow:`, which is decided before the body is read and any call is made.
    pub(super) fn allow(&mut self) -> Option<plan::Condition> {
        let outline = self.outline;
        let written = outline.spec.allow.as_ref()?;
        let span = super::expression::condition_span(written);
        let mut wrong = |what: &str, label: &str| {
            let title = format!("`allow` mentions {what}");
            self.push(Diagnostic::new("bad-allow", span, title).label(label));
        };
        if let Some(call) = outline.allow.calls.first() {
            let name = format!("the call `{}`", outline.call(*call).spec.name.value);
            wrong(&name, "it is decided before any call is made: `require` can wait");
        } else if outline.allow.inputs.contains(&Input::Body) {
            wrong("`body`", "it is decided before the body is read: `require` can wait");
        }
        let scope = self.scope(ROOT, &Facts::new(), Purpose::Send);
        let checked = self.condition(written, &scope)?;
        Some(plan::Condition {
            program: checked.program,
            origin: self.origin(span),
        })
    }

    /// As a condition, but null is an answer here: it counts as false.
    fn required(
        &mut self,
        that: &crate::language::spec::Condition,
        scope: &super::unit::Scope,
    ) -> Option<plan::Condition> {
        if let crate::language::spec::Condition::Expression(expression) = that {
            let checked = self.expression(expression, scope)?;
            self.warn_if_constant(expression, &checked);
            if !matches!(checked.ty.kind, TypeKind::Bool | TypeKind::Null | TypeKind::Unknown) {
                let wrong = Diagnostic::new("wrong-type", expression.whole(), "`that` must be a bool");
                self.push(wrong.label(format!("this is `{}`", checked.ty)));
                return None;
            }
            let origin = self.origin(expression.whole());
            return Some(plan::Condition {
                program: checked.program,
                origin,
            });
        }
        self.plan_condition(that, scope).map(|(condition, _)| condition)
    }
}

/// `deprecated:` as headers: RFC 9745, RFC 8594 and a link.
pub(super) fn deprecated(
    written: Option<&Deprecated>,
    diagnostics: &mut Diagnostics,
) -> Vec<(HeaderName, HeaderValue)> {
    let Some(written) = written else { return Vec::new() };
    let mut headers = Vec::new();
    let mut add = |name: &'static str, text: String| {
        if let Ok(value) = HeaderValue::from_str(&text) {
            headers.push((HeaderName::from_static(name), value));
        }
    };
    let since = written.since.as_ref().map(|it| (it, seconds(it, diagnostics)));
    if let Some((_, Some(seconds))) = since {
        add("deprecation", format!("@{seconds}"));
    }
    if let Some(sunset) = &written.sunset
        && let Some(at) = seconds(sunset, diagnostics)
    {
        if let Some((_, Some(since))) = since
            && at < since
        {
            // RFC 9745 §4: the sunset is not before the deprecation.
            diagnostics.push(Diagnostic::new(
                "wrong-value",
                sunset.span,
                "`sunset` is before `since`",
            ));
        }
        add("sunset", http_date(at));
    }
    if let Some(link) = &written.link {
        let plain = link
            .value
            .bytes()
            .all(|it| it.is_ascii_graphic() && !matches!(it, b'<' | b'>' | b'"'));
        if plain && !link.value.is_empty() {
            add(
                "link",
                format!("<{}>; rel=\"deprecation\"; type=\"text/html\"", link.value),
            );
        } else {
            diagnostics.push(Diagnostic::new("wrong-value", link.span, "this is not a link"));
        }
    }
    headers
}

/// A date or timestamp, as seconds since 1970.
fn seconds(written: &Name, diagnostics: &mut Diagnostics) -> Option<i64> {
    let text = if written.value.contains('T') {
        written.value.to_string()
    } else {
        format!("{}T00:00:00Z", written.value)
    };
    let read = literal::typed(&Literal::Text(text.into()), &Type::of(TypeKind::Timestamp));
    let Ok(Value::Timestamp(seconds, _)) = read else {
        let title = format!("`{}` is not a date", written.value);
        let wrong = Diagnostic::new("wrong-type", written.span, title);
        diagnostics.push(wrong.label("expected `2026-01-31` or `2026-01-31T00:00:00Z`"));
        return None;
    };
    Some(seconds)
}

/// RFC 9110 §5.6.7: `Sun, 06 Nov 1994 08:49:37 GMT`.
fn http_date(seconds: i64) -> String {
    let days = seconds.div_euclid(86_400);
    let second = seconds.rem_euclid(86_400);
    let (year, month, day) = civil(days);
    let week =
        ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"][usize::try_from(days.rem_euclid(7)).unwrap_or_default()];
    let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let name = months[usize::try_from(month - 1).unwrap_or_default()];
    format!(
        "{week}, {day:02} {name} {year:04} {:02}:{:02}:{:02} GMT",
        second / 3600,
        second / 60 % 60,
        second % 60
    )
}

/// Days since 1970 → year, month, day of the Gregorian calendar.
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468; // 0000-03-01, so that leap days end a year
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_written_as_http_writes_them() {
        for (seconds, want) in [
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
            (4_102_444_799, "Thu, 31 Dec 2099 23:59:59 GMT"),
            (-1, "Wed, 31 Dec 1969 23:59:59 GMT"),
        ] {
            assert_eq!(http_date(seconds), want);
        }
    }
}
