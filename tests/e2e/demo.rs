//! The demo, as its README line starts it.

use serde_json::{Value, json};

use super::process::{Process, ask, get, listening, weft};

fn demo(more: &[&str]) -> (Process, std::net::SocketAddr) {
    let mut arguments = vec!["demo", "--listen", "127.0.0.1:0"];
    arguments.extend(more);
    let mut process = weft(&arguments);
    let address = listening(&mut process);
    (process, address)
}

#[test]
fn the_demo_shows_every_page() {
    let (_process, address) = demo(&[]);

    let home = get(address, "/pages/home?user=ada");
    assert_eq!(home.status, 200, "{}", home.text());
    let home = home.json();
    assert_eq!(home["products"].as_array().map(Vec::len), Some(9));
    assert_eq!(home["products"][0]["price"]["currencyCode"], "EUR");
    assert_eq!(home["products"][0].get("priceUsd"), None);
    assert_eq!(home["cart_size"], 3);
    assert_eq!(home["currencies"], json!(["CHF", "EUR", "GBP", "JPY", "SEK", "USD"]));

    let product = get(address, "/pages/products/mug?currency=CHF&user=ada").json();
    assert_eq!(product["name"], "Camp Mug");
    assert_eq!(
        product["price"],
        json!({ "currencyCode": "CHF", "units": "11", "nanos": 431_200_000 })
    );
    assert_eq!(product["reviews"]["items"].as_array().map(Vec::len), Some(3));
    assert_eq!(product["recommendations"].as_array().map(Vec::len), Some(4));
    assert_eq!(product["similar"].as_array().map(Vec::len), Some(4));

    let cart = get(address, "/pages/cart/ada?currency=JPY").json();
    assert_eq!(cart["lines"].as_array().map(Vec::len), Some(2));
    assert_eq!(cart["lines"][0]["product"]["name"], "Wool Blanket");
    assert_eq!(cart["shipping"]["currencyCode"], "JPY");

    let added = ask(
        address,
        "POST",
        "/cart/ada/items",
        Some(r#"{"item":{"productId":"scarf","quantity":1}}"#),
    );
    assert_eq!((added.status, added.text().as_str()), (200, "{}"));

    let order = r#"{"user":"ada","currency":"EUR","email":"ada@example.com",
        "address":{"streetAddress":"1 Main St","city":"Bern","country":"CH","zipCode":3000},
        "card":{"creditCardNumber":"4432-8015-6152-0454","creditCardExpirationYear":2039}}"#;
    let placed = ask(address, "POST", "/checkout", Some(order));
    assert_eq!(placed.status, 201, "{}", placed.text());
    assert_eq!(
        placed.headers["location"],
        format!("/orders/{}", placed.json()["orderId"].as_str().unwrap_or_default())
    );
    assert_eq!(placed.json()["items"].as_array().map(Vec::len), Some(3));
    let again = ask(address, "POST", "/checkout", Some(order));
    assert_eq!(
        (again.status, again.json()["title"].clone()),
        (409, json!("The order cannot be placed"))
    );

    assert_eq!(get(address, "/products/mug").json()["name"], "Camp Mug");
    assert_eq!(
        get(address, "/search?query=wool").json()["results"]
            .as_array()
            .map(Vec::len),
        Some(1)
    );
    assert_eq!(
        get(address, "/products").headers["cache-status"],
        "weft; fwd=miss; stored"
    );
    assert!(get(address, "/products").headers["cache-status"].starts_with("weft; hit"));

    let missing = get(address, "/pages/products/none");
    assert_eq!(missing.status, 404);
    assert_eq!(missing.headers["content-type"], "application/problem+json");
    assert_eq!(missing.json()["call"], "product");
}

#[test]
fn nine_slow_calls_take_as_long_as_one() {
    let (_process, address) = demo(&["--slow", "currency=300ms"]);
    // One after another they would take 2.7 s, far over the page's time-out of 1 s.
    let home = get(address, "/pages/home");
    assert_eq!(
        (home.status, home.headers.get("weft-degraded")),
        (200, None),
        "{}",
        home.text()
    );
}

#[test]
fn a_page_does_without_what_fails_or_is_slow() {
    let (_process, address) = demo(&["--fail", "ads", "--slow", "reviews=20s"]);
    let page = get(address, "/pages/products/mug");
    assert_eq!(page.status, 200);
    let degraded = &page.headers["weft-degraded"];
    assert!(
        degraded.contains("ads;code=UNAVAILABLE") && degraded.contains("reviews;code=DEADLINE_EXCEEDED"),
        "{degraded}"
    );
    assert_eq!(
        (&page.json()["ads"], &page.json()["name"]),
        (&Value::Null, &json!("Camp Mug"))
    );
}

#[test]
fn the_generated_client_talks_to_the_demo() {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("demo-client");
    let compiled = std::process::Command::new("tests/validators/typescript.sh")
        .arg(&folder)
        .arg("fixtures/publish/demo/client.ts")
        .output()
        .expect("bash");
    if compiled.status.code() == Some(77) {
        return println!("left out: {}", String::from_utf8_lossy(&compiled.stderr));
    }
    assert!(
        compiled.status.success(),
        "{}",
        String::from_utf8_lossy(&compiled.stdout)
    );
    let (_process, address) = demo(&["--fail", "ads"]);
    let ran = std::process::Command::new("node")
        .arg("tests/validators/client.mjs")
        .arg(folder.join("client.js"))
        .arg(format!("http://{address}"))
        .output()
        .expect("node, where npm is");
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
}
