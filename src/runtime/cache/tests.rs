//! Stored replies and responses, their freshness and their keys.

use super::*;

const FINGERPRINT: [u8; 32] = [7; 32];

fn key(inputs: &[&str]) -> Key {
    let inputs: Vec<Value> = inputs.iter().map(|it| Value::from(*it)).collect();
    Key::of_response(&FINGERPRINT, &inputs, &[], None)
}

fn entry(body: Bytes, fresh_for: Duration) -> Arc<Entry> {
    let stored_at = Instant::now();
    let (status, headers, fresh_until) = (StatusCode::OK, HeaderMap::new(), stored_at + fresh_for);
    Arc::new(Entry {
        status,
        headers,
        body,
        stored_at,
        fresh_until,
    })
}

fn lead(cache: &Cache, key: Key) -> Leader<Arc<Entry>> {
    match cache.lookup(key) {
        Lookup::Miss(leader) => leader,
        other => panic!("{other:?}"),
    }
}

#[test]
fn keys_tell_inputs_plans_and_uses_apart() {
    // Case 77, and the same for what else is in a key.
    assert_eq!(key(&["x", "yz"]), key(&["x", "yz"]));
    let other = Key::of_response(&[8; 32], &[Value::from("x"), Value::from("yz")], &[], None);
    let bound = Key::of_response(&FINGERPRINT, &[Value::from("x"), Value::from("yz")], b"1", None);
    let part = Key::of_response(&FINGERPRINT, &[Value::from("x"), Value::from("yz")], &[], Some("a"));
    let null = Key::of_response(&FINGERPRINT, &[Value::Null], &[], None);
    let all = [
        key(&["x", "yz"]),
        key(&["xy", "z"]),
        key(&["xyz"]),
        key(&[]),
        key(&[""]),
        null,
        other,
        bound,
        part,
    ];
    for (at, a) in all.iter().enumerate() {
        assert!(all.iter().skip(at + 1).all(|it| it != a), "{at}");
    }
    assert_ne!(KeyWriter::new("call").finish(), KeyWriter::new("response").finish());
    assert_eq!(format!("{:?}", key(&["secret"])).len(), "Key(00000000…)".len());
}

#[tokio::test(start_paused = true)]
async fn a_response_is_used_while_it_is_fresh_and_grows_old() {
    let cache = Cache::new(1 << 20);
    let second = Duration::from_secs(1);
    cache.store(lead(&cache, key(&["a"])), entry(Bytes::from_static(b"x"), 10 * second));
    tokio::time::advance(4 * second).await;
    let Lookup::Hit { entry: hit, age } = cache.lookup(key(&["a"])) else {
        panic!("no hit")
    };
    assert_eq!((&hit.body[..], age), (&b"x"[..], 4 * second));
    assert!(matches!(cache.lookup(key(&["b"])), Lookup::Miss(_)));
    tokio::time::advance(6 * second).await;
    assert!(matches!(cache.lookup(key(&["a"])), Lookup::Miss(_)));
}

#[tokio::test(start_paused = true)]
async fn whoever_comes_while_it_is_made_gets_what_is_made() {
    let cache = Cache::new(1 << 20);
    let leader = lead(&cache, key(&["a"]));
    let Lookup::Wait(waiting) = cache.lookup(key(&["a"])) else {
        panic!("not waiting")
    };
    let stale = entry(Bytes::from_static(b"x"), Duration::ZERO);
    cache.store(leader, stale.clone());
    assert_eq!(waiting.landed().await, Landing::Shared(stale));
    // What is stale already is given on and not kept.
    assert!(matches!(cache.lookup(key(&["a"])), Lookup::Miss(_)));
}

#[tokio::test(start_paused = true)]
async fn memory_is_bounded_by_the_bytes_that_are_kept() {
    let cache = Cache::new(64 << 10);
    for number in 0..100 {
        let body = Bytes::from(vec![0; 8 << 10]);
        cache.store(
            lead(&cache, key(&[&number.to_string()])),
            entry(body, Duration::from_mins(1)),
        );
    }
    cache.memory.run_pending_tasks();
    assert!(cache.memory.weighted_size() <= 64 << 10);
    assert!(cache.memory.entry_count() <= 8);
}

#[tokio::test(start_paused = true)]
async fn a_replys_own_freshness_is_shortened_by_its_age() {
    let cache = Cache::new(1 << 20);
    let second = Duration::from_secs(1);
    let directives = Directives {
        no_store: false,
        fresh_for: Some(10 * second),
    };
    let reply = Reply {
        body: Bytes::from_static(b"1"),
        directives,
    };
    cache.store_reply(key(&["a"]), &reply, 60 * second);
    tokio::time::advance(4 * second).await;
    assert_eq!(cache.reply(key(&["a"])).unwrap().directives.fresh_for, Some(6 * second));
    tokio::time::advance(6 * second).await;
    assert_eq!(cache.reply(key(&["a"])), None);
}
