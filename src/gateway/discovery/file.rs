//! A file with a list of targets, read again when it has changed.

use std::path::Path;

use super::Ear;
use crate::gateway::files::Files;
use crate::language::check;
use crate::language::diagnostic::{Diagnostics, render};
use crate::language::source::SourceMap;
use crate::language::spec::{self, Discovery};
use crate::plan::Target;

/// Reads the file whenever it has changed.
pub(super) async fn follow(ear: &Ear, path: &Path, secure: bool) {
    let mut files = Files::new();
    files.follow(&[path.to_owned()]);
    loop {
        ear.hear(read(path, secure));
        files.changed().await;
        // A folder that was not there before is watched from now on.
        files.follow(&[path.to_owned()]);
    }
}

/// The targets that the file names: written as in the gateway file, but for other sources. `secure` says that those of the
/// backend are reached over TLS.
pub(super) fn read(path: &Path, secure: bool) -> Result<Vec<Target>, String> {
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    let mut sources = SourceMap::default();
    let mut diagnostics = Diagnostics::default();
    let file = sources.add(path.display().to_string(), text);
    let document = spec::document(&sources, file, &mut diagnostics);
    let written = document.map(|it| spec::targets(&it, &sources, &mut diagnostics));
    let (written, says_secure) = written.unwrap_or_default();
    let (targets, further) = check::targets(&written, &Discovery::default(), &mut diagnostics);
    if diagnostics.has_errors() {
        let shown = render::concise(&diagnostics.into_sorted(), &sources);
        return Err(shown.trim_end().replace('\n', "; "));
    }
    if says_secure && !secure {
        return Err("it names `https://` targets: the gateway file says so with `file+https:`".to_owned());
    }
    match further.first() {
        Some(source) => Err(format!(
            "`{}`: the targets of a file are `http://host:port`",
            source.written
        )),
        None => Ok(targets),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_list_is_read_whole_or_not_at_all() {
        let folder = std::env::temp_dir().join(format!("weft-targets-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("shop.yaml");
        let read = |text: &str| {
            std::fs::write(&path, text).unwrap();
            super::read(&path, false)
        };
        let found =
            read("- http://10.0.0.1:50051\n- { url: \"http://10.0.0.2:50051\", weight: 3, zone: eu-1a }\n").unwrap();
        let shown: Vec<_> = found
            .iter()
            .map(|it| (&*it.authority, it.weight, it.zone.as_deref()))
            .collect();
        assert_eq!(
            shown,
            [("10.0.0.1:50051", 1, None), ("10.0.0.2:50051", 3, Some("eu-1a"))]
        );
        assert_eq!(read(r#"["http://10.0.0.1:1"]"#).unwrap().len(), 1);
        for (wrong, why) in [
            ("- http://10.0.0.1:50051\n- { url: \"http://10.0", "yaml-syntax"),
            ("", "empty-file"),
            ("[]", "names at least one target"),
            ("- 10.0.0.1:50051", "bad-target"),
            ("- { url: \"http://a:1\", wait: 3 }", "unknown-key"),
            ("- dns+http://shop:1", "the targets of a file are"),
            ("- https://shop:1", "`file+https:`"),
            ("- https://shop:1\n- http://shop:2", "some targets of this backend"),
        ] {
            let error = read(wrong).unwrap_err();
            assert!(error.contains(why), "{wrong}: {error}");
        }
        let ports = |text: &str| {
            std::fs::write(&path, text).unwrap();
            let found = super::read(&path, true).unwrap();
            found.iter().map(|it| it.port).collect::<Vec<_>>()
        };
        assert_eq!(ports("- https://shop:1\n- https://shop"), [1, 443]);
        assert_eq!(ports("- http://shop:1"), [1]);
        std::fs::remove_dir_all(folder).unwrap();
    }
}
