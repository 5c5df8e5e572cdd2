//! `$used_fields()`: which fields of a call's reply are read, as a google.protobuf.FieldMask.
//!
//! A path ends where a list or map begins: a mask cannot say more (`field_mask.proto`). What is handed on whole, to another
//! call or as the result of a loop, is used whole.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use bytes::Bytes;

use super::{CallIndex, CallKind, Graph, Mask, Response, Template};
use crate::codec::{Selection, field_mask};
use crate::expr::{Program, ReadAs, Slot};
use crate::schema::{Cardinality, Kind, MessageRef};

/// What is read of the values in slots: field numbers, and what is written of the message there.
#[derive(Debug, Default)]
pub struct Used {
    by_slot: HashMap<Slot, Vec<Read>>,
}

#[derive(Debug)]
struct Read {
    path: Vec<u32>,
    purpose: ReadAs,
    /// The fields that are written of the message there, where that is all that becomes of it.
    written: Option<Selection>,
}

type Paths = BTreeSet<Vec<Arc<str>>>;

impl Used {
    /// What a composition uses whose response has this body, as far as the calls of its graph are made.
    pub fn by(graph: &Graph, response: &Response, body: Option<&Template>, made: impl Fn(CallIndex) -> bool) -> Self {
        let mut used = Self::of_graph(graph, made);
        match body {
            Some(chosen) => chosen.programs(&mut |program, written| used.add(program, written)),
            None => response
                .body
                .programs(&mut |program, written| used.add(program, written)),
        }
        response.programs_beside(&mut |program, written| used.add(program, written));
        used
    }

    /// What a fragment uses.
    pub fn by_fragment(graph: &Graph, result: &Template) -> Self {
        let mut used = Self::of_graph(graph, |_| true);
        result.programs(&mut |program, written| used.add(program, written));
        used
    }

    fn of_graph(graph: &Graph, made: impl Fn(CallIndex) -> bool) -> Self {
        let mut used = Self::default();
        for (_, call) in graph.calls.iter().enumerate().filter(|(at, _)| made(CallIndex(*at))) {
            call.programs(&mut |program, written| used.add(program, written));
        }
        for require in &graph.require {
            used.add(&require.that.program, None);
            let details = require.detail.iter();
            details.for_each(|it| it.programs(&mut |program, written| used.add(program, written)));
        }
        used
    }

    fn add(&mut self, program: &Program, written: Option<&Selection>) {
        program.reads(|slot, path, purpose| {
            let written = written.filter(|_| purpose == ReadAs::Result).cloned();
            let path = path.to_vec();
            self.by_slot
                .entry(slot)
                .or_default()
                .push(Read { path, purpose, written });
        });
    }

    /// The masks of a graph, by its calls' own.
    pub fn masks(&self, graph: &Graph) -> Vec<Mask> {
        let wire = |mask: &Mask| self.mask(graph, mask.call).unwrap_or_default();
        graph
            .masks
            .iter()
            .map(|it| Mask {
                wire: wire(it),
                ..it.clone()
            })
            .collect()
    }

    fn mask(&self, graph: &Graph, call: CallIndex) -> Option<Bytes> {
        let call = graph.calls.get(call.0)?;
        let CallKind::Grpc(grpc) = &call.kind else { return None };
        let mut paths = Paths::new();
        if let Some(program) = &call.index_by {
            // What others read is the map; the reply is read by this alone.
            program.reads(|slot, path, _| {
                if slot == call.slot {
                    add(&grpc.reply, path, None, Vec::new(), &mut paths);
                }
            });
        } else {
            let mut asked = Paths::new();
            for read in self.by_slot.get(&call.slot).into_iter().flatten() {
                match read.purpose {
                    // A reply is there whatever is in it.
                    ReadAs::Presence if read.path.is_empty() => {}
                    ReadAs::Presence => add(&grpc.reply, &read.path, None, Vec::new(), &mut asked),
                    _ => add(&grpc.reply, &read.path, read.written.as_ref(), Vec::new(), &mut paths),
                }
            }
            // Whether a message is there shows in what is read of it.
            asked.retain(|it| !paths.iter().any(|path| path.starts_with(it)));
            paths.extend(asked);
        }
        Some(field_mask::write(&paths).into())
    }
}

/// Adds the path of field numbers in a message, and behind it those of the fields that are written.
fn add(
    message: &MessageRef,
    numbers: &[u32],
    written: Option<&Selection>,
    mut before: Vec<Arc<str>>,
    paths: &mut Paths,
) {
    if let Some((number, rest)) = numbers.split_first() {
        let Some(field) = message.field_by_number(*number) else {
            return;
        };
        before.push(field.name.clone());
        match (field.kind, field.cardinality) {
            (Kind::Message(index), Cardinality::Singular) => {
                add(&message.sibling(index), rest, written, before, paths);
            }
            _ => drop(paths.insert(before)),
        }
        return;
    }
    let narrowed = written.is_some_and(|it| *it != Selection::All);
    if message.well_known.is_some() || (!narrowed && !before.is_empty()) {
        // The whole of a reply without fields of its own is no path.
        if !before.is_empty() {
            paths.insert(before);
        }
        return;
    }
    let written = written.unwrap_or(&Selection::All);
    for field in &message.fields {
        if let Some(inner) = written.of(&field.name) {
            let mut path = before.clone();
            path.push(field.name.clone());
            match (field.kind, field.cardinality) {
                (Kind::Message(index), Cardinality::Singular) => {
                    add(&message.sibling(index), &[], Some(inner), path, paths);
                }
                _ => drop(paths.insert(path)),
            }
        }
    }
}
