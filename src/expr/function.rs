//! Every function and method, once: name, receiver, parameters, result, and what it does.
//!
//! Owns [`FUNCTIONS`], from which "did you mean" and the guide's table are made, and the functions over scalars. Leaves to
//! `check` the typing of those whose result depends on their arguments' types, and to `eval` lists, macros and
//! conversions. Invariant: a name stands here or it is no function; the native ones never see null.

mod math;
mod text;
mod time;

use super::program::Native;

/// A function, method or macro.
#[derive(Clone, Copy, Debug)]
pub struct Function {
    /// Its name: `size`, `math.abs`.
    pub name: &'static str,
    /// How it is written.
    pub form: Form,
    /// `text.charAt(int) → string`.
    pub signature: &'static str,
    /// One sentence.
    pub doc: &'static str,
    /// What it does where its types are fixed; the checker knows the others.
    pub(super) overloads: &'static [Overload],
}

/// How a function is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `f(x)`.
    Function,
    /// `x.f(v, …)`, where `v` is a variable.
    Macro,
    /// `x.f(…)`.
    Method,
}

/// One way to call a function.
#[derive(Clone, Copy, Debug)]
pub(super) struct Overload {
    /// What each operand is; the first is the receiver of a method.
    pub(super) params: &'static [Kind],
    pub(super) result: Result,
    /// It can fail at run time.
    pub(super) fails: bool,
    pub(super) native: Native,
}

/// What an operand has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Bytes,
    /// Integers are widened.
    Double,
    Duration,
    Int,
    /// An integer or a double, as it is.
    Number,
    Text,
    Timestamp,
}

/// What comes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Result {
    Bool,
    Bytes,
    Double,
    Int,
    /// The type of the first operand.
    Same,
    Text,
    Texts,
}

const fn function(name: &'static str, signature: &'static str, doc: &'static str) -> Function {
    Function {
        name,
        form: Form::Function,
        signature,
        doc,
        overloads: &[],
    }
}

const fn method(name: &'static str, signature: &'static str, doc: &'static str) -> Function {
    Function {
        name,
        form: Form::Method,
        signature,
        doc,
        overloads: &[],
    }
}

const fn looping(name: &'static str, signature: &'static str, doc: &'static str) -> Function {
    Function {
        name,
        form: Form::Macro,
        signature,
        doc,
        overloads: &[],
    }
}

impl Function {
    const fn over(self, overloads: &'static [Overload]) -> Self {
        Self { overloads, ..self }
    }
}

const fn safe(params: &'static [Kind], result: Result, native: Native) -> Overload {
    Overload {
        params,
        result,
        fails: false,
        native,
    }
}

const fn failing(params: &'static [Kind], result: Result, native: Native) -> Overload {
    Overload {
        params,
        result,
        fails: true,
        native,
    }
}

/// One accessor of instants, and of spans of time where `of_duration` is given.
macro_rules! accessor {
    ($name:literal, $doc:literal, $part:path) => {
        method($name, concat!("timestamp.", $name, "() → int"), $doc).over(&[safe(
            &[Kind::Timestamp],
            Result::Int,
            |it| time::part(it, $part),
        )])
    };
    ($name:literal, $doc:literal, $part:path, $duration:path) => {
        method($name, concat!("timestamp|duration.", $name, "() → int"), $doc).over(&[
            safe(&[Kind::Timestamp], Result::Int, |it| time::part(it, $part)),
            safe(&[Kind::Duration], Result::Int, |it| time::whole(it, $duration)),
        ])
    };
}

use Kind::{Bytes, Double, Int, Number, Text};

/// Every function, method and macro, alphabetically.
pub const FUNCTIONS: &[Function] = &[
    looping(
        "all",
        "list.all(v, bool) → bool",
        "True where the condition holds for every element.",
    ),
    function(
        "base64.decode",
        "base64.decode(string) → bytes",
        "The bytes that a base64 text means.",
    )
    .over(&[failing(&[Text], Result::Bytes, text::base64_decode)]),
    function(
        "base64.encode",
        "base64.encode(bytes) → string",
        "Bytes as base64 text.",
    )
    .over(&[safe(&[Bytes], Result::Text, text::base64_encode)]),
    function("bool", "bool(string) → bool", "Reads `true` or `false`."),
    function("bytes", "bytes(string) → bytes", "The UTF-8 bytes of a text."),
    method("charAt", "string.charAt(int) → string", "The character at an index.").over(&[failing(
        &[Text, Int],
        Result::Text,
        text::char_at,
    )]),
    method(
        "chunk",
        "list.chunk(n) → list<list>",
        "The list in pieces of n elements.",
    ),
    method(
        "contains",
        "string.contains(string) → bool",
        "True where the text has this part.",
    )
    .over(&[safe(&[Text, Text], Result::Bool, text::contains)]),
    function("default", "default(x, y, …)", "The first that is not null."),
    method(
        "distinct",
        "list.distinct() → list",
        "Each element once, the first of equal ones.",
    ),
    looping(
        "distinct_by",
        "list.distinct_by(v, key) → list",
        "The first element of each key.",
    ),
    function("double", "double(number|string) → double", "The nearest double."),
    method("drop", "list.drop(n) → list", "The list without its first n elements."),
    function(
        "duration",
        "duration(string) → duration",
        "Reads `1h30m`, `1.5s`, `20ms`.",
    ),
    method(
        "endsWith",
        "string.endsWith(string) → bool",
        "True where the text ends so.",
    )
    .over(&[safe(&[Text, Text], Result::Bool, text::ends_with)]),
    function(
        "error",
        "error(call) → object?",
        "Null, or `{code, status, message}` of a call that failed.",
    ),
    looping(
        "exists",
        "list.exists(v, bool) → bool",
        "True where the condition holds for an element.",
    ),
    looping(
        "exists_one",
        "list.exists_one(v, bool) → bool",
        "True where the condition holds for exactly one element.",
    ),
    looping(
        "filter",
        "list.filter(v, bool) → list",
        "The elements for which the condition holds.",
    ),
    method("first", "list.first()", "The first element; null where there is none."),
    method(
        "flatten",
        "list<list>.flatten() → list",
        "The elements of the lists in a list.",
    ),
    accessor!("getDate", "Day of the month, from 1.", time::Part::Date),
    accessor!("getDayOfMonth", "Day of the month, from 0.", time::Part::DayOfMonth),
    accessor!("getDayOfWeek", "Day of the week, Sunday is 0.", time::Part::DayOfWeek),
    accessor!("getDayOfYear", "Day of the year, from 0.", time::Part::DayOfYear),
    accessor!("getFullYear", "The year.", time::Part::Year),
    accessor!(
        "getHours",
        "Hour of the day; of a duration all its hours.",
        time::Part::Hours,
        time::Unit::Hours
    ),
    accessor!(
        "getMilliseconds",
        "Milliseconds of the second.",
        time::Part::Milliseconds,
        time::Unit::Milliseconds
    ),
    accessor!(
        "getMinutes",
        "Minute of the hour; of a duration all its minutes.",
        time::Part::Minutes,
        time::Unit::Minutes
    ),
    accessor!("getMonth", "The month, January is 0.", time::Part::Month),
    accessor!(
        "getSeconds",
        "Second of the minute; of a duration all its seconds.",
        time::Part::Seconds,
        time::Unit::Seconds
    ),
    looping(
        "group_by",
        "list.group_by(v, key) → map<key, list>",
        "The elements of each key.",
    ),
    function("has", "has(x.field) → bool", "True where the field is set."),
    method(
        "indexOf",
        "string.indexOf(string[, int]) → int",
        "Where a part begins; -1 where it is not there.",
    )
    .over(&[
        safe(&[Text, Text], Result::Int, text::index_of),
        failing(&[Text, Text, Int], Result::Int, text::index_of),
    ]),
    looping(
        "index_by",
        "list.index_by(v, key) → map<key, element>",
        "The last element of each key.",
    ),
    function(
        "int",
        "int(number|string|timestamp|enum) → int",
        "The integer; a double loses what is behind its point.",
    ),
    method(
        "join",
        "list<string>.join([string]) → string",
        "The texts one behind the other, with this between them.",
    ),
    method("last", "list.last()", "The last element; null where there is none."),
    method(
        "lastIndexOf",
        "string.lastIndexOf(string[, int]) → int",
        "Where a part begins for the last time.",
    )
    .over(&[
        safe(&[Text, Text], Result::Int, text::last_index_of),
        failing(&[Text, Text, Int], Result::Int, text::last_index_of),
    ]),
    method("lowerAscii", "string.lowerAscii() → string", "A–Z as a–z.").over(&[safe(
        &[Text],
        Result::Text,
        text::lower_ascii,
    )]),
    looping(
        "map",
        "list.map(v[, bool], x) → list",
        "The value of x for each element for which the condition holds.",
    ),
    method(
        "matches",
        "string.matches(\"pattern\") → bool",
        "True where the pattern (RE2) matches somewhere.",
    ),
    function("math.abs", "math.abs(number) → number", "The number without its sign.").over(&[failing(
        &[Number],
        Result::Same,
        math::abs,
    )]),
    function(
        "math.ceil",
        "math.ceil(double) → double",
        "The next whole number upwards.",
    )
    .over(&[safe(&[Double], Result::Double, math::ceil)]),
    function(
        "math.floor",
        "math.floor(double) → double",
        "The next whole number downwards.",
    )
    .over(&[safe(&[Double], Result::Double, math::floor)]),
    function(
        "math.greatest",
        "math.greatest(number, …) → number",
        "The greatest of numbers, or of a list of them.",
    ),
    function(
        "math.isFinite",
        "math.isFinite(double) → bool",
        "True for all but NaN and the infinities.",
    )
    .over(&[safe(&[Double], Result::Bool, math::is_finite)]),
    function("math.isInf", "math.isInf(double) → bool", "True for the infinities.").over(&[safe(
        &[Double],
        Result::Bool,
        math::is_infinite,
    )]),
    function("math.isNaN", "math.isNaN(double) → bool", "True for what is no number.").over(&[safe(
        &[Double],
        Result::Bool,
        math::is_nan,
    )]),
    function(
        "math.least",
        "math.least(number, …) → number",
        "The least of numbers, or of a list of them.",
    ),
    function(
        "math.round",
        "math.round(double) → double",
        "The nearest whole number; halves away from zero.",
    )
    .over(&[safe(&[Double], Result::Double, math::round)]),
    function("math.sign", "math.sign(number) → number", "-1, 0 or 1.").over(&[safe(
        &[Number],
        Result::Same,
        math::sign,
    )]),
    function(
        "math.trunc",
        "math.trunc(double) → double",
        "The number without what is behind its point.",
    )
    .over(&[safe(&[Double], Result::Double, math::trunc)]),
    method("max", "list.max()", "The greatest element; null where there is none."),
    method("min", "list.min()", "The least element; null where there is none."),
    method(
        "omit",
        "message|object.omit(\"path\", …) → object",
        "All fields but these.",
    ),
    method(
        "pick",
        "message|object.pick(\"path\", …) → object",
        "Only these fields.",
    ),
    method(
        "replace",
        "string.replace(string, string[, int]) → string",
        "Parts replaced: all, or the first n.",
    )
    .over(&[
        failing(&[Text, Text, Text], Result::Text, text::replace),
        failing(&[Text, Text, Text, Int], Result::Text, text::replace),
    ]),
    method("reverse", "list|string.reverse()", "From back to front.").over(&[safe(
        &[Text],
        Result::Text,
        text::reverse,
    )]),
    function(
        "size",
        "size(x) → int",
        "Characters of a text, bytes, elements of a list, keys of a map.",
    ),
    method("sort", "list.sort() → list", "The elements ascending."),
    looping(
        "sort_by",
        "list.sort_by(v, key) → list",
        "The elements by ascending key; equal ones keep their order.",
    ),
    method(
        "split",
        "string.split(string[, int]) → list<string>",
        "The parts between separators; at most n of them.",
    )
    .over(&[
        failing(&[Text, Text], Result::Texts, text::split),
        failing(&[Text, Text, Int], Result::Texts, text::split),
    ]),
    method(
        "startsWith",
        "string.startsWith(string) → bool",
        "True where the text begins so.",
    )
    .over(&[safe(&[Text, Text], Result::Bool, text::starts_with)]),
    function(
        "string",
        "string(scalar) → string",
        "The value as JSON writes it, without quotes.",
    ),
    method(
        "substring",
        "string.substring(int[, int]) → string",
        "The characters from one index to before another.",
    )
    .over(&[
        failing(&[Text, Int], Result::Text, text::substring),
        failing(&[Text, Int, Int], Result::Text, text::substring),
    ]),
    method("sum", "list.sum() → number", "The sum of the elements; of none 0."),
    method("take", "list.take(n) → list", "The first n elements."),
    function(
        "timestamp",
        "timestamp(string|int) → timestamp",
        "Reads RFC 3339, or seconds since 1970.",
    ),
    method("trim", "string.trim() → string", "The text without blanks at its ends.").over(&[safe(
        &[Text],
        Result::Text,
        text::trim,
    )]),
    function(
        "uint",
        "uint(number|string) → int",
        "The integer, which must not be negative.",
    ),
    method("upperAscii", "string.upperAscii() → string", "a–z as A–Z.").over(&[safe(
        &[Text],
        Result::Text,
        text::upper_ascii,
    )]),
];

/// A function by its name.
pub(super) fn find(name: &str) -> Option<&'static Function> {
    FUNCTIONS
        .binary_search_by(|it| it.name.cmp(name))
        .ok()
        .map(|at| &FUNCTIONS[at])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_sorted_and_documented() {
        for pair in FUNCTIONS.windows(2) {
            assert!(
                pair[0].name < pair[1].name,
                "{} stands before {}",
                pair[0].name,
                pair[1].name
            );
        }
        for it in FUNCTIONS {
            assert!(it.doc.ends_with('.') && it.signature.contains(it.name), "{}", it.name);
            assert!(find(it.name).is_some());
        }
    }
}
