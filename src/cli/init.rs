//! `weft init`: a project that passes `weft check` and `weft test` from its first moment. Asks nothing, overwrites nothing.

mod first;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use prost::Message as _;

use self::first::First;
use super::{Ending, say};
use crate::language::spec::json_schema::{self, FileKind};
use crate::schema::{build, load, reflection};
use crate::trial::fixture;

/// How long a server may take to say what it serves.
const PATIENCE: Duration = Duration::from_secs(5);

const GITIGNORE: &str = "# What commands write.\nresults.xml\n*.log\n";

const PROTO: &str = r#"syntax = "proto3";

package greeter.v1;

// Says hello.
service Greeter {
  rpc GetGreeting(GetGreetingRequest) returns (Greeting);
}

message GetGreetingRequest {
  string name = 1;
  string language = 2;
}

message Greeting {
  string text = 1;
}
"#;

const GATEWAY: &str = r#"# yaml-language-server: $schema=schemas/gateway.schema.json
# The gateway file: where to listen, what to serve, whom to call.
listen: 127.0.0.1:8080
compositions: [compositions/]
descriptors: [protos/]

backends:
  greeter: { grpc: ["http://127.0.0.1:50051"] }
"#;

const COMPOSITION: &str = r#"# yaml-language-server: $schema=../schemas/composition.schema.json
# One endpoint. `weft explain hello` shows how it is answered.
endpoint: GET /hello/{name}
summary: A greeting.
timeout: 1s

params:
  language: { in: query, default: en, pattern: "^[a-z]{2}$" }

calls:
  greeting:
    grpc: greeter.v1.Greeter/GetGreeting
    request: { name: $name, language: $language }
    fallback: { text: Hello. }         # used where the call fails

response:
  greeting: $greeting.text
"#;

const FIXTURE: &str = r"# yaml-language-server: $schema=../schemas/fixture.schema.json
# `weft test` runs this in simulated time, without a server.
about: A greeting in the language that the visitor asks for; where the greeter fails, a plain one.
backends:
  - { call: greeter.v1.Greeter/GetGreeting, want: { name: ada, language: fr }, reply: { text: Bonjour Ada } }
  - { call: greeter.v1.Greeter/GetGreeting, error: INTERNAL }
exchanges:
  - request: GET /hello/ada?language=fr
    expect: { status: 200, body: { greeting: Bonjour Ada } }
  - request: GET /hello/bob
    expect: { status: 200, headers: { weft-degraded: greeting;code=INTERNAL }, body: { greeting: Hello. } }
  - request: GET /hello/bob?language=english
    expect: { status: 400 }
";

/// Arguments of `weft init`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The folder of the project; it is made where it does not exist
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// Ask this gRPC server what it serves, and begin with one of its methods: `http://127.0.0.1:50051`
    #[arg(long, value_name = "URL", conflicts_with = "descriptors")]
    from_reflection: Option<String>,
    /// Begin with a method of these .proto trees or descriptor sets
    #[arg(long, value_name = "PATH", num_args = 1..)]
    descriptors: Vec<PathBuf>,
    /// The method to begin with: pkg.Service/Method; without it the first that reads something
    #[arg(long, value_name = "METHOD")]
    method: Option<String>,
}

/// A file to write.
struct File {
    path: PathBuf,
    bytes: Vec<u8>,
}

/// Writes a project, or says which files stand in its way.
pub(super) fn run(arguments: &Arguments) -> anyhow::Result<Ending> {
    let files = files(arguments)?;
    let targets: Vec<PathBuf> = files.iter().map(|it| arguments.folder.join(&it.path)).collect();
    let taken: Vec<String> = targets
        .iter()
        .filter(|it| it.exists())
        .map(|it| it.display().to_string())
        .collect();
    if !taken.is_empty() {
        bail!("nothing was written, since this is there already: {}", taken.join(", "));
    }
    let mut out = String::new();
    for (file, target) in files.iter().zip(&targets) {
        let folder = target.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make `{}`", folder.display()))?;
        std::fs::write(target, &file.bytes).with_context(|| format!("cannot write `{}`", target.display()))?;
        out.extend(["wrote  ", &target.display().to_string(), "\n"]);
    }
    let enter = match arguments.folder.as_path() {
        here if here == Path::new(".") => String::new(),
        folder => format!("cd {} && ", folder.display()),
    };
    out.extend(["\nNext: ", &enter, "weft check && weft test && weft explain\n"]);
    say(&out)?;
    Ok(Ending::Clean)
}

fn files(arguments: &Arguments) -> anyhow::Result<Vec<File>> {
    let file = |path: &str, text: &str| File {
        path: path.into(),
        bytes: text.as_bytes().to_vec(),
    };
    let schema = |path: &str, schema: serde_json::Value| file(path, &format!("{schema:#}\n"));
    let mut files = vec![
        file(".gitignore", GITIGNORE),
        // For editors; `weft schema` writes them anew.
        schema(
            "schemas/composition.schema.json",
            json_schema::of(FileKind::Composition),
        ),
        schema("schemas/gateway.schema.json", json_schema::of(FileKind::Gateway)),
        schema("schemas/fixture.schema.json", fixture::schema()),
    ];
    if arguments.from_reflection.is_none() && arguments.descriptors.is_empty() {
        if arguments.method.is_some() {
            bail!("`--method` needs `--from-reflection` or `--descriptors`");
        }
        files.extend([
            file("weft.yaml", GATEWAY),
            file("protos/greeter/v1/greeter.proto", PROTO),
            file("compositions/hello.yaml", COMPOSITION),
            file("fixtures/hello.yaml", FIXTURE),
        ]);
        return Ok(files);
    }
    let (set, paths) = if let Some(url) = &arguments.from_reflection {
        let set = ask(url)?;
        files.push(File {
            path: "descriptors/backend.binpb".into(),
            bytes: set.encode_to_vec(),
        });
        (set, vec!["descriptors/".to_owned()])
    } else {
        let set = load::load(&arguments.descriptors).map_err(|errors| {
            let lines: Vec<_> = errors.iter().map(ToString::to_string).collect();
            anyhow::anyhow!("{}", lines.join("\n"))
        })?;
        let paths = arguments.descriptors.iter();
        let paths = paths
            .map(|it| from(&arguments.folder, it))
            .collect::<anyhow::Result<_>>()?;
        (set, paths)
    };
    let schema = build::build(&set)?;
    let first = First::find(&schema, arguments.method.as_deref())?;
    let target = arguments.from_reflection.as_deref().unwrap_or("http://127.0.0.1:50051");
    files.extend([
        file("weft.yaml", &first::gateway(target, &paths)),
        file(
            &format!("compositions/{}.yaml", first.file_name()),
            &first.composition(),
        ),
        file(&format!("fixtures/{}.yaml", first.file_name()), &first.fixture()),
    ]);
    Ok(files)
}

/// How a path is written in the gateway file of `folder`: whole, since the two may lie anywhere.
fn from(folder: &Path, path: &Path) -> anyhow::Result<String> {
    let whole = |it: &Path| std::path::absolute(it);
    let (folder, path) = (whole(folder)?, whole(path)?);
    Ok(path.strip_prefix(&folder).unwrap_or(&path).display().to_string())
}

fn ask(url: &str) -> anyhow::Result<crate::schema::descriptor::FileDescriptorSet> {
    let endpoint = tonic::transport::Endpoint::from_shared(url.to_owned())
        .with_context(|| format!("`{url}` is not the address of a server: expected `http://host:port`"))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(reflection::load(endpoint, PATIENCE))?)
}
