//! What of loading is about descriptors that were registered.

use std::sync::Arc;

use super::{Loader, Registered};
use crate::codec::hexadecimal;
use crate::gateway::reflected::One;
use crate::gateway::registered::Versions;
use crate::schema::Schema;
use crate::schema::descriptor::FileDescriptorSet;

impl Loader {
    /// Backends of which nothing was registered yet, each with what to do.
    pub(super) fn unregistered(&self) -> impl Iterator<Item = String> {
        let names = self.registered.iter().map(|it| &it.name.value);
        let unknown = names.filter(|it| self.known.last(it).is_none());
        unknown.map(|it| format!("{it}: no descriptors are registered yet: `weft register {it} PATH --admin URL`"))
    }

    /// Backends whose descriptors are registered.
    pub(in crate::gateway) fn registered(&self) -> impl Iterator<Item = &Arc<str>> {
        self.registered.iter().map(|it| &it.name.value)
    }

    /// The same, with what was registered of each last.
    pub(in crate::gateway) fn newest_of_all(&self) -> Vec<Registered> {
        let one = |name: &Arc<str>| {
            let known = self.known.last(name);
            let newest = known.and_then(|_| self.versions.as_ref()?.list(name).ok()?.pop());
            Registered {
                backend: name.clone(),
                version: known.map(|it| hexadecimal(it.fingerprint())),
                newest,
            }
        };
        self.registered().map(one).collect()
    }

    /// Where all versions are; `None` where nothing is kept.
    pub(in crate::gateway) fn versions(&self) -> Option<&Versions> {
        self.versions.as_ref()
    }

    /// The types of a backend that were registered last.
    pub(in crate::gateway) fn newest(&self, name: &str) -> Option<&Arc<Schema>> {
        self.known.last(name)
    }

    /// Puts types in the place of a backend's newest, in memory alone. Gives what was known before.
    pub(in crate::gateway) fn propose(&mut self, name: &Arc<str>, schema: Arc<Schema>) -> One {
        self.known.propose(name, schema)
    }

    /// What was known before a proposal is so again.
    pub(in crate::gateway) fn restore(&mut self, name: &Arc<str>, known: One) {
        self.known.restore(name, known);
    }

    /// What was proposed stays over a restart.
    pub(in crate::gateway) fn keep(&mut self, name: &str, set: &FileDescriptorSet) {
        self.known.keep(name, set);
    }
}
