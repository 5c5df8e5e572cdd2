//! P1: what is not nullable by its type is never null, for random replies; P3: every input in the key of a stored response is
//! there because the response depends on it.

use std::cell::Cell;

use proptest::test_runner::TestRunner;
use weft::publish::openapi;

use super::*;

// === P1 ===

const LEAVES: [&str; 24] = [
    "product",
    "product.name",
    "product.stock",
    "product.weight",
    "product.rank",
    "product.status",
    "product.created",
    "product.labels",
    "product.labels['a']",
    "product.slots[1]",
    "product.extra",
    "product.extra.a",
    "product.note",
    "product.user",
    "product.org",
    "product.price_usd",
    "product.price_usd.units",
    "product.categories",
    "product.categories[0]",
    "reviews",
    "reviews.reviews",
    "reviews.reviews[0].reply",
    "recs",
    "recs.a.b",
];

const SHAPES: [&str; 26] = [
    "A",
    "A",
    "default(A, B)",
    "default(A, 0)",
    "default(A, \"\")",
    "A != null ? A : B",
    "A == null ? B : A",
    "A == null || B == null",
    "has(product.rank) ? A : B",
    "[A, B]",
    "{'x': A, 'y': [B]}",
    "A.size()",
    "A.map(v, v)",
    "A.map(v, [v, B])",
    "A.filter(v, v != null)",
    "A.first()",
    "A.last()",
    "A.distinct()",
    "A.sort()",
    "A.max()",
    "A.reverse().take(1)",
    "reviews.reviews.filter(v, v.reply != null).map(v, v.reply)",
    "reviews.reviews.map(v, default(v.reply, A))",
    "reviews.reviews.group_by(v, v.author_id)",
    "A.pick('name')",
    "A + B",
];

fn expression() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(LEAVES.to_vec()).prop_map(str::to_owned);
    let shape = prop::sample::select(SHAPES.to_vec());
    leaf.prop_recursive(2, 8, 2, move |inner| {
        (shape.clone(), inner.clone(), inner).prop_map(|(shape, a, b)| {
            shape.chars().fold(String::new(), |mut text, letter| {
                match letter {
                    'A' => text.push_str(&a),
                    'B' => text.push_str(&b),
                    other => text.push(other),
                }
                text
            })
        })
    })
}

/// Some of the pieces of a Product, and of a list of reviews.
fn replies() -> impl Strategy<Value = (Vec<u8>, Option<Value>, Value)> {
    let pieces = product().prop_flat_map(|pieces| {
        let n = pieces.len();
        prop::sample::subsequence(pieces, 0..=n)
    });
    let review = (any::<bool>(), prop::option::of("[a-b]{0,1}")).prop_map(|(named, reply)| {
        let mut review = json!({});
        if named {
            review["author_id"] = json!("ann");
        }
        if let Some(reply) = reply {
            review["reply"] = json!(reply);
        }
        review
    });
    let reviews = prop::option::of(prop::collection::vec(review, 0..3).prop_map(|it| json!({ "reviews": it })));
    let recs = prop::sample::select(vec![
        json!(null),
        json!({}),
        json!({ "a": { "b": 1 } }),
        json!({ "a": null }),
        json!([1, null]),
        json!("text"),
    ]);
    let note = prop::option::of(prop::sample::select(vec![
        field(17, b""),
        integer(9, 0),
        field(18, b"u"),
        integer(19, 7),
        field(3, &integer(2, 5)),
        field(3, b""),
        field(11, &integer(1, 9)),
    ]));
    (pieces, note, reviews, recs).prop_map(|(pieces, note, reviews, recs)| {
        let mut wire = pieces.concat();
        wire.extend(note.unwrap_or_default());
        (wire, reviews, recs)
    })
}

/// The places, in a value, of what is null although its schema does not say that it may be, or is of another type.
fn misfits(document: &Value, body: &Value) -> Vec<String> {
    let mut schema =
        document["paths"]["/n"]["get"]["responses"]["200"]["content"]["application/json"]["schema"].clone();
    assert!(schema.is_object(), "{document}");
    schema["components"] = document["components"].clone();
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    validator
        .iter_errors(body)
        .map(|it| format!("{}: {it}", it.instance_path()))
        .collect()
}

#[test]
fn what_is_not_nullable_is_never_null() {
    let mut runner = TestRunner::new(cases(500));
    let (n_sound, n_strict, n_nullable) = (Cell::new(0), Cell::new(0), Cell::new(0));
    let about = openapi::About {
        title: "API".to_owned(),
        version: "1".to_owned(),
        servers: Vec::new(),
    };
    let outcome = runner.run(&(expression(), replies()), |(expression, (wire, reviews, recs))| {
        let text = format!(
            "composition:
  endpoint: GET /n
  calls:
    product: {{ grpc: shop.Products/GetProduct }}
    reviews: {{ grpc: shop.Reviews/ListReviews, optional: true }}
    recs: {{ http: \"GET recs:/p\" }}
  response: {{ m: {}, reviews: $reviews.total, recs: $recs, name: $product.name }}
exchanges:
  - {{ request: GET /n, expect: {{}} }}
",
            Value::from(format!("${expression}"))
        );
        let responder: Responder = Rc::new(move |asked| {
            let answer = match &asked.on {
                On::Http { .. } => json_reply(recs.clone()),
                On::Grpc(method) if method == "shop.Products/GetProduct" => Answer::Bytes {
                    body: wire.clone(),
                    status: 200,
                    headers: Vec::new(),
                },
                On::Grpc(_) => match &reviews {
                    Some(reply) => json_reply(reply.clone()),
                    None => Answer::Error {
                        code: "UNAVAILABLE".to_owned(),
                        message: String::new(),
                    },
                },
            };
            (Duration::ZERO, answer)
        });
        let Ok(played) = trial::play(&text, &folder(), Some(responder)) else {
            return Ok(());
        };
        let answer = played.answers[0].as_ref().unwrap();
        if answer.status != 200 {
            return Ok(());
        }
        n_sound.set(n_sound.get() + 1);
        let body: Value = serde_json::from_slice(&answer.body).unwrap();
        let document = openapi::document(&played.api, &about);
        let wrong = misfits(&document, &body);
        prop_assert!(wrong.is_empty(), "{}\n{}\n{}", expression, body, wrong.join("\n"));
        // The other way round: null there would have been refused, if the type does not have it.
        let mut without = body.clone();
        without["m"] = Value::Null;
        let count = if misfits(&document, &without).is_empty() {
            &n_nullable
        } else {
            &n_strict
        };
        count.set(count.get() + 1);
        Ok(())
    });
    assert!(outcome.is_ok(), "{outcome:?}");
    assert!(
        n_strict.get() > 15 && n_nullable.get() > 15,
        "{n_sound:?} ran, {n_strict:?} not nullable, {n_nullable:?} nullable"
    );
}

// === P3 ===

/// What an endpoint does with one of its inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mentioned {
    Nowhere,
    Response,
    Request,
    When,
    If,
    Fallback,
    Header,
    Choice,
    /// In a choice between two things that are the same.
    InVain,
}

const MENTIONED: [Mentioned; 9] = [
    Mentioned::Nowhere,
    Mentioned::Response,
    Mentioned::Request,
    Mentioned::When,
    Mentioned::If,
    Mentioned::Fallback,
    Mentioned::Header,
    Mentioned::Choice,
    Mentioned::InVain,
];

fn endpoint(mentioned: &[(Mentioned, bool)], cache: &str) -> String {
    let (mut params, mut calls, mut response, mut headers) =
        (String::new(), String::new(), String::new(), String::new());
    for (at, (how, in_header)) in mentioned.iter().enumerate() {
        let place = if *in_header {
            format!("header, name: x-p{at}")
        } else {
            "query".to_owned()
        };
        let _ = writeln!(params, "    p{at}: {{ in: {place}, type: string, default: \"0\" }}");
        let is_one = format!("$p{at} == \\\"1\\\"");
        let _ = match how {
            Mentioned::Nowhere => Ok(()),
            Mentioned::Response => writeln!(response, "    m{at}: $p{at}"),
            Mentioned::Request => {
                let _ = writeln!(calls, "    c{at}: {{ http: \"GET recs:/r\", query: {{ q: $p{at} }} }}");
                writeln!(response, "    m{at}: $c{at}")
            }
            Mentioned::When => {
                let _ = writeln!(calls, "    c{at}: {{ http: \"GET recs:/w\", when: \"{is_one}\" }}");
                writeln!(response, "    m{at}: $c{at}")
            }
            Mentioned::If => writeln!(response, "    m{at}: {{ $if: \"{is_one}\", $value: there }}"),
            Mentioned::Fallback => {
                let _ = writeln!(
                    calls,
                    "    c{at}: {{ http: \"GET recs:/fails\", fallback: \"x${{p{at}}}\" }}"
                );
                writeln!(response, "    m{at}: $c{at}")
            }
            Mentioned::Header => writeln!(headers, "    x-m{at}: $p{at}"),
            Mentioned::Choice => writeln!(response, "    m{at}: \"{is_one} ? \\\"yes\\\" : \\\"no\\\"\""),
            Mentioned::InVain => writeln!(response, "    m{at}: \"{is_one} ? \\\"same\\\" : \\\"same\\\"\""),
        };
    }
    calls.push_str("    fixed: { http: \"GET recs:/fixed\" }\n");
    if !headers.is_empty() {
        headers.insert_str(0, "  headers:\n");
    }
    format!(
        "composition:\n  endpoint: GET /l\n{cache}  params:\n{params}  calls:\n{calls}  response:\n    fixed: $fixed\n{response}{headers}exchanges:\n"
    )
}

/// A request whose inputs are the bits of `values`.
fn asking(mentioned: &[(Mentioned, bool)], values: usize) -> String {
    let (mut query, mut headers) = (Vec::new(), Vec::new());
    for (at, (_, in_header)) in mentioned.iter().enumerate() {
        let bit = values >> at & 1;
        if *in_header {
            headers.push(format!("x-p{at}: \"{bit}\""));
        } else {
            query.push(format!("p{at}={bit}"));
        }
    }
    format!(
        "  - {{ request: \"GET /l?{}\", headers: {{ {} }}, expect: {{ status: 200 }} }}\n",
        query.join("&"),
        headers.join(", ")
    )
}

/// Answers by the path and query, and not at all to `/fails`.
fn by_path() -> Responder {
    Rc::new(|asked: &Asked| {
        let answer = match &asked.on {
            On::Http { path, .. } if path.starts_with("/fails") => Answer::Bytes {
                body: Vec::new(),
                status: 404,
                headers: Vec::new(),
            },
            On::Http { path, .. } => json_reply(json!(path)),
            On::Grpc(method) => json_reply(json!({ "name": method })),
        };
        (Duration::ZERO, answer)
    })
}

proptest! {
    #![proptest_config(cases(48))]

    #[test]
    fn an_input_is_in_the_key_where_the_response_depends_on_it(
        mentioned in prop::collection::vec((prop::sample::select(MENTIONED.to_vec()), any::<bool>()), 3),
        base in 0usize..8,
    ) {
        // What every request gets where nothing is stored.
        let text = (0..8).fold(endpoint(&mentioned, ""), |text, values| text + &asking(&mentioned, values));
        let played = play(&text, by_path());
        prop_assert!(played.failures.is_empty(), "{:?}\n{text}", played.failures);
        let fresh: Vec<String> = played.answers.iter().map(|it| {
            let answer = it.as_ref().unwrap();
            let headers: Vec<_> = answer.headers.iter().filter(|it| it.0.as_str().starts_with("x-m")).collect();
            format!("{headers:?} {:?}", answer.body)
        }).collect();
        for (at, (how, _)) in mentioned.iter().enumerate() {
            let other = base ^ 1 << at;
            let text = endpoint(&mentioned, "  cache: 1h\n") + &asking(&mentioned, base) + &asking(&mentioned, other);
            let played = play(&text, by_path());
            prop_assert!(played.failures.is_empty(), "{:?}\n{text}", played.failures);
            let status = played.answers[1].as_ref().unwrap().headers.get("cache-status").unwrap().to_str().unwrap().to_owned();
            let in_key = !status.contains("hit");
            // Two requests that a key without this input could not tell apart.
            let collides = (0..8).any(|values: usize| fresh[values] != fresh[values ^ 1 << at]);
            prop_assert_eq!(in_key, *how != Mentioned::Nowhere, "p{} of\n{}", at, text);
            prop_assert_eq!(collides, in_key && *how != Mentioned::InVain, "p{} of\n{}", at, text);
        }
    }
}
