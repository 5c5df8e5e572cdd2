//! How components are written, and which are refused.

use super::*;

/// RFC 9421 §2.1, §2.2: how each kind of component is written.
#[test]
fn components_are_written_as_the_rfc_says() {
    let request = Request::of(
        "POST",
        "https://WWW.Example.com:443/path?param=value&foo=bar&baz=batman&qux=&var=this%20is%20a%20big%0Amultiline%20value\
         &bar=with+plus+whitespace&fa%C3%A7ade%22%3A%20=something",
        &[
            ("x-ows", "Leading and trailing whitespace."),
            ("cache-control", "max-age=60"),
            ("cache-control", "   must-revalidate"),
            ("x-empty", ""),
            ("example-dict", "  a=1,    b=2;x=1;y=2,   c=(a   b    c), d"),
            ("example-header", "value, with, lots"),
            ("example-header", "of, commas"),
            ("priority", "u=1,   i"),
            ("x-latin", "\u{e9}"),
        ],
    );
    for (component, wanted) in [
        ("\"@method\"", "POST"),
        ("\"@authority\"", "www.example.com"),
        ("\"@scheme\"", "https"),
        ("\"@path\"", "/path"),
        ("\"x-ows\"", "Leading and trailing whitespace."),
        ("\"cache-control\"", "max-age=60, must-revalidate"),
        ("\"x-empty\"", ""),
        ("\"example-dict\"", "a=1,    b=2;x=1;y=2,   c=(a   b    c), d"),
        ("\"example-dict\";key=\"a\"", "1"),
        ("\"example-dict\";key=\"b\"", "2;x=1;y=2"),
        ("\"example-dict\";key=\"c\"", "(a b c)"),
        ("\"example-dict\";key=\"d\"", "?1"),
        (
            "\"example-header\";bs",
            ":dmFsdWUsIHdpdGgsIGxvdHM=:, :b2YsIGNvbW1hcw==:",
        ),
        ("\"priority\";sf", "u=1, i"),
        ("\"x-latin\";bs", ":w6k=:"),
        ("\"@query-param\";name=\"baz\"", "batman"),
        ("\"@query-param\";name=\"qux\"", ""),
        (
            "\"@query-param\";name=\"var\"",
            "this%20is%20a%20big%0Amultiline%20value",
        ),
        ("\"@query-param\";name=\"bar\"", "with%20plus%20whitespace"),
        ("\"@query-param\";name=\"fa%C3%A7ade%22%3A%20\"", "something"),
    ] {
        let covered = format!("({component});created=1");
        let base = to_sign(&covered, &request.message()).unwrap();
        assert_eq!(base, format!("{component}: {wanted}\n\"@signature-params\": {covered}"));
    }
    let bare = Request::of("GET", "http://a.example:8080", &[]);
    for (component, wanted) in [
        ("@path", "/"),
        ("@query", "?"),
        ("@request-target", "/"),
        ("@target-uri", "http://a.example:8080/"),
        ("@authority", "a.example:8080"),
    ] {
        let base = to_sign(&format!("(\"{component}\")"), &bare.message()).unwrap();
        assert!(base.starts_with(&format!("\"{component}\": {wanted}\n")), "{base}");
    }
}

#[test]
fn what_cannot_be_told_without_doubt_is_refused() {
    let request = Request::of(
        "GET",
        "https://a.example/?a=1&a=2",
        &[("x-a", "1"), ("x-latin", "\u{e9}"), ("x-word", "a b")],
    );
    for (covered, why) in [
        ("(\"@status\")", Why::Critical),
        ("(\"@method\";req)", Why::Critical),
        ("(\"x-a\";tr)", Why::Critical),
        ("(\"x-a\";sf)", Why::Critical),
        ("(\"x-a\";sf=?0)", Why::Critical),
        ("(\"@signature-params\")", Why::Critical),
        ("(\"X-A\")", Why::Malformed),
        ("(x-a)", Why::Malformed),
        ("(\"x-a\" \"x-a\")", Why::Malformed),
        ("(\"x-a\";bs;key=\"a\")", Why::Malformed),
        ("(\"@method\";bs)", Why::Malformed),
        ("(\"@query-param\")", Why::Critical),
        ("(\"x-a\";name=\"a\")", Why::Malformed),
        ("(\"@query-param\";name=\"a\")", Why::Several),
        ("(\"@query-param\";name=\"b\")", Why::Signature),
        ("(\"x-word\";key=\"a\")", Why::Malformed),
        ("(\"x-gone\")", Why::Signature),
        ("(\"x-gone\";bs)", Why::Signature),
        ("(\"x-latin\")", Why::Malformed),
        ("1", Why::Malformed),
        ("(\"", Why::Malformed),
    ] {
        assert_eq!(to_sign(covered, &request.message()), Err(why), "{covered}");
    }
    let many: Vec<String> = (0..65).map(|it| format!("\"x-{it}\"")).collect();
    assert_eq!(
        to_sign(&format!("({})", many.join(" ")), &request.message()),
        Err(Why::TooLong)
    );
}
