//! What the demo's shop sells and says: products, prices, currencies, ads and reviews, as data.

/// A product of the shop.
#[derive(Debug)]
pub(super) struct Product {
    pub(super) id: &'static str,
    pub(super) name: &'static str,
    pub(super) description: &'static str,
    /// US cents.
    pub(super) cents: i64,
    pub(super) categories: &'static [&'static str],
}

/// A review of a product.
#[derive(Debug)]
pub(super) struct Review {
    pub(super) product: &'static str,
    pub(super) author: &'static str,
    pub(super) stars: u8,
    pub(super) text: &'static str,
}

/// All products.
pub(super) const PRODUCTS: &[Product] = &[
    product(
        "mug",
        "Camp Mug",
        "Enamelled steel, holds 350 ml, survives a fall onto rock.",
        1_299,
        &["kitchen", "outdoor"],
    ),
    product(
        "kettle",
        "Gooseneck Kettle",
        "Pours exactly where you look. One litre.",
        6_450,
        &["kitchen"],
    ),
    product(
        "grinder",
        "Hand Grinder",
        "Conical burrs, forty clicks from espresso to French press.",
        8_900,
        &["kitchen"],
    ),
    product(
        "lantern",
        "Storm Lantern",
        "Burns twenty hours on one filling and does not mind the wind.",
        3_999,
        &["outdoor", "home"],
    ),
    product(
        "blanket",
        "Wool Blanket",
        "Merino, woven in one piece, 140 by 200 centimetres.",
        12_500,
        &["home"],
    ),
    product(
        "satchel",
        "Canvas Satchel",
        "Waxed canvas with a leather strap; fits a laptop of 14 inches.",
        9_800,
        &["accessories"],
    ),
    product(
        "watch",
        "Field Watch",
        "Hand-wound, luminous hands, water-proof to fifty metres.",
        19_900,
        &["accessories", "outdoor"],
    ),
    product(
        "scarf",
        "Linen Scarf",
        "Light enough for July.",
        2_750,
        &["accessories", "clothing"],
    ),
    product(
        "shirt",
        "Oxford Shirt",
        "Heavy cotton that gets better with every wash.",
        5_600,
        &["clothing"],
    ),
];

/// What one US dollar buys, in nano units of each currency.
pub(super) const RATES: &[(&str, i64)] = &[
    ("CHF", 880_000_000),
    ("EUR", 920_000_000),
    ("GBP", 780_000_000),
    ("JPY", 151_000_000_000),
    ("SEK", 10_600_000_000),
    ("USD", 1_000_000_000),
];

/// Advertisements: category, target product, text.
pub(super) const ADS: &[(&str, &str, &str)] = &[
    (
        "kitchen",
        "kettle",
        "Good coffee starts with a steady hand. Kettles from 64.50.",
    ),
    (
        "outdoor",
        "lantern",
        "Nights are longer than you think. Lanterns, 20% off.",
    ),
    ("home", "blanket", "The last blanket you will buy."),
    ("accessories", "satchel", "Carries everything but the weather."),
    ("clothing", "scarf", "Two scarves for the price of one and a half."),
];

/// Reviews, as their authors left them.
pub(super) const REVIEWS: &[Review] = &[
    review("mug", "Ines", 5, "Fell off a wall. The wall has a dent."),
    review("mug", "Jonas", 4, "Lovely, but the rim gets hot."),
    review("mug", "Aiko", 5, "Third one, for the third child."),
    review(
        "kettle",
        "Marek",
        5,
        "My pour-overs have never been this boring to make. Perfect.",
    ),
    review("kettle", "Sol", 3, "Slow. That is the point, I suppose."),
    review("grinder", "Ines", 4, "Quiet enough for a sleeping house."),
    review("lantern", "Tove", 5, "Wind, rain, a goat: still burning."),
    review("blanket", "Jonas", 5, "Warm. The cat agrees."),
    review("watch", "Aiko", 4, "Gains four seconds a day, which makes me punctual."),
    review("shirt", "Sol", 2, "Runs large; the exchange was quick, though."),
];

const fn product(
    id: &'static str,
    name: &'static str,
    description: &'static str,
    cents: i64,
    categories: &'static [&'static str],
) -> Product {
    Product {
        id,
        name,
        description,
        cents,
        categories,
    }
}

const fn review(product: &'static str, author: &'static str, stars: u8, text: &'static str) -> Review {
    Review {
        product,
        author,
        stars,
        text,
    }
}

/// Finds a product.
pub(super) fn find(id: &str) -> Option<&'static Product> {
    PRODUCTS.iter().find(|it| it.id == id)
}
