//! The shop itself: what each method of its services answers, over one state in memory.
//!
//! Requests and replies are JSON here; `server` turns them into real gRPC messages.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};
use tonic::{Code, Status};

use super::catalogue::{self, ADS, PRODUCTS, Product, RATES, REVIEWS};

const NANOS: i128 = 1_000_000_000;

/// Carts by user, and the number of the next order.
#[derive(Debug, Default)]
pub(super) struct Shop {
    carts: Mutex<BTreeMap<String, BTreeMap<String, i64>>>,
    orders: AtomicU64,
}

impl Shop {
    /// A shop in which the visitor `ada` has put two things into her cart.
    pub(super) fn new() -> Self {
        let shop = Self::default();
        shop.add("ada", "mug", 2);
        shop.add("ada", "blanket", 1);
        shop
    }

    /// Answers one gRPC method, named `Service/Method` without its package.
    pub(super) fn answer(&self, method: &str, request: &Value) -> Result<Value, Status> {
        match method {
            "ProductCatalogService/ListProducts" => {
                Ok(json!({ "products": PRODUCTS.iter().map(product_json).collect::<Vec<_>>() }))
            }
            "ProductCatalogService/GetProduct" => catalogue::find(text(request, "id"))
                .map(product_json)
                .ok_or_else(|| no_product(text(request, "id"))),
            "ProductCatalogService/SearchProducts" => Ok(search(text(request, "query"))),
            "CurrencyService/GetSupportedCurrencies" => {
                Ok(json!({ "currencyCodes": RATES.iter().map(|it| it.0).collect::<Vec<_>>() }))
            }
            "CurrencyService/Convert" => convert(&request["from"], text(request, "toCode")),
            "CartService/GetCart" => Ok(self.cart(text(request, "userId"))),
            "CartService/AddItem" => self.add_item(request),
            "CartService/EmptyCart" => {
                self.carts().remove(text(request, "userId"));
                Ok(json!({}))
            }
            "RecommendationService/ListRecommendations" => Ok(recommendations(&request["productIds"])),
            "AdService/GetAds" => Ok(ads(&request["contextKeys"])),
            "ShippingService/GetQuote" => Ok(json!({ "costUsd": money("USD", shipping_nanos(&request["items"])) })),
            "ShippingService/ShipOrder" => Ok(json!({ "trackingId": format!("WB-{:06}", self.next_order()) })),
            "PaymentService/Charge" => charge(&request["creditCard"])
                .map(|()| json!({ "transactionId": format!("T-{:06}", self.next_order()) })),
            "EmailService/SendOrderConfirmation" => Ok(json!({})),
            "CheckoutService/PlaceOrder" => self.place_order(request),
            _ => Err(Status::unimplemented(format!("the shop has no {method}"))),
        }
    }

    fn carts(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, BTreeMap<String, i64>>> {
        self.carts.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn next_order(&self) -> u64 {
        self.orders.fetch_add(1, Ordering::Relaxed) + 1
    }

    fn add(&self, user: &str, product: &str, quantity: i64) {
        *self
            .carts()
            .entry(user.to_owned())
            .or_default()
            .entry(product.to_owned())
            .or_default() += quantity;
    }

    fn add_item(&self, request: &Value) -> Result<Value, Status> {
        let product = text(&request["item"], "productId");
        let quantity = request["item"]["quantity"].as_i64().unwrap_or_default();
        if catalogue::find(product).is_none() {
            return Err(no_product(product));
        }
        if quantity < 1 {
            return Err(Status::invalid_argument("quantity must be at least 1"));
        }
        self.add(text(request, "userId"), product, quantity);
        Ok(json!({}))
    }

    fn cart(&self, user: &str) -> Value {
        let items = self.carts().get(user).cloned().unwrap_or_default();
        let items: Vec<_> = items
            .iter()
            .map(|(id, n)| json!({ "productId": id, "quantity": n }))
            .collect();
        json!({ "userId": user, "items": items })
    }

    fn place_order(&self, request: &Value) -> Result<Value, Status> {
        let user = text(request, "userId");
        let cart = self.cart(user);
        let items = cart["items"].as_array().cloned().unwrap_or_default();
        if items.is_empty() {
            return Err(Status::failed_precondition("the cart is empty"));
        }
        charge(&request["creditCard"])?;
        let currency = text(request, "userCurrency");
        let shipping = convert(&money("USD", shipping_nanos(&cart["items"])), currency)?;
        let mut lines = Vec::new();
        for item in &items {
            let product =
                catalogue::find(text(item, "productId")).ok_or_else(|| no_product(text(item, "productId")))?;
            lines.push(json!({ "item": item, "cost": convert(&price(product), currency)? }));
        }
        self.carts().remove(user);
        let number = self.next_order();
        Ok(json!({ "order": {
            "orderId": format!("O-{number:06}"),
            "shippingTrackingId": format!("WB-{number:06}"),
            "shippingCost": shipping,
            "shippingAddress": request["address"],
            "items": lines,
        }}))
    }
}

/// The reviews of a product, as the HTTP backend says them.
pub(super) fn reviews(product: &str) -> Option<Value> {
    catalogue::find(product)?;
    let all: Vec<_> = REVIEWS.iter().filter(|it| it.product == product).collect();
    let stars: u32 = all.iter().map(|it| u32::from(it.stars)).sum();
    let average = if all.is_empty() {
        Value::Null
    } else {
        json!(f64::from(stars) / f64::from(u32::try_from(all.len()).unwrap_or(u32::MAX)))
    };
    let items: Vec<_> = all
        .iter()
        .map(|it| json!({ "author": it.author, "stars": it.stars, "text": it.text }))
        .collect();
    Some(json!({ "product_id": product, "count": items.len(), "average": average, "items": items }))
}

/// Products that share a category, as the HTTP backend says them.
pub(super) fn similar(product: &str, limit: usize) -> Option<Value> {
    let this = catalogue::find(product)?;
    let items: Vec<_> = PRODUCTS
        .iter()
        .filter(|it| it.id != this.id && it.categories.iter().any(|category| this.categories.contains(category)))
        .take(limit)
        .map(|it| json!({ "id": it.id, "name": it.name }))
        .collect();
    Some(json!({ "items": items }))
}

fn text<'v>(value: &'v Value, member: &str) -> &'v str {
    value[member].as_str().unwrap_or_default()
}

fn no_product(id: &str) -> Status {
    Status::not_found(format!("no product `{id}`"))
}

fn product_json(product: &Product) -> Value {
    json!({
        "id": product.id,
        "name": product.name,
        "description": product.description,
        "picture": format!("/static/{}.jpg", product.id),
        "priceUsd": price(product),
        "categories": product.categories,
    })
}

fn price(product: &Product) -> Value {
    money("USD", i128::from(product.cents) * (NANOS / 100))
}

fn money(currency: &str, nanos: i128) -> Value {
    let (units, nanos) = (nanos / NANOS, nanos % NANOS);
    json!({
        "currencyCode": currency,
        "units": i64::try_from(units).unwrap_or(i64::MAX),
        "nanos": i32::try_from(nanos).unwrap_or_default(),
    })
}

fn rate(currency: &str) -> Result<i128, Status> {
    RATES
        .iter()
        .find(|it| it.0 == currency)
        .map(|it| i128::from(it.1))
        .ok_or_else(|| Status::invalid_argument(format!("unsupported currency `{currency}`")))
}

fn nanos_of(money: &Value) -> i128 {
    let units = money["units"]
        .as_i64()
        .or_else(|| money["units"].as_str()?.parse().ok())
        .unwrap_or_default();
    i128::from(units) * NANOS + i128::from(money["nanos"].as_i64().unwrap_or_default())
}

fn convert(from: &Value, to: &str) -> Result<Value, Status> {
    let (source, target) = (rate(text(from, "currencyCode"))?, rate(to)?);
    Ok(money(to, nanos_of(from) * target / source))
}

fn shipping_nanos(items: &Value) -> i128 {
    let pieces: i64 = items
        .as_array()
        .into_iter()
        .flatten()
        .map(|it| it["quantity"].as_i64().unwrap_or_default())
        .sum();
    if pieces == 0 {
        0
    } else {
        (499 + 150 * i128::from(pieces - 1)) * (NANOS / 100)
    }
}

fn search(query: &str) -> Value {
    let query = query.to_lowercase();
    let found = PRODUCTS
        .iter()
        .filter(|it| it.name.to_lowercase().contains(&query) || it.description.to_lowercase().contains(&query))
        .map(product_json);
    json!({ "results": found.collect::<Vec<_>>() })
}

fn recommendations(seen: &Value) -> Value {
    let seen: Vec<_> = seen
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let wanted: Vec<_> = PRODUCTS
        .iter()
        .filter(|it| seen.contains(&it.id))
        .flat_map(|it| it.categories)
        .collect();
    let mut others: Vec<_> = PRODUCTS.iter().filter(|it| !seen.contains(&it.id)).collect();
    others.sort_by_key(|it| !it.categories.iter().any(|category| wanted.contains(&category)));
    json!({ "productIds": others.iter().take(4).map(|it| it.id).collect::<Vec<_>>() })
}

fn ads(keys: &Value) -> Value {
    let keys: Vec<_> = keys
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let found = ADS.iter().filter(|it| keys.is_empty() || keys.contains(&it.0)).take(2);
    json!({ "ads": found.map(|it| json!({ "redirectUrl": format!("/products/{}", it.1), "text": it.2 })).collect::<Vec<_>>() })
}

/// Takes any card but those that have expired or do not end in a digit.
fn charge(card: &Value) -> Result<(), Status> {
    let number = text(card, "creditCardNumber");
    if !number.ends_with(|it: char| it.is_ascii_digit()) {
        return Err(Status::new(Code::InvalidArgument, "the card number is not a number"));
    }
    if card["creditCardExpirationYear"].as_i64().unwrap_or_default() < 2025 {
        return Err(Status::failed_precondition("the card has expired"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_converted_exactly() {
        let dollars = json!({ "currencyCode": "USD", "units": "64", "nanos": 500_000_000 });
        assert_eq!(
            convert(&dollars, "EUR").unwrap(),
            json!({ "currencyCode": "EUR", "units": 59, "nanos": 340_000_000 })
        );
        assert_eq!(convert(&dollars, "XXX").unwrap_err().code(), Code::InvalidArgument);
    }

    #[test]
    fn an_order_empties_the_cart() {
        let shop = Shop::new();
        let card = json!({ "creditCardNumber": "4432-8015-6152-0454", "creditCardExpirationYear": 2039 });
        let order = json!({ "userId": "ada", "userCurrency": "EUR", "creditCard": card });
        let reply = shop.answer("CheckoutService/PlaceOrder", &order).unwrap();
        assert_eq!(reply["order"]["items"].as_array().unwrap().len(), 2);
        let again = shop.answer("CheckoutService/PlaceOrder", &order).unwrap_err();
        assert_eq!(again.code(), Code::FailedPrecondition);
    }

    #[test]
    fn recommendations_leave_out_what_was_seen() {
        let reply = recommendations(&json!(["mug"]));
        assert_eq!(reply["productIds"], json!(["kettle", "grinder", "lantern", "watch"]));
    }
}
