//! Macros, functions, and text around expressions.

use super::*;

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
