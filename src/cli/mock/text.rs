//! Texts and numbers that fit a name.

/// First names, and names of things.
const PEOPLE: [&str; 8] = [
    "Ada Moreau",
    "Ben Okafor",
    "Chiara Lund",
    "Deniz Kaya",
    "Eva Novak",
    "Femi Adeyemi",
    "Grace Lin",
    "Hugo Silva",
];
const THINGS: [&str; 8] = [
    "Oak Table",
    "Wool Blanket",
    "Camp Mug",
    "Desk Lamp",
    "Rain Jacket",
    "Tea Kettle",
    "Field Watch",
    "Canvas Bag",
];
const CITIES: [&str; 4] = ["Lisbon", "Zürich", "Kyoto", "Bergen"];
const SENTENCES: [&str; 4] = [
    "Better than it looks, and it looks good.",
    "Made to be used every day.",
    "Arrived quickly; does what it should.",
    "A small thing that makes a difference.",
];

/// A number that depends on all of a text, the same everywhere (FNV-1a, 64 bits).
pub(super) fn hash(text: &str) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in text.bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    // The low bits of FNV depend on the last letters too much.
    hash ^ (hash >> 29)
}

/// `productId` and `product-id` as `product_id`.
pub(super) fn snake(name: &str) -> String {
    let mut out = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() {
            if !out.is_empty() && !out.ends_with('_') {
                out.push('_');
            }
            out.extend(letter.to_lowercase());
        } else {
            out.push(if letter == '-' { '_' } else { letter });
        }
    }
    out
}

/// The words of a name, one of several: `similar_products` as `similar product`.
pub(super) fn words_of(name: &str) -> String {
    let words = name.replace('_', " ");
    let singular = match words.strip_suffix("ies") {
        Some(stem) => format!("{stem}y"),
        None => words.strip_suffix('s').unwrap_or(&words).to_owned(),
    };
    singular.trim().to_owned()
}

fn pick<'t>(from: &[&'t str], hash: u64) -> &'t str {
    let at = usize::try_from(hash % from.len() as u64).unwrap_or(0);
    from.get(at).copied().unwrap_or_default()
}

/// A text for a field of this name in something of this name.
pub(super) fn of(owner: &str, name: &str, hash: u64) -> String {
    let number = 1 + hash % 997;
    let ends = |all: &[&str]| all.iter().any(|it| name == *it || name.ends_with(&format!("_{it}")));
    let is_person = |of: &str| {
        [
            "user", "author", "customer", "person", "owner", "contact", "member", "employee", "reviewer",
        ]
        .iter()
        .any(|it| of.contains(it))
    };
    let person = pick(&PEOPLE, hash);
    let part = |at: usize| person.split(' ').nth(at).unwrap_or_default().to_owned();
    if ends(&["token"]) {
        // The token of a next page: there is none.
        return String::new();
    }
    if ends(&["email", "mail"]) {
        return format!("{}@example.com", person.to_lowercase().replace(' ', "."));
    }
    if ends(&["picture", "image", "photo", "avatar", "thumbnail", "icon", "logo"]) {
        return format!("https://example.com/images/{number}.jpg");
    }
    if ends(&["url", "uri", "link", "href", "website"]) {
        return format!("https://example.com/{}/{number}", words_of(owner).replace(' ', "-"));
    }
    if ends(&["uuid", "guid"]) {
        return format!("{:08x}-0000-4000-8000-{:012x}", hash >> 32, hash & 0xffff_ffff_ffff);
    }
    if ends(&["id", "ids", "sku", "key"]) {
        let of = name.trim_end_matches("_ids").trim_end_matches("_id");
        let of = if of == name { owner } else { of };
        let of = words_of(of).replace(' ', "-");
        return if of.is_empty() {
            format!("id-{number}")
        } else {
            format!("{of}-{number}")
        };
    }
    if ends(&["currency", "currency_code", "currency_codes"]) {
        return pick(&["EUR", "USD", "CHF", "GBP", "JPY"], hash).to_owned();
    }
    if ends(&["country", "country_code"]) {
        return pick(&["DE", "PT", "JP", "NO"], hash).to_owned();
    }
    if ends(&["language", "locale", "lang"]) {
        return pick(&["en", "de", "pt", "ja"], hash).to_owned();
    }
    if ends(&["city", "town"]) {
        return pick(&CITIES, hash).to_owned();
    }
    if ends(&["street", "street_address", "address"]) {
        return format!("{} Harbour Street", 1 + hash % 90);
    }
    if ends(&["zip", "zip_code", "postal_code", "postcode"]) {
        return format!("{:05}", 10_000 + hash % 80_000);
    }
    if ends(&["phone", "telephone", "mobile"]) {
        return format!("+1-555-01{:02}", hash % 100);
    }
    if ends(&["first_name", "given_name"]) {
        return part(0);
    }
    if ends(&["last_name", "family_name", "surname"]) {
        return part(1);
    }
    if ends(&["author", "owner", "customer", "user_name", "username"]) || (ends(&["name"]) && is_person(owner)) {
        return person.to_owned();
    }
    if ends(&["name", "title", "label", "headline"]) {
        return pick(&THINGS, hash).to_owned();
    }
    if ends(&["date", "day", "birthday"]) {
        return format!("2026-{:02}-{:02}", 1 + hash % 12, 1 + hash % 28);
    }
    if ends(&["status", "state"]) {
        return "active".to_owned();
    }
    if ends(&["version"]) {
        return format!("1.{}.0", hash % 10);
    }
    if ends(&[
        "description",
        "text",
        "comment",
        "summary",
        "body",
        "message",
        "content",
        "note",
    ]) {
        return pick(&SENTENCES, hash).to_owned();
    }
    format!("{} {number}", words_of(name)).trim().to_owned()
}

/// A whole number for a field of this name; never negative, and small enough for every kind of integer.
pub(super) fn number(name: &str, hash: u64) -> i64 {
    let ends = |all: &[&str]| all.iter().any(|it| name == *it || name.ends_with(&format!("_{it}")));
    let range =
        |from: i64, to: i64| from + i64::try_from(hash % u64::try_from(to - from + 1).unwrap_or(1)).unwrap_or(0);
    if ends(&["nanos"]) {
        return range(0, 3) * 250_000_000;
    }
    if ends(&["stars", "rating", "score", "average"]) {
        return range(3, 5);
    }
    if ends(&["quantity", "pages"]) {
        return range(1, 3);
    }
    if ends(&["count", "total", "size", "total_size"]) {
        return 3;
    }
    if ends(&["price", "amount", "units", "cost"]) {
        return range(5, 200);
    }
    if ends(&["year"]) {
        return range(2026, 2035);
    }
    if ends(&["month"]) {
        return range(1, 12);
    }
    if ends(&["day", "hour"]) {
        return range(1, 23);
    }
    range(1, 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_fit_their_names() {
        let hash = hash("x");
        for (owner, name, wanted) in [
            ("user", "email", "@example.com"),
            ("product", "picture", "https://example.com/images/"),
            ("product", "id", "product-"),
            ("review", "product_id", "product-"),
            ("money", "currency_code", ""),
            ("thing", "colour", "colour "),
        ] {
            let text = of(owner, name, hash);
            assert!(text.contains(wanted), "{owner}.{name}: {text}");
            assert_eq!(text, of(owner, name, hash), "the same again");
        }
        assert_eq!(of("list", "next_page_token", hash), "");
        assert!(PEOPLE.contains(&&*of("author", "display_name", hash)));
        assert!(THINGS.contains(&&*of("product", "name", hash)));
    }

    #[test]
    fn names_are_read_in_every_spelling() {
        assert_eq!(snake("productId"), "product_id");
        assert_eq!(snake("x-y"), "x_y");
        assert_eq!(words_of("similar_categories"), "similar category");
    }
}
