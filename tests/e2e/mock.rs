//! `weft mock --serve`: the demo's pages without any backend.

use std::path::Path;

use serde_json::json;

use super::process::{Folder, Process, get, listening, weft};

fn mocked(folder: &Folder, more: &[&str]) -> (Process, std::net::SocketAddr) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).display();
    let config = folder.write(
        "weft.yaml",
        &format!(
            "admin: {{ listen: \"127.0.0.1:0\" }}\n\
             compositions: [\"{root}/compositions/\"]\n\
             descriptors: [\"{root}/descriptors/hipstershop\"]\n\
             backends:\n  \
               shop: {{ grpc: [\"http://shop.invalid:50051\"] }}\n  \
               reviews: {{ http: [\"http://reviews.invalid:8080\"] }}\n"
        ),
    );
    let (config, mocks) = (
        config.display().to_string(),
        folder.path().join("mocks").display().to_string(),
    );
    let mut arguments = vec![
        "mock",
        "-c",
        &config,
        "--serve",
        "--listen",
        "127.0.0.1:0",
        "--mocks",
        &mocks,
    ];
    arguments.extend(more);
    let mut process = weft(&arguments);
    let address = listening(&mut process);
    (process, address)
}

#[test]
fn every_page_of_the_demo_is_answered_without_a_backend() {
    let folder = Folder::new("mock");
    let (_process, address) = mocked(&folder, &[]);

    let page = get(address, "/pages/products/mug?currency=CHF");
    assert_eq!(page.status, 200, "{}", page.text());
    let page = page.json();
    assert_eq!(page["id"], "mug", "what was asked for comes back");
    assert!(
        page["picture"]
            .as_str()
            .unwrap()
            .starts_with("https://example.com/images/")
    );
    assert_eq!(page["reviews"]["items"].as_array().map(Vec::len), Some(3));
    assert!((3..=5).contains(&page["reviews"]["items"][0]["stars"].as_i64().unwrap()));
    assert_eq!(
        page,
        get(address, "/pages/products/mug?currency=CHF").json(),
        "the same again"
    );
    assert_ne!(page["name"], get(address, "/pages/products/lantern").json()["name"]);

    for path in [
        "/pages/home?user=ada",
        "/pages/cart/ada",
        "/products",
        "/products/p1",
        "/search?query=mug",
    ] {
        let page = get(address, path);
        assert_eq!(page.status, 200, "{path}: {}", page.text());
    }
}

#[test]
fn files_answer_in_place_of_made_up_values_and_are_read_anew() {
    let folder = Folder::new("mock-files");
    let (_process, address) = mocked(&folder, &[]);
    let product = "mocks/hipstershop.ProductCatalogService/GetProduct.yaml";

    folder.write(product, "id: mug\nname: A mug from a file");
    folder.write(
        "mocks/reviews/products/mug/reviews/GET.json",
        r#"{ "product_id": "mug", "count": 0, "average": null, "items": [] }"#,
    );
    folder.write("mocks/reviews/products/_/reviews/GET.yaml", "$error: 500");
    let page = get(address, "/pages/products/mug").json();
    assert_eq!(page["name"], "A mug from a file");
    assert_eq!(page["reviews"], json!({ "average": null, "items": [] }));
    let other = get(address, "/pages/products/lantern");
    assert_eq!(other.headers["weft-degraded"], "reviews;code=INTERNAL");

    folder.write(product, "$error: NOT_FOUND");
    assert_eq!(get(address, "/pages/products/mug").status, 404);
}

#[test]
fn mocks_fail_and_take_their_time_on_purpose() {
    let folder = Folder::new("mock-trouble");
    let more = [
        "--fail",
        "reviews=UNAVAILABLE",
        "--latency",
        "hipstershop.CurrencyService/Convert=10s",
    ];
    let (_process, address) = mocked(&folder, &more);
    let page = get(address, "/pages/products/mug");
    assert_eq!(page.status, 200);
    let degraded = &page.headers["weft-degraded"];
    assert!(degraded.contains("reviews;code=UNAVAILABLE"), "{degraded}");
    assert!(degraded.contains("price;code=DEADLINE_EXCEEDED"), "{degraded}");
}

#[test]
fn a_name_that_no_backend_has_is_refused() {
    let folder = Folder::new("mock-name");
    let config = folder.write("weft.yaml", "backends:\n  recs: { http: [\"http://127.0.0.1:1\"] }\n");
    let process = weft(&["mock", "-c", &config.display().to_string(), "--fail", "resc"]);
    let (code, said) = process.end();
    assert_eq!(code, 2);
    assert!(said.contains("there is no backend `resc`; there are recs"), "{said}");
}
