//! `pick` and `omit` (semantics.md 1.7): literal .proto paths, nesting kept. Of an object they make an object. A message stays
//! as it is, and its type says what is left of it, so that it is rendered as a selection of the message.
//!
//! Invariant: a path that names nothing is a mistake, whichever of the two it stands in.

use std::sync::Arc;

use super::super::Span;
use super::super::ast::NodeId;
use super::super::program::{Op, Shape};
use super::super::types::{ObjectMember, Type, TypeKind};
use super::call::Call;
use super::{Checker, ExprError, Typed};
use crate::schema::MessageRef;
use crate::schema::json_schema::JsonTypeRef;
use crate::schema::suggest::nearest;

/// Named fields, and what is named within them; nothing there means the whole field.
#[derive(Clone, Debug, Default)]
struct Tree {
    branches: Vec<(String, Span, Self)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Keep {
    /// What the tree names.
    Named,
    /// What it does not name.
    Others,
}

impl Checker<'_> {
    pub(super) fn pick(&mut self, call: &Call<'_>, target: NodeId, of: Typed) -> Typed {
        let span = self.ast.span(call.id);
        if of.is_poison() {
            return of;
        }
        if call.args.is_empty() {
            return self.argument_count(call.id, call.name, "one or more literal paths");
        }
        let mut tree = Tree::default();
        for &arg in call.args {
            let Some(path) = self.literal_text(arg) else {
                let title = format!("the paths of `{}` are literals", call.name);
                let mut error =
                    ExprError::new("wrong-type", self.ast.span(arg), title).label("expected a text such as \"a.b\"");
                let written = self.written(arg);
                let is_path = |it: char| it.is_ascii_alphanumeric() || matches!(it, '_' | '.');
                error.help = written.chars().all(is_path).then(|| format!("\"{written}\""));
                return self.fail(error);
            };
            tree.add(path.split('.'), self.ast.span(arg));
        }
        let keep = if call.name == "pick" { Keep::Named } else { Keep::Others };
        if !matches!(
            of.ty.kind,
            TypeKind::Json(_) | TypeKind::Message(_) | TypeKind::Object(_) | TypeKind::Selected(..)
        ) {
            let title = format!(
                "`{}` wants a message or an object, not `{}`",
                call.name,
                of.ty.clone().not_null()
            );
            return self.fail(
                ExprError::new("wrong-type", self.ast.span(target), title).label("expected a message or an object"),
            );
        }
        match shape(&of.ty, &tree, keep) {
            // A program that is nothing but a slot stands for the whole value, and this does not, even where it gives the same.
            Ok((shape, ty)) => self.make(Op::Pick(Box::new(of.code), Arc::new(shape)), ty, span, false),
            Err(error) => self.fail(*error),
        }
    }
}

impl Tree {
    fn add<'p>(&mut self, mut path: impl Iterator<Item = &'p str>, span: Span) {
        let Some(name) = path.next() else { return };
        let known = self.branches.iter().position(|(it, _, _)| it == name);
        let at = known.unwrap_or_else(|| {
            self.branches.push((name.to_owned(), span, Self::default()));
            self.branches.len() - 1
        });
        self.branches[at].2.add(path, span);
    }
}

type Shaped = Result<(Shape, Type), Box<ExprError>>;

fn shape(ty: &Type, tree: &Tree, keep: Keep) -> Shaped {
    if tree.branches.is_empty() {
        return Ok((Shape::Whole, ty.clone()));
    }
    let (shape, shaped) = match &ty.kind {
        TypeKind::Message(message) => (Shape::Whole, of_message(message, tree, keep)?),
        TypeKind::Selected(message, members) => (Shape::Whole, of_selected(message, members, tree, keep)?),
        TypeKind::Json(schema) => of_json(schema, tree, keep)?,
        TypeKind::Object(members) => of_object(members, tree, keep)?,
        TypeKind::List(element) => {
            let (each, element) = shape(element, tree, keep)?;
            (each.around(Shape::List), Type::list(element))
        }
        TypeKind::Map(entry) => {
            let (each, value) = shape(&entry.1, tree, keep)?;
            (each.around(Shape::Map), Type::map(entry.0.clone(), value))
        }
        _ => {
            let (name, span, _) = &tree.branches[0];
            let title = format!("`{}` has no field `{name}`", ty.clone().not_null());
            return Err(Box::new(
                ExprError::new("unknown-field", *span, title).label("no such field"),
            ));
        }
    };
    Ok((
        shape,
        Type {
            nullable: ty.nullable,
            ..shaped
        },
    ))
}

fn of_message(message: &MessageRef, tree: &Tree, keep: Keep) -> Result<Type, Box<ExprError>> {
    if message.well_known.is_some() {
        let span = tree.branches.first().map(|it| it.1).unwrap_or_default();
        let title = format!(
            "`{}` has a JSON form of its own, of which nothing can be left out",
            message.full_name
        );
        return Err(Box::new(
            ExprError::new("wrong-type", span, title).label("only as a whole"),
        ));
    }
    of_selected(message, &ObjectMember::all_of(message), tree, keep)
}

fn of_selected(
    message: &MessageRef,
    members: &[ObjectMember],
    tree: &Tree,
    keep: Keep,
) -> Result<Type, Box<ExprError>> {
    for (name, span, _) in &tree.branches {
        if !members.iter().any(|it| &*it.name == name.as_str()) {
            return Err(Box::new(no_field(message, members, name, *span)));
        }
    }
    let mut left = Vec::new();
    for member in members {
        let Some(branch) = kept(tree, &member.name, keep) else {
            continue;
        };
        let (_, ty) = shape(&member.ty, branch, keep)?;
        left.push(ObjectMember { ty, ..member.clone() });
    }
    Ok(Type::selected(message, left))
}

/// A path to a field that a message does not have, or that is not left of it.
pub(super) fn no_field(message: &MessageRef, members: &[ObjectMember], name: &str, span: Span) -> ExprError {
    if message.field(name).is_some() {
        let title = format!("`{name}` of `{}` is not left here", message.full_name);
        return ExprError::new("unknown-field", span, title).label("`pick` or `omit` has left it out");
    }
    let title = format!("`{}` has no field `{name}`", message.full_name);
    let near = match message.field_by_json_name(name) {
        Some(field) => Some(&*field.name),
        None => nearest(name, members.iter().map(|it| &*it.name)),
    };
    let label = near.map_or_else(|| "no such field".to_owned(), |near| format!("did you mean `{near}`?"));
    ExprError::new("unknown-field", span, title).label(label)
}

fn of_json(schema: &JsonTypeRef, tree: &Tree, keep: Keep) -> Shaped {
    for (name, span, _) in &tree.branches {
        if schema.members().iter().all(|it| &*it.name != name.as_str()) {
            let mut error = super::path::no_json_member(schema, name, *span);
            error.note = Some(schema.defined_in().into());
            return Err(Box::new(error));
        }
    }
    let mut shapes = Vec::new();
    let mut kept_members = Vec::new();
    for member in ObjectMember::of_json(schema) {
        let Some(branch) = kept(tree, &member.name, keep) else {
            continue;
        };
        let (each, ty) = shape(&member.ty, branch, keep)?;
        shapes.push((super::path::json_member(&member), each));
        kept_members.push(ObjectMember { ty, ..member });
    }
    Ok((Shape::Json(shapes.into()), Type::object(kept_members)))
}

fn of_object(members: &[ObjectMember], tree: &Tree, keep: Keep) -> Shaped {
    for (name, span, _) in &tree.branches {
        if members.iter().all(|it| &*it.name != name.as_str()) {
            let near = nearest(name, members.iter().map(|it| &*it.name));
            let label = near.map_or_else(|| "no such member".to_owned(), |near| format!("did you mean `{near}`?"));
            let title = format!("this object has no member `{name}`");
            return Err(Box::new(ExprError::new("unknown-field", *span, title).label(label)));
        }
    }
    let mut shapes = Vec::new();
    let mut kept_members = Vec::new();
    for member in members {
        let Some(branch) = kept(tree, &member.name, keep) else {
            continue;
        };
        let (each, ty) = shape(&member.ty, branch, keep)?;
        shapes.push((member.name.clone(), each));
        kept_members.push(ObjectMember { ty, ..member.clone() });
    }
    Ok((Shape::Object(shapes.into()), Type::object(kept_members)))
}

/// What is said of the inside of a field that stays; none where it does not.
fn kept<'t>(tree: &'t Tree, name: &str, keep: Keep) -> Option<&'t Tree> {
    static WHOLE: Tree = Tree { branches: Vec::new() };
    let named = tree
        .branches
        .iter()
        .find(|(it, _, _)| it == name)
        .map(|(_, _, inner)| inner);
    match (keep, named) {
        (Keep::Named, named) => named,
        (Keep::Others, None) => Some(&WHOLE),
        (Keep::Others, Some(inner)) if inner.branches.is_empty() => None,
        (Keep::Others, Some(inner)) => Some(inner),
    }
}
