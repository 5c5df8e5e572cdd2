//! Examples of the guide are true: every whole composition in it, and every gateway file, is checked; links lead somewhere.
//!
//! A block of YAML is a composition where `endpoint:` or `fragment:` stands at its root, a gateway file where `backends:`
//! does, a fixture of `weft test` where `exchanges:` does: those are run. Fragments of a page are there for all compositions of
//! that page, and a file whose first line names it (`# weft.yaml`) for all fixtures.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use weft::language::check::{self, BackendSchema};
use weft::language::diagnostic::{Diagnostics, render};
use weft::language::source::SourceMap;
use weft::language::spec::{self, Outside};
use weft::schema::{self, Schema};
use weft::trial::{self, Expected};

/// What the examples are checked against: the demo's services, the fixtures' shop, and HTTP backends by the names in use.
const GATEWAY: &str = r#"
backends:
  hipstershop: { grpc: ["http://127.0.0.1:50051"] }
  shop: { grpc: ["http://127.0.0.1:50052"] }
  reviews: { http: ["http://127.0.0.1:50061"] }
  recs: { http: ["http://127.0.0.1:50062"] }
  files: { http: ["http://127.0.0.1:50063"] }
vars: { cdn: "https://cdn.example" }
auth:
  customer: { client_certificate: {}, claims: { plan: string, roles: [string], org: string? } }
  partner: { client_certificate: {}, claims: { plan: string } }
"#;

/// A block of YAML and the line of the page that it begins in.
struct Block {
    line: usize,
    text: String,
}

impl Block {
    fn has_at_root(&self, key: &str) -> bool {
        self.text
            .lines()
            .any(|it| it.strip_prefix(key).is_some_and(|it| it.starts_with(':')))
    }
}

fn blocks(page: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for (at, line) in page.lines().enumerate() {
        match &mut open {
            Some(_) if line.trim() == "```" => blocks.extend(open.take()),
            Some(block) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
            None if line == "```yaml" => {
                open = Some(Block {
                    line: at + 2,
                    text: String::new(),
                });
            }
            None => {}
        }
    }
    blocks
}

fn outside() -> Outside<'static> {
    Outside {
        env: &|_| Some("127.0.0.1:8080".to_owned()),
        // Certificates and keys are those of the fixtures with the same names.
        file: &|path| match path.file_name() {
            Some(name) if path.extension().is_some_and(|it| it == "pem" || it == "key") => {
                let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/tls");
                std::fs::read_to_string(fixtures.join(name)).map_err(|it| it.to_string())
            }
            _ => Ok("s3cret".to_owned()),
        },
    }
}

fn schema(path: &str) -> Arc<Schema> {
    schema::load::schema(&[Path::new(env!("CARGO_MANIFEST_DIR")).join(path)]).unwrap()
}

/// Checks files, the first of which is the gateway file; all that is said of them, warnings too.
fn said_of(texts: &[(String, &str)], schemas: &[BackendSchema]) -> String {
    let mut sources = SourceMap::default();
    let mut diagnostics = Diagnostics::default();
    let mut gateway = None;
    let mut compositions = Vec::new();
    for (at, (name, text)) in texts.iter().enumerate() {
        let file = sources.add(name.as_str(), *text);
        let Some(document) = spec::document(&sources, file, &mut diagnostics) else {
            continue;
        };
        if at == 0 {
            gateway = spec::gateway(&document, &sources, outside(), &mut diagnostics);
        } else {
            compositions.extend(spec::composition(&document, &sources, &mut diagnostics));
        }
    }
    if let Some(gateway) = gateway {
        check::check(&gateway, &compositions, schemas, &sources, &mut diagnostics);
    }
    render::full(&diagnostics.into_sorted(), &sources, render::Colour::Off)
}

fn schemas() -> [BackendSchema; 5] {
    [
        BackendSchema::Known(schema("descriptors/hipstershop")),
        BackendSchema::Known(schema("fixtures/protos")),
        BackendSchema::None,
        BackendSchema::None,
        BackendSchema::None,
    ]
}

#[test]
fn every_example_of_the_guide_passes_the_checker() {
    let schemas = schemas();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let guide = std::fs::read_dir(root.join("docs/guide")).unwrap();
    let mut pages: Vec<_> = guide.map(|it| it.unwrap().path()).collect();
    pages.push(root.join("README.md"));
    pages.sort();
    let mut n_checked = 0;
    let mut failures = Vec::new();
    for page in pages {
        let name = page.strip_prefix(root).unwrap().display().to_string();
        let blocks = blocks(&std::fs::read_to_string(&page).unwrap());
        let fragments = blocks.iter().filter(|it| it.has_at_root("fragment"));
        let fragments: Vec<_> = fragments.map(|it| (format!("{name}:{}", it.line), &*it.text)).collect();
        for block in &blocks {
            let place = format!("{name}:{}", block.line);
            let mut texts = vec![("weft.yaml".to_owned(), GATEWAY)];
            let said = if block.has_at_root("endpoint") {
                texts.extend(fragments.iter().cloned());
                texts.push((place, &block.text));
                said_of(&texts, &schemas)
            } else if block.has_at_root("fragment") {
                texts.push((place, &block.text));
                said_of(&texts, &schemas)
            } else if block.has_at_root("backends") && !block.has_at_root("exchanges") {
                let missing = vec![BackendSchema::Missing("not asked here".to_owned()); 16];
                said_of(&[(place, &block.text)], &missing)
            } else {
                continue;
            };
            n_checked += 1;
            if !said.is_empty() {
                failures.push(said);
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(n_checked > 15, "only {n_checked} examples were found");
}

#[test]
fn every_fixture_of_the_guide_holds() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = std::env::temp_dir().join(format!("weft-guide-{}", std::process::id()));
    let write = |path: &Path, text: &str| {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    let (mut n_fixtures, mut failures) = (0, String::new());
    for page in pages(root) {
        let name = page.file_stem().unwrap().to_str().unwrap().to_owned();
        let project = folder.join(&name);
        let descriptors = root.join("fixtures/protos");
        write(
            &project.join("weft.yaml"),
            &format!(
                "descriptors: [{}]\nbackends: {{ shop: {{ grpc: [\"http://127.0.0.1:50052\"] }} }}\n",
                descriptors.display()
            ),
        );
        let demo = std::fs::read_to_string(root.join("descriptors/hipstershop/demo.proto")).unwrap();
        write(&project.join("descriptors/demo.proto"), &demo);
        let mut fixtures = Vec::new();
        for Block { line, text } in blocks(&std::fs::read_to_string(&page).unwrap()) {
            let block = Block { line, text };
            let first = block.text.lines().next().unwrap_or_default();
            let named = first.strip_prefix("# ").filter(|it| {
                let path = Path::new(it);
                path.extension().is_some_and(|it| it == "yaml") && !it.contains(' ')
            });
            let path = match named {
                Some(named) => project.join(named),
                None => project.join(format!("fixtures/{line}.yaml")),
            };
            if block.has_at_root("exchanges") {
                fixtures.push((line, path.clone()));
            } else if named.is_none() {
                continue;
            }
            // A page that shows a file twice has changed it meanwhile.
            write(&path, &block.text);
        }
        for (line, path) in fixtures {
            n_fixtures += 1;
            if let Err(wrong) = trial::run(&path, Expected::Holds) {
                failures = format!("{failures}{name}.md:{line}: {}\n", wrong.join("\n    "));
            }
        }
    }
    std::fs::remove_dir_all(folder).unwrap();
    assert!(failures.is_empty(), "{failures}");
    assert!(n_fixtures >= 2, "{n_fixtures} fixtures");
}

#[test]
fn an_example_with_a_mistake_does_not_pass() {
    let page = "```yaml\nendpoint: GET /a/{id}\ncall: hipstershop.ProductCatalogService/GetProducts\n```\n";
    let [block] = blocks(page).try_into().ok().unwrap();
    let texts = [("weft.yaml".to_owned(), GATEWAY), ("page.md".to_owned(), &*block.text)];
    let said = said_of(&texts, &schemas());
    assert!(said.starts_with("error[unknown-method]"), "{said}");
}

// === links ===

/// Pages that people read, from the root of the repository.
fn pages(root: &Path) -> Vec<PathBuf> {
    let mut pages = Vec::new();
    for folder in ["", "docs/guide", "docs/adr"] {
        for entry in std::fs::read_dir(root.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|it| it == "md") {
                pages.push(path);
            }
        }
    }
    pages.sort();
    pages
}

/// The lines of a page outside of its blocks of code.
fn prose(page: &str) -> impl Iterator<Item = &str> {
    let mut in_block = false;
    page.lines().filter(move |it| {
        let is_fence = it.starts_with("```");
        in_block ^= is_fence;
        !in_block && !is_fence
    })
}

/// The anchors of a page, as they are made from titles.
fn anchors(page: &str) -> Vec<String> {
    let titles = prose(page).filter(|it| it.starts_with('#'));
    let titles = titles.map(|it| it.trim_start_matches('#').trim().to_lowercase().replace(' ', "-"));
    let kept = |it: &char| it.is_alphanumeric() || matches!(it, '-' | '_');
    titles.map(|it| it.chars().filter(kept).collect()).collect()
}

#[test]
fn every_link_leads_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut dead = Vec::new();
    let mut n_links = 0;
    for page in pages(root) {
        let text = std::fs::read_to_string(&page).unwrap();
        for line in prose(&text) {
            for link in line.split("](").skip(1).filter_map(|it| it.split(')').next()) {
                if link.contains("://") {
                    continue;
                }
                n_links += 1;
                let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
                let target = if file.is_empty() {
                    page.clone()
                } else {
                    page.parent().unwrap().join(file)
                };
                let is_there = match std::fs::read_to_string(&target) {
                    Ok(text) => anchor.is_empty() || anchors(&text).iter().any(|it| it == anchor),
                    Err(_) => target.is_dir(),
                };
                if !is_there {
                    dead.push(format!("{}: {link}", page.strip_prefix(root).unwrap().display()));
                }
            }
        }
    }
    assert!(dead.is_empty(), "dead links:\n{}", dead.join("\n"));
    assert!(n_links > 50, "only {n_links} links were found");
}
