//! Who asks, over real sockets: certificates of clients, credentials shown twice, and secrets that stay where they are.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64_simd::STANDARD as BASE64;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rcgen::{DistinguishedName, DnType};
use serde_json::json;

use super::authority::{self, Authority};
use super::process::{Answer, Folder, Process, admin, listening, parse, serving, weft};
use super::redis_server::free_port;

/// Asks over a connection of its own, with these lines in the head.
pub fn ask(address: SocketAddr, path: &str, lines: &[String]) -> Answer {
    let mut stream = TcpStream::connect(address).expect("a connection");
    let patience = Some(Duration::from_secs(30));
    stream.set_read_timeout(patience).expect("a time-out");
    let lines = [&["connection: close".to_owned()][..], lines].concat().join("\r\n");
    let request = format!("GET {path} HTTP/1.1\r\nhost: weft\r\n{lines}\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("to be sent");
    let mut all = Vec::new();
    stream.read_to_end(&mut all).expect("an answer");
    parse(&all)
}

/// An issuer and a backend in one: what it was asked is kept.
struct Others {
    address: SocketAddr,
    asked: Arc<Mutex<String>>,
}

impl Others {
    /// `/introspect` knows one token, and says `claim` of it; `/token` gives `given`; `/fail` and `/refuse` fail.
    fn start(token: &str, claim: &str, given: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let asked = Arc::new(Mutex::new(String::new()));
        let (heard, token) = (asked.clone(), format!("token={token}"));
        let known = json!({ "active": true, "sub": "opal", "plan": claim }).to_string();
        let given = json!({ "access_token": given, "token_type": "Bearer", "expires_in": 3600 }).to_string();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let request = read(&stream);
                let (status, body) = match request.split(' ').nth(1) {
                    Some("/introspect") if request.contains(&token) => (200, known.as_str()),
                    Some("/introspect") => (200, "{\"active\":false}"),
                    Some("/fail") => (500, "{}"),
                    Some("/token") => (200, given.as_str()),
                    Some("/refuse") => {
                        let echo = json!({ "error": "invalid_client", "error_description": request }).to_string();
                        (400, &*echo.leak())
                    }
                    _ => (200, "{\"ok\":true}"),
                };
                let length = body.len();
                let answer = format!(
                    "HTTP/1.1 {status} Said\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
                );
                let _sent = (&stream).write_all(answer.as_bytes());
                heard.lock().expect("the list").push_str(&request);
            }
        });
        Self { address, asked }
    }
}

/// A request with its body.
pub fn read(mut stream: &TcpStream) -> String {
    let _set = stream.set_read_timeout(Some(Duration::from_secs(30)));
    let (mut all, mut piece) = (Vec::new(), [0; 4096]);
    loop {
        let text = String::from_utf8_lossy(&all).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|it| it.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
            if body.len() >= length.unwrap_or(0) {
                return text;
            }
        }
        match stream.read(&mut piece) {
            Ok(n) if n > 0 => all.extend_from_slice(&piece[..n]),
            _ => return text,
        }
    }
}

const ENDPOINTS: [(&str, &str); 7] = [
    (
        "jwt",
        "auth: customer\ncalls: { it: { http: \"GET recs:/it\" } }\nresponse: $it\n",
    ),
    (
        "key",
        "auth: partner\nrate_limit: all\nresponse: { known: $auth.plan != \"\" }\n",
    ),
    ("basic", "auth: ops\nresponse: $auth.sub\n"),
    (
        "opaque",
        "auth: opaque\nallow: $size(auth.plan) > 0\nresponse: { known: true }\n",
    ),
    (
        "fail",
        "auth: customer\ncalls: { it: { http: \"GET recs:/fail\" } }\nresponse: $it\n",
    ),
    (
        "lost",
        "auth: none\ncalls: { it: { http: \"GET lost:/it\" } }\nresponse: $it\n",
    ),
    ("roles", "auth: customer\nroles: admin\nresponse: { known: true }\n"),
];

/// A gateway with one secret in every place where one may stand, those of the environment not among its files.
fn planted(folder: &Folder, others: SocketAddr, key: &str, password: &str, claim: &str) -> std::path::PathBuf {
    for (name, text) in ENDPOINTS {
        folder.write(
            &format!("compositions/{name}.yaml"),
            &format!("endpoint: GET /{name}\n{text}"),
        );
    }
    let hash = weft::auth::api_key::written(&weft::auth::api_key::hash(key));
    folder.write(
        "partners.yaml",
        &format!("acme: {{ hash: \"{hash}\", claims: {{ plan: {claim} }} }}\n"),
    );
    let hash = bcrypt::hash(password, 4).expect("a hash");
    folder.write("users.htpasswd", &format!("ann:{hash}\n"));
    let config = format!(
        "listen: 127.0.0.1:0
admin: {{ listen: 127.0.0.1:0 }}
compositions: [compositions/]
telemetry: {{ log: {{ level: trace }} }}
cache: {{ redis: {{ url: \"${{env.PLANTED_REDIS}}\" }} }}
rate_limits: {{ all: {{ rate: 1000/s }} }}
backends:
  recs: {{ http: [\"http://{others}\"], retry: false, headers: {{ x-backend-token: \"${{env.PLANTED_HEADER}}\" }}, auth: {{ client_credentials: {{ token_url: \"http://{others}/token\", client_id: gate, client_secret: \"${{env.PLANTED_OAUTH}}\" }} }} }}
  lost: {{ http: [\"http://{others}\"], retry: false, auth: {{ client_credentials: {{ token_url: \"http://{others}/refuse\", client_id: gate, client_secret: \"${{env.PLANTED_OAUTH}}\", client_auth: client_secret_post }} }} }}
auth:
  customer:
    jwt: {{ issuer: \"https://id.example\", audience: shop, algorithms: [HS256], secret: \"${{env.PLANTED_SECRET}}\" }}
    claims: {{ plan: string }}
  partner: {{ api_key: {{ keys: partners.yaml }}, claims: {{ plan: string }} }}
  ops: {{ basic: {{ users: users.htpasswd }} }}
  opaque:
    introspection: {{ url: \"http://{others}/introspect\", client_id: weft, client_secret: \"${{env.PLANTED_CLIENT}}\" }}
    claims: {{ plan: string }}
"
    );
    folder.write("weft.yaml", &config)
}

#[test]
#[expect(
    clippy::too_many_lines,
    reason = "one story: what is planted, who asks, and where all of it must not stand"
)]
fn no_secret_is_ever_shown() {
    // Of one alphabet, so that no encoding but base64 changes them.
    let secret = |name: &str| format!("planted{name}7f3a9c1e5b2d4860a8c6e4f2b0d19375");
    let (key, bad_key) = (secret("GoodKey"), secret("BadKey"));
    let (password, bad_password) = (secret("Password"), secret("BadPassword"));
    let (token, bad_token) = (secret("Opaque"), secret("BadOpaque"));
    let (claim, key_claim, opaque_claim) = (secret("Claim"), secret("KeyClaim"), secret("OpaqueClaim"));
    let (cookie, queried) = (secret("Cookie"), secret("Query"));
    let environment = [
        ("PLANTED_SECRET", secret("JwtSecret")),
        ("PLANTED_HEADER", secret("Header")),
        ("PLANTED_CLIENT", secret("ClientSecret")),
        ("PLANTED_OAUTH", secret("OauthSecret")),
        ("PLANTED_REDIS", format!("redis://weft:{}@127.0.0.1:1", secret("Redis"))),
    ];
    let signed = |secret: &str, expires: u64| {
        let claims = json!({
            "iss": "https://id.example", "aud": "shop", "sub": "u1", "plan": claim, "exp": expires, "email": "planted@mail.example",
        });
        let key = EncodingKey::from_secret(secret.as_bytes());
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key).expect("a token")
    };
    let good = signed(&environment[0].1, 4_000_000_000);
    let (forged, expired) = (signed(&secret("Other"), 4_000_000_000), signed(&environment[0].1, 1));
    let basic = |password: &str| BASE64.encode_to_string(format!("ann:{password}"));
    let client = BASE64.encode_to_string(format!("weft:{}", environment[2].1));
    let (gate, given) = (
        BASE64.encode_to_string(format!("gate:{}", environment[3].1)),
        secret("AccessToken"),
    );

    let others = Others::start(&token, &opaque_claim, &given);
    let folder = Folder::new("secrets");
    let config = planted(&folder, others.address, &key, &password, &key_claim);
    let config = config.to_str().expect("a path");
    let run = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_weft"));
        command.args(arguments).args(["-c", config]).envs(environment.clone());
        command
    };
    let mut process = Process::start(&mut run(&["serve"]));
    let (address, admin) = (listening(&mut process), admin(&mut process));

    let mut seen = String::new();
    let mut asks = |path: &str, lines: &[String], wanted: u16| {
        let mut lines = lines.to_vec();
        lines.push(format!("cookie: sid={cookie}"));
        let answer = ask(address, path, &lines);
        let text = answer.text();
        assert_eq!(answer.status, wanted, "{path} {lines:?}: {text}");
        let headers = format!("{:?}", answer.headers);
        seen.extend([headers.as_str(), "\n", &text, "\n"]);
    };
    let bearer = |it: &str| format!("authorization: Bearer {it}");
    for _ in 0..2 {
        asks("/jwt", &[bearer(&good)], 200);
        asks("/jwt", &[bearer(&forged)], 401);
        asks("/jwt", &[bearer(&expired)], 401);
        asks("/jwt", &[bearer(&format!("{bad_token} {token}"))], 401);
        asks("/jwt", &[format!("authorization: {bad_token}")], 401);
        asks("/fail", &[bearer(&good)], 502);
        asks("/lost", &[], 503);
        asks("/roles", &[bearer(&good)], 403);
        asks("/key", &[format!("x-api-key: {key}")], 200);
        asks("/key", &[format!("x-api-key: {bad_key}")], 401);
        asks("/basic", &[format!("authorization: Basic {}", basic(&password))], 200);
        asks(
            "/basic",
            &[format!("authorization: Basic {}", basic(&bad_password))],
            401,
        );
        asks("/opaque", &[bearer(&token)], 200);
        asks("/opaque", &[bearer(&bad_token)], 401);
        // Which of two would count nobody can say.
        asks("/jwt", &[bearer(&good), bearer(&good)], 400);
        asks(
            "/basic",
            &[bearer(&good), format!("authorization: Basic {}", basic(&password))],
            400,
        );
        asks(
            "/key",
            &[format!("x-api-key: {key}"), format!("x-api-key: {bad_key}")],
            400,
        );
        asks(&format!("/nowhere?api_key={queried}"), &[bearer(&good)], 404);
        asks(&format!("/key?api_key={queried}"), &[], 401);
    }
    for page in ["/metrics", "/backends", "/limits", "/limits/usage", "/readyz"] {
        let answer = ask(admin, page, &[]);
        assert!(answer.status < 500, "{page}: {}", answer.text());
        seen.push_str(&answer.text());
    }
    process.signal("TERM");
    let (_, log) = process.end();
    // It is the whole log that is looked through, and what is allowed there is there.
    for wanted in [
        "TRACE",
        "u1",
        "acme",
        "ann",
        "opal",
        "signature",
        "refused",
        "allowed",
        "invalid_client",
    ] {
        assert!(log.contains(wanted), "{wanted} is not in the log");
    }
    seen.push_str(&log);
    for arguments in [
        &["check"][..],
        &["explain", "GET /jwt", "--format", "json"],
        &["explain", "GET /opaque"],
        &["explain", "GET /lost"],
        &["audit"],
        &["openapi"],
    ] {
        let output = run(arguments).output().expect("an end");
        assert!(
            output.status.success(),
            "{arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        seen.push_str(&String::from_utf8_lossy(&output.stdout));
        seen.push_str(&String::from_utf8_lossy(&output.stderr));
    }
    // A mistake is shown without the value in which it is.
    let output = run(&["check"])
        .env("PLANTED_SECRET", "plantedShort")
        .output()
        .expect("an end");
    let said = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("too short"), "{said}");
    seen.push_str(&said);

    // Those for whom they are meant got them.
    let asked = others.asked.lock().expect("the list").clone();
    for wanted in [&environment[1].1, &client, &token, &gate, &given] {
        assert!(asked.contains(wanted.as_str()), "{wanted} in\n{asked}");
    }
    for credential in [&claim, &key, &password, &cookie, &good] {
        assert!(!asked.contains(credential.as_str()), "a backend was told {credential}");
    }
    let parts = |token: &str| token.split('.').skip(1).map(str::to_owned).collect::<Vec<_>>();
    let mut secrets = vec![
        basic(&password),
        basic(&bad_password),
        client,
        gate,
        "planted@mail.example".to_owned(),
        "plantedShort".to_owned(),
    ];
    secrets.extend([&good, &forged, &expired].into_iter().flat_map(|it| parts(it)));
    for secret in &secrets {
        let line = seen.lines().find(|it| it.contains(secret.as_str()));
        assert!(line.is_none(), "{secret} stands in: {}", line.unwrap_or_default());
    }
    // All others begin so; the names of variables do not.
    let line = seen
        .lines()
        .find(|it| it.contains("planted") && !it.contains("weft-e2e-"));
    assert!(line.is_none(), "a secret stands in: {}", line.unwrap_or_default());
}

#[test]
fn a_certificate_says_who_asks() {
    let (folder, authority) = (Folder::new("certified"), Authority::new("root"));
    let server = authority.issue(&["shop.example"]);
    for (name, text) in [
        ("a.pem", &server.cert),
        ("a.key", &server.key),
        ("ca.pem", &authority.pem()),
    ] {
        folder.write(name, text);
    }
    folder.write(
        "compositions/me.yaml",
        "endpoint: GET /me\nauth: mesh\nresponse: { sub: $auth.sub, cn: $auth.cn, san: $auth.san, fingerprint: $auth.fingerprint }\n",
    );
    folder.write(
        "compositions/orders.yaml",
        "endpoint: GET /orders\nauth: mesh\nallow: $auth.cn == \"orders\"\nresponse: here\n",
    );
    folder.write(
        "compositions/home.yaml",
        "endpoint: GET /home\nauth: [mesh, none]\nresponse: $auth.cn\n",
    );
    folder.write(
        "compositions/named.yaml",
        "endpoint: GET /named\nauth: named\nresponse: $auth.cn\n",
    );
    let config = "listen: 127.0.0.1:0\nadmin: { listen: 127.0.0.1:0 }\ncompositions: [compositions/]\n\
                  tls: { certificates: [{ cert: a.pem, key: a.key }], client_ca: ca.pem, client_auth: optional }\n\
                  backends: { recs: { http: [\"http://127.0.0.1:1\"] } }\n\
                  auth: { mesh: { client_certificate: {}, claims: { san: [string], cn: string? } }, \
                  named: { client_certificate: {}, claims: { cn: string } } }\n";
    let file = folder.write("weft.yaml", config);
    let (_process, address) = serving(&file);
    let named = |name: &str| {
        authority.issue_with(&["orders.example", "10.0.0.7"], |it| {
            it.distinguished_name.push(DnType::CommonName, name);
        })
    };
    let (orders, other) = (named("orders"), named("other"));
    let nameless = authority.issue_with(&["orders.example"], |it| {
        it.distinguished_name = DistinguishedName::new();
    });
    let asks = |pair: Option<&authority::Pair>, path: &str| {
        let config = Arc::new(authority.client(pair));
        authority::ask(address, &config, "shop.example", b"", path).map(|it| it.answer)
    };
    let me = asks(Some(&orders), "/me").expect("an answer").json();
    let known = weft::tls::Certificate::of(&orders.leaf()).expect("a certificate");
    assert_eq!(
        me,
        json!({ "sub": known.subject, "cn": "orders", "san": ["orders.example", "10.0.0.7"], "fingerprint": known.fingerprint })
    );
    for (pair, path, wanted) in [
        (Some(&orders), "/orders", 200),
        (Some(&other), "/orders", 403),
        (None, "/orders", 401),
        (None, "/me", 401),
        (Some(&other), "/home", 200),
        (None, "/home", 204),
        (Some(&orders), "/named", 200),
        // Without a claim that is demanded.
        (Some(&nameless), "/named", 401),
        (Some(&nameless), "/home", 204),
    ] {
        let answer = asks(pair, path).expect(path);
        assert_eq!(answer.status, wanted, "{path}: {}", answer.text());
        if wanted == 401 {
            let how = &answer.headers["www-authenticate"];
            assert!(how.starts_with("ClientCertificate"), "{path}: {how}");
        }
    }
    // By somebody else's authority nobody comes even near.
    let foreign = Authority::new("elsewhere").issue(&["orders.example"]);
    assert!(asks(Some(&foreign), "/home").is_err());
}

#[test]
fn who_is_kept_out_is_written_down_whatever_else_is_logged() {
    let folder = Folder::new("audited");
    folder.write(
        "compositions/often.yaml",
        "endpoint: GET /often\nauth: none\nrate_limit: 1/h\nresponse: here\n",
    );
    let by_key = "endpoint: GET /mine\nrate_limit: { rate: 1/h, key: $auth.sub }\nresponse: $auth.sub\n";
    folder.write("compositions/mine.yaml", by_key);
    let key = "a key that nobody guesses";
    let hash = weft::auth::api_key::written(&weft::auth::api_key::hash(key));
    folder.write("partners.yaml", &format!("acme: {{ hash: \"{hash}\" }}\n"));
    let ports = [free_port(), free_port()].map(|it| SocketAddr::from(([127, 0, 0, 1], it)));
    let [address, admin] = ports;
    let config = format!("listen: {address}\nadmin: {{ listen: \"{admin}\" }}\n");
    let config = config
        + "compositions: [compositions/]\n\
                  telemetry: { log: { level: error, access: none } }\n\
                  access: { refuse: ['$request.headers[\"x-bad\"] != null'] }\n\
                  auth: { partner: { api_key: { keys: partners.yaml } } }\n\
                  backends: { recs: { http: [\"http://127.0.0.1:1\"] } }\n";
    let file = folder.write("weft.yaml", &config);
    let process = weft(&["serve", "-c", file.to_str().expect("a path")]);
    // It does not say that it listens.
    let listens = |it| TcpStream::connect(it).is_ok();
    let began = std::time::Instant::now();
    while !(listens(admin) && listens(address)) {
        assert!(began.elapsed() < Duration::from_secs(30), "nobody listens");
        std::thread::sleep(Duration::from_millis(10));
    }
    let with_key = [format!("x-api-key: {key}")];
    for (path, lines, wanted) in [
        ("/often", &[][..], 200),
        ("/often", &[], 429),
        ("/mine", &with_key, 200),
        ("/mine", &with_key, 429),
        ("/mine", &[], 401),
        ("/mine", &["x-bad: 1".to_owned()], 403),
    ] {
        assert_eq!(ask(address, path, lines).status, wanted, "{path} {lines:?}");
    }
    // A page of others that a browser shows on this machine may not have the gateway do anything.
    let foreign = ask(admin, "/backends", &["origin: https://evil.example".to_owned()]);
    assert_eq!(foreign.status, 403, "{}", foreign.text());
    assert_eq!(ask(admin, "/backends", &[]).status, 200);
    process.signal("TERM");
    let (_, log) = process.end();
    let events: Vec<serde_json::Value> = log.lines().filter_map(|it| serde_json::from_str(it).ok()).collect();
    let audited: Vec<_> = events
        .iter()
        .filter(|it| it["target"] == "audit")
        .map(|it| {
            assert_eq!(
                (&it["message"], &it["remote_ip"]),
                (&json!("access"), &json!("127.0.0.1")),
                "{it}"
            );
            json!([it["endpoint"], it["outcome"], it["reason"], it["subject"]])
        })
        .collect();
    assert_eq!(
        audited,
        [
            json!(["GET /often", "refused", "rate_limited", ""]),
            json!(["GET /mine", "allowed", null, "acme"]),
            json!(["GET /mine", "refused", "rate_limited", "acme"]),
            json!(["GET /mine", "refused", "missing", ""]),
            json!(["none", "refused", "access_refuse", ""]),
        ],
        "{log}"
    );
    assert!(events.iter().all(|it| it["message"] != "request"), "{log}");
}
