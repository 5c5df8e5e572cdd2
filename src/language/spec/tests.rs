//! What is read, in tables; what is refused stands in `fixtures/spec`.

use std::fmt::Write;

use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;
use crate::language::diagnostic::render;

fn read(text: &str) -> (SourceMap, Option<Composition>, Diagnostics) {
    let mut sources = SourceMap::default();
    let file = sources.add("t.yaml", text);
    let mut diagnostics = Diagnostics::default();
    let document = document(&sources, file, &mut diagnostics);
    let read = document.and_then(|it| composition(&it, &sources, &mut diagnostics));
    (sources, read, diagnostics)
}

fn clean(text: &str) -> (SourceMap, Composition) {
    let (sources, read, diagnostics) = read(text);
    let drawn = render::full(&diagnostics.into_sorted(), &sources, render::Colour::Off);
    assert_eq!(drawn, "", "{text}");
    (sources, read.unwrap())
}

/// An expression as it stands in the file, found again through its span.
fn show_expression(expression: &Expression, sources: &SourceMap) -> String {
    format!("<{}>", sources.written(expression.whole()))
}

fn show_literal(literal: &Literal) -> String {
    match literal {
        Literal::Bool(it) => it.to_string(),
        Literal::List(items) => format!("[{}]", items.iter().map(show_literal).collect::<Vec<_>>().join(", ")),
        Literal::Null => "null".to_owned(),
        Literal::Number(digits) => digits.to_string(),
        Literal::Text(text) => format!("{text:?}"),
    }
}

fn show_text(text: &TextTemplate, sources: &SourceMap) -> String {
    let part = |it: &TextPart| match it {
        TextPart::Hole(expression) => show_expression(expression, sources),
        TextPart::Literal(text, span) => format!("{text:?}@{:?}", sources.written(*span)),
    };
    text.parts.iter().map(part).collect::<Vec<_>>().join(" + ")
}

fn show_condition(condition: &Condition, sources: &SourceMap) -> String {
    match condition {
        Condition::Expression(expression) => show_expression(expression, sources),
        Condition::Literal(it) => it.value.to_string(),
    }
}

fn show(template: &Template, sources: &SourceMap) -> String {
    match &template.kind {
        TemplateKind::Expression(expression) => show_expression(expression, sources),
        TemplateKind::For {
            variable,
            list,
            condition,
            each,
        } => {
            let condition = condition
                .as_ref()
                .map_or_else(String::new, |it| format!(" if {}", show_condition(it, sources)));
            let list = show_expression(list, sources);
            format!("for {} in {list}{condition}: {}", variable.value, show(each, sources))
        }
        TemplateKind::If { condition, then } => {
            format!("if {}: {}", show_condition(condition, sources), show(then, sources))
        }
        TemplateKind::List(items) => {
            format!(
                "[{}]",
                items.iter().map(|it| show(it, sources)).collect::<Vec<_>>().join(", ")
            )
        }
        TemplateKind::Literal(literal) => show_literal(literal),
        TemplateKind::Object(members) => {
            let member = |it: &Member| match it {
                Member::Field(name, value) => format!("{}: {}", name.value, show(value, sources)),
                Member::Spread(value) => format!("...{}", show(value, sources)),
            };
            format!("{{{}}}", members.iter().map(member).collect::<Vec<_>>().join(", "))
        }
        TemplateKind::Text(text) => show_text(text, sources),
        TemplateKind::Unknown => "?".to_owned(),
    }
}

#[track_caller]
fn response(value: &str, want: &str) {
    let (sources, composition) = clean(&format!("endpoint: GET /p\nresponse: {value}\n"));
    assert_eq!(show(&composition.response.unwrap(), &sources), want, "{value}");
}

#[test]
fn scalars_are_expressions_text_or_literals() {
    response("$product.price", "<product.price>");
    response("'$a == \"b\"'", "<a == \"b\">");
    response("\"$a == \\\"b\\\"\"", "<a == \\\"b\\\">");
    response("\"${id}\"", "<id>");
    response("\"${ id }\"", "<id>");
    response("\"${id} \"", "<id> + \" \"@\" \"");
    response(
        "a ${b.c} d ${'}' + e}",
        "\"a \"@\"a \" + <b.c> + \" d \"@\" d \" + <'}' + e>",
    );
    response("$$5", "\"$5\"");
    response("US$5", "\"US$5\"");
    response("US$$5", "\"US$5\"");
    response("$${x}", "\"${x}\"");
    response("$$${id}", "\"$\"@\"$$\" + <id>");
    response("'$({\"a\": 1}).a'", "<({\"a\": 1}).a>");
    response(">-\n  $a\n  ? 1 : 2", "<a\n  ? 1 : 2>");
    response("|\n  $a", "<a>");
    response("|\n  a ${b}\n  c", "\"a \"@\"a \" + <b> + \"\\nc\\n\"@\"\\n  c\"");
    response("'it''s ${a}'", "\"it's \"@\"it''s \" + <a>");
    response("[1, 1.10, true, null, \"5\"]", "[1, 1.10, true, null, \"5\"]");
}

#[test]
fn maps_are_objects_loops_and_conditions() {
    response("{ a: $x, $$ref: 1, ...: $y }", "{a: <x>, $ref: 1, ...<y>}");
    response("{ ...: [$a, $b], c: 1 }", "{...<a>, ...<b>, c: 1}");
    response("{ $for: r in $l, a: $r.b }", "for r in <l>: {a: <r.b>}");
    response(
        "{ $for: r in $l, $if: $r.c, $value: $r.b }",
        "for r in <l> if <r.c>: <r.b>",
    );
    response("[{ $if: $a, b: 1 }]", "[if <a>: {b: 1}]");
    response(
        "{ a: { $if: true, $value: { $for: x in $l, $value: 1 } } }",
        "{a: if true: for x in <l>: 1}",
    );
    response("{}", "{}");
}

#[track_caller]
fn calls(text: &str, want: &Expect) {
    let (sources, composition) = clean(&format!("endpoint: GET /p\ncalls:\n{text}response: 1\n"));
    let mut shown = String::new();
    for call in &composition.calls {
        show_call(call, &sources, 0, &mut shown);
    }
    want.assert_eq(&shown);
}

fn show_call(call: &Call, sources: &SourceMap, indent: usize, shown: &mut String) {
    let pad = " ".repeat(indent);
    let optional = |it: &Option<Template>| it.as_ref().map_or_else(|| "-".to_owned(), |it| show(it, sources));
    let pairs = |it: &[(Name, Template)]| {
        it.iter()
            .map(|(name, value)| format!("{}={}", name.value, show(value, sources)))
            .collect::<Vec<_>>()
            .join("&")
    };
    let kind = match call.kind.as_ref().unwrap() {
        CallKind::Compose { fragment, with } => format!("compose {} with {}", fragment.value, pairs(with)),
        CallKind::For {
            variable,
            list,
            max_concurrency,
            each,
        } => {
            let list = show_expression(list, sources);
            let at_once = max_concurrency.as_ref().map_or(0, |it| it.value);
            format!(
                "for {} in {list} at once {at_once}{}",
                variable.value,
                if matches!(each, ForBody::Single(_)) {
                    " short"
                } else {
                    ""
                }
            )
        }
        CallKind::Grpc {
            method,
            backend,
            request,
        } => {
            let backend = backend.as_ref().map_or("-", |it| &it.value);
            format!(
                "grpc {} at {backend} {}",
                sources.written(method.span),
                optional(request)
            )
        }
        CallKind::Http {
            method,
            backend,
            path,
            query,
            body,
            accept,
            schema: _,
        } => {
            let head = format!("{} {}", sources.written(method.span), sources.written(backend.span));
            let accept = accept.as_ref().map(|it| it.value).unwrap_or_default();
            format!(
                "http {head}: {} ?{} {} {accept:?}",
                show_text(path, sources),
                pairs(query),
                optional(body)
            )
        }
        CallKind::Value(template) => format!("value {}", show(template, sources)),
    };
    let when = call
        .when
        .as_ref()
        .map_or_else(|| "-".to_owned(), |it| show_condition(it, sources));
    let after: Vec<&str> = call.after.iter().map(|it| &*it.value).collect();
    let is_optional = call.optional.as_ref().is_some_and(|it| it.value);
    let _ignored = writeln!(
        shown,
        "{pad}{}: {kind}; when {when} after {after:?} timeout {:?} optional {is_optional} fallback {} ttl {:?}",
        sources.written(call.name.span),
        call.timeout.as_ref().map(|it| it.value),
        optional(&call.fallback),
        call.cache.as_ref().and_then(|it| it.ttl.as_ref()).map(|it| it.value),
    );
    match &call.kind {
        Some(CallKind::For {
            each: ForBody::Single(inner),
            ..
        }) => show_call(inner, sources, indent + 2, shown),
        Some(CallKind::For {
            each: ForBody::Calls { calls, response },
            ..
        }) => {
            for inner in calls {
                show_call(inner, sources, indent + 2, shown);
            }
            let _ignored = writeln!(shown, "{pad}  → {}", optional(response));
        }
        _ => {}
    }
}

#[test]
fn calls_are_one_of_five_things() {
    calls(
        "
  a: { grpc: p.S/M, backend: shop, request: { id: $id }, when: $x != null, after: [b], timeout: 1s, cache: 5m }
  b: { http: \"POST recs:/a/${id}/b.${f}\", query: { n: 4 }, body: { c: $d }, accept: text, optional: true }
  c: { compose: part, with: { x: $a.b }, fallback: null }
  d: { value: [$a] }
  e: { for: x in $l, grpc: p.S/M, request: { id: $x }, optional: true, max_concurrency: 4 }
  f:
    for: x in $l
    optional: true
    calls: { g: { grpc: p.S/M } }
    response: { y: $g }
",
        &expect![[r#"
            a: grpc p.S/M at shop {id: <id>}; when <x != null> after ["b"] timeout Some(1s) optional false fallback - ttl Some(300s)
            b: http POST recs: "/a/"@"/a/" + <id> + "/b."@"/b." + <f> ?n=4 {c: <d>} Text; when - after [] timeout None optional true fallback - ttl None
            c: compose part with x=<a.b>; when - after [] timeout None optional false fallback null ttl None
            d: value [<a>]; when - after [] timeout None optional false fallback - ttl None
            e: for x in <l> at once 4 short; when - after [] timeout None optional false fallback - ttl None
              e: grpc p.S/M at - {id: <x>}; when - after [] timeout None optional true fallback - ttl None
            f: for x in <l> at once 0; when - after [] timeout None optional true fallback - ttl None
              g: grpc p.S/M at - -; when - after [] timeout None optional false fallback - ttl None
              → {y: <g>}
        "#]],
    );
}

#[test]
fn the_head_is_a_method_and_a_path() {
    let (sources, composition) = clean("endpoint: POST /orders/{id}:cancel\ncall: p.S/M\nbody: \"*\"\n");
    let Head::Endpoint { method, path } = &composition.head else {
        panic!("an endpoint")
    };
    assert_eq!((&*method.value, &*path.value), ("POST", "/orders/{id}:cancel"));
    assert_eq!(sources.written(path.span), "/orders/{id}:cancel");
    assert_eq!(composition.body.unwrap().value, Body::Field("*".into()));
    assert_eq!(&*composition.shorthand.unwrap().method.value, "p.S/M");
    let (_, fragment) = clean("fragment: price-box\nparams: { id: { type: int } }\nresponse: $id\n");
    assert!(matches!(fragment.head, Head::Fragment { name } if &*name.value == "price-box"));
}

#[test]
fn what_was_filled_in_is_never_shown() {
    let mut sources = SourceMap::default();
    let text = "listen: \"${env.SECRET}\"\nworkers: ${env.SECRET}\nlimits: { body: \"${env.SECRET}\", idle_timeout: \"${env.SECRET}\" }\n\
                telemetry: { log: { level: \"${env.SECRET}\" } }\nexpose: [\"${env.SECRET}\"]\n\
                backends: { a: { grpc: [\"${env.SECRET}\"], services: [\"${env.SECRET}\"], headers: { x: \"${file.SECRET}\" } } }\n";
    let file = sources.add("weft.yaml", text);
    let mut diagnostics = Diagnostics::default();
    let document = document(&sources, file, &mut diagnostics).unwrap();
    let outside = Outside {
        env: &|_| Some("hunter 2".to_owned()),
        file: &|_| Ok("hunter\u{0} 2\n".to_owned()),
    };
    let gateway = gateway(&document, &sources, outside, &mut diagnostics).unwrap();
    assert_eq!(&*gateway.listen[0].value, "hunter 2");
    assert!(diagnostics.len() >= 8);
    let list = diagnostics.into_sorted();
    for drawn in [
        render::full(&list, &sources, render::Colour::Off),
        render::concise(&list, &sources),
        render::json(&list, &sources),
    ] {
        assert!(!drawn.contains("hunter"), "{drawn}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    /// Whatever stands in a file, it is read or refused with places that can be drawn.
    #[test]
    fn no_text_makes_the_reader_panic(
        pieces in prop::collection::vec(
            prop::sample::select(vec![
                "a: ", "- ", "{ ", " }", "[", "]", ", ", "\n", "\n  ", "\n    ", "$", "${", "}", "$$", "\"", "'", "|\n", ">-\n", "#", " #", ":", "!x ",
                "&y ", "*y", "<<: ", "...: ", "$for: ", "$if: ", "$value: ", "x in $l", "é", "\u{1F600}", "\\", "\\u00e9", "5", "010", "null", "true", "~",
                "endpoint: GET /p\n", "calls: ", "grpc: a.B/C", "http: GET r:/a/${b}", "for: x in $y", "response: ", "timeout: 1s", "cache: ", "params: ",
                "backends: ", "listen: ", "${env.A}", "(", ")", ".b", "?", "\t", "\r\n", "---\n", "%", "@", "`",
            ]),
            0..24,
        ),
    ) {
        let text = pieces.concat();
        let (sources, _, found) = read(&text);
        let list = found.into_sorted();
        for it in &list {
            let file = sources.file(it.span.file).unwrap();
            prop_assert!(file.text.get(it.span.start as usize..it.span.end as usize).is_some(), "{text:?} {it:?}");
        }
        render::full(&list, &sources, render::Colour::Off);
        let file = sources.files().next().unwrap().0;
        let mut diagnostics = Diagnostics::default();
        if let Some(document) = document(&sources, file, &mut diagnostics) {
            let outside = Outside { env: &|_| Some("$x ${".to_owned()), file: &|_| Err("no".to_owned()) };
            gateway(&document, &sources, outside, &mut diagnostics);
        }
    }
}
