//! A choice applied to a template: members that were not chosen are left out, of the others less is written.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::codec::json::{self, Kind};
use crate::codec::{Descent, Fields};
use crate::plan::{Item, Member, Spread, Template};

type Wanted = BTreeMap<Arc<str>, Fields>;

/// The template that writes what is chosen of what this one writes. What is not there is noted, and left out.
pub(super) fn template(whole: &Template, fields: &Fields, descent: &mut Descent) -> Template {
    let Fields::Only(wanted) = fields else {
        return whole.clone();
    };
    match whole {
        Template::Constant { json, value } => {
            known_in(json::trim(json), wanted, descent);
            let mut chosen = Vec::new();
            fields.project(json, &mut chosen);
            Template::Constant {
                json: chosen.into(),
                value: value.clone(),
            }
        }
        // Rendered, it is what is inside.
        Template::Convert { template: inner, .. } => template(inner, fields, descent),
        Template::Expression {
            program,
            renderer,
            origin,
        } => Template::Expression {
            program: program.clone(),
            renderer: renderer.narrow(fields, descent),
            origin: origin.clone(),
        },
        Template::For {
            list,
            slot,
            condition,
            each,
            origin,
        } => Template::For {
            list: list.clone(),
            slot: *slot,
            condition: condition.clone(),
            each: Box::new(template(each, fields, descent)),
            origin: origin.clone(),
        },
        Template::List(items) => Template::List(descent.each(items, |descent, it| Item {
            condition: it.condition.clone(),
            template: template(&it.template, fields, descent),
        })),
        Template::Object(members) => Template::Object(object(members, wanted, descent)),
        Template::Text { .. } => {
            descent.not_an_object();
            whole.clone()
        }
    }
}

fn object(members: &[Member], wanted: &Wanted, descent: &mut Descent) -> Vec<Member> {
    let known: Vec<Arc<str>> = members.iter().flat_map(names).collect();
    // What JSON of unknown shape brings along is not known before it is there.
    let open = members.iter().any(|it| matches!(spread(it), Some(Spread::Json)));
    for name in wanted.keys().filter(|it| !open && !known.contains(it)) {
        descent.unknown(name, known.iter().map(|it| &**it));
    }
    members.iter().filter_map(|it| member(it, wanted, descent)).collect()
}

fn spread(member: &Member) -> Option<&Spread> {
    match member {
        Member::Field { .. } => None,
        Member::Spread { members, .. } => Some(members),
    }
}

/// The names that a member of a template may write, as far as they are known.
fn names(member: &Member) -> Vec<Arc<str>> {
    match member {
        Member::Field { name, .. } => vec![name.clone()],
        Member::Spread { members, except, .. } => match members {
            Spread::Chosen(_) | Spread::Json => Vec::new(),
            Spread::Message(program) => program.names().cloned().collect(),
            Spread::Object(members) => {
                let names = members.iter().map(|(name, _)| name);
                names.filter(|it| !except.contains(it)).cloned().collect()
            }
        },
    }
}

/// What is left of a member; `None` where nothing of it was chosen.
fn member(whole: &Member, wanted: &Wanted, descent: &mut Descent) -> Option<Member> {
    let (program, members, of, except, origin) = match whole {
        Member::Field {
            name,
            key,
            condition,
            template: inner,
        } => {
            let fields = wanted.get(name)?;
            return Some(Member::Field {
                name: name.clone(),
                key: key.clone(),
                condition: condition.clone(),
                template: descent.within(name, |descent| template(inner, fields, descent)),
            });
        }
        Member::Spread {
            program,
            members,
            of,
            except,
            origin,
        } => (program, members, of, except, origin),
    };
    let known = names(whole);
    let mut mine = wanted.clone();
    mine.retain(|name, _| match members {
        Spread::Chosen(_) | Spread::Json => !except.contains(name),
        Spread::Message(_) | Spread::Object(_) => known.contains(name),
    });
    if mine.is_empty() {
        return None;
    }
    let members = match members {
        Spread::Chosen(_) | Spread::Json => Spread::Chosen(Fields::Only(mine)),
        Spread::Message(program) => Spread::Message(program.narrow(&Fields::Only(mine), descent)),
        Spread::Object(members) => {
            let mut kept = Vec::with_capacity(mine.len());
            for (name, renderer) in members {
                if let Some(fields) = mine.get(name) {
                    let renderer = descent.within(name, |descent| renderer.narrow(fields, descent));
                    kept.push((name.clone(), renderer));
                }
            }
            Spread::Object(kept)
        }
    };
    Some(Member::Spread {
        program: program.clone(),
        members,
        of: of.clone(),
        except: except.clone(),
        origin: origin.clone(),
    })
}

/// Notes what was chosen of JSON that is known, and is not there.
fn known_in(fragment: &[u8], wanted: &Wanted, descent: &mut Descent) {
    match json::kind(fragment) {
        Kind::Object => {
            for (name, fields) in wanted {
                match (json::member(fragment, name), fields) {
                    (None, _) => {
                        let known: Vec<_> = json::members(fragment)
                            .filter_map(|(key, _)| json::string(key))
                            .collect();
                        descent.unknown(name, known.iter().map(|it| &**it));
                    }
                    (Some(value), Fields::Only(inner)) => {
                        descent.within(name, |descent| known_in(json::trim(value), inner, descent));
                    }
                    (Some(_), Fields::All) => {}
                }
            }
        }
        Kind::Array => {
            descent.each(json::elements(fragment), |descent, it| {
                known_in(json::trim(it), wanted, descent);
            });
        }
        Kind::Null => {}
        Kind::Bool | Kind::Number | Kind::String => descent.not_an_object(),
    }
}
