//! Every diagnostic code, once. The guide's pages and `weft explain` are made from this list.

/// One code.
#[derive(Clone, Copy, Debug)]
pub struct Code {
    /// Kebab-case, never renamed or reused.
    pub code: &'static str,
    /// One line: what it means.
    pub summary: &'static str,
    /// Why it is refused (or said), and what to write in its place.
    pub explanation: &'static str,
}

/// The entry of a code.
pub fn find(code: &str) -> Option<&'static Code> {
    CODES.iter().find(|it| it.code == code)
}

/// The guide's pages of all codes: made from [`CODES`] and the examples in `fixtures/check` by `tests/generated.rs`.
const PAGES: &str = include_str!("../../../docs/guide/diagnostics.md");

/// The page of a code, in Markdown: its name, what it means, an example that is refused with what is said of it, and one that
/// is not. `None` where there is no such code.
pub fn page(code: &str) -> Option<&'static str> {
    let it = find(code)?;
    let pages = PAGES.split("\n## ").skip(1);
    pages
        .map(str::trim_end)
        .find(|page| page.lines().next() == Some(it.code))
}

const fn code(code: &'static str, summary: &'static str, explanation: &'static str) -> Code {
    Code {
        code,
        summary,
        explanation,
    }
}

/// All codes, alphabetically.
#[rustfmt::skip]
pub const CODES: &[Code] = &[
    code("ambiguous-backend", "several backends serve this service",
        "Say which one is meant with `backend:` beside `grpc:`, or narrow `services:` of the backends in weft.yaml."),
    code("ambiguous-scalar", "a plain scalar that readers of YAML read differently",
        "`no` is false to YAML 1.1 and text to YAML 1.2, `010` is 8 or 10, `12:30` is 750 or text. Quote it if it is text; write `true`, `false`, `null` or a JSON number if it is not."),
    code("backend-text", "a backend's own error text reaches the client",
        "`error(call).message` is what the backend wrote. It may hold addresses, names of tables or data. Show it only where you know what it says."),
    code("bad-allow", "a condition about who may ask that cannot be decided in time",
        "`allow` is decided before the body is read and before any call is made: it mentions `auth`, `request` and params. What depends on the body or on a reply is a `require`."),
    code("bad-auth", "these settings would let in whom nobody meant, or nobody at all",
        "A token is for somebody (`audience`), by somebody (`issuer`), signed with one of the listed algorithms by a key of that type; keys, users and hashes stand in files of their own form."),
    code("bad-cache", "these cache settings cannot be kept",
        "Only GET endpoints and safe calls are cached, and only where nothing that changes data or sets a cookie takes part. Tags mention what the entry depends on and what has settled by then; `invalidate` stands on endpoints that write."),
    code("bad-certificate", "a certificate or a key that cannot be used",
        "Certificates and keys are PEM files: the certificate first, then each that signed the one before; the key unencrypted, and that of the certificate. While one of the two is replaced, what was read before goes on being used."),
    code("bad-code", "neither a gRPC code nor an HTTP status",
        "Write one of google.rpc.Code's names (`NOT_FOUND`) or an HTTP status from 400 to 599."),
    code("bad-descriptors", "descriptors that cannot be read",
        "The message names the file and what is wrong in it. Imports are looked up in the directories that `descriptors:` names, and in descriptor sets."),
    code("bad-duration", "not a duration",
        "A duration is a whole number and a unit: `250ms`, `30s`, `5m`, `1h`. Where something is waited for it is more than zero."),
    code("bad-endpoint", "not a method and a path",
        "An endpoint is `METHOD /path`, with a path template as google.api.http writes it: `GET /pages/{id}`, `GET /files/{path=**}`, `POST /orders/{id}:cancel`."),
    code("bad-for", "a loop is `NAME in $LIST`",
        "`for` and `$for` name the variable, then the list as an expression: `$for: r in $reviews.reviews`."),
    code("bad-header", "this header cannot be set",
        "Header names are lower-case tokens. Those that belong to the connection or to gRPC itself (`host`, `content-length`, `connection`, `grpc-…`) are set by the gateway."),
    code("bad-key", "this cannot be the key of a map",
        "Keys are text. Only `$for`, `$if` and `$value` begin with `$`; the key `$ref` is written `$$ref`. A key cannot hold an expression."),
    code("bad-limit-key", "a key that does not tell clients apart",
        "Requests are counted apart by the key of a limit. A constant puts all of them together, which is what a limit without `key` does; `request.id` is new with every request, so that none is ever refused."),
    code("bad-method", "not the name of a gRPC method",
        "A gRPC method is `package.Service/Method`, without a slash in front."),
    code("bad-name", "this cannot be a name",
        "Names of params, calls and variables begin with a lower-case letter, followed by lower-case letters, digits and `_`. Other spellings on the wire go into `name:`."),
    code("bad-network", "not a network",
        "A network is an address and the length of its prefix, `10.0.0.0/8` or `2001:db8::/32`; a single address is one, too. Behind the prefix there are only zeros."),
    code("bad-origin", "not an origin as browsers write it",
        "An origin is a scheme and a host in lower case, and the port where it is not the usual one: `https://shop.example`, `http://localhost:3000`. It has no path and no slash at its end. `https://*.shop.example` is every host below a domain; `*` alone is every origin."),
    code("bad-path", "this cannot be the path of a call",
        "The path of an HTTP call begins with `/` and has no `?`, no `#` and no `.` or `..` segment. Query parameters go into `query:`."),
    code("bad-pattern", "not a pattern",
        "Patterns are RE2: no look-around, no back-references. They are written out, so that they can be compiled when the file is loaded."),
    code("bad-rate", "not a rate, or not a quota",
        "A rate is a whole number for each second, minute or hour: `100/s`, `1000/m`, `5000/h`. A quota is one for each day or month of UTC: `10000/day`, `300000/month`."),
    code("bad-schema", "a schema that cannot be used",
        "`schema:` names a JSON Schema file, a part of one (`order.schema.json#/$defs/Order`), or an operation of an OpenAPI 3.0 or 3.1 document (`openapi.yaml#getOrder`), relative to the file that it stands in. The message names what is missing or unreadable; nothing is fetched from the web."),
    code("bad-size", "not a size",
        "A size is a whole number and a unit: `64KiB`, `4MiB`, `1GiB`, or `512B`."),
    code("bad-status", "not a status that a response may have",
        "The status of a response is an integer from 200 to 399, or an expression that gives one. Failures have the status of their code: see `require` and `errors`."),
    code("bad-target", "not the address of a backend",
        "A target is `http://host:port`. Paths belong to the calls."),
    code("body-on-get", "a request without a body",
        "GET and HEAD requests have no body that anybody may rely on. Take the value from the query or the path, or use POST."),
    code("call-kind", "a call is exactly one thing",
        "Each call has exactly one of `grpc`, `http`, `compose`, `for` and `value`."),
    code("call-per-element", "one call for each element, where one could do",
        "The service has a method that answers for many at once. Call that with all keys, make a map of its reply with `index_by`, and look each element up in it."),
    code("certificate-expires", "a certificate that has expired, expires soon or is not valid yet",
        "It is used all the same, but the other side refuses it. Put a new certificate and its key in the place of the files: they are read without a restart."),
    code("certificate-never-shown", "a certificate that no client is ever shown",
        "Certificates are chosen by the name that a client asks for, exact names before wildcards, and the first is for all other names. Of several for one name only one of each kind of key is used, the first. Names are the DNS names among the subject alternative names."),
    code("computed-header-name", "the name of a header is computed",
        "Headers of the request are read by literal names only, `request.headers[\"accept-language\"]`, so that `Vary` and cache keys can name them."),
    code("conflicting-keys", "these keys cannot stand together",
        "Each of the two says by itself what happens here. Keep one."),
    code("conflicting-use", "an input fills places of different types",
        "A param takes the type of the places that it fills bare. Where they differ, declare the type (`limit: { type: int }`) and convert at one place: `string(limit)`."),
    code("constant-condition", "this condition has always the same result",
        "Nothing that a request brings or a backend answers can change it. Remove it, or compare with what was meant."),
    code("constant-expression", "an expression that is only a literal",
        "`$5` says nothing that `5` does not. Write the literal, or `$$5` for the text `$5`."),
    code("contradiction", "these settings cannot both hold",
        "Each by itself could be meant, but together they cannot: pauses between attempts that are longer than the timeout, a hedge that begins after it, more probes than calls that say something. The message says which one gives way."),
    code("cut-by-yaml", "YAML ended an expression early",
        "In YAML a comma, a closing bracket or ` #` may end a plain value, and `: ` makes a key of it. Put the whole value in quotes: `ids: \"$l.map(r, r.id)\"`."),
    code("cycle", "these wait for each other",
        "A call waits for every call that it mentions, in `fallback` and `after` too. Somewhere in the circle one must not."),
    code("dead-member", "this member never stands in the output",
        "Members stand in written order, and of two with one name the later stands. Put the member behind the spread."),
    code("deprecated", "a field or method that its declaration calls deprecated",
        "It may stop being filled or served. The message shows what its comment says of what took its place."),
    code("dollar-inside", "a `$` inside an expression",
        "The `$` says that an expression begins. Names inside it carry none: `$a == b`."),
    code("duplicate-key", "a key stands twice in one map",
        "Which of the two counts depends on the reader. To spread several objects write `...: [$a, $b]`."),
    code("effect-races", "this change and that failure are not in order",
        "The call changes something, and a required call that may fail runs at the same time: the change may be made although the endpoint fails. Say `after: [that call]`."),
    code("empty-batch", "this batch call may be made with nothing in it",
        "The list comes from an optional call, so it may be empty. Say `when: $reviews != null` if the call should then not be made."),
    code("empty-file", "there is nothing in this file",
        "A composition has `endpoint:` or `fragment:`; the gateway file may be `{}`, and so may a file of keys: nobody has one then."),
    code("empty-value", "a value is missing",
        "A key with nothing behind it is null to YAML, and often a mistake. Write `null` if it is meant."),
    code("expression-needs-dollar", "text stands where a condition is wanted",
        "An expression begins with `$`, here as everywhere: `when: $x > 1`."),
    code("file-too-large", "the file is larger than 1 MiB",
        "Put parts of it into fragments."),
    code("lone-dollar", "a `$` with nothing behind it",
        "An expression begins right behind its `$`. For the sign itself write `$$`."),
    code("lossy-number", "a 64-bit integer where not all of them fit",
        "Accepted, since most are small: one that is too large for the place fails the call, and a double rounds beyond 2^53. Say that it is meant: `int(x)`, `double(x)`."),
    code("maybe-null", "this may be null, and nothing says what then",
        "Operators, function arguments, text and conditions take no null. Say what stands in its place, `default(x, 0)`, or compare with null before: `x != null && x > 1`."),
    code("misplaced-key", "this key belongs elsewhere",
        "The key exists, but not for what stands here."),
    code("missing-dollar", "text that is the name of something here",
        "Without a `$` a scalar is text. Write the `$` if the value is meant, and quotes if the text is."),
    code("missing-field", "a required field is not written",
        "The .proto file says that the field is REQUIRED. Write it, or spread a value that has it."),
    code("missing-input", "an input of the fragment is not given",
        "A fragment sees its `with` values and nothing else. Give the value, or give the input a `default` in the fragment."),
    code("missing-key", "something that is needed is missing",
        "Without it there is nothing to do here."),
    code("mixed-types", "these have no common type",
        "Both sides of a conditional, all arguments of `default` and all elements of a list have one type. Convert one of them: `string(x)`."),
    code("name-taken", "this name is taken",
        "Params, calls, loop variables and `body auth request vars` share one space of names, and nothing shadows anything. Choose another name."),
    code("near-duplicate", "two members differ only in how they are spelt",
        "The spread prints the field as JSON names do (`priceUsd`), the member beside it stands as written (`price_usd`). Both are in the output."),
    code("never-null", "this is never null",
        "The comparison has always the same result."),
    code("no-auth", "`auth` is mentioned where nobody is asked who they are",
        "Claims exist only where the endpoint says `auth:`."),
    code("no-expression-here", "no expression may stand here",
        "Methods, backends, names, durations and sizes are read when the file is loaded and are the same for every request. Write the value out."),
    code("not-exposed", "a method of an exposed service has no endpoint",
        "`expose` serves unary methods with sound google.api.http annotations, exactly as http.proto says. The others are left out; write a composition for them."),
    code("nobody-known", "nobody can show what this provider asks for",
        "The file of keys or users has no entry, so that everybody is refused who is asked for one. `weft key NAME` makes a key, `htpasswd -B` a user; who signs requests has an entry with their public key."),
    code("not-idempotent", "this call may change something twice",
        "Only idempotent calls are retried and hedged: safe ones, HTTP PUT and DELETE, and gRPC methods with `idempotency_level`. Say `safe: true` if it changes nothing, or `retry: { unsafe: true }` if twice does no harm. What was provably not sent is repeated anyway."),
    code("not-known-yet", "this is not known when requests are counted or refused",
        "Who may ask, and how often, is decided before params and body are read. Only `request` and `vars` are in scope, and `auth` for limits."),
    code("not-safe", "this call changes something",
        "Only safe calls are cached and merged: HTTP GET and HEAD, and gRPC methods that the backend's `safe:` names. Say `safe: true` if you know it."),
    code("not-yet", "not available in this version",
        "The language knows this key, this version of Weft does not carry it out. Nothing is accepted that would silently not happen."),
    code("null-does-not-fit", "this may be null, and the place cannot be",
        "Plain proto3 scalars, list elements, path segments and text cannot be unset. Say what stands in its place, `default(x, \"\")`, or do not make the call: `when: $x != null`."),
    code("oneof-twice", "two members of one oneof",
        "Only one member of a oneof can be set, and both of these always are."),
    code("plain-secret", "a secret that everybody on the way can read",
        "A client secret and a token are all that it takes to be taken for this gateway. Have them sent over `https://`, unless their way never leaves this machine."),
    code("required-only-for-optional", "required, but only optional calls read it",
        "If this call fails the endpoint fails, although the response can do without all that reads it. Say `optional: true` if that is not meant."),
    code("reserved-name", "this name is reserved",
        "CEL or Weft has a meaning for it, now or later. Choose another; the name on the wire goes into `name:`."),
    code("root-if", "`$if` has nothing to leave out here",
        "`$if` leaves out the member or the element that holds it. The whole of a response, request or value is held by nothing: use a conditional expression, or `when` on the call."),
    code("same-endpoint", "two endpoints with one method and path",
        "Names of variables do not matter: `/a/{x}` and `/a/{y=*}` are the same path."),
    code("shared-cache-with-claim", "a shared cache entry would depend on who asks",
        "The endpoint mentions a claim, a cookie, a credential or an address, and it caches. Say `scope: user`, or do not mention it."),
    code("spoofable-address", "clients can choose their own address",
        "Trusted proxies are believed about whom they got a request from. Where every address is trusted, a client can send the header itself, and limits and lists of networks mean nothing."),
    code("syntax", "this is not an expression",
        "Expressions are CEL: https://cel.dev. Message construction, `?.` and names with a leading dot are not part of this language."),
    code("timeout-too-long", "a time-out that can never be used up",
        "Calls end with their endpoint at the latest, and those that wait for one another share its time. Give the endpoint more, or the calls less."),
    code("too-complex", "this expression is too large",
        "An expression has at most 4 KiB and nests at most 32 deep. Make a part of it a `value:` call."),
    code("too-deep", "nested too deeply",
        "A template is at most 64 deep."),
    code("unclosed-hole", "`${` is never closed",
        "Text holds expressions in `${…}`. For the two characters themselves write `$${`."),
    code("unknown-backend", "there is no such backend",
        "Backends are the entries of `backends:` in weft.yaml."),
    code("unknown-call", "there is no such call",
        "`after` names calls of the same composition."),
    code("unknown-enum-value", "the enum has no such value",
        "Enum values are written by the names of the .proto file."),
    code("unknown-field", "there is no such field",
        "Fields are named as in the .proto file, also where JSON has another name."),
    code("unknown-fragment", "there is no such fragment",
        "A fragment is a file with `fragment: name` in place of `endpoint:`."),
    code("unknown-function", "there is no such function",
        "The functions of the language are listed in the guide."),
    code("unknown-input", "the fragment has no such input",
        "Inputs of a fragment are the names under its `params:`."),
    code("unknown-key", "there is no such key",
        "Keys that nobody reads are mistakes more often than not, so none is ignored, except `x-…` at the root of a file."),
    code("unknown-limit", "there is no such limit",
        "Limits are the entries of `rate_limits:` in weft.yaml."),
    code("unknown-method", "the service has no such method",
        "Methods are named as in the .proto file."),
    code("unknown-name", "there is no such name",
        "In scope are params, calls, loop variables, `body`, `auth`, `request` and `vars`. `env` and `file` exist only in weft.yaml."),
    code("unknown-path-variable", "the path has no such variable",
        "An input with `in: path` is a variable of the endpoint's path, by its name or by `name:`."),
    code("unknown-provider", "nobody of this name says who clients are",
        "Providers are the entries of `auth:` in weft.yaml; `none` lets visitors in."),
    code("unknown-service", "no backend serves this service",
        "Services come from the descriptors of the backends: .proto files, descriptor sets, or reflection."),
    code("unknown-type", "there is no such type",
        "A type is `string int double bool timestamp duration bytes any`, the full name of a message or enum, or a list of one: `[string]`."),
    code("unknown-value", "not one of the values that may stand here",
        "The values are listed in the message."),
    code("unread-call", "nothing reads this call",
        "A call that nobody mentions is not made. Remove it, read it, or say `effect: true` if it is there for what it changes."),
    code("unreadable-file", "a file that the gateway file names cannot be read",
        "`${file.PATH}` is looked up beside the gateway file."),
    code("unset-variable", "an environment variable is not set",
        "`${env.NAME}` is read when the gateway file is loaded. Set it, or write the value."),
    code("unused-limit", "this limit counts nothing",
        "A limit counts the requests of the endpoints that name it with `rate_limit:`, or all requests where `limits: { rate_limit }` names it."),
    code("withheld-header", "the beginning of a name hands over no credentials",
        "`forward: { request: [auth*] }` hands over no `authorization`: credentials, cookies and the headers that providers read go on only where they are named in full."),
    code("wrong-address", "not an address to listen on",
        "An address is `host:port`: `127.0.0.1:8080`, `[::]:8080`. Port 0 lets the system choose."),
    code("wrong-arguments", "a function is called with other arguments than it takes",
        "The message shows how it is called."),
    code("wrong-backend", "this backend does not speak that",
        "`grpc:` calls go to gRPC backends, `http:` calls to HTTP backends."),
    code("wrong-binding", "the request cannot be bound to the message",
        "The short form `call:` binds path variables, query and body as google.api.http does: each variable is a field of the request message, and `body:` is `*` or a field of it."),
    code("wrong-default", "a default that its own constraints refuse",
        "Every request without the input would be refused. Change the default or the constraint."),
    code("wrong-header", "this header cannot be sent",
        "Header values are visible ASCII; names are tokens; those that belong to the connection or to gRPC itself are set by the gateway."),
    code("wrong-type", "a value of another type is wanted here",
        "Values convert only where nothing can be lost. Where it can, say how: `int(x)`, `string(x)`, `timestamp(x)`."),
    code("wrong-value", "a value that cannot stand here",
        "The message says what may stand here."),
    code("yaml-alias", "a YAML alias", "Aliases make a value depend on a far place. Write it out, or make it a `value:` call."),
    code("yaml-anchor", "a YAML anchor", "Anchors are not read. Quote the value if it begins with `&`."),
    code("yaml-documents", "several YAML documents in one file", "A file holds one composition. Put the other into a file of its own."),
    code("yaml-merge", "a YAML merge key", "In templates `...: $x` spreads the members of an object; elsewhere nothing is merged."),
    code("yaml-syntax", "not YAML", "The file cannot be read. If the line holds an expression, quote the whole value."),
    code("yaml-tag", "a YAML tag",
        "To YAML a value that begins with `!` has a tag, and the condition `!x && y` loses its negation without a word. An expression begins with `$`: `$!x && y`. Quote the value if it is text."),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    #[test]
    fn codes_are_kebab_case_and_unique() {
        let mut seen = BTreeSet::new();
        for it in CODES {
            assert!(seen.insert(it.code), "{} stands twice", it.code);
            assert!(
                it.code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'),
                "{}",
                it.code
            );
            assert!(!it.summary.is_empty() && !it.summary.ends_with('.'), "{}", it.code);
            assert!(it.explanation.ends_with('.'), "{}", it.code);
        }
    }

    #[test]
    fn every_code_has_a_page_and_nothing_else_has() {
        for it in CODES {
            let page = page(it.code).unwrap_or_default();
            assert!(page.contains(it.explanation), "{}: {page}", it.code);
        }
        assert_eq!(page("no-such-code"), None);
        assert_eq!(page(""), None);
    }

    /// The literals behind `heads` in all files below a folder that are no codes.
    fn strangers(folder: &Path, heads: &[&str], found: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                strangers(&path, heads, found);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let text = text.split("mod tests").next().unwrap_or_default();
            for part in heads.iter().flat_map(|head| text.split(head).skip(1)) {
                let literal = part.trim_start().strip_prefix('"').and_then(|it| it.split('"').next());
                if let Some(code) = literal.filter(|it| find(it).is_none()) {
                    found.insert(format!("{code} in {}", path.display()));
                }
            }
        }
    }

    #[test]
    fn every_code_that_is_used_is_in_the_list() {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut found = BTreeSet::new();
        let heads = ["Diagnostic::new(", "Diagnostic::warning(", "Mistake::new(", "code: "];
        strangers(&source.join("language"), &heads, &mut found);
        strangers(
            &source.join("expr"),
            &["code: ", "ExprError::new(", "FitError::new("],
            &mut found,
        );
        assert_eq!(found, BTreeSet::new());
    }
}
