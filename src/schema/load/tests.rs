//! Trees and sets as users have them, whole and broken.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::schema::descriptor::FileDescriptorProto;

/// A directory of its own for each test, gone when the test is over.
struct Directory(PathBuf);

impl Directory {
    fn new(files: &[(&str, &str)]) -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let name = format!(
            "weft-load-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let directory = Self(std::env::temp_dir().join(name));
        fs::create_dir_all(&directory.0).unwrap();
        for (name, text) in files {
            directory.write(name, text.as_bytes());
        }
        directory
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        if name.is_empty() {
            self.0.clone()
        } else {
            self.0.join(name)
        }
    }

    /// The errors of loading some paths in it, without its own name.
    fn errors(&self, paths: &[&str]) -> Vec<String> {
        let paths: Vec<PathBuf> = paths.iter().map(|it| self.path(it)).collect();
        let own = format!("{}/", self.0.display());
        load(&paths)
            .map(|_| ())
            .unwrap_err()
            .iter()
            .map(|it| it.to_string().replace(&own, ""))
            .collect()
    }

    /// The names of the files that some paths in it give, but those of google/protobuf.
    fn names(&self, paths: &[&str]) -> Vec<String> {
        let paths: Vec<PathBuf> = paths.iter().map(|it| self.path(it)).collect();
        let set = load(&paths).unwrap_or_else(|errors| panic!("{errors:?}"));
        schema(&paths).unwrap_or_else(|errors| panic!("{errors:?}"));
        let mut names: Vec<String> = set.file.iter().map(|it| it.name().to_owned()).collect();
        names.retain(|it| !it.starts_with("google/protobuf/"));
        names.sort();
        names
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

const A: &str = "syntax = \"proto3\"; package p; import \"q/b.proto\"; message A { q.B b = 1; }";
const B: &str = "syntax = \"proto3\"; package p.q; message B {}";

#[test]
fn a_directory_is_an_import_root() {
    let directory = Directory::new(&[
        ("a.proto", A),
        ("q/b.proto", B),
        (".git/c.proto", "broken"),
        ("notes.txt", ""),
    ]);
    assert_eq!(directory.names(&[""]), ["a.proto", "q/b.proto"]);
    let set = load(&[directory.path("")]).unwrap();
    let paths: Vec<&str> = set.file.iter().map(FileDescriptorProto::path).collect();
    assert_eq!(
        paths,
        [
            directory.path("q/b.proto").to_str().unwrap(),
            directory.path("a.proto").to_str().unwrap()
        ]
    );
}

#[test]
fn one_file_has_its_directory_for_a_root() {
    let directory = Directory::new(&[("a.proto", A), ("q/b.proto", B)]);
    assert_eq!(directory.names(&["a.proto"]), ["a.proto", "q/b.proto"]);
    assert_eq!(directory.names(&["q/b.proto"]), ["b.proto"]);
}

#[test]
fn a_file_that_two_paths_lead_to_is_there_once() {
    let directory = Directory::new(&[("a.proto", A), ("q/b.proto", B)]);
    for paths in [
        ["", ""].as_slice(),
        &["", "a.proto"],
        &["q/b.proto", "a.proto", ""],
        &["", "q"],
        &["q/../", ""],
    ] {
        assert_eq!(directory.names(paths), ["a.proto", "q/b.proto"], "{paths:?}");
    }
}

#[test]
fn roots_find_imports_in_each_other() {
    let directory = Directory::new(&[("one/a.proto", A), ("two/q/b.proto", B)]);
    assert_eq!(directory.names(&["one", "two"]), ["a.proto", "q/b.proto"]);
    assert_eq!(
        directory.errors(&["one"]),
        ["one/a.proto:1:31: import 'q/b.proto' not found"]
    );
}

#[test]
fn imports_do_not_leave_their_root() {
    let outside = "syntax = \"proto3\"; import \"../b.proto\";";
    let directory = Directory::new(&[("one/a.proto", outside), ("b.proto", B)]);
    let errors = directory.errors(&["one"]);
    assert!(
        errors[0].starts_with("one/a.proto:1:27: ") && errors.len() == 1,
        "{errors:?}"
    );
}

#[test]
fn well_known_imports_need_not_be_there_and_may_be() {
    let text = r#"
        syntax = "proto3"; package p;
        import "google/api/annotations.proto"; import "google/protobuf/timestamp.proto"; import "google/rpc/status.proto";
        message M { google.protobuf.Timestamp at = 1; google.rpc.Status status = 2; }
        service S { rpc Get(M) returns (M) { option (google.api.http) = { get: "/m" custom_of_ours: "x" }; } }
    "#;
    let own = r#"
        syntax = "proto3"; package google.api;
        import "google/protobuf/descriptor.proto";
        message HttpRule { string selector = 1; oneof pattern { string get = 2; } string custom_of_ours = 99; }
        extend google.protobuf.MethodOptions { HttpRule http = 72295728; }
    "#;
    let directory = Directory::new(&[("a.proto", text), ("google/api/annotations.proto", own)]);
    let schema = schema(&[directory.path("")]).unwrap();
    assert_eq!(schema.services()[0].methods[0].http[0].path, "/m");
    assert!(schema.find_message("google.rpc.Status").is_some());
    let directory = Directory::new(&[("a.proto", &text.replace("custom_of_ours: \"x\"", ""))]);
    assert_eq!(
        directory.names(&[""]),
        [
            "a.proto",
            "google/api/annotations.proto",
            "google/api/http.proto",
            "google/rpc/status.proto"
        ]
    );
}

#[test]
fn copies_of_google_protobuf_are_left_alone() {
    let text =
        "syntax = \"proto3\"; import \"google/protobuf/empty.proto\"; message M { google.protobuf.Empty e = 1; }";
    let directory = Directory::new(&[
        ("a.proto", text),
        ("google/protobuf/empty.proto", "syntax = \"proto9\"; of a later day"),
        ("google/protobuf/cpp_features.proto", "of a later day"),
        ("google/protobuf/ours.proto", "syntax = \"proto3\"; message Ours {}"),
    ]);
    assert_eq!(directory.names(&[""]), ["a.proto"]);
    assert!(schema(&[directory.path("")]).unwrap().find_message("Ours").is_some());
}

#[test]
fn descriptor_sets_are_read_with_and_without_imports() {
    let directory = Directory::new(&[("t/a.proto", A), ("t/q/b.proto", B)]);
    let set = load(&[directory.path("t")]).unwrap();
    directory.write("all.binpb", &set.encode_to_vec());
    directory.write(
        "b.pb",
        &FileDescriptorSet {
            file: vec![set.file[0].clone()],
        }
        .encode_to_vec(),
    );
    directory.write(
        "a.fds",
        &FileDescriptorSet {
            file: vec![set.file[1].clone()],
        }
        .encode_to_vec(),
    );
    assert_eq!(directory.names(&["all.binpb"]), ["a.proto", "q/b.proto"]);
    assert_eq!(directory.names(&["a.fds", "b.pb"]), ["a.proto", "q/b.proto"]);
    // A set may say for itself where its files lie; nobody believes it.
    assert!(
        load(&[directory.path("all.binpb")])
            .unwrap()
            .file
            .iter()
            .all(|it| it.path.is_none())
    );
    let lost = schema(&[directory.path("a.fds")]).unwrap_err();
    assert_eq!(lost[0].to_string(), "a.proto: `p.q.B` is declared nowhere");
    // Sets lie in directories too, and .proto files import from them.
    fs::remove_file(directory.path("t/q/b.proto")).unwrap();
    fs::rename(directory.path("b.pb"), directory.path("t/b.pb")).unwrap();
    assert_eq!(directory.names(&["t"]), ["a.proto", "q/b.proto"]);
}

#[test]
fn every_broken_file_is_reported_with_its_place() {
    let directory = Directory::new(&[
        ("a.proto", "syntax = \"proto3\";\nmessage A {\n  string id = ;\n}"),
        (
            "b.proto",
            "syntax = \"proto3\";\nmessage B {\n  Lost x = 1;\n  Gone y = 2;\n}",
        ),
        ("c.proto", "syntax = \"proto3\"; import \"a.proto\"; message C {}"),
        (
            "d.proto",
            "syntax = \"proto3\";\nmessage D { int32 x = 1;\n int32 y = 1; }",
        ),
        ("e.proto", "// Of an edition.\nedition = \"2023\";\nmessage E {}"),
        ("f.proto", "syntax = \"proto3\"; message F {}"),
        ("g.proto", "syntax = \"proto3\"; import \"nowhere.proto\";"),
        ("h.binpb", "not a set"),
        ("i.proto", "syntax = \"proto3\"; import \"i.proto\";"),
    ]);
    directory.write("j.proto", b"syntax = \"proto3\"; // \xff");
    assert_eq!(
        directory.errors(&[""]),
        [
            "a.proto:3:15: expected an integer, but found ';'",
            "b.proto:3:3: name 'Lost' is not defined",
            "b.proto:4:3: name 'Gone' is not defined",
            "d.proto:3:12: field number '1' is already used",
            "e.proto: editions are not read from .proto files; give a descriptor set, as `buf build -o all.binpb` or `protoc --include_imports -o all.binpb` writes it",
            "g.proto:1:20: import 'nowhere.proto' not found",
            "h.binpb: is no FileDescriptorSet: failed to decode Protobuf message: invalid wire type value: 6",
            "i.proto: import cycle detected: i.proto -> i.proto",
            "j.proto: file 'j.proto' is not valid utf-8",
        ]
    );
}

#[test]
fn paths_that_lead_nowhere_are_reported() {
    let directory = Directory::new(&[("notes.txt", ""), ("empty/x.txt", ""), ("empty.binpb", "")]);
    assert_eq!(
        directory.errors(&["notes.txt", "missing", "empty", "empty.binpb"]),
        [
            "empty: holds neither .proto files nor descriptor sets",
            "empty.binpb: is no FileDescriptorSet: it has no files with names",
            "missing: cannot be read: No such file or directory (os error 2)",
            "notes.txt: is neither a directory, a .proto file nor a descriptor set (.binpb, .fds, .pb, .protoset)",
        ]
    );
}

#[cfg(unix)]
#[test]
fn links_that_lead_back_up_end_somewhere() {
    let directory = Directory::new(&[("..data/a.proto", A), ("..data/q/b.proto", B)]);
    std::os::unix::fs::symlink("..data/a.proto", directory.path("a.proto")).unwrap();
    std::os::unix::fs::symlink("..data/q", directory.path("q")).unwrap();
    std::os::unix::fs::symlink("..", directory.path("..data/q/up")).unwrap();
    assert_eq!(directory.names(&[""]), ["a.proto", "q/b.proto"]);
}

#[test]
fn the_descriptors_of_the_demo_and_of_the_fixtures_load() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let demo = schema(&[root.join("descriptors/hipstershop")]).unwrap();
    assert!(schema(&[root.join("descriptors/etcd")]).is_ok());
    let service = demo.find_service("hipstershop.CartService").unwrap();
    assert_eq!(
        service.methods.iter().map(|it| &*it.name).collect::<Vec<_>>(),
        ["AddItem", "GetCart", "EmptyCart"]
    );
    assert_eq!(service.place.line, 23);
    assert!(service.place.file.ends_with("descriptors/hipstershop/demo.proto"));
    let cases = schema(&[root.join("fixtures/http_rule/messages.proto")]).unwrap();
    assert!(cases.find_message("google.api.HttpBody").is_some());
}
