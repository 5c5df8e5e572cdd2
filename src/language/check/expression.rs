//! Expressions where they stand: checked by `expr`, their mistakes put into the file, narrowed by the conditions around them.

use std::sync::Arc;

use super::outline::Meaning;
use super::scope::Names;
use super::unit::{Purpose, Scope, Unit};
use super::{complete, infer};
use crate::codec::JsonOptions;
use crate::expr::{self, Checked, ExprError, Facts, Type, TypeKind};
use crate::language::diagnostic::{Diagnostic, Severity};
use crate::language::source::Span;
use crate::language::spec::{self, Expression, Param};
use crate::plan;

impl Unit<'_, '_> {
    /// Checks an expression; `None` where it is wrong, which was said.
    pub(super) fn expression(&mut self, expression: &Expression, scope: &Scope) -> Option<Checked> {
        let checked = expr::check::check(&expression.ast, &Names { unit: self, scope }, &scope.facts);
        self.report(expression, checked)
    }

    /// Checks a hole of a text: it gives a string.
    pub(super) fn hole(&mut self, expression: &Expression, scope: &Scope) -> Option<Checked> {
        let checked = expr::check::check_text(&expression.ast, &Names { unit: self, scope }, &scope.facts);
        self.report(expression, checked)
    }

    /// Checks an expression that nobody wrote, without a word about what is wrong with it.
    pub(super) fn quietly(&self, text: &str, span: Span, scope: &Scope) -> Option<Checked> {
        let expression = complete::expression(text, span)?;
        expr::check::check(&expression.ast, &Names { unit: self, scope }, &scope.facts).ok()
    }

    /// Checks a condition: a bool that is never null.
    pub(super) fn condition(&mut self, condition: &spec::Condition, scope: &Scope) -> Option<Checked> {
        let expression = match condition {
            spec::Condition::Expression(expression) => expression,
            spec::Condition::Literal(literal) => {
                self.warn_constant(literal.value, literal.span);
                let text = if literal.value { "true" } else { "false" };
                return self.quietly(text, literal.span, scope);
            }
        };
        let checked = self.expression(expression, scope)?;
        self.warn_if_constant(expression, &checked);
        self.check_bool(expression, &checked.ty).then_some(checked)
    }

    /// As [`Self::warn_constant`], where that is so. A constant of weft.yaml is a switch, and may well be one.
    pub(super) fn warn_if_constant(&mut self, expression: &Expression, checked: &Checked) {
        let is_switch = expression.ast.mentions().iter().any(|it| it.root == "vars");
        if let (Some(always), false) = (checked.program.always(), is_switch) {
            self.warn_constant(always, expression.whole());
        }
    }

    /// A condition that no request and no reply can change.
    fn warn_constant(&mut self, always: bool, span: Span) {
        let title = format!("this condition is always {always}");
        let label = if always {
            "it can be left out"
        } else {
            "what stands under it never happens"
        };
        self.push(Diagnostic::warning("constant-condition", span, title).label(label));
    }

    /// A condition as the plan has it.
    pub(super) fn plan_condition(
        &mut self,
        condition: &spec::Condition,
        scope: &Scope,
    ) -> Option<(plan::Condition, Facts)> {
        let checked = self.condition(condition, scope)?;
        let origin = self.origin(condition_span(condition));
        Some((
            plan::Condition {
                program: checked.program,
                origin,
            },
            checked.facts,
        ))
    }

    /// What holds where a condition does; nothing where it is wrong. For parts that are checked apart from it.
    pub(super) fn facts_of(&self, condition: &spec::Condition, scope: &Scope) -> Facts {
        match condition {
            spec::Condition::Expression(it) => expr::check::check(&it.ast, &Names { unit: self, scope }, &scope.facts)
                .map(|it| it.facts)
                .unwrap_or_default(),
            spec::Condition::Literal(_) => Facts::new(),
        }
    }

    fn check_bool(&mut self, expression: &Expression, ty: &Type) -> bool {
        let source = expression.source();
        let wrong = match &ty.kind {
            TypeKind::Unknown => return true,
            TypeKind::Bool if !ty.nullable => return true,
            TypeKind::Bool => Diagnostic::new(
                "maybe-null",
                expression.whole(),
                format!("`{source}` may be null where a condition stands"),
            )
            .label("null is neither true nor false")
            .help(self.pasteable(expression, &format!("default({source}, false)"))),
            TypeKind::Any => Diagnostic::new("wrong-type", expression.whole(), "a condition must be a bool")
                .label("this is JSON of unknown type")
                .help(self.pasteable(expression, &format!("default({source}, false) == true"))),
            _ => {
                let mut wrong = Diagnostic::new("wrong-type", expression.whole(), "a condition must be a bool")
                    .label(format!("this is `{ty}`"));
                let what = match &ty.kind {
                    _ if ty.nullable => Some(format!("{source} != null")),
                    TypeKind::Int(_) | TypeKind::Double { .. } => Some(format!("{source} != 0")),
                    TypeKind::String => Some(format!("{source} != \"\"")),
                    TypeKind::List(_) | TypeKind::Map(_) => Some(format!("{source}.size() > 0")),
                    _ => None,
                };
                wrong.help = what.map(|it| self.pasteable(expression, &it));
                wrong
            }
        };
        self.push(wrong);
        false
    }

    fn report(&mut self, expression: &Expression, checked: Result<Checked, Vec<ExprError>>) -> Option<Checked> {
        match checked {
            Ok(checked) => {
                // What nobody wrote, and is longer than what stands there, needs no warning.
                let written = self.world.sources.written(expression.whole());
                if written.len() >= expression.source().len() {
                    for it in &checked.warnings {
                        self.push(diagnostic(expression, it, Severity::Warning));
                    }
                }
                Some(checked)
            }
            Err(mistakes) => {
                for it in &mistakes {
                    let mut diagnostic = diagnostic(expression, it, Severity::Error);
                    diagnostic.help = diagnostic.help.map(|help| self.advice(expression, it.replaces, &help));
                    self.push(diagnostic);
                }
                None
            }
        }
    }

    /// Advice as it can be pasted; an expression is meant to stand in place of what is at `replaced`.
    fn advice(&self, expression: &Expression, replaced: expr::Span, help: &str) -> String {
        match self.declared_in_place_of_converted(help) {
            Some(better) => better,
            None if expr::parse(help).is_ok() => self.pasteable_in(expression, replaced, help),
            None => help.to_owned(),
        }
    }

    /// Where the advice is to convert a param whose type nothing says, better advice: to say its type (semantics.md 1.6).
    fn declared_in_place_of_converted(&self, help: &str) -> Option<String> {
        let untyped = |at: usize| {
            let spec = self.outline.params[at].spec;
            let says =
                |it: &Param| it.ty.is_some() || it.default.is_some() || it.minimum.is_some() || it.maximum.is_some();
            !spec.is_some_and(says) && infer::uses(self.outline, &self.targets).params[at].is_empty()
        };
        for (at, param) in self.outline.params.iter().enumerate() {
            for ty in ["bool", "double", "duration", "int", "timestamp"] {
                if help.contains(&format!("{ty}({})", param.name)) && untyped(at) {
                    return Some(format!("{}: {{ type: {ty} }}", param.name));
                }
            }
        }
        None
    }

    /// How the value of an expression is written as JSON: as the one call says that it is made of, else as its surroundings do.
    pub(super) fn options_of(&self, expression: &Expression, scope: &Scope) -> JsonOptions {
        if matches!(scope.purpose, Purpose::Request | Purpose::Send) {
            return JsonOptions::default();
        }
        let mut found: Option<JsonOptions> = None;
        for mention in expression.ast.mentions() {
            let locals = scope.locals.iter().map(|it| &*it.name);
            let options = match self.outline.meaning(scope.graph, locals, &mention.root) {
                Some(Meaning::Call(call)) => self.state(call).options,
                Some(Meaning::Local(at)) => scope.locals[at].options,
                Some(Meaning::Variable(graph)) => self.graphs[graph.0].options,
                _ => continue,
            };
            match found {
                Some(other) if other != options => return scope.options,
                _ => found = Some(options),
            }
        }
        found.unwrap_or(scope.options)
    }

    /// `text` with the source of an expression in it, standing where that does.
    pub(super) fn wrapped(expression: &Expression, before: &str, after: &str) -> Option<Expression> {
        complete::expression(&format!("{before}{}{after}", expression.source()), expression.whole())
    }
}

/// The place of a condition.
pub(super) fn condition_span(condition: &spec::Condition) -> Span {
    match condition {
        spec::Condition::Expression(it) => it.whole(),
        spec::Condition::Literal(it) => it.span,
    }
}

/// A mistake of an expression, put into the file.
fn diagnostic(expression: &Expression, mistake: &ExprError, severity: Severity) -> Diagnostic {
    let span = expression.span(mistake.span);
    // Expressions that nobody wrote have no width; what is wrong with them stands where they do.
    let span = if span.is_empty() { expression.whole() } else { span };
    let mut diagnostic = Diagnostic::new(mistake.code, span, mistake.title.clone()).label(mistake.label.clone());
    diagnostic.severity = severity;
    diagnostic.help.clone_from(&mistake.help);
    diagnostic.note = mistake.note.as_deref().map(str::to_owned);
    diagnostic
}

/// The element type of a list, or why there is none.
pub(super) fn element_type(list: &Type) -> Result<Type, String> {
    match &list.kind {
        TypeKind::List(element) => Ok((**element).clone()),
        TypeKind::Any => Ok(Type::of(TypeKind::Any)),
        TypeKind::Unknown => Ok(Type::unknown()),
        _ => Err(format!("this is `{list}`")),
    }
}

/// A type behind an `Arc`, for lists.
pub(super) fn list_of(element: Type) -> Type {
    Type::of(TypeKind::List(Arc::new(element)))
}
