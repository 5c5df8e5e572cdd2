//! Grammar, matching and precedence, in tables and against a naive matcher.

use http::Method;
use proptest::prelude::*;
use serde_json::Value;

use super::*;

fn template(text: &str) -> PathTemplate {
    PathTemplate::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn table<'t>(routes: &[(&'t str, &'t str)]) -> RouteTable<&'t str> {
    let mut table = RouteTable::default();
    for (method, text) in routes {
        let method = (*method != "*").then(|| Method::from_bytes(method.as_bytes()).unwrap());
        table
            .insert(method, &template(text), *text)
            .unwrap_or_else(|earlier| panic!("{text} is {earlier}"));
    }
    table
}

#[test]
fn templates_are_read_and_printed() {
    for (text, names, verb) in [
        ("/", "", None),
        ("/a", "", None),
        ("/a/{b}", "b", None),
        ("/v1/{name=shelves/*/books/*}:move", "name", Some("move")),
        ("/{a}/{b.c_d=x/*/**}", "a b.c_d", None),
        ("/{user-id}/größe", "user-id", None),
        ("/a%20b:v%41", "", Some("vA")),
        ("/{x=**}:do", "x", Some("do")),
        ("/{_}/{x=only}", "_ x", None),
    ] {
        let parsed = template(text);
        assert_eq!(parsed.to_string(), text);
        assert_eq!(
            parsed
                .variables()
                .iter()
                .map(|it| it.name.as_str())
                .collect::<Vec<_>>()
                .join(" "),
            names,
            "{text}"
        );
        assert_eq!(parsed.verb(), verb, "{text}");
        for variable in parsed.variables() {
            assert_eq!(text[variable.range.clone()], variable.name);
        }
    }
}

#[test]
fn mistakes_are_shown_where_they_are() {
    for (text, at, reason) in [
        ("", "", "a path template begins with `/`"),
        ("a/b", "a", "a path template begins with `/`"),
        ("/a//b", "/", "a segment is missing here"),
        ("/a/", "/", "a segment is missing here"),
        ("//", "/", "a segment is missing here"),
        ("/:verb", "/", "a segment is missing here"),
        ("/a:", ":", "a verb is missing behind this `:`"),
        ("/a:b:c", ":", "a verb cannot contain `:`"),
        (
            "/a:b/c",
            ":",
            "`:` begins a verb, which stands behind the last segment only",
        ),
        ("/**/b", "**", "`**` may stand in the last place only"),
        ("/{x=**}/{y}", "**", "`**` may stand in the last place only"),
        ("/{x=a/**/**}", "**", "`**` may stand in the last place only"),
        ("/{x=a/{y}}", "{", "a variable cannot stand inside another one"),
        ("/{x={y}}", "{", "a variable cannot stand inside another one"),
        ("/{}", "}", "the name of a variable is missing"),
        ("/{x.}", "}", "the name of a variable is missing"),
        ("/{.x}", ".", "the name of a variable is missing"),
        ("/{1a}", "1a", "the name of a variable begins with a letter or `_`"),
        ("/{x=}", "}", "a segment is missing before this `}`"),
        ("/{x=/a}", "=", "a segment is missing here"),
        ("/{x", "{", "this `{` is never closed"),
        ("/{x=a", "{", "this `{` is never closed"),
        (
            "/{x=a:b}",
            ":",
            "a verb stands behind the last segment, outside of braces",
        ),
        ("/{x y}", " ", "` ` cannot stand in a variable here"),
        ("/{x}/{x}", "x", "variable `x` is already there"),
        ("/a{x}", "{", "`{` cannot stand here: a segment ends before it"),
        ("/{x}a", "a", "`a` cannot stand here: a segment ends before it"),
        ("/a}", "}", "`}` cannot stand here: a segment ends before it"),
        ("/a*", "*", "`*` and `**` fill a whole segment"),
        ("/***", "*", "`*` and `**` fill a whole segment"),
        ("/a?b=c", "?", "`?` is no part of a path"),
        ("/a#b", "#", "`#` is no part of a path"),
        ("/a b", " ", "' ' cannot stand in a path"),
        ("/a%4", "%", "`%` needs two hexadecimal digits behind it"),
        ("/a%4é", "%", "`%` needs two hexadecimal digits behind it"),
        (
            "/%ff",
            "%ff",
            "no request has such a segment: it is not UTF-8 when decoded",
        ),
        ("/a%00", "a%00", "no request has such a segment: `%00` is refused"),
        (
            "/a/%2e.",
            "%2e.",
            "no request has such a segment: `.` and `..` are refused",
        ),
    ] {
        let error = PathTemplate::parse(text).unwrap_err();
        assert_eq!(
            (&text[error.range.clone()], error.reason.as_str()),
            (at, reason),
            "{text} {:?}",
            error.range
        );
    }
}

#[test]
fn the_better_template_answers() {
    let table = table(&[
        ("GET", "/"),
        ("GET", "/a"),
        ("GET", "/a/**"),
        ("GET", "/a/{x}/c"),
        ("GET", "/a/b/{y}"),
        ("GET", "/a/b/{y}/z"),
        ("GET", "/a/{x}/c/w"),
        ("GET", "/v/{id}"),
        ("GET", "/{x=**}:do"),
        ("GET", "/p%2Fq/é"),
        ("GET", "/n/{x=k/*}/{y=m/n}/{z}"),
        ("*", "/any/{x}"),
        ("GET", "/any/{x}"),
        ("POST", "/any/one"),
        ("HEAD", "/h"),
        ("GET", "/h"),
    ]);
    for (method, path, expected) in [
        ("GET", "/", Some(("/", ""))),
        ("GET", "/a", Some(("/a", ""))),
        ("GET", "/a/q", Some(("/a/**", ""))),
        ("GET", "/a/b/c", Some(("/a/b/{y}", "c"))),
        ("GET", "/a/b/c/w", Some(("/a/{x}/c/w", "b"))),
        ("GET", "/a/b/c/z", Some(("/a/b/{y}/z", "c"))),
        ("GET", "/v/x:do", Some(("/{x=**}:do", "v/x"))),
        ("GET", "/v/x:d%6F", Some(("/{x=**}:do", "v/x"))),
        ("GET", "/v/x%3Ado", Some(("/v/{id}", "x:do"))),
        ("GET", "/v/x:other", Some(("/v/{id}", "x:other"))),
        ("GET", "/v/:do", Some(("/v/{id}", ":do"))),
        ("GET", "/:do", Some(("/{x=**}:do", ""))),
        ("GET", "/p%2fq/%C3%A9", Some(("/p%2Fq/é", ""))),
        ("GET", "/p%2Fq/é", Some(("/p%2Fq/é", ""))),
        ("GET", "/p/q/é", None),
        (
            "GET",
            "/n/k/1%2F/m/n/2%2F",
            Some(("/n/{x=k/*}/{y=m/n}/{z}", "k/1%2F|m/n|2/")),
        ),
        ("HEAD", "/a", Some(("/a", ""))),
        ("HEAD", "/h", Some(("/h", ""))),
        ("GET", "/any/one", Some(("/any/{x}", "one"))),
        ("POST", "/any/one", Some(("/any/one", ""))),
        ("PUT", "/any/one", Some(("/any/{x}", "one"))),
        ("GET", "/a/", None),
        ("GET", "/a//c", None),
        ("GET", "//", None),
        ("GET", "/A", None),
        ("GET", "/v", None),
    ] {
        let expected = expected.map_or(Found::Missing, |(route, values)| {
            Found::Route(route.to_owned(), values.to_owned())
        });
        assert_eq!(found(&table, method, path), expected, "{method} {path}");
    }
}

/// `found`'s results as the tables above write them: the values joined by `|`.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    Bad,
    Missing,
    Others(String),
    Route(String, String),
}

fn found(table: &RouteTable<&str>, method: &str, path: &str) -> Found {
    match table.find(&Method::from_bytes(method.as_bytes()).unwrap(), path) {
        Match::BadPath => Found::Bad,
        Match::NotFound => Found::Missing,
        Match::OtherMethods(methods) => Found::Others(methods.iter().map(Method::as_str).collect::<Vec<_>>().join(" ")),
        Match::Route(route, values) => Found::Route((*route).to_owned(), values.join("|")),
    }
}

#[test]
fn malformed_paths_are_refused_wherever_they_lead() {
    let table = table(&[("GET", "/{x=**}"), ("GET", "/{x=**}:do")]);
    for path in [
        "",
        "*",
        "a/b",
        "/a/../c",
        "/a/./c",
        "/..",
        "/.",
        "/a/%2e%2e/c",
        "/a/.%2E/c",
        "/%2e",
        "/a%00",
        "/a/%0",
        "/a/%",
        "/a/%zz",
        "/a/%u0041",
        "/%FF",
        "/%C0%AF",
        "/%ED%A0%80",
        "/a//%",
        "/a/..:do",
        "/%2e.:do",
    ] {
        assert_eq!(found(&table, "GET", path), Found::Bad, "{path}");
    }
    for path in [
        "/a/...",
        "/a/..b",
        "/a/%2e%2eb",
        "/a/.well-known",
        "/a/..:undo",
        "/%E2%82%AC",
        "/a:b",
        "/a/100%25",
    ] {
        assert!(matches!(found(&table, "GET", path), Found::Route(..)), "{path}");
    }
}

#[test]
fn other_methods_are_listed_once_and_in_order() {
    let table = table(&[
        ("POST", "/a/{x}"),
        ("GET", "/a/{x=*}"),
        ("DELETE", "/a/b"),
        ("GET", "/{x=**}:do"),
        ("POST", "/a/{x}:do"),
        ("PUT", "/c"),
    ]);
    for (method, path, expected) in [
        ("PUT", "/a/b", "DELETE GET HEAD POST"),
        ("PUT", "/a/c", "GET HEAD POST"),
        ("PUT", "/a/c:do", "GET HEAD POST"),
        ("GET", "/c", "PUT"),
        ("OPTIONS", "/c", "PUT"),
        ("HEAD", "/c", "PUT"),
    ] {
        assert_eq!(
            found(&table, method, path),
            Found::Others(expected.to_owned()),
            "{method} {path}"
        );
    }
}

#[test]
fn a_slash_at_the_end_is_taken_by_those_that_want_it() {
    let mut table = table(&[("GET", "/a/{x}"), ("GET", "/b/{x=**}"), ("GET", "/a/{x}:verb")]);
    for (method, text) in [
        ("GET", "/a/{x=**}"),
        ("PUT", "/c/{x=**}"),
        ("GET", "/d/{x}"),
        ("GET", "/{x=**}:verb"),
    ] {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        assert!(table.insert_with_slash(Some(method), &template(text), text).is_ok());
    }
    for (path, wanted) in [
        ("/a/x", Match::Route(&"/a/{x}", vec!["x".into()])),
        ("/a/x/", Match::Route(&"/a/{x=**}", vec!["x/".into()])),
        ("/a/x/y%2Fz/", Match::Route(&"/a/{x=**}", vec!["x/y%2Fz/".into()])),
        ("/a/", Match::Route(&"/a/{x=**}", vec![String::new()])),
        ("/a", Match::Route(&"/a/{x=**}", vec![String::new()])),
        ("/a/x:verb/", Match::Route(&"/a/{x=**}", vec!["x:verb/".into()])),
        ("/b/x", Match::Route(&"/b/{x=**}", vec!["x".into()])),
        ("/b/x/", Match::NotFound),
        ("/c/x/", Match::OtherMethods(vec![Method::PUT])),
        ("/d/x/", Match::NotFound),
        ("/a//", Match::NotFound),
        ("/a//x/", Match::NotFound),
        ("//", Match::NotFound),
        ("/a/../", Match::BadPath),
        ("/a/%2e%2e/", Match::BadPath),
    ] {
        assert_eq!(table.find(&Method::GET, path), wanted, "{path}");
    }
}

#[test]
fn the_same_shape_twice_is_refused_with_the_earlier_one() {
    for (a, b, same) in [
        ("/a/{x}", "/a/{y=*}", true),
        ("/a/{x}", "/a/*", true),
        ("/{x=a/*}", "/a/{y}", true),
        ("/a/{x=**}", "/a/**", true),
        ("/a%41", "/aA", true),
        ("/a", "/a:b", false),
        ("/a:b", "/a:c", false),
        ("/a:b", "/a:%62", true),
        ("/a/*", "/a/**", false),
        ("/a/b", "/a/*", false),
        ("/", "/**", false),
    ] {
        let mut table = RouteTable::default();
        table.insert(Some(Method::GET), &template(a), a).unwrap();
        table.insert(Some(Method::PUT), &template(b), b).unwrap();
        table.insert(None, &template(b), b).unwrap();
        assert_eq!(
            table.insert(Some(Method::GET), &template(b), b).err().copied(),
            same.then_some(a),
            "{a} {b}"
        );
        assert_eq!(template(a).same_shape(&template(b)), same, "{a} {b}");
    }
}

#[test]
fn overlap_is_known_without_a_path() {
    for (a, b, expected) in [
        ("/a/{x}", "/{y}/b", true),
        ("/a/{x}", "/b/{y}", false),
        ("/a", "/a/**", true),
        ("/a/b", "/a/b/c", false),
        ("/a:v", "/a", false),
        ("/a:v", "/{x}", true),
        ("/a:v", "/a:w", false),
        ("/a/**:v", "/{x}", true),
        ("/a/**:v", "/a%3Av", true),
        ("/a/{x}:v", "/a/**", true),
        ("/{x}:v", "/%3Av", false),
        ("/**:v", "/a/{x}/c", false),
        ("/**:v", "/a/{x}/c%3Av", true),
    ] {
        assert_eq!(template(a).overlaps(&template(b)), expected, "{a} {b}");
        assert_eq!(template(b).overlaps(&template(a)), expected, "{b} {a}");
    }
}

#[test]
fn google_api_http_cases_find_their_routes() {
    let cases: Value = serde_json::from_str(include_str!("../../../fixtures/http_rule/cases.json")).unwrap();
    let mut n_cases = 0;
    for case in cases["cases"].as_array().unwrap() {
        let mut table = RouteTable::default();
        for route in cases["tables"][case["table"].as_str().unwrap()]["routes"]
            .as_array()
            .unwrap()
        {
            for rule in std::iter::once(route).chain(route["additional"].as_array().into_iter().flatten()) {
                let method = rule["verb"]
                    .as_str()
                    .filter(|it| *it != "*")
                    .map(|it| Method::from_bytes(it.as_bytes()).unwrap());
                table
                    .insert(method, &template(rule["template"].as_str().unwrap()), &route["id"])
                    .unwrap();
            }
        }
        let method = Method::from_bytes(case["request"]["method"].as_str().unwrap().as_bytes()).unwrap();
        let (status, route) = match table.find(&method, case["request"]["path"].as_str().unwrap()) {
            Match::BadPath => (400, &Value::Null),
            Match::NotFound => (404, &Value::Null),
            Match::OtherMethods(_) => (405, &Value::Null),
            Match::Route(route, _) => (200, *route),
        };
        let expected = &case["expect"]["route"];
        if expected.is_null() && status == 200 {
            // A route is found, and then what was bound does not fit its type: that is not the path's part.
            assert!(matches!(case["table"].as_str(), Some("body" | "pq" | "q")), "{case}");
        } else {
            assert_eq!(route, expected, "{case}");
        }
        if status > 400 {
            let allowed = case["status"]
                .as_array()
                .map_or(vec![404], |it| it.iter().filter_map(Value::as_u64).collect());
            assert!(allowed.contains(&status), "{status} {case}");
        }
        n_cases += 1;
    }
    assert_eq!(n_cases, 181);
}

#[test]
fn google_api_http_templates_are_valid_or_not() {
    let cases: Value = serde_json::from_str(include_str!("../../../fixtures/http_rule/cases.json")).unwrap();
    for case in cases["templates"].as_array().unwrap() {
        let text = case["template"].as_str().unwrap();
        let parsed = PathTemplate::parse(text);
        // Two that some implementations accept are refused here: `**` is last, and no path can have a segment that is not
        // UTF-8. One is a mistake of the field that its variable names.
        let expected = match text {
            "/a/{b=c/**}/d/e" | "/foo/bar:baz%12xyz%abcde" => false,
            "/v1/{n}" => true,
            _ => case["valid"].as_bool().unwrap(),
        };
        assert_eq!(parsed.is_ok(), expected, "{text}");
        if let (Ok(parsed), Some(variables)) = (&parsed, case["variables"].as_array()) {
            let names: Vec<&str> = variables.iter().map(|it| it[0].as_str().unwrap()).collect();
            assert_eq!(
                parsed.variables().iter().map(|it| it.name.as_str()).collect::<Vec<_>>(),
                names,
                "{text}"
            );
            assert_eq!(
                parsed.verb().unwrap_or_default(),
                case["custom_verb"].as_str().unwrap(),
                "{text}"
            );
        }
    }
}

// === against a naive matcher ===

/// How the segments of a template take those of a path: none if they do not, else what is compared to find the best.
fn naive(template: &PathTemplate, path: &str) -> Option<(bool, Vec<u8>)> {
    let path = path.strip_prefix('/')?;
    let (path, verb) = match template.verb() {
        None => (path, false),
        Some(verb) => (path.strip_suffix(verb)?.strip_suffix(':')?, true),
    };
    let segments: Vec<&str> = path.split('/').filter(|_| !path.is_empty()).collect();
    if segments.contains(&"") {
        return None;
    }
    let mut ranks = Vec::new();
    for (at, segment) in template.segments.iter().enumerate() {
        ranks.push(match segment {
            Segment::Literal(text) if segments.get(at) == Some(&&**text) => 1,
            Segment::One if segments.len() > at => 2,
            Segment::Rest if segments.len() >= at => 3,
            _ => return None,
        });
    }
    let whole = template.segments.last() == Some(&Segment::Rest) || segments.len() == template.segments.len();
    // A verb goes before none, so `false` is the better.
    whole.then_some((!verb, ranks))
}

fn any_template() -> impl Strategy<Value = String> {
    let segment = prop_oneof![4 => Just("a"), 2 => Just("b"), 3 => Just("*"), 1 => Just("**")];
    let last = prop_oneof![3 => Just(""), 1 => Just(":v"), 1 => Just(":w")];
    (prop::collection::vec(segment, 1..5), last).prop_map(|(segments, verb)| format!("/{}{verb}", segments.join("/")))
}

fn any_path() -> impl Strategy<Value = String> {
    let segment = prop_oneof![4 => Just("a"), 3 => Just("b"), 1 => Just("c"), 1 => Just("a:v"), 1 => Just("b:w")];
    prop::collection::vec(segment, 0..6).prop_map(|segments| format!("/{}", segments.join("/")))
}

proptest! {
    #[test]
    fn the_matcher_agrees_with_a_naive_one(texts in prop::collection::vec(any_template(), 1..12), path in any_path()) {
        let mut table = RouteTable::default();
        let mut templates: Vec<PathTemplate> = Vec::new();
        for text in &texts {
            let Ok(parsed) = PathTemplate::parse(text) else { continue };
            let is_new = !templates.iter().any(|it| it.same_shape(&parsed));
            prop_assert_eq!(table.insert(Some(Method::GET), &parsed, text.clone()).is_ok(), is_new);
            if is_new {
                templates.push(parsed);
            }
        }
        let takers = templates.iter().filter_map(|it| Some((naive(it, &path)?, it)));
        // Where one goes on and the other ends, the one that ends has no `**` there and is the better: so compares `Vec`.
        let best = takers.min_by(|(a, _), (b, _)| a.cmp(b)).map(|(_, it)| it.to_string());
        let found = match table.find(&Method::GET, &path) {
            Match::Route(route, _) => Some(route.clone()),
            _ => None,
        };
        prop_assert_eq!(found, best);
    }

    #[test]
    fn overlap_is_symmetric_and_agrees_with_paths(a in any_template(), b in any_template(), path in any_path()) {
        if let (Ok(a), Ok(b)) = (PathTemplate::parse(&a), PathTemplate::parse(&b)) {
            prop_assert_eq!(a.overlaps(&b), b.overlaps(&a));
            prop_assert!(a.overlaps(&b) || naive(&a, &path).is_none() || naive(&b, &path).is_none());
        }
    }

    #[test]
    fn whatever_parses_prints_as_it_was(text in "/?[a-z{}=*:/.%é ]{0,12}") {
        if let Ok(parsed) = PathTemplate::parse(&text) {
            prop_assert_eq!(parsed.to_string(), text.as_str());
            prop_assert_eq!(PathTemplate::parse(&parsed.to_string()), Ok(parsed));
        }
    }

    #[test]
    fn no_path_makes_the_matcher_panic(path in "/?([a-z:%/.é]|%2[Ff]|%2e|%C3%A9){0,12}", text in any_template()) {
        let mut table = RouteTable::default();
        if let Ok(parsed) = PathTemplate::parse(&text) {
            table.insert(None, &parsed, ()).unwrap();
        }
        table.insert(None, &template("/x/{a=b/**}"), ()).ok();
        let _found = table.find(&Method::GET, &path);
    }
}
