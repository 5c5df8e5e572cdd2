//! The names and numbers of an enum, for programs, which hold no descriptors.

use crate::schema::Enum;
use crate::schema::suggest::nearest;

/// The names of one enum, both ways.
#[derive(Clone, Debug, Default)]
pub(super) struct EnumTable {
    /// By name, sorted; aliases included.
    numbers: Box<[(Box<str>, i32)]>,
    /// By number, sorted; of aliases the first that was declared.
    names: Box<[(i32, Box<str>)]>,
    full_name: Box<str>,
}

impl EnumTable {
    pub(super) fn new(declared: &Enum) -> Self {
        let mut numbers: Vec<(Box<str>, i32)> = declared
            .values
            .iter()
            .map(|it| (Box::from(&*it.name), it.number))
            .collect();
        numbers.sort();
        let mut names: Vec<(i32, Box<str>)> = declared
            .values
            .iter()
            .map(|it| (it.number, Box::from(declared.name(it.number).unwrap_or(&it.name))))
            .collect();
        names.sort();
        names.dedup();
        Self {
            numbers: numbers.into(),
            names: names.into(),
            full_name: Box::from(&*declared.full_name),
        }
    }

    pub(super) fn number(&self, name: &str) -> Option<i32> {
        let at = self.numbers.binary_search_by(|(it, _)| (**it).cmp(name)).ok()?;
        self.numbers.get(at).map(|(_, number)| *number)
    }

    pub(super) fn name(&self, number: i64) -> Option<&str> {
        let number = i32::try_from(number).ok()?;
        let at = self.names.binary_search_by_key(&number, |(it, _)| *it).ok()?;
        self.names.get(at).map(|(_, name)| &**name)
    }

    pub(super) fn nearest(&self, name: &str) -> Option<&str> {
        nearest(name, self.numbers.iter().map(|(it, _)| &**it))
    }

    pub(super) fn full_name(&self) -> &str {
        &self.full_name
    }
}
