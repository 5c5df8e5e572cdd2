//! What the checker makes of compositions: inputs, schedule, safety and cache keys, as the plan has them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that panics has failed, as it should"
)]

use std::path::Path;
use std::sync::{Arc, LazyLock};

use weft::expr::Value;
use weft::language::check::{BackendSchema, check};
use weft::language::diagnostic::{Diagnostics, render};
use weft::language::source::SourceMap;
use weft::language::spec::{self, Outside};
use weft::plan::{
    Absent, Body, Call, CallIndex, CallKind, Dependency, EndpointIndex, Plan, Recipe, RequestPart, Start,
};
use weft::schema::path_template::Match;
use weft::schema::{Schema, load};

const GATEWAY: &str =
    "backends:\n  shop: { grpc: [\"http://127.0.0.1:1\"] }\n  recs: { http: [\"http://127.0.0.1:2\"] }\n";

fn schema() -> Arc<Schema> {
    static SCHEMA: LazyLock<Arc<Schema>> =
        LazyLock::new(|| load::schema(&[Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/check/protos")]).unwrap());
    SCHEMA.clone()
}

fn plan_of(gateway: &str, files: &[&str]) -> Plan {
    let mut sources = SourceMap::default();
    let mut diagnostics = Diagnostics::default();
    let outside = Outside {
        env: &|_| None,
        file: &|_| Err(String::new()),
    };
    let file = sources.add("weft.yaml", gateway);
    let indexes: Vec<_> = files.iter().map(|it| sources.add("page.yaml", *it)).collect();
    let document = spec::document(&sources, file, &mut diagnostics).unwrap();
    let gateway = spec::gateway(&document, &sources, outside, &mut diagnostics).unwrap();
    let specs: Vec<_> = indexes
        .iter()
        .map(|it| {
            let document = spec::document(&sources, *it, &mut diagnostics).unwrap();
            spec::composition(&document, &sources, &mut diagnostics).unwrap()
        })
        .collect();
    let backends: Vec<_> = gateway
        .backends
        .iter()
        .map(|it| {
            if it.grpc.is_empty() {
                BackendSchema::None
            } else {
                BackendSchema::Known(schema())
            }
        })
        .collect();
    let plan = check(&gateway, &specs, &backends, &sources, &mut diagnostics);
    plan.unwrap_or_else(|| {
        panic!(
            "{}",
            render::full(&diagnostics.into_sorted(), &sources, render::Colour::Off)
        )
    })
}

fn recipe(file: &str) -> Recipe {
    let mut plan = plan_of(GATEWAY, &[file]);
    plan.endpoints.remove(0).recipe.unwrap()
}

fn call<'r>(calls: &'r [Call], name: &str) -> &'r Call {
    calls.iter().find(|it| &*it.name == name).unwrap()
}

fn at(level: usize, call: usize) -> Dependency {
    Dependency {
        level,
        call: CallIndex(call),
    }
}

#[test]
fn absent_inputs_read_as_an_absent_field_of_their_place() {
    let recipe = recipe(
        "endpoint: GET /a
params:
  text: { in: query, optional: true }
  note: { in: query, optional: true }
  size: { in: query, optional: true }
  status: { in: query, optional: true }
  ids: { in: query, optional: true }
  free: { in: query, optional: true }
  needed: { in: query }
  fixed: { in: query, default: 5 }
calls:
  a:
    grpc: shop.Products/Search
    request: { text: $text, note: $note, page_size: $size, status: $status, ids: $ids }
  b: { http: GET recs:/a, query: { free: $free, needed: $needed, fixed: $fixed } }
",
    );
    let absent = |name: &str| {
        let param = recipe.inputs.params.iter().find(|it| &*it.name == name).unwrap();
        let text = match &param.absent {
            Absent::Refuse => "refused".to_owned(),
            Absent::Value(Value::Null) => "null".to_owned(),
            Absent::Value(Value::String(it)) => format!("{:?}", it.as_str()),
            Absent::Value(Value::Int(it)) => it.to_string(),
            Absent::Value(Value::List(it)) => format!("{} elements", it.len()),
            Absent::Value(other) => format!("{other:?}"),
        };
        format!("{} {text}", param.ty)
    };
    for (name, want) in [
        ("text", "string \"\""),
        ("note", "string? null"),
        ("size", "int 0"),
        ("status", "shop.Status 0"),
        ("ids", "list<string> 0 elements"),
        ("free", "string? null"),
        ("needed", "string refused"),
        ("fixed", "int 5"),
    ] {
        assert_eq!(absent(name), want, "{name}");
    }
}

#[test]
fn members_of_the_body_are_required_where_null_is_refused() {
    let recipe = recipe(
        "endpoint: POST /a
calls:
  a: { grpc: shop.Products/Search, safe: true, request: { text: $body.text, note: $body.note, user: $body.who.name } }
  b: { grpc: shop.Reviews/CreateReview, request: { product_id: $body.id, review: $body.review } }
  c: { http: POST recs:/a, body: { kept: $body.kept, text: \"a ${body.shown}\", sum: $body.count + 1 } }
  d: { http: GET recs:/a, when: $body.flag == true, query: { x: $body.maybe } }
  e: { http: 'GET recs:/a/${body.narrowed}', when: $body.narrowed != null }
response: { has: $has(body.asked), d: $d, e: $e, a: $a, b: $b }
",
    );
    let Body::Members(members) = &recipe.inputs.body else {
        panic!("members")
    };
    let of = |path: &str| {
        let member = members
            .iter()
            .find(|it| it.path.join(".") == path)
            .unwrap_or_else(|| panic!("{path}"));
        match &member.absent {
            Absent::Refuse => "required",
            Absent::Value(Value::Null) => "null",
            Absent::Value(_) => "zero",
        }
    };
    for (path, want) in [
        ("text", "zero"),
        ("note", "null"),
        ("who.name", "null"),
        ("id", "required"),
        ("review", "required"),
        ("kept", "null"),
        ("shown", "required"),
        ("count", "required"),
        ("flag", "null"),
        ("maybe", "null"),
        ("narrowed", "null"),
        ("asked", "null"),
    ] {
        assert_eq!(of(path), want, "{path}");
    }
}

#[test]
fn calls_wait_for_what_they_mention_and_for_nothing_else() {
    let recipe = recipe(
        "endpoint: GET /a/{id}
calls:
  reviews: { grpc: shop.Reviews/ListReviews, request: { product_id: $id } }
  outer: { grpc: shop.Products/GetProduct, request: { id: $id }, after: [reviews] }
  legacy: { http: 'GET recs:/${deep.id}' }
  deep: { grpc: shop.Products/GetProduct, request: { id: $outer.id } }
  price: { http: GET recs:/p, fallback: $legacy.price }
  rows:
    for: r in $reviews.reviews
    calls:
      a: { grpc: shop.Products/GetProduct, request: { id: $r.author_id } }
      b: { grpc: shop.Products/GetProduct, request: { id: \"${a.id} ${outer.id}\" } }
    response: { b: $b.name, c: $price.x }
response: { rows: $rows, why: $error(price).code }
",
    );
    let calls = &recipe.graph.calls;
    let needs = |name: &str| call(calls, name).needs.clone();
    assert_eq!(needs("reviews"), []);
    assert_eq!(needs("outer"), [at(0, 0)]);
    assert_eq!(needs("rows"), [at(0, 0)]);
    assert_eq!(needs("price"), []);
    assert_eq!(call(calls, "price").fallback.as_ref().unwrap().needs, [at(0, 2)]);
    assert!(call(calls, "price").optional, "somebody asks about its failure");
    assert!(call(calls, "price").error_slot.is_some());
    assert_eq!(call(calls, "legacy").start, Start::OnFallback);
    assert_eq!(call(calls, "deep").start, Start::OnFallback, "only `legacy` needs it");
    assert_eq!(call(calls, "outer").start, Start::Eager);
    let CallKind::For(rows) = &call(calls, "rows").kind else {
        panic!("for")
    };
    assert_eq!(call(&rows.graph.calls, "a").needs, []);
    assert_eq!(call(&rows.graph.calls, "b").needs, [at(0, 0), at(1, 1)]);
    assert_eq!(rows.needs, [at(0, 1), at(1, 4)]);
    assert_eq!(recipe.response.needs, [at(0, 4), at(0, 5)]);
    assert_eq!(
        rows.graph.base.0, recipe.graph.n_slots,
        "inner slots are above the outer ones"
    );
    assert_eq!(rows.slot, rows.graph.base);
    let mut slots: Vec<u32> = calls
        .iter()
        .flat_map(|it| [Some(it.slot), it.error_slot])
        .flatten()
        .map(|it| it.0)
        .collect();
    slots.extend(recipe.inputs.params.iter().map(|it| it.slot.0));
    slots.sort_unstable();
    assert_eq!(
        slots,
        (0..recipe.graph.n_slots).collect::<Vec<_>>(),
        "each slot has one owner"
    );
}

#[test]
fn safety_follows_methods_annotations_and_what_the_file_says() {
    let file = |method: &str| {
        format!(
            "endpoint: {method} /a
params: {{ ids: {{ in: query, type: [string] }} }}
calls:
  get: {{ grpc: shop.Orders/GetOrder }}
  place: {{ grpc: shop.Orders/PlaceOrder }}
  add: {{ grpc: shop.Orders/AddItem, effect: true }}
  locked: {{ grpc: shop.Orders/GetOrder, safe: false }}
  search: {{ http: POST recs:/a, safe: true }}
  put: {{ http: PUT recs:/a }}
  all: {{ for: x in $ids, calls: {{ inner: {{ grpc: shop.Orders/PlaceOrder }} }} }}
  value: {{ value: 5 }}
"
        )
    };
    let table = |method: &str| {
        let recipe = recipe(&file(method));
        let row = |it: &Call| {
            format!(
                "{}{}{}",
                it.name,
                if it.safe { " safe" } else { "" },
                if it.effect { " effect" } else { "" }
            )
        };
        recipe.graph.calls.iter().map(row).collect::<Vec<_>>().join(", ")
    };
    assert_eq!(
        table("POST"),
        "get safe, place, add effect, locked, search safe, put effect, all, value safe"
    );
    assert_eq!(
        table("GET"),
        "get safe, place safe, add effect, locked, search safe, put effect, all safe, value safe"
    );
}

#[test]
fn the_key_is_every_mentioned_input_and_no_other() {
    let file = |limit: &str| {
        format!(
            "endpoint: GET /a/{{id}}
params:
  unused: {{ in: query, optional: true }}
  language: {{ in: header, name: Accept-Language, default: en }}
  limit: {{ in: query, default: {limit} }}
calls:
  reviews: {{ grpc: shop.Reviews/ListReviews, request: {{ product_id: $id, page_size: $limit }}, when: $request.method == \"GET\" }}
response: {{ reviews: $reviews, language: $language, agent: '$request.headers[\"User-Agent\"]' }}
cache: 1m
"
        )
    };
    let one = recipe(&file("5"));
    let cache = one.cache.as_ref().unwrap();
    let name = |slot| {
        let param = one
            .inputs
            .params
            .iter()
            .find(|it| it.slot == slot)
            .map(|it| it.name.to_string());
        param
            .or_else(|| {
                one.inputs
                    .request
                    .iter()
                    .find(|(_, it)| *it == slot)
                    .map(|(part, _)| format!("{part:?}"))
            })
            .unwrap()
    };
    let named: Vec<_> = cache.key.iter().map(|it| name(*it)).collect();
    assert_eq!(named, ["language", "limit", "id", "Header(\"user-agent\")", "Method"]);
    assert_eq!(one.vary, ["accept-language", "user-agent"]);
    assert!(!one.identity);
    assert!(one.inputs.request.iter().any(|(part, _)| *part == RequestPart::Method));
    let same = recipe(&file("5")).cache.unwrap().fingerprint;
    let other = recipe(&file("6")).cache.unwrap().fingerprint;
    assert_eq!(cache.fingerprint, same);
    assert_ne!(cache.fingerprint, other);
}

#[test]
fn annotations_become_endpoints() {
    let gateway = format!("{GATEWAY}expose: {{ services: [shop.Reviews], headers: [authorization] }}\n");
    let plan = plan_of(&gateway, &[]);
    let names: Vec<_> = plan.endpoints.iter().map(|it| &*it.name).collect();
    assert_eq!(
        names,
        [
            "GET /v1/products/{product_id}/reviews",
            "POST /v1/products/{product_id}/reviews"
        ]
    );
    let found = plan.routes.find(&http::Method::POST, "/v1/products/p1/reviews");
    assert!(matches!(found, Match::Route(EndpointIndex(1), _)));
    let post = plan.endpoints[1].recipe.as_ref().unwrap();
    assert!(matches!(post.inputs.body, Body::Bound { raw: false }));
    assert!(post.identity, "the client's credential is forwarded");
    let call = &post.graph.calls[0];
    assert!(call.forwards_credential);
    assert!(!call.safe);
    let CallKind::Grpc(grpc) = &call.kind else {
        panic!("grpc")
    };
    assert_eq!(grpc.headers[0].name, "authorization");
}
