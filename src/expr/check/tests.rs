//! Expressions in the setting of the language's test cases: what they are, what is wrong with them, what they give.

use std::collections::BTreeMap;

use super::super::testing::{message, wire};
use super::super::types::ObjectMember;
use super::super::value::Value;
use super::super::{Frame, Renderer, parse};
use super::*;
use crate::codec::JsonOptions;

/// A scope: names in order of their slots.
pub(super) struct Scope {
    names: Vec<(&'static str, Type, Value)>,
    constants: BTreeMap<&'static str, (Type, Value)>,
}

impl Scope {
    fn slot(at: usize) -> Slot {
        Slot(u32::try_from(at).unwrap())
    }
}

impl Resolve for Scope {
    fn resolve(&self, root: &str, path: &[Segment<'_>]) -> Result<Binding, ExprError> {
        if let Some((ty, value)) = self.constants.get(root) {
            return Ok(Binding {
                consumed: 0,
                target: Target::Constant(value.clone()),
                ty: ty.clone(),
                rooted: None,
            });
        }
        let covered = |consumed: usize| {
            let mut text = root.to_owned();
            for step in &path[..consumed] {
                text.push('.');
                text.push_str(step.name);
            }
            text
        };
        for consumed in (0..=path.len()).rev() {
            let text = covered(consumed);
            if let Some(at) = self.names.iter().position(|it| it.0 == text) {
                let ty = self.names[at].1.clone();
                return Ok(Binding {
                    consumed,
                    target: Target::Slot(Self::slot(at)),
                    ty,
                    rooted: None,
                });
            }
        }
        Err(ExprError::new(
            "unknown-name",
            Span::default(),
            format!("nothing is called `{root}`"),
        ))
    }

    fn error_of(&self, call: &str) -> Result<Binding, ExprError> {
        let name = format!("error({call})");
        match self.names.iter().position(|it| it.0 == name) {
            Some(at) => Ok(Binding {
                consumed: 0,
                target: Target::Slot(Self::slot(at)),
                ty: self.names[at].1.clone(),
                rooted: None,
            }),
            None => Err(ExprError::new(
                "unknown-name",
                Span::default(),
                format!("`{call}` is no call"),
            )),
        }
    }

    fn macro_slot(&self, depth: u32) -> Slot {
        Slot(Self::slot(self.names.len()).0 + depth)
    }

    fn is_taken(&self, name: &str) -> bool {
        self.names.iter().any(|it| it.0 == name)
    }
}

fn of(full_name: &str, json: &str) -> (Type, Value) {
    (
        Type::of(TypeKind::Message(message(full_name))),
        Value::Message(wire(full_name, json)),
    )
}

const PRODUCT: &str = r#"{
    "id": "p1", "name": "Mug", "categories": ["kitchen", "gifts"], "stock": 0, "weight": "7", "rating": 2.5, "score": 0.1,
    "rank": 0, "status": "PAID", "labels": {"b": "2", "a": "1"}, "slots": {"5": "five", "-1": "minus"},
    "extra": {"a": {"c": 1}, "list": [1, 2.5, "x", null]}, "blob": "aGk=",
    "detail": {"@type": "type.googleapis.com/shop.User", "id": "u"}, "serial": "18446744073709551615",
    "prices": [{"units": "3"}, {"units": "1", "currencyCode": "EUR"}], "history": ["PAID", "SHIPPED", "PAID"],
    "deltas": [3, -1, 2], "weights": [0.5, 1.5], "priceByCountry": {"de": {"units": "9"}}, "shelfLife": "90s"
}"#;

const REVIEWS: &str = r#"{"reviews": [
    {"authorId": "u1", "stars": 5, "text": "good", "reply": "thanks"},
    {"authorId": "u2", "stars": 1, "text": "bad"},
    {"authorId": "u1", "stars": 3, "text": "fair", "reply": ""}
], "total": 3}"#;

pub(super) fn scope() -> Scope {
    let (product, a_product) = of("shop.Product", PRODUCT);
    let (reviews, some_reviews) = of("shop.ListReviews", REVIEWS);
    let (user, _) = of("shop.User", "{}");
    let authors = Value::map(vec![(
        "u1".into(),
        of("shop.User", r#"{"id": "u1", "displayName": "Ann"}"#).1,
    )]);
    let recs = r#"{"total": 7, "user_id": 12345678901234567890123, "items": [{"id": 1, "price": 2.5}, {"id": 2}],
        "name": "Recs", "flag": true, "half": 0.5, "nothing": null, "tags": ["a", "b"]}"#;
    let failure = Type::object(vec![
        ObjectMember {
            name: "code".into(),
            ty: Type::string(),
            optional: false,
        },
        ObjectMember {
            name: "status".into(),
            ty: Type::int(),
            optional: false,
        },
    ]);
    let int32 = Type::of(TypeKind::Int(IntRange::INT32));
    Scope {
        names: vec![
            ("product", product.clone(), a_product.clone()),
            ("full", product.clone(), of("shop.Product", FULL).1),
            ("maybe", product.clone().or_null(), Value::Null),
            ("reviews", reviews.clone().or_null(), some_reviews),
            ("gone", reviews.or_null(), Value::Null),
            ("recs", Type::any(), Value::Json(recs.into())),
            ("authors", Type::map(Type::string(), user), authors),
            ("id", Type::string(), "p1".into()),
            ("limit", int32.clone(), Value::Int(5)),
            ("top", int32, Value::Int(2_147_483_647)),
            ("category", Type::string(), "".into()),
            ("currency", Type::string().or_null(), Value::Null),
            ("body.order.id", Type::int().or_null(), Value::Int(9)),
            ("request.headers.x-token", Type::string().or_null(), "t".into()),
            (
                "numbers",
                Type::list(Type::int()),
                Value::list(vec![Value::Int(3), Value::Int(1), Value::Int(2)]),
            ),
            (
                "error(gone)",
                failure.clone().or_null(),
                Value::object(vec![
                    ("code".into(), "UNAVAILABLE".into()),
                    ("status".into(), Value::Int(503)),
                ]),
            ),
            (
                "money",
                Type::of(TypeKind::Message(message("shop.Money"))).or_null(),
                Value::Null,
            ),
            ("flag", Type::bool(), Value::Bool(true)),
        ],
        constants: BTreeMap::from([("five", (Type::int(), Value::Int(5)))]),
    }
}

const FULL: &str = r#"{
    "priceUsd": {"currencyCode": "USD", "units": "7", "nanos": 500000000}, "note": "", "created": "2026-03-02T04:05:06.789Z",
    "rank": 3, "status": 9, "user": "ann", "anything": null, "rating": 1, "score": 0.1, "stock": 4
}"#;

pub(super) fn frame_values(scope: &Scope) -> Vec<Value> {
    scope.names.iter().map(|it| it.2.clone()).collect()
}

/// As little as the types allow: null, empty, zero.
pub(super) fn empty_values(scope: &Scope) -> Vec<Value> {
    let empty = |ty: &Type| match &ty.kind {
        _ if ty.nullable => Value::Null,
        TypeKind::Bool => Value::Bool(false),
        TypeKind::Int(_) => Value::Int(0),
        TypeKind::List(_) => Value::list(Vec::new()),
        TypeKind::Map(_) => Value::map(Vec::new()),
        TypeKind::Message(_) => Value::Message(bytes::Bytes::new()),
        TypeKind::String => Value::from(""),
        other => panic!("no empty {other:?}"),
    };
    scope.names.iter().map(|it| empty(&it.1)).collect()
}

fn run(scope: &Scope, checked: &Checked) -> String {
    let values = frame_values(scope);
    let frame = Frame {
        parent: None,
        base: Slot(0),
        values: &values,
    };
    match checked.program.eval(&frame) {
        Err(fault) => format!("fault: {}", fault.reason),
        Ok(value) => {
            let mut out = Vec::new();
            match Renderer::compile(&checked.ty, JsonOptions::default()).render(&value, &mut out) {
                Ok(()) => String::from_utf8(out).unwrap(),
                Err(fault) => format!("unwritable: {}", fault.reason),
            }
        }
    }
}

/// `type → value`, or the mistakes with their help.
fn shown(text: &str, checked: Result<Checked, Vec<ExprError>>, scope: &Scope) -> String {
    match checked {
        Ok(checked) => {
            let warnings: Vec<_> = checked.warnings.iter().map(|it| format!(" ⚠ {}", it.code)).collect();
            format!("{} → {}{}", checked.ty, run(scope, &checked), warnings.concat())
        }
        Err(errors) => {
            let errors: Vec<String> = errors
                .iter()
                .map(|it| {
                    let at = &text[it.span.start as usize..it.span.end as usize];
                    let label = if it.label.contains("did you mean") {
                        format!(" {}", it.label)
                    } else {
                        String::new()
                    };
                    let help = it
                        .help
                        .as_ref()
                        .map(|help| format!(" help `{help}`"))
                        .unwrap_or_default();
                    format!("✗ {} at `{at}`{label}{help}", it.code)
                })
                .collect();
            errors.join("; ")
        }
    }
}

fn checked(text: &str) -> String {
    let scope = scope();
    match parse(text) {
        Ok(ast) => shown(text, check(&ast, &scope, &Facts::new()), &scope),
        Err(error) => shown(text, Err(vec![error]), &scope),
    }
}

fn checked_text(text: &str) -> String {
    let scope = scope();
    let ast = parse(text).unwrap();
    shown(text, check_text(&ast, &scope, &Facts::new()), &scope)
}

#[track_caller]
fn table(rows: &[(&str, &str)]) {
    let wrong = rows.iter().filter_map(|(text, wanted)| {
        let got = checked(text);
        (got != *wanted).then(|| format!("\n{text}\n  wanted: {wanted}\n  got:    {got}"))
    });
    let wrong: Vec<String> = wrong.collect();
    assert!(wrong.is_empty(), "{}", wrong.concat());
}

#[test]
fn arithmetic_and_wide_integers() {
    table(&[
        ("limit + 1", "int → 6"),
        ("top + 1", "int → 2147483648"),
        ("9223372036854775807 + limit", "int → fault: integer overflow"),
        ("product.weight", "int → \"7\""),
        ("product.weight + 1", "int → \"8\""),
        ("int(product.weight)", "int → 7"),
        ("product.rating * 2", "double → 5"),
        ("product.stock + 1.5", "double → 1.5"),
        ("10 / product.stock", "int → fault: division by zero"),
        ("10 % product.stock", "int → fault: remainder of a division by zero"),
        ("1.0 / product.stock", "double → \"Infinity\""),
        ("7 / 2", "int → 3"),
        ("-7 % 3", "int → -1"),
        ("5u - 6", "int → fault: integer overflow"),
        ("product.serial + 1", "int → fault: integer overflow"),
        ("product.serial - 1", "int → \"18446744073709551614\""),
        ("product.stock == 0 || 10 / product.stock > 1", "bool → true"),
        ("10 / product.stock > 1 || product.stock == 0", "bool → true"),
        (
            "10 / product.stock > 1 && product.stock == 0",
            "bool → fault: division by zero",
        ),
        ("-limit", "int → -5"),
        ("1.5 % 2.0", "✗ wrong-type at `%`"),
        ("id + 1", "✗ wrong-type at `+` help `int(id)`"),
        ("id + limit", "✗ wrong-type at `+` help `string(limit)`"),
        ("'a' + id", "string → \"ap1\""),
        ("numbers + [4]", "list<int> → [3,1,2,4]"),
        (
            "duration('90s') + product.shelf_life",
            "✗ maybe-null at `product.shelf_life` help `default(product.shelf_life, duration(\"0s\"))`",
        ),
        ("five + 1", "int → 6"),
    ]);
}

#[test]
fn null_and_narrowing() {
    table(&[
        (
            "product.price_usd.units * 2",
            "✗ maybe-null at `product.price_usd.units` help `default(product.price_usd.units, 0)`",
        ),
        ("default(product.price_usd.units, 0) * 2", "int → \"0\""),
        (
            "product.price_usd != null ? product.price_usd.units * 2 : 0",
            "int → \"0\"",
        ),
        ("full.price_usd != null ? full.price_usd.units * 2 : 0", "int → \"14\""),
        ("full.price_usd == null ? 0 : full.price_usd.units * 2", "int → \"14\""),
        ("full.price_usd == null || full.price_usd.units > 5", "bool → true"),
        ("!(full.price_usd == null) && full.price_usd.units > 5", "bool → true"),
        ("has(full.price_usd) && full.price_usd.units > 5", "bool → true"),
        (
            "full.price_usd != null || full.price_usd.units > 5",
            "✗ maybe-null at `full.price_usd.units` help `default(full.price_usd.units, 0)`",
        ),
        (
            "full.price_usd.units != null ? full.price_usd.nanos + 1 : 0",
            "int → 500000001",
        ),
        ("maybe.price_usd.units", "int? → null"),
        ("reviews.reviews[0].author_id", "string? → \"u1\""),
        (
            "reviews.reviews[0] != null ? reviews.reviews[0].author_id + '' : ''",
            "string → \"u1\"",
        ),
        ("reviews.reviews[7].author_id", "string? → null"),
        ("reviews.reviews[currency != null ? 0 : 1].stars", "int? → 1"),
        ("reviews.reviews.size()", "int? → 3"),
        ("gone.reviews.size()", "int? → null"),
        (
            "size(gone.reviews)",
            "✗ maybe-null at `gone.reviews` help `default(gone.reviews, [])`",
        ),
        ("gone.reviews.map(r, r.author_id).distinct()", "list<string>? → null"),
        ("default(gone.total, 0) > 3", "bool → false"),
        (
            "gone.total > 3",
            "✗ maybe-null at `gone.total` help `default(gone.total, 0)`",
        ),
        ("currency.startsWith('E')", "bool? → null"),
        (
            "id.startsWith(currency)",
            "✗ maybe-null at `currency` help `default(currency, \"\")`",
        ),
        ("default(currency, id)", "string → \"p1\""),
        ("default(currency, null)", "string? → null"),
        ("null == null", "bool → true"),
        ("product == null", "bool → false ⚠ never-null"),
        ("null + 1", "✗ wrong-type at `null`"),
        ("body.order.id != null && body.order.id > 3", "bool → true"),
        ("has(body.order.id) ? body.order.id + 1 : 0", "int → 10"),
        (
            "request.headers['x-token'] != null ? request.headers['x-token'] + '!' : ''",
            "string → \"t!\"",
        ),
        (
            "error(gone) != null ? error(gone).code : ''",
            "string → \"UNAVAILABLE\"",
        ),
        ("error(gone).status", "int? → 503"),
        ("error(nobody).code", "✗ unknown-name at `nobody`"),
    ]);
}

#[test]
fn reading_messages() {
    table(&[
        ("full.note", "string? → \"\""),
        ("product.note", "string? → null"),
        ("product.priceUsd", "✗ unknown-field at `priceUsd`"),
        ("product.price", "✗ unknown-field at `price` did you mean `price_usd`?"),
        ("product.categories[1]", "string? → \"gifts\""),
        ("product.categories[-1]", "string? → null"),
        ("product.slots[5]", "string? → \"five\""),
        ("product.slots['5']", "✗ wrong-type at `'5'` help `5`"),
        (
            "product.labels.a + product.labels['b']",
            "✗ maybe-null at `product.labels.a` help `default(product.labels.a, \"\")`; ✗ maybe-null at `product.labels['b']` help `default(product.labels['b'], \"\")`",
        ),
        ("product.labels['zz']", "string? → null"),
        ("product.slots", "map<int, string> → {\"-1\":\"minus\",\"5\":\"five\"}"),
        ("product.labels.map(k, k)", "list<string> → [\"a\",\"b\"]"),
        ("product.detail.foo", "✗ unknown-field at `foo`"),
        ("product.detail.type_url", "string? → \"type.googleapis.com/shop.User\""),
        ("product.extra.a.b", "any → null"),
        ("product.extra.a.c", "any → 1"),
        ("product.extra.list[2]", "any → \"x\""),
        ("full.owner_id", "string → \"\""),
        ("full.user", "string? → \"ann\""),
        ("full.org", "int? → null"),
        ("product.prices[1].currency_code", "string? → \"EUR\""),
        ("product.price_by_country.de.units", "int? → \"9\""),
        ("product.categories.name", "✗ unknown-field at `name`"),
        (
            "product.categories.size",
            "✗ unknown-field at `size` help `product.categories.size()`",
        ),
        (
            "product.prices.units",
            "✗ unknown-field at `units` help `product.prices.map(it, it.units)`",
        ),
        (
            "product.name.first",
            "✗ unknown-field at `first` help `product.name.first()`",
        ),
        ("nobody.x", "✗ unknown-name at `nobody`"),
        ("authors['u1'].display_name", "string? → \"Ann\""),
        ("authors[limit]", "✗ wrong-type at `limit` help `string(limit)`"),
        ("authors[currency].display_name", "string? → null"),
        ("authors.u1.display_name", "string? → \"Ann\""),
        (
            "reviews.reviews.map(r, authors[r.author_id].display_name)",
            "list<string?>? → [\"Ann\",null,\"Ann\"]",
        ),
        ("has(product.stock)", "bool → false"),
        ("has(product.rank)", "bool → true"),
        ("has(gone.total)", "bool → false"),
        ("has(product.categories)", "bool → true"),
        ("has(product.counts)", "bool → false"),
        ("has(product.extra.a)", "bool → true"),
        ("has(recs.nothing)", "bool → true"),
        ("has(recs.missing)", "bool → false"),
        ("has(product.nope)", "✗ unknown-field at `nope` did you mean `note`?"),
        ("has(product)", "✗ wrong-type at `product` help `product != null`"),
        ("has({'a': 1}.a)", "bool → true"),
        ("product.blob.size()", "int → 2"),
    ]);
}

#[test]
fn enums_times_and_literals() {
    table(&[
        ("product.status == 'PAID'", "bool → true"),
        ("product.status == 'PAYED'", "✗ unknown-enum-value at `'PAYED'`"),
        (
            "product.status == 'PIAD'",
            "✗ unknown-enum-value at `'PIAD'` did you mean `PAID`?",
        ),
        ("product.status == 1", "bool → true"),
        ("product.status in ['PAID', 'SHIPPED']", "bool → true"),
        (
            "product.status in ['PAID', 'SHIPED']",
            "✗ unknown-enum-value at `['PAID', 'SHIPED']` did you mean `SHIPPED`?",
        ),
        ("int(product.status)", "int → 1"),
        ("string(product.status)", "string → \"PAID\""),
        ("string(full.status)", "string → \"9\""),
        ("limit > 3 ? product.status : 'SHIPPED'", "shop.Status → \"PAID\""),
        ("product.history.map(s, s == 'PAID')", "list<bool> → [true,false,true]"),
        (
            "full.created != null && full.created > '2026-01-01T00:00:00Z'",
            "bool → true",
        ),
        (
            "full.created > '2026-13-01T00:00:00Z'",
            "✗ wrong-type at `'2026-13-01T00:00:00Z'`",
        ),
        ("default(full.created, timestamp(0)).getFullYear()", "int → 2026"),
        ("full.created.getMonth()", "int? → 2"),
        ("full.created.getDayOfWeek()", "int? → 1"),
        ("full.created.getMilliseconds()", "int? → 789"),
        (
            "timestamp('2026-01-01T00:00:00Z') + duration('1h30m')",
            "timestamp → \"2026-01-01T01:30:00Z\"",
        ),
        (
            "timestamp('2026-01-02T00:00:00Z') - timestamp('2026-01-01T00:00:00Z')",
            "duration → \"86400s\"",
        ),
        ("duration('36h').getHours()", "int → 36"),
        ("timestamp('x')", "✗ wrong-type at `'x'`"),
        ("product.shelf_life == '90s'", "bool → true"),
        ("product.rating == 2.5 && product.rating != 2", "bool → true"),
        ("1 == 1.0 && 1u == 1", "bool → true"),
        ("[1, 2.5]", "list<double> → [1,2.5]"),
        ("[1, 'x', null]", "list<any> → [1,\"x\",null]"),
        ("{'a': 1, 'b': 'x'}.b", "string → \"x\""),
        ("{'a': 1, 'a': 2}", "✗ duplicate-key at `'a'`"),
        ("{1: 'x', 2: 'y'}[2]", "string? → \"y\""),
        (
            "{1: 'x', limit: 'y', 5: 'z'}[2]",
            "string? → fault: two keys of a map are equal",
        ),
        (
            "default(money, {'units': 3, 'currency_code': 'EUR'}).units",
            "int → \"3\"",
        ),
        (
            "default(money, {'unit': 3})",
            "✗ unknown-field at `{'unit': 3}` did you mean `units`?",
        ),
        ("default(money, {'units': limit}).units", "int → \"5\""),
        (
            "limit > 3 ? product.name : product.stock",
            "✗ mixed-types at `product.stock`",
        ),
        ("limit > 3 ? product.name : null", "string? → \"Mug\""),
        ("default(recs.total, 0)", "any → 7"),
        ("limit ? 1 : 2", "✗ wrong-type at `limit` help `limit != 0`"),
    ]);
}

#[test]
fn json_of_unknown_shape() {
    table(&[
        ("recs.user_id", "any → 12345678901234567890123"),
        (
            "recs.total / 2",
            "✗ wrong-type at `recs.total` help `int(default(recs.total, 0))`",
        ),
        ("int(default(recs.total, 0)) / 2", "int → 3"),
        (
            "recs.total + 1",
            "✗ maybe-null at `recs.total` help `default(recs.total, 0)`",
        ),
        ("default(recs.total, 0) + 1", "any → 8"),
        ("default(recs.total, 0) * 1.5", "double → 10.5"),
        ("recs.total == 7", "bool → true"),
        ("recs.half == 0.5", "bool → true"),
        ("recs.name == 'Recs'", "bool → true"),
        ("recs.name == 7", "bool → false"),
        ("recs.tags == ['a', 'b']", "bool → true"),
        ("recs.nothing == null", "bool → true"),
        ("recs.items.map(i, i.id)", "list<any>? → [1,2]"),
        ("recs.items[0].price", "any → 2.5"),
        ("recs['items'][limit - 4].id", "any → 2"),
        (
            "recs.items.filter(i, i.price != null).map(i, i.price > 2)",
            "list<bool>? → [true]",
        ),
        ("recs.items.size()", "int? → 2"),
        ("recs.name.startsWith('R')", "bool? → true"),
        ("recs.total.startsWith('R')", "bool? → fault: a JSON value is not text"),
        ("default(recs.flag, false) && true", "bool → true"),
        (
            "default(recs.total, false) && true",
            "bool → fault: a JSON value is not true or false",
        ),
        ("'a' in default(recs.tags, [])", "bool → true"),
        ("'total' in default(recs, {})", "bool → true"),
        (
            "recs.total < 8",
            "✗ maybe-null at `recs.total` help `default(recs.total, 0)`",
        ),
        ("recs.total != null && recs.total < 8", "bool → true"),
        (
            "recs.tags.join('-')",
            "✗ maybe-null at `recs.tags` help `recs.tags.filter(it, it != null)`",
        ),
        ("recs.tags.filter(it, it != null).join('-')", "string? → \"a-b\""),
        ("double(default(recs.half, 0))", "double → 0.5"),
        (
            "string(default(recs.user_id, ''))",
            "string → \"12345678901234567890123\"",
        ),
        (
            "recs.total == product.created",
            "✗ wrong-type at `==` help `timestamp(recs.total)`",
        ),
    ]);
}

#[test]
fn lists_and_macros() {
    table(&[
        (
            "reviews.reviews.map(r, r.reply)",
            "list<string?>? → [\"thanks\",null,\"\"]",
        ),
        (
            "reviews.reviews.filter(r, r.reply != null).map(r, r.reply)",
            "list<string>? → [\"thanks\",\"\"]",
        ),
        (
            "reviews.reviews.filter(r, has(r.reply)).take(1).map(r, r.reply)",
            "list<string>? → [\"thanks\"]",
        ),
        (
            "reviews.reviews.map(r, r.reply != null, r.reply)",
            "list<string>? → [\"thanks\",\"\"]",
        ),
        ("reviews.reviews.filter(r, r.stars > 2).size()", "int? → 2"),
        ("reviews.reviews.exists(r, r.stars == 1)", "bool? → true"),
        ("reviews.reviews.all(r, r.stars > 1)", "bool? → false"),
        ("reviews.reviews.exists_one(r, r.author_id == 'u1')", "bool? → false"),
        ("numbers.exists(n, 1 / (n - 3) > 0 || n == 2)", "bool → true"),
        ("numbers.all(n, 1 / (n - 3) < 100)", "bool → fault: division by zero"),
        ("numbers.sort()", "list<int> → [1,2,3]"),
        ("numbers.sort().reverse()", "list<int> → [3,2,1]"),
        (
            "numbers.sum() + numbers.max()",
            "✗ maybe-null at `numbers.max()` help `default(numbers.max(), 0)`",
        ),
        ("[].sum()", "any → 0"),
        ("product.weights.sum()", "double → 2"),
        ("product.deltas.min()", "int? → -1"),
        ("numbers.first()", "int? → 3"),
        ("numbers.last()", "int? → 2"),
        ("numbers.take(2)", "list<int> → [3,1]"),
        ("numbers.drop(1)", "list<int> → [1,2]"),
        ("numbers.take(-1)", "✗ wrong-type at `-1`"),
        ("numbers.take(limit - 6)", "list<int> → fault: a count is negative"),
        ("numbers.chunk(2)", "list<list<int>> → [[3,1],[2]]"),
        (
            "numbers.chunk(limit - 5)",
            "list<list<int>> → fault: chunks of no elements",
        ),
        ("[[1], [2, 3]].flatten()", "list<int> → [1,2,3]"),
        (
            "product.history.distinct()",
            "list<shop.Status> → [\"PAID\",\"SHIPPED\"]",
        ),
        (
            "reviews.reviews.distinct_by(r, r.author_id).map(r, r.text)",
            "list<string>? → [\"good\",\"bad\"]",
        ),
        (
            "reviews.reviews.sort_by(r, r.stars).map(r, r.text)",
            "list<string>? → [\"bad\",\"fair\",\"good\"]",
        ),
        ("reviews.reviews.group_by(r, r.author_id).u1.size()", "int? → 2"),
        (
            "reviews.reviews.index_by(r, r.author_id)['u1'].text",
            "string? → \"fair\"",
        ),
        ("reviews.reviews.index_by(r, r.reply).size()", "int? → 2"),
        (
            "reviews.reviews.index_by(r, r.stars)['5']",
            "✗ wrong-type at `'5'` help `5`",
        ),
        (
            "product.prices.sort()",
            "✗ wrong-type at `product.prices` help `product.prices.sort_by(it, it.…)`",
        ),
        ("product.categories.join(', ')", "string → \"kitchen, gifts\""),
        (
            "numbers.join(',')",
            "✗ wrong-type at `numbers` help `numbers.map(it, string(it))`",
        ),
        ("'gifts' in product.categories", "bool → true"),
        (
            "currency in product.categories",
            "✗ maybe-null at `currency` help `default(currency, \"\")`",
        ),
        ("'a' in product.labels && 5 in product.slots", "bool → true"),
        ("5 in product.categories", "✗ wrong-type at `5`"),
        ("numbers.map(product, product)", "✗ name-taken at `product`"),
        ("numbers.map(n, numbers.map(n, n))", "✗ name-taken at `n`"),
        ("numbers.map(n, n) + numbers.map(n, n + 1)", "list<int> → [3,1,2,4,2,3]"),
        ("numbers.map(n, numbers.map(m, n * m).sum())", "list<int> → [18,6,12]"),
        (
            "numbers.map(a, numbers.map(b, numbers.map(c, numbers.map(d, d))))",
            "✗ too-complex at `numbers.map(d, d)`",
        ),
        ("numbers.map(n)", "✗ wrong-arguments at `numbers.map(n)`"),
        ("numbers.filter(n, n)", "✗ wrong-type at `n` help `n != 0`"),
        ("product.prices == product.prices && product == product", "bool → true"),
        ("product.prices[0] == product.prices[1]", "bool → false"),
        ("product == full", "bool → false"),
        ("product == 5", "✗ wrong-type at `==`"),
        ("math.greatest(limit, 7, 2)", "int → 7"),
        ("math.least(limit, 1.5)", "double → 1.5"),
        ("math.greatest(numbers)", "int? → 3"),
    ]);
}

#[test]
fn what_is_left_of_messages_is_read_as_an_object() {
    table(&[
        (
            "product.pick('name', 'price_usd.units')",
            "object {name: string, price_usd: object {units: int}?} → {\"name\":\"Mug\"}",
        ),
        (
            "product.pick('prices.units').prices[0]",
            "object {units: int}? → {\"units\":\"3\"}",
        ),
        (
            "full.price_usd.omit('nanos')",
            "object {currency_code: string, units: int}? → {\"currencyCode\":\"USD\",\"units\":\"7\"}",
        ),
        ("maybe.pick('id')", "object {id: string}? → null"),
        (
            "product.pick('nmae')",
            "✗ unknown-field at `'nmae'` did you mean `name`?",
        ),
        ("product.pick(id)", "✗ wrong-type at `id` help `\"id\"`"),
        ("product.pick('name').id", "✗ unknown-field at `id`"),
        (
            "product.pick('name').nmae",
            "✗ unknown-field at `nmae` did you mean `name`?",
        ),
        ("has(product.omit('id').id)", "✗ unknown-field at `id`"),
        ("has(product.pick('name').name)", "bool → true"),
        (
            "product.pick('name', 'id').pick('id').omit('name')",
            "✗ unknown-field at `'name'`",
        ),
        ("product.pick('name')['na' + 'me']", "string? → \"Mug\""),
        ("product.pick('name', 'id').size()", "int → 2"),
        (
            "product.pick('name', 'id').map(k, k)",
            "list<string> → [\"id\",\"name\"]",
        ),
        ("'id' in product.pick('name')", "bool → false"),
        ("product.pick('name') == product.omit('id').pick('name')", "bool → true"),
        ("product.pick('name') == {'name': 'Mug'}", "bool → true"),
        ("product.pick('name') == product.pick('id')", "✗ wrong-type at `==`"),
        (
            "default(maybe.pick('id'), {'id': product.name + '!'})",
            "object {id: string} → {\"id\":\"Mug!\"}",
        ),
        (
            "default(maybe.pick('id'), {'id': 'x', 'name': 'y'})",
            "✗ unknown-field at `{'id': 'x', 'name': 'y'}`",
        ),
        ("{'a': 1, 'b': 2}.omit('a')", "object {b: int} → {\"b\":2}"),
    ]);
}

#[test]
fn functions() {
    table(&[
        ("'Zürich'.charAt(1)", "string → \"ü\""),
        ("'Zürich'.substring(1, 3)", "string → \"ür\""),
        ("id.substring(7)", "string → fault: an index is out of range"),
        ("'a-b-c'.split('-')", "list<string> → [\"a\",\"b\",\"c\"]"),
        ("'a-b'.replace('-', '+')", "string → \"a+b\""),
        ("'banana'.lastIndexOf('an')", "int → 3"),
        ("'banana'.indexOf('an', 2)", "int → 3"),
        ("' x '.trim() + 'X'.lowerAscii()", "string → \"xx\""),
        ("'abc'.reverse()", "string → \"cba\""),
        ("id.matches('^p[0-9]+$')", "bool → true"),
        ("matches(id, 'q')", "bool → false"),
        ("id.matches(category)", "✗ bad-pattern at `category`"),
        ("id.matches('(')", "✗ bad-pattern at `'('`"),
        ("id.substring(1, 2, 3)", "✗ wrong-arguments at `id.substring(1, 2, 3)`"),
        ("id.contains(5)", "✗ wrong-type at `5` help `string(5)`"),
        ("limit.contains('x')", "✗ wrong-type at `limit` help `string(limit)`"),
        (
            "id.containz('x')",
            "✗ unknown-function at `containz` did you mean `contains`?",
        ),
        ("first(numbers)", "✗ unknown-function at `first` help `numbers.first()`"),
        ("limit.string()", "✗ unknown-function at `string` help `string(limit)`"),
        ("math.bitAnd(1, 2)", "✗ unknown-function at `math.bitAnd`"),
        (
            "math.abz(1)",
            "✗ unknown-function at `math.abz` did you mean `math.abs`?",
        ),
        ("type(1)", "✗ unknown-function at `type`"),
        ("now()", "✗ unknown-function at `now`"),
        ("math.abs(-limit)", "int → 5"),
        ("math.ceil(1.2) + math.round(2.5)", "double → 5"),
        ("base64.encode(product.blob)", "string → \"aGk=\""),
        ("base64.decode('aGk') == product.blob", "bool → true"),
        ("base64.decode(id + '!')", "bytes → fault: this text is not base64"),
        (
            "string(1.0) + string(true) + string(product.score)",
            "string → \"1true0.1\"",
        ),
        (
            "string(product.blob)",
            "✗ wrong-type at `product.blob` help `base64.encode(product.blob)`",
        ),
        ("int('12') + int(2.9)", "int → 14"),
        ("int(id)", "int → fault: this text is no integer"),
        ("int(1e30)", "✗ wrong-type at `1e30`"),
        (
            "uint(limit - 6)",
            "int → fault: a number is negative or does not fit an unsigned integer",
        ),
        ("double('1.5')", "double → 1.5"),
        ("bool('true')", "bool → true"),
        ("int(numbers)", "✗ wrong-type at `numbers`"),
        ("default(1)", "✗ wrong-arguments at `default(1)`"),
    ]);
}

#[test]
fn text() {
    for (text, wanted) in [
        ("product.status", "string → \"PAID\""),
        ("full.status", "string → \"9\""),
        (
            "full.created",
            "✗ maybe-null at `full.created` help `default(full.created, timestamp(0))`",
        ),
        (
            "product.blob",
            "✗ wrong-type at `product.blob` help `base64.encode(product.blob)`",
        ),
        (
            "authors[id].display_name",
            "✗ maybe-null at `authors[id].display_name` help `default(authors[id].display_name, \"\")`",
        ),
        ("default(authors[id].display_name, 'someone')", "string → \"someone\""),
        ("limit + 1", "string → \"6\""),
        ("product.weight", "string → \"7\""),
        ("product.rating", "string → \"2.5\""),
        ("flag", "string → \"true\""),
        (
            "recs.user_id",
            "✗ maybe-null at `recs.user_id` help `default(recs.user_id, \"\")`",
        ),
        ("product", "✗ wrong-type at `product`"),
        (
            "product.categories",
            "✗ wrong-type at `product.categories` help `product.categories.join(\", \")`",
        ),
        ("null", "✗ wrong-type at `null`"),
    ] {
        assert_eq!(checked_text(text), wanted, "{text}");
    }
}

#[test]
fn facts_come_in_and_go_out() {
    let scope = scope();
    let check = |text: &str, facts: &Facts| check(&parse(text).unwrap(), &scope, facts);
    let when = check(
        "reviews != null && full.price_usd.units != null && !(currency == null)",
        &Facts::new(),
    )
    .unwrap();
    let facts: Vec<&str> = when.facts.iter().map(String::as_str).collect();
    assert_eq!(
        facts,
        ["currency", "full", "full.price_usd", "full.price_usd.units", "reviews"]
    );
    assert_eq!(
        check("full.price_usd.units + 1", &when.facts).unwrap().ty.to_string(),
        "int"
    );
    assert!(check("full.price_usd.units + 1", &Facts::new()).is_err());
    assert_eq!(
        check("reviews.reviews", &when.facts).unwrap().ty.to_string(),
        "list<shop.Review>"
    );
    let kept = check("reviews.reviews.filter(r, r.reply != null)", &Facts::new()).unwrap();
    assert_eq!(kept.element_facts.iter().collect::<Vec<_>>(), ["", ".reply"]);
    assert!(
        check("numbers.exists(n, currency != null)", &Facts::new())
            .unwrap()
            .facts
            .is_empty()
    );
}

#[test]
fn what_can_fail_is_known() {
    let scope = scope();
    for (text, wanted) in [
        ("product.name", false),
        ("product.name + 'x'", false),
        ("reviews.reviews.map(r, r.author_id)", false),
        ("1 + 1", false),
        ("limit + 1", true),
        ("product.rating / 2", false),
        ("int(id)", true),
        ("recs.items.size()", true),
        ("string(limit)", false),
    ] {
        let checked = check(&parse(text).unwrap(), &scope, &Facts::new()).unwrap();
        assert_eq!(checked.may_fail, wanted, "{text}");
    }
}

#[test]
fn programs_that_do_nothing_are_known() {
    let scope = scope();
    let program = |text: &str| check(&parse(text).unwrap(), &scope, &Facts::new()).unwrap().program;
    assert_eq!(program("product").is_slot(), Some(Slot(0)));
    assert_eq!(program("product.name").is_slot(), None);
    assert_eq!(Program::slot(Slot(3)).is_slot(), Some(Slot(3)));
    assert_eq!(program("1 + 2 * 3").is_constant().and_then(Value::as_integer), Some(7));
}

#[test]
fn evaluation_is_bounded() {
    let scope = scope();
    let values = frame_values(&scope);
    let long = Value::list(vec![Value::Int(1); 2000]);
    let mut values = values;
    let at = scope.names.iter().position(|it| it.0 == "numbers").unwrap();
    values[at] = long;
    let frame = Frame {
        parent: None,
        base: Slot(0),
        values: &values,
    };
    for (text, wanted) in [
        (
            "numbers.all(a, numbers.all(b, a == b))",
            "more than 1,000,000 elements are visited",
        ),
        ("numbers.map(a, numbers).flatten()", "list is longer than 100,000"),
        (
            &*format!("numbers.map(a, '{}').join()", "x".repeat(600)),
            "text is longer than 1 MiB",
        ),
    ] {
        let checked = check(&parse(text).unwrap(), &scope, &Facts::new()).unwrap();
        assert_eq!(checked.program.eval(&frame).unwrap_err().reason, wanted, "{text}");
    }
}

#[test]
fn long_chains_are_checked_and_run_on_a_small_stack() {
    let text = format!("limit{}", " + 1".repeat(98));
    let nested = format!("{}limit{}", "(1 + ".repeat(32), ")".repeat(32));
    let run = move || {
        for text in [&text, &nested] {
            let checked = checked(text);
            assert!(checked.starts_with("int → "), "{checked}");
        }
    };
    // What a worker thread has.
    std::thread::Builder::new()
        .stack_size(2 << 20)
        .spawn(run)
        .unwrap()
        .join()
        .unwrap();
}
