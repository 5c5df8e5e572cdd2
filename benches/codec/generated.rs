//! The types of `shop.proto` as code generators write them: prost messages with derived serde, the usual way to JSON.
//!
//! Serialization gives canonical JSON without an allocation for each field: what someone who cares would write by hand.

use std::collections::BTreeMap;

use prost_types::Timestamp;
use serde::{Serialize, Serializer};

macro_rules! message {
    ($name:ident { $($(#[$attribute:meta])* $field:ident: $type:ty,)* }) => {
        #[derive(Clone, PartialEq, prost::Message, Serialize)]
        #[serde(rename_all = "camelCase")]
        pub(crate) struct $name {
            $($(#[$attribute])* pub(crate) $field: $type,)*
        }
    };
}

message!(Product {
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "String::is_empty")]
    id: String,
    #[prost(string, tag = "2")]
    #[serde(skip_serializing_if = "String::is_empty")]
    name: String,
    #[prost(string, tag = "3")]
    #[serde(skip_serializing_if = "String::is_empty")]
    slug: String,
    #[prost(string, tag = "4")]
    #[serde(skip_serializing_if = "String::is_empty")]
    description: String,
    #[prost(message, optional, tag = "5")]
    #[serde(skip_serializing_if = "Option::is_none")]
    brand: Option<Brand>,
    #[prost(message, repeated, tag = "6")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    categories: Vec<Category>,
    #[prost(message, repeated, tag = "7")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    images: Vec<Image>,
    #[prost(message, repeated, tag = "8")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    variants: Vec<Variant>,
    #[prost(btree_map = "string, string", tag = "9")]
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    attributes: BTreeMap<String, String>,
    #[prost(btree_map = "string, int32", tag = "10")]
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    rating_histogram: BTreeMap<String, i32>,
    #[prost(message, optional, tag = "11")]
    #[serde(skip_serializing_if = "Option::is_none")]
    dimensions: Option<Dimensions>,
    #[prost(enumeration = "ProductStatus", tag = "12")]
    #[serde(skip_serializing_if = "is_default", serialize_with = "enumeration::<_, ProductStatus>")]
    status: i32,
    #[prost(message, optional, tag = "13")]
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "timestamp")]
    created_at: Option<Timestamp>,
    #[prost(message, optional, tag = "14")]
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "timestamp")]
    updated_at: Option<Timestamp>,
    #[prost(string, repeated, tag = "15")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<String>,
    #[prost(bool, tag = "16")]
    #[serde(skip_serializing_if = "is_default")]
    digital: bool,
    #[prost(double, tag = "17")]
    #[serde(skip_serializing_if = "is_default")]
    average_rating: f64,
    #[prost(int64, tag = "18")]
    #[serde(skip_serializing_if = "is_default", serialize_with = "int64")]
    view_count: i64,
});

message!(Brand {
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "String::is_empty")]
    id: String,
    #[prost(string, tag = "2")]
    #[serde(skip_serializing_if = "String::is_empty")]
    name: String,
    #[prost(string, tag = "3")]
    #[serde(skip_serializing_if = "String::is_empty")]
    country_code: String,
});

message!(Category {
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "String::is_empty")]
    id: String,
    #[prost(string, tag = "2")]
    #[serde(skip_serializing_if = "String::is_empty")]
    name: String,
    #[prost(string, repeated, tag = "3")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    path: Vec<String>,
});

message!(Image {
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "String::is_empty")]
    url: String,
    #[prost(string, tag = "2")]
    #[serde(skip_serializing_if = "String::is_empty")]
    alt_text: String,
    #[prost(int32, tag = "3")]
    #[serde(skip_serializing_if = "is_default")]
    width: i32,
    #[prost(int32, tag = "4")]
    #[serde(skip_serializing_if = "is_default")]
    height: i32,
    #[prost(enumeration = "Kind", tag = "5")]
    #[serde(skip_serializing_if = "is_default", serialize_with = "enumeration::<_, Kind>")]
    kind: i32,
});

message!(Variant {
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "String::is_empty")]
    sku: String,
    #[prost(string, tag = "2")]
    #[serde(skip_serializing_if = "String::is_empty")]
    title: String,
    #[prost(btree_map = "string, string", tag = "3")]
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    options: BTreeMap<String, String>,
    #[prost(int64, tag = "4")]
    #[serde(skip_serializing_if = "is_default", serialize_with = "int64")]
    barcode: i64,
    #[prost(bool, tag = "5")]
    #[serde(skip_serializing_if = "is_default")]
    available: bool,
});

message!(Dimensions {
    #[prost(double, tag = "1")]
    #[serde(skip_serializing_if = "is_default")]
    length_cm: f64,
    #[prost(double, tag = "2")]
    #[serde(skip_serializing_if = "is_default")]
    width_cm: f64,
    #[prost(double, tag = "3")]
    #[serde(skip_serializing_if = "is_default")]
    height_cm: f64,
    #[prost(double, tag = "4")]
    #[serde(skip_serializing_if = "is_default")]
    weight_kg: f64,
});

message!(ListReviewsResponse {
    #[prost(message, repeated, tag = "1")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    reviews: Vec<Review>,
    #[prost(string, tag = "2")]
    #[serde(skip_serializing_if = "String::is_empty")]
    next_page_token: String,
    #[prost(int64, tag = "3")]
    #[serde(skip_serializing_if = "is_default", serialize_with = "int64")]
    total_count: i64,
});

message!(Review {
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "String::is_empty")]
    id: String,
    #[prost(message, optional, tag = "2")]
    #[serde(skip_serializing_if = "Option::is_none")]
    author: Option<Author>,
    #[prost(int32, tag = "3")]
    #[serde(skip_serializing_if = "is_default")]
    rating: i32,
    #[prost(string, tag = "4")]
    #[serde(skip_serializing_if = "String::is_empty")]
    title: String,
    #[prost(string, tag = "5")]
    #[serde(skip_serializing_if = "String::is_empty")]
    body: String,
    #[prost(message, optional, tag = "6")]
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "timestamp")]
    created_at: Option<Timestamp>,
    #[prost(int32, tag = "7")]
    #[serde(skip_serializing_if = "is_default")]
    helpful_count: i32,
    #[prost(enumeration = "Verdict", tag = "8")]
    #[serde(skip_serializing_if = "is_default", serialize_with = "enumeration::<_, Verdict>")]
    verdict: i32,
    #[prost(string, tag = "9")]
    #[serde(skip_serializing_if = "String::is_empty")]
    locale: String,
});

message!(Author {
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "String::is_empty")]
    id: String,
    #[prost(string, tag = "2")]
    #[serde(skip_serializing_if = "String::is_empty")]
    display_name: String,
    #[prost(bool, tag = "3")]
    #[serde(skip_serializing_if = "is_default")]
    verified_buyer: bool,
});

macro_rules! enumeration {
    ($name:ident { $($value:ident = $number:literal, $text:literal;)* }) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
        #[repr(i32)]
        pub(crate) enum $name { $($value = $number,)* }

        impl Named for $name {
            fn name(self) -> &'static str {
                match self { $(Self::$value => $text,)* }
            }
        }
    };
}

trait Named: TryFrom<i32> {
    fn name(self) -> &'static str;
}

enumeration!(ProductStatus {
    Unspecified = 0, "PRODUCT_STATUS_UNSPECIFIED";
    Draft = 1, "PRODUCT_STATUS_DRAFT";
    Active = 2, "PRODUCT_STATUS_ACTIVE";
    Discontinued = 3, "PRODUCT_STATUS_DISCONTINUED";
});

enumeration!(Kind {
    Unspecified = 0, "KIND_UNSPECIFIED";
    Main = 1, "KIND_MAIN";
    Gallery = 2, "KIND_GALLERY";
});

enumeration!(Verdict {
    Unspecified = 0, "VERDICT_UNSPECIFIED";
    Recommended = 1, "VERDICT_RECOMMENDED";
    Neutral = 2, "VERDICT_NEUTRAL";
    NotRecommended = 3, "VERDICT_NOT_RECOMMENDED";
});

// === Four fields of each message, out of the whole one ===

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ProductView<'a> {
    id: &'a str,
    name: &'a str,
    #[serde(serialize_with = "enumeration::<_, ProductStatus>")]
    status: i32,
    average_rating: f64,
}

impl<'a> From<&'a Product> for ProductView<'a> {
    fn from(it: &'a Product) -> Self {
        Self {
            id: &it.id,
            name: &it.name,
            status: it.status,
            average_rating: it.average_rating,
        }
    }
}

#[derive(Serialize)]
pub(crate) struct ListView<'a> {
    #[serde(serialize_with = "reviews")]
    reviews: &'a [Review],
}

impl<'a> From<&'a ListReviewsResponse> for ListView<'a> {
    fn from(it: &'a ListReviewsResponse) -> Self {
        Self { reviews: &it.reviews }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ReviewView<'a> {
    id: &'a str,
    rating: i32,
    title: &'a str,
    #[serde(serialize_with = "timestamp")]
    created_at: &'a Option<Timestamp>,
}

fn reviews<S: Serializer>(reviews: &[Review], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(reviews.iter().map(|it| ReviewView {
        id: &it.id,
        rating: it.rating,
        title: &it.title,
        created_at: &it.created_at,
    }))
}

// === Canonical JSON of scalars ===

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn int64<S: Serializer>(value: &i64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(itoa::Buffer::new().format(*value))
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn enumeration<S: Serializer, E: Named>(value: &i32, serializer: S) -> Result<S::Ok, S::Error> {
    match E::try_from(*value) {
        Ok(it) => serializer.serialize_str(it.name()),
        Err(_) => serializer.serialize_i32(*value),
    }
}

#[expect(clippy::ref_option, reason = "serde asks for a reference")]
fn timestamp<S: Serializer>(value: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    let Some(it) = value else {
        return serializer.serialize_none();
    };
    // Days to a date, counted from 0000-03-01 in eras of 400 years; the samples are all after 1970.
    let (days, second) = (it.seconds / 86_400 + 719_468, it.seconds % 86_400);
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let march_month = (5 * day + 2) / 153;
    let month = if march_month < 10 {
        march_month + 3
    } else {
        march_month - 9
    };
    let mut text = *b"0000-00-00T00:00:00.000000000Z";
    let mut put = |from: usize, to: usize, mut number: i64| {
        for place in text[from..to].iter_mut().rev() {
            *place = b"0123456789"[usize::try_from(number % 10).unwrap_or(0)];
            number /= 10;
        }
    };
    put(0, 4, era * 400 + year + i64::from(month <= 2));
    put(5, 7, month);
    put(8, 10, day - (153 * march_month + 2) / 5 + 1);
    put(11, 13, second / 3600);
    put(14, 16, second / 60 % 60);
    put(17, 19, second % 60);
    put(20, 29, i64::from(it.nanos));
    let end = match it.nanos {
        0 => 19,
        nanos if nanos % 1_000_000 == 0 => 23,
        nanos if nanos % 1000 == 0 => 26,
        _ => 29,
    };
    text[end] = b'Z';
    serializer.serialize_str(std::str::from_utf8(&text[..=end]).map_err(serde::ser::Error::custom)?)
}
