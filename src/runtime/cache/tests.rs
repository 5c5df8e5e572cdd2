//! Stored replies and responses, their freshness and their keys.

use std::time::Duration;

use super::*;

const FINGERPRINT: [u8; 32] = [7; 32];

fn key(inputs: &[&str]) -> Key {
    let inputs: Vec<Value> = inputs.iter().map(|it| Value::from(*it)).collect();
    Key::of_response(&FINGERPRINT, &inputs, &[], None, false)
}

fn keep(seconds: u64) -> Keep {
    Keep::only(Duration::from_secs(seconds))
}

fn kept(body: Bytes, keep: Keep, tags: &[&str], since: Since) -> Arc<Kept<Entry>> {
    let (status, headers) = (StatusCode::OK, HeaderMap::new());
    let tags = tags.iter().map(|it| Tag::of(it)).collect();
    let entry = Entry {
        status,
        headers,
        body,
        forms: None,
    };
    Arc::new(Kept::new(entry, keep, tags, since))
}

fn lead(cache: &Cache, key: Key, keep: Keep) -> Leader<Arc<Kept<Entry>>> {
    match cache.response(key, keep) {
        Lookup::Miss(leader, None) => leader,
        other => panic!("{other:?}"),
    }
}

fn store(cache: &Cache, key: Key, body: Bytes, keep: Keep, tags: &[&str]) -> bool {
    let leader = lead(cache, key, keep);
    let kept = kept(body, keep, tags, leader.since());
    cache.store(key, &kept)
}

const X: Bytes = Bytes::from_static(b"x");

#[test]
fn keys_tell_inputs_plans_and_uses_apart() {
    // Case 77, and the same for what else is in a key.
    assert_eq!(key(&["x", "yz"]), key(&["x", "yz"]));
    let other = Key::of_response(&[8; 32], &[Value::from("x"), Value::from("yz")], &[], None, false);
    let bound = Key::of_response(&FINGERPRINT, &[Value::from("x"), Value::from("yz")], b"1", None, false);
    let part = Key::of_response(
        &FINGERPRINT,
        &[Value::from("x"), Value::from("yz")],
        &[],
        Some("a"),
        false,
    );
    let private = Key::of_response(&FINGERPRINT, &[Value::from("x"), Value::from("yz")], &[], None, true);
    let null = Key::of_response(&FINGERPRINT, &[Value::Null], &[], None, false);
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
        private,
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
    assert!(store(&cache, key(&["a"]), X, keep(10), &[]));
    tokio::time::advance(4 * second).await;
    let Lookup::Fresh(hit) = cache.response(key(&["a"]), keep(10)) else {
        panic!("no hit")
    };
    assert_eq!((&hit.what.body, hit.age(), hit.seconds_left()), (&X, 4 * second, 6));
    assert!(matches!(cache.response(key(&["b"]), keep(10)), Lookup::Miss(_, None)));
    tokio::time::advance(6 * second).await;
    assert!(matches!(cache.response(key(&["a"]), keep(10)), Lookup::Miss(_, None)));
}

#[tokio::test(start_paused = true)]
async fn a_stale_one_is_given_while_one_makes_it_again_and_stands_in_after_that() {
    let cache = Cache::new(1 << 20);
    let second = Duration::from_secs(1);
    let keep = Keep {
        stale_while_revalidate: 5 * second,
        stale_if_error: 20 * second,
        ..keep(10)
    };
    let find = || cache.response(key(&["a"]), keep);
    assert!(store(&cache, key(&["a"]), X, keep, &[]));
    tokio::time::advance(12 * second).await;
    let Lookup::Stale(old, Some(leader)) = find() else {
        panic!("nobody leads")
    };
    assert_eq!((old.seconds_left(), old.good_for()), (-2, Use::WhileRevalidating));
    assert!(matches!(find(), Lookup::Stale(_, None)));
    tokio::time::advance(4 * second).await;
    assert!(matches!(find(), Lookup::Wait(_, Some(_))));
    drop(leader);
    assert!(matches!(find(), Lookup::Miss(_, Some(_))));
    tokio::time::advance(14 * second).await;
    assert!(matches!(find(), Lookup::Miss(_, None)));
}

#[tokio::test(start_paused = true)]
async fn what_is_dropped_while_it_is_made_is_not_kept_and_nobody_joins_it() {
    let cache = Cache::new(1 << 20);
    let tagged = Keep {
        tagged: true,
        ..keep(10)
    };
    let first = lead(&cache, key(&["a"]), tagged);
    assert!(matches!(cache.response(key(&["a"]), tagged), Lookup::Wait(..)));
    cache.drop_all(&[Tag::of("product:1")], None);
    // Whoever comes now begins anew, and others wait for that one, also when the first has ended.
    let second = lead(&cache, key(&["a"]), tagged);
    assert!(!cache.store(key(&["a"]), &kept(X, tagged, &["product:1"], first.since())));
    first.alone();
    assert!(matches!(cache.response(key(&["a"]), tagged), Lookup::Wait(..)));
    assert!(cache.store(key(&["a"]), &kept(X, tagged, &["product:1"], second.since())));
    drop(second);
    assert!(matches!(cache.response(key(&["a"]), tagged), Lookup::Fresh(_)));
    cache.drop_all(&[Tag::of("product:2")], None);
    assert!(matches!(cache.response(key(&["a"]), tagged), Lookup::Fresh(_)));
    cache.drop_all(&[Tag::of("product:2"), Tag::of("product:1")], None);
    assert!(matches!(cache.response(key(&["a"]), tagged), Lookup::Miss(_, None)));
}

#[tokio::test(start_paused = true)]
async fn whoever_comes_while_it_is_made_gets_what_is_made() {
    let cache = Cache::new(1 << 20);
    let leader = lead(&cache, key(&["a"]), keep(1));
    let Lookup::Wait(waiting, None) = cache.response(key(&["a"]), keep(1)) else {
        panic!("not waiting")
    };
    let stale = kept(X, keep(0), &[], Since::default());
    // What is stale already is given on and not kept.
    assert!(!cache.store(leader.key(), &stale));
    leader.share(stale.clone());
    let Landing::Shared(landed) = waiting.landed().await else {
        panic!("nothing was shared")
    };
    assert!(Arc::ptr_eq(&landed, &stale));
    assert!(matches!(cache.response(key(&["a"]), keep(1)), Lookup::Miss(_, None)));
}

#[tokio::test(start_paused = true)]
async fn memory_is_bounded_by_the_bytes_that_are_kept() {
    let cache = Cache::new(64 << 10);
    for number in 0..100 {
        let body = Bytes::from(vec![0; 8 << 10]);
        store(&cache, key(&[&number.to_string()]), body, keep(60), &[]);
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
        fresh_for: Some(10 * second),
        ..Directives::default()
    };
    let body = Bytes::from_static(b"1");
    let find = |keep| match cache.reply(key(&["a"]), keep) {
        Lookup::Fresh(reply) | Lookup::Stale(reply, _) => Some(reply.directives.fresh_for),
        Lookup::Miss(..) | Lookup::Wait(..) => None,
    };
    let with_stale = Keep {
        stale_while_revalidate: second,
        ..keep(60)
    };
    let terms = lifetime(directives, with_stale).unwrap();
    let kept = Kept::new(Reply { body, directives }, terms, Vec::new(), Since::default());
    assert!(cache.store(key(&["a"]), &Arc::new(kept)));
    tokio::time::advance(4 * second).await;
    assert_eq!(find(with_stale), Some(Some(6 * second)));
    tokio::time::advance(6 * second).await;
    assert_eq!(find(with_stale), Some(Some(Duration::ZERO)));
    tokio::time::advance(second).await;
    assert_eq!(find(with_stale), None);
}

#[test]
fn backends_shorten_lives_and_never_lengthen_them() {
    let keep = Keep {
        stale_while_revalidate: Duration::from_secs(5),
        stale_if_error: Duration::from_secs(6),
        ..keep(10)
    };
    let said = |no_store, no_stale, seconds: Option<u64>| Directives {
        no_store,
        no_stale,
        fresh_for: seconds.map(Duration::from_secs),
    };
    assert_eq!(lifetime(said(false, false, None), keep), Some(keep));
    assert_eq!(lifetime(said(false, false, Some(60)), keep), Some(keep));
    let shorter = Keep {
        ttl: Duration::from_secs(3),
        ..keep
    };
    assert_eq!(lifetime(said(false, false, Some(3)), keep), Some(shorter));
    assert_eq!(lifetime(said(false, true, None), keep), Some(Keep::only(keep.ttl)));
    assert_eq!(lifetime(said(true, false, None), keep), None);
    assert_eq!(lifetime(said(false, false, Some(0)), keep), None);
}
