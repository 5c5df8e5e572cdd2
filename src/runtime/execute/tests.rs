//! Schedules on paused time, against a scripted backend: plans are made by hand, calls are HTTP calls without types.

pub(super) mod page;

use std::time::Duration;

use tonic::Code;

use self::page::{Page, ms};
use super::*;
use crate::plan::{CallCache, Keep, Start};
use crate::runtime::backend::FailureKind;

fn codes(outcome: &Outcome) -> Vec<(&str, Code)> {
    outcome.degraded.iter().map(|it| (&*it.call, it.failure.code)).collect()
}

fn failed(outcome: &Outcome) -> (Option<&str>, FailureKind, Code) {
    let failed = outcome.answer.as_ref().unwrap_err();
    (failed.call.as_deref(), failed.failure.kind, failed.failure.code)
}

fn body(outcome: &Outcome) -> &str {
    std::str::from_utf8(&outcome.answer.as_ref().unwrap().body).unwrap()
}

#[test]
fn a_call_waits_for_what_it_mentions_and_for_nothing_else() {
    let mut page = Page::new();
    page.backend
        .on("/a", 50, Ok("1"))
        .on("/b", 80, Ok("2"))
        .on("/c/1", 50, Ok("3"));
    page.http("a", "/a");
    page.http("b", "/b");
    page.http("c", "/c/${string(a)}");
    page.respond("[a, b, c]");
    let (outcome, took) = page.run();
    assert_eq!((body(&outcome), took), ("[1,2,3]", ms(100)));
    assert_eq!(
        page.backend.log(),
        ["0 /a", "0 /b", "50 /a ok", "50 /c/1", "80 /b ok", "100 /c/1 ok"]
    );
    assert!(
        outcome
            .calls
            .iter()
            .all(|it| it.code == Code::Ok && it.source == ReplySource::Backend)
    );
    assert_eq!(outcome.calls.len(), 3);
}

#[test]
fn what_is_optional_degrades_at_the_deadline_and_what_hangs_on_it_too() {
    // Case 69, with a call that hangs on the optional one.
    let mut page = Page::new();
    page.timeout = ms(300);
    page.backend.on("/a", 100, Ok("1")).on("/b", 9_000, Ok("2"));
    page.http("a", "/a");
    page.http("b", "/b").optional = true;
    page.http("c", "/c/${string(default(b, 0))}").optional = true;
    page.respond("[a, b, c]");
    let (outcome, took) = page.run();
    assert_eq!((body(&outcome), took), ("[1,null,null]", ms(300)));
    assert_eq!(
        codes(&outcome),
        [("b", Code::DeadlineExceeded), ("c", Code::DeadlineExceeded)]
    );
    assert_eq!(page.backend.log(), ["0 /a", "0 /b", "100 /a ok", "300 /b cancelled"]);
}

#[test]
fn a_required_call_that_mentions_what_hangs_fails_at_the_deadline() {
    // Case 70.
    let mut page = Page::new();
    page.timeout = ms(300);
    page.backend.on("/b", 9_000, Ok("2"));
    page.http("b", "/b").optional = true;
    page.http("c", "/c/${string(default(b, 0))}");
    page.respond("c");
    let (outcome, took) = page.run();
    assert_eq!(
        failed(&outcome),
        (Some("c"), FailureKind::Deadline, Code::DeadlineExceeded)
    );
    assert_eq!(took, ms(300));
}

#[test]
fn a_call_has_its_own_time_within_that_of_the_page() {
    let mut page = Page::new();
    page.timeout = ms(300);
    page.backend.on("/a", 9_000, Ok("1"));
    let a = page.http("a", "/a");
    a.timeout = Some(ms(100));
    a.optional = true;
    page.respond("a");
    let (outcome, took) = page.run();
    assert_eq!((body(&outcome), took), ("", ms(100)));
    assert_eq!(outcome.answer.as_ref().unwrap().status, StatusCode::NO_CONTENT);
}

#[test]
fn a_failing_required_call_ends_the_page_at_once_and_cancels_what_is_safe() {
    let mut page = Page::new();
    page.backend
        .on("/a", 100, Ok("1"))
        .on("/b", 20, Err(Code::Unavailable))
        .on("/c", 10, Err(Code::NotFound));
    page.http("a", "/a");
    page.http("b", "/b");
    page.http("c", "/c").optional = true;
    page.respond("[a, b, c]");
    let (outcome, took) = page.run();
    assert_eq!(failed(&outcome), (Some("b"), FailureKind::Status, Code::Unavailable));
    assert_eq!(took, ms(20));
    assert_eq!(page.backend.log()[5..], ["20 /a cancelled"]);
    assert_eq!(outcome.calls.last().map(|it| it.code), Some(Code::Cancelled));
    assert!(outcome.degraded.is_empty());
}

#[test]
fn of_several_failures_the_first_is_reported_and_of_simultaneous_ones_the_first_in_the_file() {
    // Case 121.
    for (a, b, wanted) in [(20, 10, ("b", 10)), (10, 20, ("a", 10)), (10, 10, ("a", 10))] {
        let mut page = Page::new();
        page.backend
            .on("/a", a, Err(Code::Internal))
            .on("/b", b, Err(Code::Internal));
        page.http("a", "/a");
        page.http("b", "/b");
        page.respond("[a, b]");
        let (outcome, took) = page.run();
        assert_eq!((failed(&outcome).0, took), (Some(wanted.0), ms(wanted.1)));
    }
}

#[test]
fn an_unsafe_call_that_was_sent_outlives_its_page_and_one_that_was_not_is_never_sent() {
    // Case 68.
    let mut page = Page::new();
    page.backend
        .on("/cart", 10, Err(Code::Internal))
        .on("/order", 50, Ok("1"))
        .on("/slow", 20, Ok("1"));
    page.http("cart", "/cart");
    let order = page.http("order", "/order");
    (order.safe, order.timeout) = (false, Some(ms(100)));
    page.http("slow", "/slow");
    let mail = page.http("mail", "/mail/${string(slow)}");
    mail.safe = false;
    page.respond("[cart, order, mail]");
    let (outcome, took) = page.run();
    assert_eq!((failed(&outcome).0, took), (Some("cart"), ms(10)));
    assert_eq!(page.hall.detached.running(), 1);
    page.settle();
    assert_eq!(page.hall.detached.running(), 0);
    assert_eq!(
        page.backend.log(),
        [
            "0 /cart",
            "0 /order",
            "0 /slow",
            "10 /cart failed",
            "10 /slow cancelled",
            "50 /order ok"
        ]
    );
}

#[test]
fn a_detached_call_has_its_own_timeout_and_no_more() {
    let mut page = Page::new();
    page.timeout = ms(30);
    page.backend.on("/order", 9_000, Ok("1"));
    let order = page.http("order", "/order");
    (order.safe, order.timeout) = (false, Some(ms(100)));
    page.respond("order");
    let (outcome, took) = page.run();
    assert_eq!((failed(&outcome).2, took), (Code::DeadlineExceeded, ms(30)));
    page.settle();
    assert_eq!(page.backend.log(), ["0 /order", "100 /order cancelled"]);
}

#[test]
fn a_call_that_only_a_fallback_mentions_is_made_when_the_fallback_is() {
    // Case 60.
    for (price, wanted, log) in [(Ok("1"), "1", 2), (Err(Code::NotFound), "[7,8]", 6)] {
        let mut page = Page::new();
        page.backend
            .on("/price", 10, price)
            .on("/legacy", 30, Ok("7"))
            .on("/older/7", 10, Ok("8"));
        page.http("price", "/price");
        page.http("legacy", "/legacy").start = Start::OnFallback;
        page.http("older", "/older/${string(legacy)}").start = Start::OnFallback;
        page.fallback("price", "[legacy, older]");
        page.respond("price");
        let (outcome, took) = page.run();
        assert_eq!(body(&outcome), wanted);
        assert_eq!(took, if log == 2 { ms(10) } else { ms(50) });
        assert_eq!(page.backend.log().len(), log);
        assert!(outcome.degraded.is_empty(), "NOT_FOUND does not degrade");
    }
}

#[test]
fn a_fallback_that_fails_leaves_the_first_failure() {
    // Case 54, and a fallback whose own call fails.
    let mut page = Page::new();
    page.backend
        .on("/price", 10, Err(Code::Unavailable))
        .on("/legacy", 30, Err(Code::NotFound));
    page.http("price", "/price");
    page.http("legacy", "/legacy").start = Start::OnFallback;
    page.fallback("price", "legacy");
    page.respond("price");
    let (outcome, took) = page.run();
    assert_eq!(
        (failed(&outcome), took),
        ((Some("price"), FailureKind::Status, Code::Unavailable), ms(40))
    );

    let mut page = Page::new();
    page.backend.on("/price", 10, Err(Code::Unavailable));
    page.http("price", "/price").optional = true;
    page.fallback("price", "1 / 0");
    page.respond("[price]");
    let (outcome, _) = page.run();
    assert_eq!(body(&outcome), "[null]");
    assert_eq!(codes(&outcome), [("price", Code::Unavailable)]);
}

#[test]
fn a_call_whose_condition_is_false_is_not_made_and_degrades_nothing() {
    // Cases 59 and 72.
    let mut page = Page::new();
    page.backend.on("/b", 10, Ok("2"));
    page.http("a", "/a");
    page.when("a", "1 > 3");
    page.http("b", "/b");
    page.after("b", "a");
    page.respond("[a, b]");
    let (outcome, _) = page.run();
    assert_eq!(body(&outcome), "[null,2]");
    assert!(outcome.degraded.is_empty());
}

#[test]
fn what_failed_can_be_asked_about() {
    let mut page = Page::new();
    page.backend.on("/a", 10, Err(Code::Aborted));
    page.http("a", "/a").optional = true;
    page.error_slot("a");
    page.respond("[error(a).code, error(a).status, error(a).message]");
    let (outcome, _) = page.run();
    assert_eq!(body(&outcome), r#"["ABORTED",409,"it said no"]"#);
}

#[test]
fn effects_wait_for_every_requirement_that_does_not_need_them() {
    let mut page = Page::new();
    page.backend.on("/user", 30, Ok("1")).on("/order", 10, Ok("7"));
    page.http("user", "/user");
    let order = page.http("order", "/order");
    (order.safe, order.effect) = (false, true);
    page.require("user == 1", Code::PermissionDenied);
    page.require("order == 7", Code::Internal);
    page.respond("order");
    let (outcome, took) = page.run();
    assert_eq!((body(&outcome), took), ("7", ms(40)));

    let mut page = Page::new();
    page.backend.on("/user", 30, Ok("2"));
    page.http("user", "/user");
    let order = page.http("order", "/order");
    (order.safe, order.effect) = (false, true);
    page.require("user == 1", Code::PermissionDenied);
    page.respond("order");
    let (outcome, took) = page.run();
    assert_eq!(
        (failed(&outcome), took),
        ((None, FailureKind::Require, Code::PermissionDenied), ms(30))
    );
    assert_eq!(page.backend.log(), ["0 /user", "30 /user ok"]);
}

#[test]
fn elements_start_together_and_inner_calls_wait_for_what_they_mention() {
    // Case 67: the list at 50 ms, the inner `a` after 20 ms more, the inner `b` behind it and an outer call of 100 ms.
    let mut page = Page::new();
    page.backend.on("/list", 50, Ok("[1, 2, 3]")).on("/o", 100, Ok("0"));
    for x in 1..=3 {
        page.backend
            .on(&format!("/a/{x}"), 20, Ok("5"))
            .on(&format!("/b/{x}5/0"), 20, Ok(["", "10", "20", "30"][x]));
    }
    page.http("list", "/list");
    page.http("o", "/o");
    page.each("all", "x", "list", |inner| {
        inner.http("a", "/a/${string(x)}");
        inner.http("b", "/b/${string(x)}${string(a)}/${string(o)}");
        inner.respond("[b, x, o]");
    });
    page.respond("all");
    let (outcome, took) = page.run();
    assert_eq!((body(&outcome), took), ("[[10,1,0],[20,2,0],[30,3,0]]", ms(120)));
}

#[test]
fn equal_safe_calls_of_elements_are_made_once_and_unsafe_ones_each() {
    // Case 65.
    for (safe, wanted) in [(true, 2), (false, 3)] {
        let mut page = Page::new();
        page.backend.on("/u/1", 20, Ok("1")).on("/u/2", 10, Ok("2"));
        page.value("list", "[1, 2, 1]");
        page.each("all", "x", "list", |inner| {
            inner.http("u", "/u/${string(x)}").safe = safe;
            inner.respond("u");
        });
        page.respond("all");
        let (outcome, took) = page.run();
        assert_eq!((body(&outcome), took), ("[1,2,1]", ms(20)));
        assert_eq!(
            page.backend.log().iter().filter(|it| it.starts_with('0')).count(),
            wanted
        );
    }
}

#[test]
fn an_optional_inner_call_degrades_its_element_and_a_required_one_the_whole() {
    // Cases 62 and 63.
    for (inner_optional, wanted, degraded) in [(true, "[1,null,3]", "u"), (false, "", "all")] {
        let mut page = Page::new();
        page.backend
            .on("/u/1", 20, Ok("1"))
            .on("/u/2", 10, Err(Code::Internal))
            .on("/u/3", 10, Ok("3"));
        page.value("list", "[1, 2, 3]");
        page.each("all", "x", "list", |inner| {
            inner.http("u", "/u/${string(x)}").optional = inner_optional;
            inner.respond("u");
        });
        page.call("all").optional = true;
        page.respond("all");
        let (outcome, _) = page.run();
        assert_eq!(
            (body(&outcome), codes(&outcome)),
            (wanted, vec![(degraded, Code::Internal)])
        );
    }
}

#[test]
fn calls_in_flight_are_limited_and_time_in_the_queue_counts() {
    let mut page = Page::new();
    for x in 1..=5 {
        page.backend.on(&format!("/u/{x}"), 10, Ok("1"));
    }
    page.value("list", "[1, 2, 3, 4, 5]");
    page.each("all", "x", "list", |inner| {
        let u = inner.http("u", "/u/${string(x)}");
        (u.optional, u.timeout) = (true, Some(ms(25)));
        inner.respond("u");
    });
    let CallKind::For(each) = &mut page.call("all").kind else {
        panic!()
    };
    each.max_concurrency = 2;
    page.respond("all");
    let (outcome, took) = page.run();
    assert_eq!((body(&outcome), took), ("[1,1,1,1,null]", ms(25)));
    assert_eq!(codes(&outcome), [("u", Code::DeadlineExceeded)]);
}

#[test]
fn too_many_elements_and_too_many_calls_are_failures() {
    // Case 66, and semantics.md 9.
    let list = format!("[{}]", vec!["1"; 1_001].join(","));
    let mut page = Page::new();
    page.backend.on("/list", 0, Ok(list.leak()));
    page.http("list", "/list");
    page.each("all", "x", "list", |inner| {
        inner.value("v", "x");
        inner.respond("v");
    });
    page.respond("all");
    let (outcome, _) = page.run();
    assert_eq!(failed(&outcome), (Some("all"), FailureKind::Limit, Code::Internal));

    let list = format!("[{}]", (0..900).map(|it| it.to_string()).collect::<Vec<_>>().join(","));
    let mut page = Page::new();
    page.backend.on("/list", 0, Ok(list.leak())).on("*", 0, Ok("1"));
    page.http("list", "/list");
    page.each("all", "x", "list", |inner| {
        for name in ["a", "b", "c"] {
            inner.http(name, &format!("/{name}/${{string(x)}}"));
        }
        inner.respond("a");
    });
    page.respond("all");
    let (outcome, _) = page.run();
    assert_eq!(failed(&outcome).1, FailureKind::Limit);
    assert!(
        page.backend
            .log()
            .iter()
            .filter(|it| it.split(' ').count() == 2)
            .count()
            <= exchange::MAX_CALLS
    );
}

#[test]
fn nested_loops_share_what_the_outermost_allows() {
    let mut page = Page::new();
    page.backend.on("*", 10, Ok("1"));
    page.value("list", "[1, 2, 3]");
    page.each("all", "x", "list", |inner| {
        inner.value("more", "[1, 2]");
        inner.each("each", "y", "more", |innermost| {
            innermost.http("u", "/u/${string(x)}/${string(y)}");
            innermost.respond("u");
        });
        inner.respond("each");
    });
    let CallKind::For(each) = &mut page.call("all").kind else {
        panic!()
    };
    each.max_concurrency = 2;
    page.respond("all");
    let (outcome, took) = page.run();
    assert_eq!((body(&outcome), took), ("[[1,1],[1,1],[1,1]]", ms(30)));
}

#[test]
fn a_fragment_runs_in_a_frame_and_under_a_name_of_its_own() {
    let mut page = Page::new();
    page.backend
        .on("/a/1", 10, Ok("5"))
        .on("/b/5", 10, Err(Code::Unavailable))
        .on("/a/2", 10, Err(Code::Internal));
    let offer = page.fragment("x", |inner| {
        inner.http("a", "/a/${string(x)}");
        inner.http("b", "/b/${string(a)}").optional = true;
        inner.respond("[x, a, b]");
    });
    page.compose("one", offer, "1");
    page.compose("two", offer, "2").optional = true;
    page.respond("[one, two]");
    let (outcome, took) = page.run();
    assert_eq!((body(&outcome), took), ("[[1,5,null],null]", ms(20)));
    assert_eq!(codes(&outcome), [("one.b", Code::Unavailable), ("two", Code::Internal)]);

    let mut page = Page::new();
    page.backend.on("/a/1", 10, Err(Code::Internal));
    let offer = page.fragment("x", |inner| {
        inner.http("a", "/a/${string(x)}");
        inner.respond("[a]");
    });
    page.compose("one", offer, "1");
    page.respond("[one]");
    assert_eq!(failed(&page.run().0).0, Some("one.a"));
}

#[test]
fn what_has_a_timeout_hands_it_down() {
    let mut page = Page::new();
    page.backend.on("/u/1", 10, Ok("1")).on("/u/2", 90, Ok("2"));
    page.value("list", "[1, 2]");
    page.each("all", "x", "list", |inner| {
        inner.http("u", "/u/${string(x)}").optional = true;
        inner.respond("u");
    });
    page.call("all").timeout = Some(ms(50));
    page.respond("all");
    let (outcome, took) = page.run();
    assert_eq!((body(&outcome), took), ("[1,null]", ms(50)));
}

#[test]
fn a_dropped_request_cancels_what_is_safe_and_only_that() {
    let mut page = Page::new();
    page.backend.on("/a", 100, Ok("1")).on("/order", 50, Ok("1"));
    page.http("a", "/a");
    let order = page.http("order", "/order");
    (order.safe, order.timeout) = (false, Some(ms(200)));
    page.respond("[a, order]");
    page.leave_after(ms(10));
    page.settle();
    assert_eq!(
        page.backend.log(),
        ["0 /a", "0 /order", "10 /a cancelled", "50 /order ok"]
    );
}

fn kept() -> CallCache {
    CallCache {
        keep: Keep::only(Duration::from_secs(10)),
        tags: Vec::new(),
        ignores_backend: false,
    }
}

#[test]
fn equal_requests_are_fetched_once_and_kept_for_their_time() {
    let mut page = Page::new();
    page.backend.on("/a", 20, Ok("1"));
    page.http("a", "/a").cache = Some(kept());
    page.respond("a");
    let (outcomes, took) = page.run_at([0, 5, 50, 9_000, 11_000]);
    assert!(outcomes.iter().all(|it| body(it) == "1"));
    assert_eq!(took, [20, 15, 0, 0, 20].map(ms));
    let sources: Vec<ReplySource> = outcomes.iter().map(|it| it.calls[0].source).collect();
    let (fetched, kept) = (ReplySource::Backend, ReplySource::Cache);
    assert_eq!(sources, [fetched, ReplySource::Shared, kept, kept, fetched]);
    assert_eq!(page.backend.log(), ["0 /a", "20 /a ok", "11000 /a", "11020 /a ok"]);
}

#[test]
fn a_fetch_goes_on_without_those_who_wanted_it() {
    let mut page = Page::new();
    page.timeout = ms(10);
    page.backend.on("/a", 20, Ok("1"));
    let a = page.http("a", "/a");
    (a.cache, a.timeout) = (Some(kept()), Some(ms(100)));
    page.respond("a");
    let (outcomes, took) = page.run_at([0, 15, 30]);
    assert_eq!(failed(&outcomes[0]).2, Code::DeadlineExceeded);
    assert_eq!((body(&outcomes[1]), body(&outcomes[2])), ("1", "1"));
    assert_eq!(took, [10, 5, 0].map(ms));
    assert_eq!(page.backend.log(), ["0 /a", "20 /a ok"]);
}

#[test]
fn what_is_fetched_behind_a_stale_reply_is_counted() {
    let mut page = Page::new();
    page.backend.on("/a", 20, Ok("1"));
    let mut cache = kept();
    cache.keep.stale_while_revalidate = Duration::from_mins(1);
    page.http("a", "/a").cache = Some(cache);
    page.respond("a");
    let (outcomes, took) = page.run_at([0, 11_000, 12_000]);
    assert_eq!(took, [20, 0, 0].map(ms));
    let sources: Vec<ReplySource> = outcomes.iter().map(|it| it.calls[0].source).collect();
    assert_eq!(sources, [ReplySource::Backend, ReplySource::Stale, ReplySource::Cache]);
    // Those that somebody waited for are counted by whoever answers.
    let text = page.hall.metrics.text();
    let counted: Vec<&str> = text.lines().filter(|it| it.starts_with("weft_calls_total{")).collect();
    assert!(counted.len() == 1 && counted[0].ends_with(" 1"), "{counted:?}");
}

#[test]
fn what_a_backend_says_about_keeping_is_obeyed() {
    let cases = [
        (
            Directives {
                no_store: true,
                ..Directives::default()
            },
            [20, 15, 20],
            3,
        ),
        (
            Directives {
                no_store: false,
                no_stale: false,
                fresh_for: Some(Duration::from_secs(1)),
            },
            [20, 15, 20],
            2,
        ),
        (
            Directives {
                no_store: false,
                no_stale: false,
                fresh_for: Some(Duration::from_mins(1)),
            },
            [20, 15, 0],
            1,
        ),
    ];
    for (directives, wanted, made) in cases {
        let mut page = Page::new();
        page.backend.on("/a", 20, Ok("1"));
        page.backend.directives(directives);
        page.http("a", "/a").cache = Some(kept());
        page.respond("a");
        let (outcomes, took) = page.run_at([0, 5, 5_000]);
        assert_eq!(outcomes[0].directives, directives);
        // Whoever waited for what may not be shared makes it again.
        let wanted = if directives.no_store { [20, 35, 20] } else { wanted };
        assert_eq!(took, wanted.map(ms), "{directives:?}");
        assert_eq!(page.backend.log().iter().filter(|it| it.ends_with("ok")).count(), made);
    }
}

#[test]
fn a_ring_of_effects_and_requirements_ends_at_the_deadline() {
    let mut page = Page::new();
    page.timeout = ms(300);
    for name in ["a", "b"] {
        let call = page.http(name, "/x");
        (call.safe, call.effect) = (false, true);
    }
    page.require("a == 1", Code::Internal);
    page.require("b == 1", Code::Internal);
    page.respond("a");
    let (outcome, took) = page.run();
    assert_eq!((failed(&outcome).2, took), (Code::DeadlineExceeded, ms(300)));
}
