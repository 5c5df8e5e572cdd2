// Runs a generated client against the demo, which was started with `--fail ads`: `node client.mjs MODULE BASE_URL`.
import assert from "node:assert/strict";

const { createClient, WeftError } = await import(process.argv[2]);
const requests = [];
const client = createClient({
  baseUrl: `${process.argv[3]}/`,
  headers: { "x-caller": "test" },
  fetch: (url, init) => {
    requests.push({ url: String(url), init });
    return fetch(url, init);
  },
});

// A page without one of its parts.
const page = await client.getPagesProductsById({ id: "mug", currency: "CHF", user: "ada" });
assert.equal(page.status, 200);
assert.equal(page.data.name, "Camp Mug");
assert.equal(page.data.price.currencyCode, "CHF");
assert.equal(page.data.ads, null);
assert.deepEqual(page.degraded, [{ call: "ads", code: "UNAVAILABLE" }]);
assert.equal(requests.at(-1).init.headers.get("x-caller"), "test");

// Nothing is missing, nothing is given.
const products = await client.getProducts();
assert.equal(products.data.products.length, 9);
assert.deepEqual(products.degraded, []);

// A body, and what comes back of it.
const added = await client.postCartByUserIdItems({ user_id: "grace" }, { item: { productId: "scarf", quantity: 2 } });
assert.deepEqual(added.data, {});
const cart = await client.getPagesCartByUser({ user: "grace" });
assert.deepEqual(cart.data.lines.map((it) => [it.product.id, it.quantity]), [["scarf", 2]]);

// A failure is a problem.
const missing = await client.getPagesProductsById({ id: "none" }).catch((error) => error);
assert.ok(missing instanceof WeftError);
assert.equal(missing.status, 404);
assert.equal(missing.problem.call, "product");
assert.equal(missing.problem.code, "NOT_FOUND");
const invalid = await client.getPagesProductsById({ id: "mug", currency: "euro" }).catch((error) => error);
assert.equal(invalid.status, 400);
assert.equal(invalid.problem.errors[0].parameter, "currency");

// What is given stays in its place: a segment is one segment, a value is one value.
await client.getProductsById({ id: "a/b?c=d#e" }).catch(() => {});
assert.ok(requests.at(-1).url.endsWith("/products/a%2Fb%3Fc%3Dd%23e"), requests.at(-1).url);
await client.getSearch({ query: "a&b=c d" });
assert.ok(requests.at(-1).url.endsWith("/search?query=a%26b%3Dc+d"), requests.at(-1).url);
const before = requests.length;
for (const id of ["..", ".", ""]) {
  await assert.rejects(async () => client.getProductsById({ id }), RangeError);
}
assert.equal(requests.length, before);

// A request that is given up.
await assert.rejects(client.getPagesHome({}, { signal: AbortSignal.abort() }), { name: "AbortError" });
console.log(`${requests.length} requests`);
