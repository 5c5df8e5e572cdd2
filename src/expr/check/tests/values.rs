//! What single values are, and what may be done with them.

use super::*;

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
