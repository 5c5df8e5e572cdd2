//! Trees, mistakes and limits of expressions, as text.

use super::*;

/// The tree with every operation in parentheses.
fn shape(ast: &Ast, id: NodeId) -> String {
    let all = |ids: &[NodeId]| ids.iter().map(|&it| shape(ast, it)).collect::<Vec<_>>().join(" ");
    match ast.node(id) {
        Node::Binary {
            operator, left, right, ..
        } => {
            format!("({operator:?} {} {})", shape(ast, *left), shape(ast, *right))
        }
        Node::Bool(it) => it.to_string(),
        Node::Bytes(it) => format!("{it:?}"),
        Node::Call {
            target: None,
            name,
            args,
            ..
        } => format!("({name} {})", all(args)),
        Node::Call {
            target: Some(target),
            name,
            args,
            ..
        } => {
            format!("({}.{name} {})", shape(ast, *target), all(args))
        }
        Node::Conditional { condition, yes, no } => {
            format!("(? {})", all(&[*condition, *yes, *no]))
        }
        Node::Double(it) => format!("{it:?}"),
        Node::Index { of, index } => format!("{}[{}]", shape(ast, *of), shape(ast, *index)),
        Node::Int(it) => it.to_string(),
        Node::List(items) => format!("[{}]", all(items)),
        Node::Logic { operator, operands } => format!("({operator:?} {})", all(operands)),
        Node::Map(entries) => {
            let entries: Vec<_> = entries
                .iter()
                .map(|(k, v)| format!("{}:{}", shape(ast, *k), shape(ast, *v)))
                .collect();
            format!("{{{}}}", entries.join(" "))
        }
        Node::Name(it) => it.clone(),
        Node::Negate(it) => format!("(- {})", shape(ast, *it)),
        Node::Not(it) => format!("(! {})", shape(ast, *it)),
        Node::Null => "null".to_owned(),
        Node::Select { of, field, .. } => format!("{}.{field}", shape(ast, *of)),
        Node::String(it) => format!("{it:?}"),
        Node::Uint(it) => format!("{it}u"),
    }
}

fn parsed(text: &str) -> String {
    match parse(text) {
        Ok(ast) => shape(&ast, ast.root()),
        Err(error) => format!(
            "{}: {} @{:?} <{}> help {:?}",
            error.code,
            error.title,
            &text[error.span.start as usize..error.span.end as usize],
            error.label,
            error.help
        ),
    }
}

#[test]
fn operators_bind_as_cel_says() {
    for (text, wanted) in [
        ("a + b * c", "(Add a (Multiply b c))"),
        ("a - b - c", "(Subtract (Subtract a b) c)"),
        ("(a - b) % c", "(Remainder (Subtract a b) c)"),
        ("a || b && c || d", "(Or a (And b c) d)"),
        ("a && b && c && d", "(And a b c d)"),
        ("a && (b && c)", "(And a (And b c))"),
        ("(a && b) && c", "(And (And a b) c)"),
        ("a == b && c < d + 1", "(And (Equal a b) (Less c (Add d 1)))"),
        ("a ? b : c ? d : e", "(? a b (? c d e))"),
        ("!a.b", "(! a.b)"),
        ("!!a", "a"),
        ("-a.b", "(- a.b)"),
        ("--a", "a"),
        ("-5", "-5"),
        ("--5", "(- -5)"),
        ("-9223372036854775808", "-9223372036854775808"),
        ("1-1", "(Subtract 1 1)"),
        ("x in [1, 2]", "(In x [1 2])"),
        ("\"x\" in m", "(In \"x\" m)"),
    ] {
        assert_eq!(parsed(text), wanted, "{text}");
    }
}

#[test]
fn members_calls_and_literals_are_read() {
    for (text, wanted) in [
        ("a.b[0][\"c-d\"].e(f, 1).g", "(a.b[0][\"c-d\"].e f 1).g"),
        ("f()", "(f )"),
        ("a.package.namespace", "a.package.namespace"),
        ("{\"a\": 1, \"b\": [true, null,],}", "{\"a\":1 \"b\":[true null]}"),
        ("({\"a\": 1}).a", "{\"a\":1}.a"),
        ("0xFFu", "255u"),
        ("-0x10", "-16"),
        (".5e1", "5.0"),
        ("1e3", "1000.0"),
        ("'a\\n\\x41\\u00e9\\U0001F600\\101\\?'", "\"a\\nAé😀A?\""),
        ("r'a\\n'", "\"a\\\\n\""),
        ("\"\"\"a\"b\r\nc\"\"\"", "\"a\\\"b\\nc\""),
        ("b'\\xff\\377é'", "[255, 255, 195, 169]"),
        ("a // the rest is a comment", "a"),
    ] {
        assert_eq!(parsed(text), wanted, "{text}");
    }
}

#[test]
fn arrows_of_other_languages_are_told_as_commas() {
    for (text, wanted) in [
        (
            "l.map(x => x.id)",
            "syntax: unexpected `=` @\"=\" <a macro takes the name, a comma, and the expression> help Some(\"l.map(x, x.id)\")",
        ),
        (
            "l.map(x -> x.id)",
            "syntax: unexpected `>` @\">\" <a macro takes the name, a comma, and the expression> help Some(\"l.map(x, x.id)\")",
        ),
    ] {
        assert_eq!(parsed(text), wanted, "{text}");
    }
}

#[test]
fn one_mistake_gives_one_message_with_help() {
    for (text, wanted) in [
        ("", "syntax: this expression is empty @\"\" <> help None"),
        (
            "a =",
            "syntax: unexpected `=` @\"=\" <`==` compares> help Some(\"a ==\")",
        ),
        (
            "a = b",
            "syntax: unexpected `=` @\"=\" <`==` compares> help Some(\"a == b\")",
        ),
        (
            "a === b",
            "syntax: unexpected `=` @\"=\" <`==` compares> help Some(\"a == b\")",
        ),
        (
            "a and b",
            "syntax: unexpected `and` @\"and\" <`&&` is and> help Some(\"a && b\")",
        ),
        (
            "a | b",
            "syntax: unexpected `|` @\"|\" <`||` is or> help Some(\"a || b\")",
        ),
        ("not a", "syntax: unexpected `a` @\"a\" <`!` is not> help Some(\"!a\")"),
        (
            "a == $b.c && '$x' != $d",
            "dollar-inside: `$` inside an expression @\"$\" <names inside an expression carry no `$`> \
             help Some(\"a == b.c && '$x' != d\")",
        ),
        (
            "a.?b",
            "syntax: optional syntax (`?.`, `[?…]`) is not part of this language @\"?\" \
             <a path is null where anything on it is null> help Some(\"a.b\")",
        ),
        (
            "a?.b",
            "syntax: optional syntax (`?.`, `[?…]`) is not part of this language @\"?\" \
             <a path is null where anything on it is null> help Some(\"a.b\")",
        ),
        (
            "a ?? b",
            "syntax: `??` is not part of this language @\"??\" <write `default(x, y)`> help Some(\"default(a, b)\")",
        ),
        (
            "shop.Money{units: 1}",
            "syntax: message construction is not part of this language @\"shop.Money{\" \
             <a template or a map literal makes messages> help None",
        ),
        (
            ".a",
            "syntax: a name with a leading dot is not part of this language @\".\" <names stand alone> help None",
        ),
        (
            "a.`b-c`",
            "syntax: a name between backticks is not part of this language @\"`b-c`\" <write it as a key> \
             help Some(\"a[\\\"b-c\\\"]\")",
        ),
        (
            "a.in",
            "syntax: `in` is a keyword @\"in\" <a keyword> help Some(\"a[\\\"in\\\"]\")",
        ),
        (
            "for",
            "syntax: `for` is reserved by CEL and cannot be a name @\"for\" <rename it> help None",
        ),
        (
            "(a",
            "syntax: the expression ends where `)` should stand @\"\" <expected `)`> help None",
        ),
        (
            "f(a b)",
            "syntax: unexpected `b` @\"b\" <expected `)` or `,`> help None",
        ),
        (
            "a ? b",
            "syntax: the expression ends where `:` and what holds otherwise should stand @\"\" <expected `:` and what holds otherwise> help None",
        ),
        ("'a", "syntax: this text has no closing quote @\"'a\" <> help None"),
        ("'\\q'", "syntax: unknown escape `\\q` @\"\\\\q\" <> help None"),
        (
            "'\\ud800'",
            "syntax: this escape is not a character @\"\\\\ud800\" <> help None",
        ),
        ("a # b", "syntax: unexpected character `#` @\"#\" <> help None"),
        (
            "9223372036854775808",
            "syntax: `9223372036854775808` does not fit an integer @\"9223372036854775808\" \
             <an integer has 64 bits> help Some(\"9223372036854775808u\")",
        ),
        (
            "1e999",
            "syntax: this number does not fit a double @\"1e999\" <> help None",
        ),
    ] {
        assert_eq!(parsed(text), wanted, "{text}");
    }
}

#[test]
fn spans_cover_what_was_written() {
    let ast = parse("(a + b).c == x.size()").unwrap();
    let Node::Binary { at, left, right, .. } = ast.node(ast.root()) else {
        panic!("an operator")
    };
    assert_eq!((at.start, at.end), (10, 12));
    assert_eq!(ast.text_of(*left), "(a + b).c");
    assert_eq!(ast.text_of(*right), "x.size()");
    let Node::Select { of, .. } = ast.node(*left) else {
        panic!("a field")
    };
    assert_eq!(ast.text_of(*of), "a + b");
}

#[test]
fn limits_hold_without_deep_recursion() {
    let deep = |n: usize| format!("{}1{}", "(".repeat(n), ")".repeat(n));
    assert!(parse(&deep(MAX_NESTING)).is_ok());
    assert_eq!(parse(&deep(MAX_NESTING + 1)).unwrap_err().code, "too-complex");
    for text in [
        "[".repeat(4000),
        "!".repeat(4000),
        "a?".repeat(1300),
        format!("a{}", ".b".repeat(2000)),
        format!("a{}", "[0]".repeat(1300)),
        format!("a{}", ".b()".repeat(1000)),
        format!("1{}", "+1".repeat(2000)),
        "1".repeat(5000),
    ] {
        assert!(parse(&text).is_err(), "{}…", &text[..20]);
    }
    assert!(parse(&format!("a{}", "||a".repeat(1300))).is_ok());
    assert!(parse(&format!("a{}", ".b".repeat(90))).is_ok());
}

#[test]
fn holes_end_where_the_lexer_says() {
    for (text, wanted) in [
        ("${a} b", Some(3)),
        ("${ {\"a\": {}}[\"a\"] }x", Some(18)),
        ("${'}'}", Some(5)),
        ("${\"\\\"}\"}", Some(7)),
        ("${a # $ b}", Some(9)),
        ("${a", None),
        ("${'a}", None),
        ("${a + '}", None),
    ] {
        assert_eq!(hole_end(text, 2), wanted, "{text}");
    }
}

#[test]
fn mentions_are_free_names_with_literal_steps() {
    let mentions = |text: &str| -> Vec<String> {
        let ast = parse(text).unwrap();
        let shown = ast.mentions().into_iter().map(|it| {
            let error = if it.error_only { "!" } else { "" };
            let path: Vec<&str> = [&*it.root].into_iter().chain(it.path.iter().map(|it| &**it)).collect();
            format!("{error}{}", path.join("."))
        });
        shown.collect()
    };
    for (text, wanted) in [
        ("a.b.c + a.d[0].e", vec!["a.b.c", "a.d"]),
        ("request.headers[\"x-y\"]", vec!["request.headers.x-y"]),
        ("l.map(r, r.id + x.y).size()", vec!["l", "x.y"]),
        ("l.filter(r, r.a).map(r, m[r.k].n)", vec!["l", "m"]),
        ("l.sort_by(v, v.k).group_by(v, v.k)", vec!["l"]),
        ("l.map(r, r.n > 0, r.n)", vec!["l"]),
        (
            "has(a.b) && error(c) != null ? error(c).code : ''",
            vec!["a.b", "!c", "!c"],
        ),
        ("math.abs(a) + base64.encode(b).size()", vec!["a", "b"]),
        ("a.pick('x')", vec!["a"]),
        ("\"x\" in body.tags", vec!["body.tags"]),
        ("r.map(x, r)", vec!["r", "r"]),
    ] {
        assert_eq!(mentions(text), wanted, "{text}");
    }
}

#[test]
fn whole_expressions_are_told_apart() {
    let ast = |text: &str| parse(text).unwrap();
    assert_eq!(ast("limit").as_name(), Some("limit"));
    assert_eq!(ast("(limit)").as_name(), Some("limit"));
    assert_eq!(ast("a.b").as_name(), None);
    let path = ast("body.order[\"id\"]").as_path().unwrap();
    assert_eq!(
        (&*path.root, path.path),
        ("body", vec!["order".to_owned(), "id".to_owned()])
    );
    assert!(ast("a[0]").as_path().is_none());
    assert!(ast("-5").is_literal() && ast("null").is_literal() && ast("'x'").is_literal());
    assert!(!ast("[1]").is_literal() && !ast("1 + 1").is_literal());
    let call = ast("given_fields(body)");
    assert_eq!(call.as_call().map(|it| (it.0, it.1.len())), Some(("given_fields", 1)));
}
