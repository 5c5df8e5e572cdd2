//! However bytes come: sound requests go on as they came, and of a head that is refused nothing does.

use proptest::prelude::*;

use super::*;

fn fresh() -> Heads {
    Heads {
        place: Place::Head,
        max_bytes: 1_000,
        max_count: 20,
        max_uri: 500,
        may_be_http2: true,
        asks: false,
        n_begun: 0,
        n_seen: 0,
    }
}

/// What goes on of bytes that come in these pieces, and why the rest does not.
fn pass(heads: &mut Heads, pieces: &[&[u8]]) -> (Vec<u8>, Option<Refused>) {
    let (mut passed, mut held) = (Vec::new(), Vec::new());
    for piece in pieces {
        held.extend_from_slice(piece);
        let (n_bytes, refused) = heads.pass(&held);
        passed.extend(held.drain(..n_bytes));
        if refused.is_some() {
            return (passed, refused);
        }
    }
    (passed, None)
}

fn split<'b>(bytes: &'b [u8], at: &[usize]) -> Vec<&'b [u8]> {
    let mut ends: Vec<usize> = at.iter().map(|it| it % (bytes.len() + 1)).collect();
    ends.push(bytes.len());
    ends.sort_unstable();
    let mut begin = 0;
    let pieces = ends
        .into_iter()
        .map(|end| &bytes[std::mem::replace(&mut begin, end)..end]);
    pieces.filter(|it| !it.is_empty()).collect()
}

const SOUND: &[&str] = &[
    "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "\r\n\r\nGET /a?b=%20&c={d}|e HTTP/1.1\r\nHost: a\r\nA:b\r\nC: \r\n\r\n",
    "GET /w HTTP/1.0\r\n\r\n",
    "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET http://a/b HTTP/1.1\r\nHost: a\r\n\r\n",
    "POST / HTTP/1.1\r\ncontent-LENGTH: 5\r\nContent-Length: 05\r\n\r\nG\n\n\r\n",
    "POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
    "POST / HTTP/1.1\r\nTransfer-Encoding:  Chunked \r\nTE: trailers\r\n\r\n2;x\r\n\r\n\r\n0\r\nContent-Length: 3\r\n\r\n",
    "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1c\r\n\nContent-Length: 9\r\n\r\nabcdef\r\n0\r\n\r\n",
];

const REFUSED: &[(&str, &str)] = &[
    (
        "POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
        "bad_head",
    ),
    (
        "POST / HTTP/1.1\r\nTRANSFER-ENCODING: chunked\r\nX: y\r\nContent-Length: 0\r\n\r\n",
        "bad_head",
    ),
    (
        "POST / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n",
        "bad_head",
    ),
    ("GET /admin#x HTTP/1.1\r\nHost: a\r\n\r\n", "bad_head"),
    ("GET /a?b#/../c HTTP/1.1\r\nHost: a\r\n\r\n", "bad_head"),
    ("GET http://a/b# HTTP/1.1\r\nHost: a\r\n\r\n", "bad_head"),
    ("POST / HTTP/1.1\r\nContent-Length: 3, 3\r\n\r\n", "bad_head"),
    ("POST / HTTP/1.1\r\nContent-Length: +3\r\n\r\n", "bad_head"),
    ("POST / HTTP/1.1\r\nContent-Length: \r\n\r\n", "bad_head"),
    (
        "POST / HTTP/1.1\r\nContent-Length: 18446744073709551615\r\n\r\n",
        "bad_head",
    ),
    (
        "POST / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
        "bad_head",
    ),
    (
        "POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        "bad_head",
    ),
    (
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
        "bad_head",
    ),
    ("POST / HTTP/1.1\r\nTransfer-Encoding:\r\n\r\n", "bad_head"),
    ("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", "bad_head"),
    ("GET / HTTP/1.1\nHost: a\n\n", "bad_head"),
    ("GET / HTTP/1.1\r\nHost: a\nA: b\r\n\r\n", "bad_head"),
    ("\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "bad_head"),
    ("GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n", "bad_head"),
    ("GET / HTTP/1.1\r\nA : b\r\n\r\n", "bad_head"),
    ("GET / HTTP/1.1\r\nA: b\rc\r\n\r\n", "bad_head"),
    ("GET / HTTP/1.1\r\nA: b\0\r\n\r\n", "bad_head"),
    ("GET / HTTP/2.0\r\n\r\n", "bad_head"),
    ("GET  / HTTP/1.1\r\n\r\n", "bad_head"),
    ("G@T / HTTP/1.1\r\n\r\n", "bad_head"),
    ("GET a/b HTTP/1.1\r\n\r\n", "bad_head"),
    ("PRI * HTTP/2.0\r\n\r\nSN\r\n\r\n", "bad_head"),
];

#[test]
fn each_mistake_is_refused_and_what_came_before_it_is_understood() {
    for (text, kind) in REFUSED {
        let (passed, refused) = pass(&mut fresh(), &[text.as_bytes()]);
        assert_eq!(
            (passed.len(), refused.map(|it| it.refusal.kind())),
            (0, Some(*kind)),
            "{text:?}"
        );
    }
    let text = "PUT /a?b HTTP/1.1\r\nOrigin: https://a.example\r\nA : b\r\nC: d\r\n\r\n";
    let parts = pass(&mut fresh(), &[text.as_bytes()]).1.unwrap().parts;
    assert_eq!((parts.method, &*parts.uri.to_string()), (Method::PUT, "/a?b"));
    assert_eq!(parts.headers.len(), 1);
    assert_eq!(parts.headers["origin"], "https://a.example");
}

#[test]
fn what_is_too_much_is_refused_as_soon_as_it_is() {
    let long = format!(
        "GET / HTTP/1.1\r\nOrigin: https://a.example\r\nA: {}",
        "b".repeat(1_000)
    );
    let (_, refused) = pass(&mut fresh(), &[&long.as_bytes()[..900], &long.as_bytes()[900..]]);
    let refused = refused.unwrap();
    assert_eq!(refused.refusal.kind(), "head_too_large");
    assert_eq!(refused.parts.headers["origin"], "https://a.example");
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(21));
    assert_eq!(
        pass(&mut fresh(), &[many.as_bytes()]).1.unwrap().refusal.kind(),
        "too_many_headers"
    );
    let enough = format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(20));
    assert_eq!(pass(&mut fresh(), &[enough.as_bytes()]).0, enough.as_bytes());
    // Room for more than usually.
    let mut wide = Heads {
        max_count: 500,
        max_bytes: 10_000,
        ..fresh()
    };
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(500));
    assert_eq!(pass(&mut wide, &[many.as_bytes()]).0, many.as_bytes());
    let mut wide = Heads {
        max_bytes: 100_000,
        ..fresh()
    };
    let long = format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(MAX_TARGET));
    assert_eq!(
        pass(&mut wide, &[long.as_bytes()]).1.unwrap().refusal.kind(),
        "uri_too_long"
    );
}

#[test]
fn other_protocols_are_not_looked_at() {
    let http2 = [PREFACE, b"\0\0\0\x04\0\0\0\0\0"].concat();
    for n in 0..http2.len() {
        let mut heads = fresh();
        let pieces = [&http2[..n], &http2[n..]];
        assert_eq!(pass(&mut heads, &pieces).0, http2);
        assert!(heads.is_through());
    }
    let ask = "GET / HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
    let said = [ask.as_bytes(), b"\x81\x85 no request"].concat();
    let mut heads = fresh();
    assert_eq!(pass(&mut heads, &[&said]).0, ask.as_bytes());
    assert!(heads.has_asked());
    heads.answered(true);
    assert_eq!(pass(&mut heads, &[b"\x81\x85 no request"]).0, b"\x81\x85 no request");
    // Refused, and a request follows.
    let mut heads = fresh();
    pass(&mut heads, &[ask.as_bytes()]);
    heads.answered(false);
    assert_eq!(pass(&mut heads, &[SOUND[0].as_bytes()]).0, SOUND[0].as_bytes());
}

#[test]
fn behind_a_broken_body_nothing_is_a_head() {
    let text = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nG@T / HTTP/1.1\r\n\r\n";
    let (passed, refused) = pass(&mut fresh(), &[text.as_bytes()]);
    assert_eq!((passed, refused.is_none()), (text.into(), true));
}

proptest! {
    #[test]
    fn sound_requests_go_on_as_they_came(
        which in prop::collection::vec(0..SOUND.len(), 1..6),
        at in prop::collection::vec(0usize..2_000, 0..12),
    ) {
        let all: String = which.iter().map(|it| SOUND[*it]).collect();
        let mut heads = fresh();
        let (passed, refused) = pass(&mut heads, &split(all.as_bytes(), &at));
        prop_assert!(refused.is_none(), "{:?}", refused);
        prop_assert_eq!(passed, all.as_bytes());
        prop_assert_eq!(heads.n_begun(), which.len() as u64);
    }

    #[test]
    fn mistakes_are_refused_however_they_come(
        before in prop::collection::vec(0..SOUND.len(), 0..3),
        mistake in 0..REFUSED.len(),
        at in prop::collection::vec(0usize..2_000, 0..12),
    ) {
        let sound: String = before.iter().map(|it| SOUND[*it]).collect();
        let (text, kind) = REFUSED[mistake];
        let all = format!("{sound}{text}");
        let (passed, refused) = pass(&mut fresh(), &split(all.as_bytes(), &at));
        prop_assert_eq!(refused.map(|it| it.refusal.kind()), Some(kind));
        prop_assert_eq!(passed, sound.as_bytes());
    }
}
