//! Where declarations stand and what their comments say: `source_code_info`, by path.

use std::collections::HashMap;
use std::sync::Arc;

use crate::schema::descriptor::{FileDescriptorProto, Location};
use crate::schema::types::Place;

/// The source information of one file.
#[derive(Debug)]
pub(super) struct Source<'a> {
    /// The file as the user knows it.
    pub(super) file: Arc<str>,
    locations: HashMap<&'a [i32], &'a Location>,
}

impl<'a> Source<'a> {
    pub(super) fn new(file: &'a FileDescriptorProto) -> Self {
        let mut locations = HashMap::new();
        for location in file.source_code_info.iter().flat_map(|it| &it.location) {
            // A path may stand there twice (options); the first is the declaration.
            locations.entry(location.path.as_slice()).or_insert(location);
        }
        Self {
            file: file.path.as_deref().or(file.name.as_deref()).unwrap_or_default().into(),
            locations,
        }
    }

    /// Where the declaration with this path stands.
    pub(super) fn place(&self, path: &[i32]) -> Place {
        let line = self
            .locations
            .get(path)
            .and_then(|it| it.span.first())
            .and_then(|&it| u32::try_from(it).ok());
        Place {
            file: self.file.clone(),
            line: line.map_or(0, |it| it.saturating_add(1)),
        }
    }

    /// The comment before the declaration with this path, without the blanks that set it off from the slashes.
    pub(super) fn comment(&self, path: &[i32]) -> Option<Arc<str>> {
        let text = self.locations.get(path)?.leading_comments.as_deref()?;
        let lines: Vec<&str> = text
            .lines()
            .map(|it| it.strip_prefix(' ').unwrap_or(it).trim_end())
            .collect();
        let text = lines.join("\n");
        let text = text.trim();
        (!text.is_empty()).then(|| text.into())
    }
}
