//! Macros and the methods of lists.
//!
//! Invariant: the variable of a macro has a slot above all that are in scope, and a name that nothing else has.

use super::super::ast::{Node, NodeId};
use super::super::function;
use super::super::program::{Conversion, JsonKind, KeyKind, ListMethod, ListMethodKind, Loop, LoopKind, Op};
use super::super::types::{Type, TypeKind};
use super::super::value::Value;
use super::call::Call;
use super::operator::is_sortable;
use super::{Checker, ExprError, Facts, MAX_MACROS, Typed, Variable};

impl<'c> Checker<'c> {
    /// `list.map(v, x)` and the other macros.
    pub(super) fn repeat(&mut self, call: &Call<'c>, target: NodeId) -> Typed {
        let span = self.ast.span(call.id);
        let n_wanted = if call.name == "map" { 2..=3 } else { 2..=2 };
        let wanted = "a variable and an expression over it";
        let &[variable, ref bodies @ ..] = call.args else {
            self.node(target);
            return self.argument_count(call.id, call.name, wanted);
        };
        let Node::Name(name) = self.ast.node(variable) else {
            let title = format!(
                "`{}` takes the name of a variable first, not `{}`",
                call.name,
                self.written(variable)
            );
            let signature = function::find(call.name).map_or("", |it| it.signature);
            return self.fail(
                ExprError::new("wrong-arguments", self.ast.span(variable), title).label(format!("it is `{signature}`")),
            );
        };
        if !n_wanted.contains(&call.args.len()) {
            return self.argument_count(call.id, call.name, wanted);
        }
        if self.scopes.iter().any(|it| it.name == *name) || self.names.is_taken(name) {
            let title = format!("the name `{name}` is taken");
            return self.fail(
                ExprError::new("name-taken", self.ast.span(variable), title)
                    .label("names stand for one thing only; choose another"),
            );
        }
        if self.scopes.len() >= MAX_MACROS {
            let title = format!("macros are nested deeper than {MAX_MACROS}");
            return self.fail(ExprError::new("too-complex", span, title).label("make a part of it a `value:` call"));
        }
        let over = self.node(target);
        let Some((over, element)) = self.items(call, target, over) else {
            return Typed::poison(span);
        };
        let slot = self.names.macro_slot(u32::try_from(self.scopes.len()).unwrap_or(0));
        let known = behind(name, &over.element_facts);
        self.scopes.push(Variable {
            name: name.clone(),
            slot,
            ty: element.clone(),
        });
        let made = self.knowing(&known, |me| me.body(call, name, bodies, &element));
        self.scopes.pop();
        let Some(body) = made else { return Typed::poison(span) };
        let ty = if over.ty.nullable { body.ty.or_null() } else { body.ty };
        let keeps = matches!(call.name, "filter" | "sort_by" | "distinct_by");
        let mut element_facts = if keeps {
            over.element_facts.clone()
        } else {
            Facts::new()
        };
        element_facts.extend(body.element_facts);
        let op = Op::Loop(Box::new(Loop {
            kind: body.kind,
            over: over.code,
            slot,
            body: body.code,
        }));
        let typed = self.make(op, ty, span, false);
        Typed { element_facts, ..typed }
    }

    /// What a macro walks over, and the type of what it meets: elements of a list, keys of a map or object.
    fn items(&mut self, call: &Call<'_>, target: NodeId, over: Typed) -> Option<(Typed, Type)> {
        let over = self.unfolded(over);
        let element = match &over.ty.kind {
            TypeKind::Null | TypeKind::Unknown => Type::unknown(),
            TypeKind::List(element) => (**element).clone(),
            TypeKind::Map(entry) => entry.0.clone(),
            TypeKind::Object(_) => Type::string(),
            TypeKind::Any => {
                let span = over.code.span;
                let ty = Type {
                    nullable: over.ty.nullable,
                    ..Type::list(Type::any())
                };
                let conversion = Box::new(Conversion::FromJson(JsonKind::Items));
                let path = over.path.clone();
                let over = self.make(Op::Convert(conversion, Box::new(over.code)), ty, span, true);
                return Some((Typed { path, ..over }, Type::any()));
            }
            _ => {
                let title = format!(
                    "`{}` wants a list, and `{}` is `{}`",
                    call.name,
                    self.written(target),
                    over.ty.clone().not_null()
                );
                self.fail(ExprError::new("wrong-type", self.ast.span(target), title).label("not a list"));
                return None;
            }
        };
        Some((over, element))
    }

    fn body(&mut self, call: &Call<'_>, name: &str, bodies: &[NodeId], element: &Type) -> Option<Body> {
        let same = || Type::list(element.clone());
        let plain = |kind, code, ty| Body {
            kind,
            code,
            ty,
            element_facts: Facts::new(),
        };
        let (&value_id, &condition_id) = (bodies.last()?, bodies.first()?);
        let what = format!("`{}`", call.name);
        Some(match call.name {
            "all" => plain(LoopKind::All, self.condition(value_id, &what).code, Type::bool()),
            "exists" => plain(LoopKind::Exists, self.condition(value_id, &what).code, Type::bool()),
            "exists_one" => plain(LoopKind::ExistsOne, self.condition(value_id, &what).code, Type::bool()),
            "filter" => {
                let condition = self.condition(value_id, &what);
                let element_facts = of_variable(name, &condition.when_true);
                let kept = if element_facts.contains("") {
                    element.clone().not_null()
                } else {
                    element.clone()
                };
                Body {
                    element_facts,
                    ..plain(LoopKind::Filter, condition.code, Type::list(kept))
                }
            }
            "map" if bodies.len() == 2 => {
                let condition = self.condition(condition_id, &what);
                let value = self.knowing(&condition.when_true, |me| me.node(value_id));
                let kind = LoopKind::Map(Some(Box::new(condition.code)));
                plain(kind, value.code, Type::list(value.ty))
            }
            "map" => {
                let value = self.node(value_id);
                plain(LoopKind::Map(None), value.code, Type::list(value.ty))
            }
            "sort_by" => {
                let key = self.node(value_id);
                let key = self.strict(value_id, key, &what);
                if !is_sortable(&key.ty) && !key.is_poison() {
                    return self.bad_key(value_id, &key, &what, "a number, text, a bool or a time");
                }
                plain(LoopKind::SortBy, key.code, same())
            }
            "distinct_by" => {
                let key = self.node(value_id);
                let key = self.strict(value_id, key, &what);
                plain(LoopKind::DistinctBy(KeyKind::of(&key.ty)), key.code, same())
            }
            "group_by" => {
                let key = self.node(value_id);
                let key = self.strict(value_id, key, &what);
                let ty = self.map_key(value_id, &key, &what)?;
                plain(LoopKind::GroupBy, key.code, Type::map(ty, same()))
            }
            // Elements whose key is null are skipped (semantics.md 1.7).
            _ => {
                let key = self.node(value_id);
                let ty = self.map_key(value_id, &key, &what)?;
                plain(LoopKind::IndexBy, key.code, Type::map(ty, element.clone()))
            }
        })
    }

    /// The type of a map's keys.
    fn map_key(&mut self, id: NodeId, key: &Typed, what: &str) -> Option<Type> {
        match key.ty.kind {
            TypeKind::Bool | TypeKind::Enum(_) | TypeKind::Int(_) | TypeKind::String | TypeKind::Unknown => {
                Some(key.ty.clone().not_null())
            }
            _ => {
                self.bad_key(id, key, what, "text, an integer or a bool");
                None
            }
        }
    }

    fn bad_key(&mut self, id: NodeId, key: &Typed, what: &str, wanted: &str) -> Option<Body> {
        let text = self.written(id);
        let title = format!("`{text}` is `{}`, by which {what} cannot go", key.ty.clone().not_null());
        let mut error = ExprError::new("wrong-type", self.ast.span(id), title).label(format!("expected {wanted}"));
        if key.ty.is_any() {
            error = error.help(format!("string(default({text}, \"\"))"));
        } else if key.ty.is_scalar() {
            error = error.help(format!("string({text})"));
        }
        self.fail(error);
        None
    }

    /// A method of lists that is no macro.
    pub(super) fn list_method(&mut self, call: &Call<'c>, target: NodeId, of: Typed) -> Typed {
        let span = self.ast.span(call.id);
        let of = match &of.ty.kind {
            TypeKind::Unknown => return Typed::poison(span),
            TypeKind::List(_) => of,
            TypeKind::Any => {
                let ty = Type {
                    nullable: of.ty.nullable,
                    ..Type::list(Type::any())
                };
                let conversion = Box::new(Conversion::FromJson(JsonKind::List));
                self.make(Op::Convert(conversion, Box::new(of.code)), ty, span, true)
            }
            _ => {
                let title = format!(
                    "`{}` is a method of lists, not of `{}`",
                    call.name,
                    of.ty.clone().not_null()
                );
                return self.fail(ExprError::new("wrong-type", self.ast.span(target), title).label("expected a list"));
            }
        };
        let Ok(argument) = self.list_argument(call) else {
            return Typed::poison(span);
        };
        let element = of.ty.element().cloned().unwrap_or_else(Type::unknown);
        let Some((kind, ty)) = self.list_result(call, target, &of, &element) else {
            return Typed::poison(span);
        };
        let ty = if of.ty.nullable { ty.or_null() } else { ty };
        let keeps = matches!(call.name, "distinct" | "drop" | "reverse" | "sort" | "take");
        let element_facts = if keeps { of.element_facts.clone() } else { Facts::new() };
        let fails = matches!(kind, ListMethodKind::Sum { .. } | ListMethodKind::Chunk) || element.is_any();
        let argument = argument.map(|it| it.code);
        let method = Op::Method(Box::new(ListMethod {
            kind,
            of: of.code,
            argument,
        }));
        let typed = self.make(method, ty, span, fails);
        Typed { element_facts, ..typed }
    }

    /// The one argument that some methods take.
    fn list_argument(&mut self, call: &Call<'c>) -> Result<Option<Typed>, Reported> {
        let (wanted, kind) = match call.name {
            "chunk" | "drop" | "take" => ("one integer", Some(function::Kind::Int)),
            "join" => ("the text between, or nothing", Some(function::Kind::Text)),
            _ => ("no argument", None),
        };
        match (call.args, kind) {
            ([], None) => Ok(None),
            ([], Some(_)) if call.name == "join" => Ok(None),
            (&[arg], Some(kind)) => {
                let typed = self.node(arg);
                let zero = if call.name == "join" { "\"\"" } else { "0" };
                let typed = self.strict_for(arg, typed, &format!("`{}`", call.name), Some(zero));
                let ty = typed.ty.clone();
                let negative = typed
                    .code
                    .constant()
                    .and_then(Value::as_integer)
                    .is_some_and(|it| it < 0);
                let fits = self.operand(typed, kind).filter(|_| !negative);
                if fits.is_none() {
                    let title = if negative {
                        format!(
                            "`{}` counts elements, of which there cannot be fewer than none",
                            call.name
                        )
                    } else {
                        format!("`{}` takes {wanted}, not `{ty}`", call.name)
                    };
                    self.fail(
                        ExprError::new("wrong-type", self.ast.span(arg), title).label(format!("expected {wanted}")),
                    );
                    return Err(Reported);
                }
                // A count that is computed may be negative when it runs.
                self.may_fail |= kind == function::Kind::Int && !self.ast.is_literal_node(arg);
                Ok(fits)
            }
            _ => {
                self.argument_count(call.id, call.name, wanted);
                Err(Reported)
            }
        }
    }

    fn list_result(
        &mut self,
        call: &Call<'_>,
        target: NodeId,
        of: &Typed,
        element: &Type,
    ) -> Option<(ListMethodKind, Type)> {
        let same = || of.ty.clone().not_null();
        let name = call.name;
        Some(match name {
            "chunk" => (ListMethodKind::Chunk, Type::list(same())),
            "distinct" => (ListMethodKind::Distinct(KeyKind::of(element)), same()),
            "drop" => (ListMethodKind::Drop, same()),
            "first" => (ListMethodKind::First, element.clone().or_null()),
            "last" => (ListMethodKind::Last, element.clone().or_null()),
            "reverse" => (ListMethodKind::Reverse, same()),
            "take" => (ListMethodKind::Take, same()),
            "flatten" => match &element.kind {
                TypeKind::List(inner) => {
                    self.no_null_elements(call, target, element)?;
                    (ListMethodKind::Flatten, Type::list((**inner).clone()))
                }
                TypeKind::Any => (ListMethodKind::Flatten, Type::list(Type::any())),
                TypeKind::Unknown => (ListMethodKind::Flatten, same()),
                _ => return self.wrong_elements(call, target, element, "lists"),
            },
            "join" => {
                if !matches!(element.kind, TypeKind::String | TypeKind::Any | TypeKind::Unknown) {
                    return self.wrong_elements(call, target, element, "text");
                }
                self.no_null_elements(call, target, element)?;
                (ListMethodKind::Join, Type::string())
            }
            "sum" => {
                if !element.is_numeric() && !element.is_any() && !element.is_unknown() {
                    return self.wrong_elements(call, target, element, "numbers");
                }
                self.no_null_elements(call, target, element)?;
                let unsigned = element
                    .int_range()
                    .is_some_and(|it| it.min >= 0 && it.max > i128::from(i64::MAX));
                let (min, max) = if unsigned {
                    (0, i128::from(u64::MAX))
                } else {
                    (i128::from(i64::MIN), i128::from(i64::MAX))
                };
                let double = matches!(element.kind, TypeKind::Double { .. });
                let ty = match element.int_range() {
                    Some(range) => {
                        let range = super::IntRange {
                            min,
                            max,
                            wide: range.wide,
                        };
                        Type::of(TypeKind::Int(range))
                    }
                    None if double => Type::double(),
                    None => Type {
                        nullable: false,
                        ..element.clone()
                    },
                };
                (
                    ListMethodKind::Sum {
                        min,
                        max,
                        double,
                        untyped: element.is_any(),
                    },
                    ty,
                )
            }
            _ => {
                if !is_sortable(element) && !element.is_unknown() {
                    return self.wrong_elements(call, target, element, "numbers, text or times");
                }
                self.no_null_elements(call, target, element)?;
                match name {
                    "sort" => (ListMethodKind::Sort, same()),
                    "max" => (ListMethodKind::Max, element.clone().or_null()),
                    _ => (ListMethodKind::Min, element.clone().or_null()),
                }
            }
        })
    }

    fn wrong_elements<T>(&mut self, call: &Call<'_>, target: NodeId, element: &Type, wanted: &str) -> Option<T> {
        let text = self.written(target);
        let title = format!("`{}` wants a list of {wanted}, not of `{element}`", call.name);
        let mut error =
            ExprError::new("wrong-type", self.ast.span(target), title).label(format!("the elements are `{element}`"));
        if call.name == "join" && element.is_scalar() {
            error = error.help(format!("{text}.map(it, string(it))"));
        } else if call.name == "sort" {
            error = error.help(format!("{text}.sort_by(it, it.…)"));
        }
        self.fail(error);
        None
    }

    fn no_null_elements(&mut self, call: &Call<'_>, target: NodeId, element: &Type) -> Option<()> {
        if !element.nullable {
            return Some(());
        }
        let text = self.written(target);
        let title = format!("elements of `{text}` may be null, which `{}` does not take", call.name);
        self.fail(
            ExprError::new("maybe-null", self.ast.span(target), title)
                .label(format!("the elements are `{element}`"))
                .help(format!("{text}.filter(it, it != null)")),
        );
        None
    }
}

/// A mistake was found, and said.
struct Reported;

/// What a macro does for each element.
struct Body {
    kind: LoopKind,
    code: super::Code,
    /// The result of the whole macro.
    ty: Type,
    element_facts: Facts,
}

/// What is known of elements, of a variable that is one.
fn behind(name: &str, element_facts: &Facts) -> Facts {
    element_facts.iter().map(|it| format!("{name}{it}")).collect()
}

/// What is known of a variable, of the elements that it stands for.
fn of_variable(name: &str, facts: &Facts) -> Facts {
    facts
        .iter()
        .filter_map(|it| it.strip_prefix(name))
        .filter(|it| it.is_empty() || it.starts_with(['.', '[']))
        .map(str::to_owned)
        .collect()
}
