//! Compositions that the newest descriptors break are checked against those before, with their fragments; the others are not.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that panics has failed, as it should"
)]

use std::path::PathBuf;
use std::sync::Arc;

use weft::language::check::{BackendSchema, Held, check_holding};
use weft::language::diagnostic::{Diagnostic, Diagnostics, render};
use weft::language::source::SourceMap;
use weft::language::spec::{self, Outside};
use weft::plan::{CallKind, Plan};
use weft::schema::{Schema, load};

const GATEWAY: &str = "backends:\n  shop: { grpc: [\"http://127.0.0.1:1\"] }\n";
const BEFORE: &str = "string id = 1; string name = 2; int32 old = 3;";
const NEWEST: &str = "string id = 1; string name = 2; string colour = 4;";
const NAME: &str = "endpoint: GET /name/{id}
calls: { thing: { grpc: shop.Things/Get, request: { id: $id } } }
response: { name: $thing.name }
";
const OLD: &str = "endpoint: GET /old/{id}
calls: { thing: { grpc: shop.Things/Get, request: { id: $id } } }
response: { old: $thing.old }
";
const COLOUR: &str = "endpoint: GET /colour/{id}
calls: { thing: { grpc: shop.Things/Get, request: { id: $id } } }
response: { colour: $thing.colour }
";
const FRAGMENT: &str = "fragment: age
params: { id: { type: string } }
calls: { thing: { grpc: shop.Things/Get, request: { id: $id } } }
response: { age: $thing.old }
";
const COMPOSED: &str = "endpoint: GET /composed/{id}
calls: { it: { compose: age, with: { id: $id } } }
response: { age: $it.age }
";
const SOUND_FRAGMENT: &str = "fragment: named
params: { id: { type: string } }
calls: { thing: { grpc: shop.Things/Get, request: { id: $id } } }
response: { name: $thing.name }
";
const BOTH: &str = "endpoint: GET /both/{id}
calls:
  it: { compose: named, with: { id: $id } }
  thing: { grpc: shop.Things/Get, request: { id: $id } }
response: { name: $it.name, old: $thing.old }
";

fn schema(name: &str, fields: &str) -> Arc<Schema> {
    let folder: PathBuf =
        std::env::temp_dir().join(format!("weft-held-{}-{name}-{}", std::process::id(), fields.len()));
    std::fs::create_dir_all(&folder).unwrap();
    let text = format!(
        "syntax = \"proto3\"; package shop;\nmessage Thing {{ {fields} }}\nmessage Ask {{ string id = 1; }}\n\
         service Things {{ rpc Get(Ask) returns (Thing); }}\n"
    );
    std::fs::write(folder.join("things.proto"), text).unwrap();
    let schema = load::schema(std::slice::from_ref(&folder)).unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    schema
}

struct Checked {
    result: Option<(Plan, Vec<Held>)>,
    said: Vec<Diagnostic>,
    sources: SourceMap,
}

impl Checked {
    fn shown(&self) -> String {
        render::full(&self.said, &self.sources, render::Colour::Off)
    }

    /// The plan, and who is held.
    fn sound(&self) -> (&Plan, Vec<&str>) {
        let (plan, held) = self.result.as_ref().unwrap_or_else(|| panic!("{}", self.shown()));
        (plan, held.iter().map(|it| &*it.name).collect())
    }
}

fn checked(name: &str, newest: &str, before: Option<&str>, files: &[&str]) -> Checked {
    let mut sources = SourceMap::default();
    let mut diagnostics = Diagnostics::default();
    let outside = Outside {
        env: &|_| None,
        file: &|_| Err(String::new()),
    };
    let file = sources.add("weft.yaml", GATEWAY);
    let indexes: Vec<_> = files.iter().map(|it| sources.add("page.yaml", *it)).collect();
    let document = spec::document(&sources, file, &mut diagnostics).unwrap();
    let gateway = spec::gateway(&document, &sources, outside, &mut diagnostics).unwrap();
    let one = |it: &weft::language::source::FileIndex, diagnostics: &mut Diagnostics| {
        let document = spec::document(&sources, *it, diagnostics).unwrap();
        spec::composition(&document, &sources, diagnostics).unwrap()
    };
    let specs: Vec<_> = indexes.iter().map(|it| one(it, &mut diagnostics)).collect();
    let newest = [BackendSchema::Known(schema(name, newest))];
    let before = before.map(|it| [BackendSchema::Known(schema(name, it))]);
    let schemas = (&newest[..], before.as_ref().map(|it| &it[..]));
    let (result, _) = check_holding(&gateway, &specs, schemas, &sources, &mut diagnostics);
    Checked {
        result,
        said: diagnostics.into_sorted(),
        sources,
    }
}

/// By endpoint: whether its replies are read by the types that have the field `old`.
fn is_old(plan: &Plan, path: &str) -> bool {
    let endpoint = plan.endpoints.iter().find(|it| it.name.contains(path)).unwrap();
    let calls = &endpoint.recipe.as_ref().unwrap().graph.calls;
    let fields = |call: &weft::plan::Call| match &call.kind {
        CallKind::Grpc(grpc) => grpc.reply.schema().find_message("shop.Thing"),
        _ => None,
    };
    let (call, index) = calls.iter().find_map(|it| Some((it, fields(it)?))).unwrap();
    let CallKind::Grpc(grpc) = &call.kind else {
        unreachable!()
    };
    grpc.reply.schema().message(index).field("old").is_some()
}

#[test]
fn only_what_breaks_is_held() {
    let checked = checked("only", NEWEST, Some(BEFORE), &[NAME, OLD, COLOUR]);
    let (plan, held) = checked.sound();
    assert_eq!(held, ["GET /old/{id}"]);
    assert_eq!(plan.endpoints.len(), 3);
    assert!(plan.endpoints.iter().all(|it| it.recipe.is_ok()));
    assert!(is_old(plan, "/old"));
    assert!(!is_old(plan, "/name") && !is_old(plan, "/colour"));
    let (_, held) = checked.result.as_ref().unwrap();
    let why = render::concise(&held[0].why, &checked.sources);
    assert!(why.contains("error[unknown-field]") && why.contains("old"), "{why}");
    // Every method has its number, whichever types it is read by.
    assert_eq!(plan.backends[0].methods.len(), 1);
}

#[test]
fn what_composes_a_broken_fragment_is_held_with_it() {
    let files = [FRAGMENT, SOUND_FRAGMENT, COMPOSED, BOTH, NAME];
    let checked = checked("fragments", NEWEST, Some(BEFORE), &files);
    let (plan, held) = checked.sound();
    assert_eq!(held, ["the fragment age", "GET /composed/{id}", "GET /both/{id}"]);
    // Each composition names a fragment that is there, and the one of its own types.
    for endpoint in &plan.endpoints {
        for call in &endpoint.recipe.as_ref().unwrap().graph.calls {
            let CallKind::Compose { fragment, .. } = &call.kind else {
                continue;
            };
            let CallKind::Grpc(grpc) = &plan.fragments[fragment.0].graph.calls[0].kind else {
                panic!("{call:?}")
            };
            let schema = grpc.reply.schema();
            let thing = schema.find_message("shop.Thing").unwrap();
            assert!(schema.message(thing).field("old").is_some(), "{}", endpoint.name);
        }
    }
    assert!(!is_old(plan, "/name"));
}

#[test]
fn a_mistake_by_both_is_a_mistake() {
    let wrong = OLD.replace(".old", ".odl");
    let checked = checked("both", NEWEST, Some(BEFORE), &[NAME, &wrong]);
    assert!(checked.result.is_none());
    assert!(checked.shown().contains("odl"), "{}", checked.shown());
    // And so is a shape that two endpoints have, one of them held.
    let twice = self::checked("twice", NEWEST, Some(BEFORE), &[OLD, OLD]);
    assert!(
        twice.result.is_none() && twice.shown().contains("same-endpoint"),
        "{}",
        twice.shown()
    );
}

#[test]
fn without_types_before_what_breaks_is_refused() {
    let checked = checked("without", NEWEST, None, &[NAME, OLD]);
    assert!(checked.result.is_none());
    let sound = self::checked("sound", BEFORE, None, &[NAME, OLD, FRAGMENT, COMPOSED]);
    assert_eq!(sound.sound().1, [""; 0]);
}
