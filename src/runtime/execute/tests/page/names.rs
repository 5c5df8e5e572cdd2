//! The names that the expressions of a page may mention.

use super::*;

#[derive(Clone, Debug)]
pub(super) struct Name {
    pub(super) text: String,
    pub(super) slot: Slot,
    pub(super) call: Option<CallIndex>,
    pub(super) ty: Type,
}

/// What an expression may mention. Replies are `any`, and taken not to be null.
#[derive(Clone, Debug, Default)]
pub(in crate::runtime::execute) struct Names {
    /// Outermost first; each with its slot and what it is.
    pub(super) scopes: Vec<Vec<Name>>,
    pub(super) errors: Vec<(String, Slot)>,
}

impl Resolve for Names {
    fn resolve(&self, root: &str, _path: &[Segment<'_>]) -> Result<Binding, ExprError> {
        let found = self
            .scopes
            .iter()
            .flatten()
            .find(|it| it.text == root)
            .unwrap_or_else(|| panic!("no {root}"));
        Ok(Binding {
            consumed: 0,
            target: Target::Slot(found.slot),
            ty: found.ty.clone(),
            rooted: None,
        })
    }

    fn error_of(&self, call: &str) -> Result<Binding, ExprError> {
        let (_, slot) = self
            .errors
            .iter()
            .find(|it| it.0 == call)
            .unwrap_or_else(|| panic!("no error of {call}"));
        let member = |name: &str, kind| expr::ObjectMember {
            name: name.into(),
            ty: Type::of(kind),
            optional: false,
        };
        let members = vec![
            member("code", TypeKind::String),
            member("status", TypeKind::Int(expr::IntRange::PLAIN)),
            member("message", TypeKind::String),
        ];
        Ok(Binding {
            consumed: 0,
            target: Target::Slot(*slot),
            ty: Type::of(TypeKind::Object(Arc::new(members))).or_null(),
            rooted: None,
        })
    }

    fn macro_slot(&self, depth: u32) -> Slot {
        Slot(1_000 + depth)
    }

    fn is_taken(&self, _name: &str) -> bool {
        false
    }
}

impl Names {
    /// Names with these types in the slots from 0.
    pub(in crate::runtime::execute) fn new(all: &[(&str, Type)]) -> Self {
        let name = |(at, (name, ty)): (usize, &(&str, Type))| Name {
            text: (*name).to_owned(),
            slot: Slot(u32::try_from(at).unwrap()),
            call: None,
            ty: ty.clone(),
        };
        Self {
            scopes: vec![all.iter().enumerate().map(name).collect()],
            errors: Vec::new(),
        }
    }

    /// Compiles an expression, and says what it waits for.
    pub(super) fn check(&self, text: &str) -> (Checked, Vec<Dependency>) {
        let ast = expr::parse(text).unwrap_or_else(|it| panic!("{text}: {it:?}"));
        let mut needs = Vec::new();
        for mention in ast.mentions() {
            for (level, scope) in self.scopes.iter().rev().enumerate() {
                let found = scope.iter().find(|it| it.text == mention.root).and_then(|it| it.call);
                needs.extend(found.map(|call| Dependency { level, call }));
            }
        }
        let checked = expr::check::check(&ast, self, &Facts::default()).unwrap_or_else(|it| panic!("{text}: {it:?}"));
        (checked, needs)
    }

    pub(in crate::runtime::execute) fn program(&self, text: &str) -> (Program, Vec<Dependency>) {
        let (checked, needs) = self.check(text);
        (checked.program, needs)
    }

    pub(in crate::runtime::execute) fn template(&self, text: &str) -> (Template, Vec<Dependency>) {
        let (Checked { program, ty, .. }, needs) = self.check(text);
        let renderer = Renderer::compile(&ty, JsonOptions::default());
        (
            Template::Expression {
                program,
                renderer,
                origin: Origin::default(),
            },
            needs,
        )
    }
}

pub(super) fn any() -> Type {
    Type::of(TypeKind::Any).not_null()
}
