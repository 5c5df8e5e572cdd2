//! Files that change: what a reload would read is watched, so that nobody has to ask for one.
//!
//! Directories are watched, never files: editors and orchestrators put another file, or another link, in the place of the old
//! one. What else happens there, as a log that grows beside the gateway file, is no change: the stamps of the files that are
//! read decide. Invariant: a change that was seen is not lost, whatever else happens before it is told.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use notify::event::{Event, EventKind};
use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;

use crate::time::Instant;

/// Several files are often written at once: a change is told when it has been quiet for so long.
const QUIET: Duration = Duration::from_millis(200);

/// Where it is never quiet, because something else is written there all the time, files are looked at so often.
const PATIENCE: Duration = Duration::from_secs(2);

/// How deep directories are looked into: links may lead in a circle.
const MAX_DEPTH: usize = 32;

/// Files that are watched.
#[derive(Debug)]
pub struct Files {
    /// `None` where the system does not let us watch.
    watcher: Option<RecommendedWatcher>,
    watched: BTreeMap<PathBuf, RecursiveMode>,
    changes: mpsc::UnboundedReceiver<()>,
    changed: bool,
    read: Vec<PathBuf>,
    stamps: Stamps,
}

/// When each file was written last, and its length.
type Stamps = BTreeMap<PathBuf, (Option<SystemTime>, u64)>;

impl Files {
    /// Watches nothing yet.
    pub fn new() -> Self {
        let (sender, changes) = mpsc::unbounded_channel();
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            if event.is_ok_and(|it| is_change(&it)) {
                // Nobody may listen any more.
                let _heard = sender.send(()).is_ok();
            }
        });
        let watcher = watcher.map_err(|error| not_watched(Path::new("."), &error)).ok();
        Self {
            watcher,
            watched: BTreeMap::new(),
            changes,
            changed: false,
            read: Vec::new(),
            stamps: Stamps::new(),
        }
    }

    /// Watches these files and directories, and no others.
    pub fn follow(&mut self, read: &[PathBuf]) {
        let Some(watcher) = &mut self.watcher else { return };
        if self.read != read {
            self.read = read.to_vec();
            self.stamps = stamps(read);
        }
        let wanted = directories(read);
        let gone = self
            .watched
            .iter()
            .filter(|(path, mode)| wanted.get(*path) != Some(mode));
        for path in gone.map(|(path, _)| path.clone()).collect::<Vec<_>>() {
            self.watched.remove(&path);
            // It may be gone altogether.
            let _was_there = watcher.unwatch(&path).is_ok();
        }
        for (path, mode) in wanted {
            if self.watched.contains_key(&path) {
                continue;
            }
            match watcher.watch(&path, mode) {
                Ok(()) => drop(self.watched.insert(path, mode)),
                Err(error) => not_watched(&path, &error),
            }
        }
    }

    /// Waits until something has changed and nothing does any more; without end where nothing can be watched.
    ///
    /// Cancel safety: a change that was seen is told by the next call.
    pub async fn changed(&mut self) {
        loop {
            if !self.changed {
                if self.changes.recv().await.is_none() {
                    std::future::pending::<()>().await;
                }
                self.changed = true;
            }
            let until = Instant::now() + PATIENCE;
            while Instant::now() < until
                && let Ok(Some(())) = tokio::time::timeout(QUIET, self.changes.recv()).await
            {}
            self.changed = false;
            let stamps = stamps(&self.read);
            if stamps != self.stamps {
                self.stamps = stamps;
                return;
            }
        }
    }
}

impl Default for Files {
    fn default() -> Self {
        Self::new()
    }
}

/// The directories whose entries are what was read: of a file its own, of a directory all in it and the one around it.
fn directories(read: &[PathBuf]) -> BTreeMap<PathBuf, RecursiveMode> {
    let mut all = BTreeMap::new();
    for path in read {
        let parent = path.parent().filter(|it| !it.as_os_str().is_empty());
        let parent = parent.unwrap_or(Path::new(".")).to_owned();
        if parent.is_dir() {
            all.entry(parent).or_insert(RecursiveMode::NonRecursive);
        }
        if path.is_dir() {
            all.insert(path.clone(), RecursiveMode::Recursive);
        }
    }
    all
}

/// The stamps of files, and of all files in directories.
fn stamps(read: &[PathBuf]) -> Stamps {
    fn add(path: &Path, depth: usize, stamps: &mut Stamps) {
        let Ok(metadata) = std::fs::metadata(path) else { return };
        if !metadata.is_dir() {
            stamps.insert(path.to_owned(), (metadata.modified().ok(), metadata.len()));
        } else if depth <= MAX_DEPTH {
            let entries = std::fs::read_dir(path).into_iter().flatten();
            entries.flatten().for_each(|it| add(&it.path(), depth + 1, stamps));
        }
    }
    let mut all = Stamps::new();
    for it in read {
        add(it, 0, &mut all);
    }
    all
}

/// Reading is no change, and what editors write beside a file is none either.
fn is_change(event: &Event) -> bool {
    let is_scratch = |path: &PathBuf| {
        let name = path.file_name().map(|it| it.to_string_lossy()).unwrap_or_default();
        // `..data` is the link that Kubernetes swaps.
        name.ends_with('~') || (name.starts_with('.') && !name.starts_with("..")) || name == "4913"
    };
    !matches!(event.kind, EventKind::Access(_)) && !event.paths.iter().all(is_scratch)
}

fn not_watched(path: &Path, error: &notify::Error) {
    tracing::warn!(path = %path.display(), %error, "changes are not noticed here: SIGHUP reloads");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_editors_leave_lying_about_is_no_change() {
        let event = |kind, paths: &[&str]| {
            let mut event = Event::new(kind);
            event.paths = paths.iter().map(PathBuf::from).collect();
            is_change(&event)
        };
        let written = EventKind::Modify(notify::event::ModifyKind::Any);
        assert!(event(written, &["a/weft.yaml"]));
        assert!(event(written, &["a/..data"]));
        assert!(event(
            EventKind::Modify(notify::event::ModifyKind::Any),
            &["a/.page.yaml.swp", "a/page.yaml"]
        ));
        assert!(!event(written, &["a/.page.yaml.swp"]));
        assert!(!event(written, &["a/page.yaml~"]));
        assert!(!event(
            EventKind::Access(notify::event::AccessKind::Any),
            &["a/weft.yaml"]
        ));
    }

    #[tokio::test]
    async fn a_change_is_told_once_after_it_has_been_quiet() {
        let folder = std::env::temp_dir().join(format!("weft-watch-{}", std::process::id()));
        let inner = folder.join("compositions/more");
        std::fs::create_dir_all(&inner).unwrap();
        let config = folder.join("weft.yaml");
        std::fs::write(&config, "a").unwrap();
        let mut files = Files::new();
        files.follow(&[config.clone(), folder.join("compositions")]);
        let told = async |files: &mut Files| {
            tokio::time::timeout(Duration::from_secs(5), files.changed())
                .await
                .is_ok()
        };
        std::fs::write(&config, "bb").unwrap();
        std::fs::write(inner.join("page.yaml"), "c").unwrap();
        assert!(told(&mut files).await);
        // Another file in its place, as editors save.
        std::fs::write(folder.join("new"), "d").unwrap();
        std::fs::rename(folder.join("new"), &config).unwrap();
        assert!(told(&mut files).await);
        // Who waits may be interrupted, and is told the next time.
        std::fs::write(inner.join("page.yaml"), "ee").unwrap();
        let short = tokio::time::timeout(Duration::from_millis(50), files.changed()).await;
        assert!(short.is_err());
        assert!(told(&mut files).await);
        // What nobody reads may be a log, which grows with every reload.
        std::fs::write(folder.join("weft.log"), "f").unwrap();
        let quiet = tokio::time::timeout(Duration::from_millis(400), files.changed()).await;
        assert!(quiet.is_err());
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
