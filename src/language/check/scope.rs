//! Names → slots and types, for `expr`. Names that mean nothing were reported with their mention and are poison here.

use std::sync::Arc;

use super::mention::{Input, request_input};
use super::outline::Meaning;
use super::unit::{BodyState, Scope, Unit};
use crate::expr::{Binding, ExprError, IntRange, ObjectMember, Resolve, Segment, Slot, Target, Type, TypeKind};

/// The names of one scope.
pub(super) struct Names<'n, 'u, 's> {
    pub(super) unit: &'n Unit<'u, 's>,
    pub(super) scope: &'n Scope,
}

impl Resolve for Names<'_, '_, '_> {
    fn resolve(&self, root: &str, path: &[Segment<'_>]) -> Result<Binding, ExprError> {
        let (unit, scope) = (self.unit, self.scope);
        let locals = scope.locals.iter().map(|it| &*it.name);
        let mut rooted = None;
        let found = match unit.outline.meaning(scope.graph, locals, root) {
            Some(Meaning::Body) => body(&unit.inputs.body, path),
            Some(Meaning::Call(call)) => {
                let state = unit.state(call);
                let ty = match &scope.reply {
                    Some((it, ty)) if *it == call => ty.clone(),
                    _ => state.ty.clone(),
                };
                Some((0, Target::Slot(state.slot), ty))
            }
            Some(Meaning::Local(at)) => scope.locals.get(at).map(|it| (0, Target::Slot(it.slot), it.ty.clone())),
            Some(Meaning::Param(at)) => unit
                .inputs
                .params
                .get(at)
                .map(|(slot, ty)| (0, Target::Slot(*slot), ty.clone())),
            Some(Meaning::Request) => request(&unit.inputs.request, path),
            Some(Meaning::Variable(graph)) => {
                let (slot, ty) = unit.graphs[graph.0].variable.clone();
                Some((0, Target::Slot(slot), ty))
            }
            Some(Meaning::Vars) => path.first().and_then(|step| {
                let (_, value, ty) = unit.world.vars.iter().find(|(name, _, _)| **name == *step.name)?;
                Some((1, Target::Constant(value.clone()), ty.clone()))
            }),
            Some(Meaning::Auth) => {
                let asked = unit.outline.auth.as_ref();
                asked.and_then(|asked| {
                    let names: Vec<&str> = path.iter().map(|it| it.name).collect();
                    let claim = asked.claim(&names);
                    let input = Input::Claim(names[..claim.consumed].iter().map(|it| (*it).to_owned()).collect());
                    let (_, slot) = unit.inputs.request.iter().find(|(it, _)| *it == input)?;
                    rooted = Some(claim.known).filter(|_| claim.consumed > 0);
                    Some((claim.consumed, Target::Slot(*slot), claim.ty))
                })
            }
            None => None,
        };
        let (consumed, target, ty) = found.unwrap_or((0, Target::Slot(Slot(0)), Type::unknown()));
        Ok(Binding {
            consumed,
            target,
            ty,
            rooted,
        })
    }

    fn error_of(&self, call: &str) -> Result<Binding, ExprError> {
        let locals = self.scope.locals.iter().map(|it| &*it.name);
        let slot = match self.unit.outline.meaning(self.scope.graph, locals, call) {
            Some(Meaning::Call(it)) => self.unit.state(it).error_slot,
            _ => None,
        };
        Ok(match slot {
            Some(slot) => Binding {
                consumed: 0,
                target: Target::Slot(slot),
                ty: error_type(),
                rooted: None,
            },
            None => Binding {
                consumed: 0,
                target: Target::Slot(Slot(0)),
                ty: Type::unknown(),
                rooted: None,
            },
        })
    }

    fn macro_slot(&self, depth: u32) -> Slot {
        Slot(self.unit.top(self.scope).saturating_add(depth))
    }

    fn is_taken(&self, name: &str) -> bool {
        let locals = self.scope.locals.iter().map(|it| &*it.name);
        self.unit.outline.meaning(self.scope.graph, locals, name).is_some() || self.unit.outline.taken(name).is_some()
    }
}

/// The type of `error(call)`.
fn error_type() -> Type {
    let member = |name: &str, kind: TypeKind| ObjectMember {
        name: name.into(),
        ty: Type::of(kind),
        optional: false,
    };
    let members = vec![
        member("code", TypeKind::String),
        member("status", TypeKind::Int(IntRange::INT32)),
        member("message", TypeKind::String),
    ];
    Type::of(TypeKind::Object(Arc::new(members))).or_null()
}

fn body(body: &BodyState, path: &[Segment<'_>]) -> Option<(usize, Target, Type)> {
    match body {
        BodyState::Bytes(slot) => Some((0, Target::Slot(*slot), Type::of(TypeKind::Bytes))),
        BodyState::Whole(slot, ty) => Some((0, Target::Slot(*slot), ty.clone())),
        BodyState::Members(members) => {
            let member = members.iter().find(|it| {
                it.path.len() <= path.len() && it.path.iter().zip(path).all(|(name, step)| **name == *step.name)
            })?;
            Some((member.path.len(), Target::Slot(member.slot), member.ty.clone()))
        }
        BodyState::None => None,
    }
}

fn request(parts: &[(Input, Slot)], path: &[Segment<'_>]) -> Option<(usize, Target, Type)> {
    let names: Vec<&str> = path.iter().map(|it| it.name).collect();
    let (input, consumed) = request_input(&names)?;
    let (_, slot) = parts.iter().find(|(other, _)| *other == input)?;
    let ty = Type::of(TypeKind::String);
    let ty = if matches!(input, Input::Header(_)) {
        ty.or_null()
    } else {
        ty
    };
    Some((consumed, Target::Slot(*slot), ty))
}
