//! Sample data: one product of a shop, and as many reviews of it as are asked for. The same on every run.

use std::collections::BTreeMap;

use prost_types::Timestamp;

use super::generated::{
    Author, Brand, Category, Dimensions, Image, Kind, ListReviewsResponse, Product, ProductStatus, Review, Variant,
};

#[expect(clippy::unnecessary_wraps, reason = "the fields are optional")]
fn ts(seconds: i64, nanos: i32) -> Option<Timestamp> {
    Some(Timestamp { seconds, nanos })
}
fn s(v: &str) -> String {
    v.to_owned()
}
fn map<const N: usize>(kv: [(&str, &str); N]) -> BTreeMap<String, String> {
    kv.into_iter().map(|(k, v)| (s(k), s(v))).collect()
}

pub(crate) fn product() -> Product {
    let cdn = "https://cdn.shop.example/images/p-1001";
    Product {
        id: s("p-1001"),
        name: s("Alpine Ridge 45L Trekking Backpack – Ultralight Series"),
        slug: s("alpine-ridge-45l-trekking-backpack"),
        description: s(
            "A three-season trekking pack with a removable aluminium frame, \"roll-top\" closure and rain cover.\nTested on the GR20; weighs under 1.2 kg. Façade fabric is 100% recycled nylon. Load range 8 to 14 kg, adjustable back length from 42 to 52 cm, two ice-axe loops, a hydration sleeve and a key clip in the lid.",
        ),
        brand: Some(Brand {
            id: s("b-77"),
            name: s("Alpine Ridge"),
            country_code: s("CH"),
        }),
        categories: vec![
            Category {
                id: s("c-10"),
                name: s("Backpacks"),
                path: vec![s("Outdoor"), s("Hiking"), s("Backpacks")],
            },
            Category {
                id: s("c-42"),
                name: s("Ultralight"),
                path: vec![s("Outdoor"), s("Ultralight")],
            },
        ],
        images: (0..4)
            .map(|i| Image {
                url: format!("{cdn}/{i}-1600x1200.webp"),
                alt_text: format!("Alpine Ridge 45L, view {i}"),
                width: 1600,
                height: 1200,
                kind: if i == 0 { Kind::Main } else { Kind::Gallery } as i32,
            })
            .collect(),
        variants: [
            ("BLK", "Black", true),
            ("OLV", "Olive", true),
            ("RED", "Signal Red", false),
        ]
        .into_iter()
        .zip(0_i64..)
        .map(|((c, t, a), i)| Variant {
            sku: format!("AR45-{c}-M"),
            title: format!("{t} / M"),
            options: map([("color", t), ("size", "M")]),
            barcode: 7_612_345_678_900 + i,
            available: a,
        })
        .collect(),
        attributes: map([
            ("material", "recycled ripstop nylon 210D"),
            ("volume_l", "45"),
            ("waterproof", "PU 2000 mm"),
            ("frame", "removable aluminium"),
            ("warranty", "5 years"),
            ("hydration", "3 L compatible"),
        ]),
        rating_histogram: [("1", 12), ("2", 31), ("3", 95), ("4", 410), ("5", 1299)]
            .into_iter()
            .map(|(k, v)| (s(k), v))
            .collect(),
        dimensions: Some(Dimensions {
            length_cm: 68.5,
            width_cm: 32.0,
            height_cm: 24.25,
            weight_kg: 1.18,
        }),
        status: ProductStatus::Active as i32,
        created_at: ts(1_688_201_112, 0),
        updated_at: ts(1_752_412_871, 123_000_000),
        tags: ["trekking", "ultralight", "45l", "recycled", "bestseller", "unisex"]
            .map(s)
            .to_vec(),
        digital: false,
        average_rating: 4.595,
        view_count: 9_007_199_254_740_993, // > 2^53: must be a JSON string
    }
}

pub(crate) fn reviews(n: i32) -> ListReviewsResponse {
    const TITLES: [&str; 5] = [
        "Great on long hikes",
        "Solid, with one flaw",
        "Très confortable",
        "Not for tall people",
        "\"Best\" pack I own",
    ];
    const BODIES: [&str; 5] = [
        "Carried 11 kg for nine days and the hip belt never slipped. The roll-top keeps rain out and the side pockets fit a 1 L bottle.",
        "Comfortable and light, but the zip on the lid pocket started to catch after two weeks.\nSupport replaced it without questions.",
        "Le dos est bien ventilé et le réglage se fait en marchant. Un peu cher, mais la finition est impeccable, je recommande.",
        "The frame is too short if you are above 1.90 m. Returned it & bought the 55L <tall> version instead, which fits much better.",
        "I have \"tested\" many packs; this one wins on weight/comfort ratio. Only wish: a dedicated sleeping-bag compartment at the bottom.",
    ];
    const NAMES: [&str; 6] = ["Maya L.", "Jürgen K.", "Chloé D.", "Tomáš N.", "Aiko S.", "Sam O'Neil"];
    const LOCALES: [&str; 3] = ["en-US", "de-CH", "fr-FR"];
    ListReviewsResponse {
        reviews: (0..n)
            .map(|i| Review {
                id: format!("r-{:08}", 40_000 + i * 37),
                author: Some(Author {
                    id: format!("u-{:06}", 1000 + i * 13),
                    display_name: s(pick(&NAMES, i)),
                    verified_buyer: i % 3 != 1,
                }),
                rating: 1 + i * 7 % 5,
                title: s(pick(&TITLES, i)),
                body: format!("{} Used for {} days.", pick(&BODIES, i + 2), 3 + i % 90),
                created_at: ts(
                    1_750_000_000 - i64::from(i) * 8111,
                    if i % 2 == 0 { 0 } else { 250_000_000 },
                ),
                helpful_count: i * 11 % 60,
                verdict: 1 + i % 3,
                locale: s(pick(&LOCALES, i)),
            })
            .collect(),
        next_page_token: s("eyJvIjoyMCwicyI6ImhlbHBmdWwifQ"),
        total_count: 1847,
    }
}

fn pick<'t>(texts: &[&'t str], at: i32) -> &'t str {
    usize::try_from(at)
        .ok()
        .and_then(|it| texts.iter().cycle().nth(it))
        .copied()
        .unwrap_or_default()
}
