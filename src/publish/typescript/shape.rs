//! Types as TypeScript writes them.

use super::name::{Names, key, text};
use crate::publish::add;
use crate::publish::api::{Enum, Kind, Object, Param, Rest, Type, Written};

/// Writes types by their names in the file.
pub(super) struct Writer<'n> {
    pub(super) names: &'n Names,
}

impl Writer<'_> {
    /// A type, of which lines after the first stand at this depth.
    pub(super) fn of_type(&self, ty: &Type, depth: usize) -> String {
        let text = match &ty.kind {
            Kind::Any => return "unknown".to_owned(),
            Kind::Null => return "null".to_owned(),
            Kind::Bool => "boolean".to_owned(),
            Kind::Double { .. } => "number".to_owned(),
            Kind::Bytes | Kind::Duration | Kind::FieldMask | Kind::String | Kind::Timestamp => "string".to_owned(),
            Kind::Integer(it) => match it.written {
                Written::Either => "number | string".to_owned(),
                Written::Number => "number".to_owned(),
                Written::Text => "string".to_owned(),
            },
            Kind::List(element) => {
                let element = self.of_type(element, depth);
                if element.contains(" | ") && !element.ends_with('}') || element.ends_with("} | null") {
                    format!("({element})[]")
                } else {
                    format!("{element}[]")
                }
            }
            Kind::Map(value) => format!("Record<string, {}>", self.of_type(value, depth)),
            Kind::Named(name) => self.names.of_type(name).to_owned(),
            Kind::Object(object) => self.object(object, depth),
            Kind::ProtoAny => "{ \"@type\": string; [member: string]: unknown }".to_owned(),
        };
        if ty.nullable { format!("{text} | null") } else { text }
    }

    /// The members of an object, in braces.
    pub(super) fn object(&self, object: &Object, depth: usize) -> String {
        if object.members.is_empty() && object.rest != Rest::Open {
            return "{}".to_owned();
        }
        let mut out = String::from("{\n");
        for member in &object.members {
            let mut notes: Vec<&str> = member.description.iter().map(String::as_str).collect();
            if member.deprecated {
                notes.push("@deprecated");
            }
            comment(&notes, depth + 1, &mut out);
            indent(depth + 1, &mut out);
            let optional = if member.required { "" } else { "?" };
            let ty = self.of_type(&member.ty, depth + 1);
            add(&mut out, format_args!("{}{optional}: {ty};\n", key(&member.name)));
        }
        if object.rest == Rest::Open {
            indent(depth + 1, &mut out);
            out.push_str("[member: string]: unknown;\n");
        }
        indent(depth, &mut out);
        out.push('}');
        out
    }

    /// A param: what is text on the wire anyway may be given in the form that keeps it.
    pub(super) fn param(&self, param: &Param) -> String {
        let of_element = |ty: &Type| match &ty.kind {
            _ if !param.facets.one_of.is_empty() => {
                let values: Vec<String> = param.facets.one_of.iter().map(ToString::to_string).collect();
                values.join(" | ")
            }
            // Beyond 2^53 a number is not exact.
            Kind::Integer(it) if it.max > 1 << 53 => "number | bigint".to_owned(),
            _ => self.of_type(ty, 1),
        };
        match &param.ty.kind {
            Kind::List(element) => match of_element(element) {
                union if union.contains(" | ") => format!("readonly ({union})[]"),
                element => format!("readonly {element}[]"),
            },
            _ => of_element(&param.ty),
        }
    }
}

/// The values of an enum.
pub(super) fn enumeration(it: &Enum) -> String {
    let mut values: Vec<String> = match (it.numbers, it.open) {
        (true, true) => Vec::new(),
        (true, false) => it.values.iter().map(|it| it.number.to_string()).collect(),
        (false, _) => it.values.iter().map(|it| text(&it.name)).collect(),
    };
    if it.open {
        // A value that has no name yet is its number.
        values.push("number".to_owned());
    }
    values.join(" | ")
}

pub(super) fn indent(depth: usize, out: &mut String) {
    out.extend(std::iter::repeat_n("  ", depth));
}

/// A comment for people and editors; nothing where there is nothing to say.
pub(super) fn comment(notes: &[&str], depth: usize, out: &mut String) {
    let text = notes.join("\n").replace("*/", "*\\/");
    if text.is_empty() {
        return;
    }
    let lines: Vec<&str> = text.lines().collect();
    if let [line] = lines.as_slice() {
        indent(depth, out);
        return add(out, format_args!("/** {line} */\n"));
    }
    indent(depth, out);
    out.push_str("/**\n");
    for line in lines {
        indent(depth, out);
        out.push_str(" *");
        if !line.is_empty() {
            out.push(' ');
            out.push_str(line);
        }
        out.push('\n');
    }
    indent(depth, out);
    out.push_str(" */\n");
}
