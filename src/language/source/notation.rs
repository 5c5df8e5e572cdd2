//! Scalars by notation: what a plain scalar is, and how the bytes of a decoded scalar lie in the file.
//!
//! Invariant: a breakpoint list ends with the end of the scalar, and where the source cannot be followed it still brackets the whole.

use granit_parser::ScalarStyle;

use super::offset;

/// What a plain scalar is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plain {
    /// YAML 1.1, YAML 1.2 and JSON read it differently.
    Ambiguous,
    /// `true` or `false`.
    Bool(bool),
    /// `null`.
    Null,
    /// A JSON number.
    Number,
    /// Everything else.
    Text,
}

/// Reads a plain scalar by notation (semantics.md 7.3).
pub(super) fn plain(text: &str) -> Plain {
    match text {
        "null" => Plain::Null,
        "true" => Plain::Bool(true),
        "false" => Plain::Bool(false),
        _ if is_json_number(text) => Plain::Number,
        _ if is_ambiguous(text) => Plain::Ambiguous,
        _ => Plain::Text,
    }
}

fn is_json_number(text: &str) -> bool {
    let text = text.strip_prefix('-').unwrap_or(text);
    let rest = match text.as_bytes() {
        [b'0', ..] => text.get(1..),
        [b'1'..=b'9', ..] => Some(text.trim_start_matches(|it: char| it.is_ascii_digit())),
        _ => None,
    };
    let Some(mut rest) = rest else { return false };
    if let Some(fraction) = rest.strip_prefix('.') {
        rest = fraction.trim_start_matches(|it: char| it.is_ascii_digit());
        if rest.len() == fraction.len() {
            return false;
        }
    }
    match rest.strip_prefix(['e', 'E']) {
        Some(exponent) => {
            let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
            !digits.is_empty() && digits.bytes().all(|it| it.is_ascii_digit())
        }
        None => rest.is_empty(),
    }
}

fn is_ambiguous(text: &str) -> bool {
    const WORDS: [&str; 11] = ["yes", "no", "on", "off", "y", "n", "true", "false", "null", "~", "="];
    if text == "<<" || WORDS.iter().any(|word| word.eq_ignore_ascii_case(text)) {
        return true;
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if [".inf", ".nan"].iter().any(|word| word.eq_ignore_ascii_case(unsigned)) {
        return true;
    }
    if let Some(digits) = unsigned.strip_prefix("0x").or_else(|| unsigned.strip_prefix("0X")) {
        return all_digits(digits, |it| it.is_ascii_hexdigit());
    }
    if let Some(digits) = ["0o", "0O", "0b", "0B"]
        .iter()
        .find_map(|prefix| unsigned.strip_prefix(prefix))
    {
        return all_digits(digits, |it| it.is_ascii_digit());
    }
    is_loose_decimal(unsigned) || is_sexagesimal(unsigned)
}

fn all_digits(text: &str, is_digit: impl Fn(u8) -> bool) -> bool {
    !text.is_empty() && text.bytes().all(|it| is_digit(it) || it == b'_')
}

/// Digits, underscores, at most one dot and an exponent: a number to some YAML, but not to JSON (`010`, `1_000`, `+1`, `.5`, `1.`).
fn is_loose_decimal(text: &str) -> bool {
    let (mantissa, exponent) = text
        .split_once(['e', 'E'])
        .map_or((text, None), |(mantissa, exponent)| (mantissa, Some(exponent)));
    let (whole, fraction) = mantissa.split_once('.').map_or((mantissa, ""), |parts| parts);
    let digits = |part: &str| part.bytes().all(|it| it.is_ascii_digit() || it == b'_');
    let starts_well = match whole.as_bytes() {
        [] => fraction.as_bytes().first().is_some_and(u8::is_ascii_digit),
        [first, ..] => first.is_ascii_digit(),
    };
    let ends_well = exponent.is_none_or(|exponent| {
        let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        !exponent.is_empty() && exponent.bytes().all(|it| it.is_ascii_digit())
    });
    starts_well && digits(whole) && digits(fraction) && ends_well
}

/// `12:30` and `1:30:00.5`, numbers of base 60 to YAML 1.1.
fn is_sexagesimal(text: &str) -> bool {
    let text = text.split_once('.').map_or(text, |(whole, fraction)| {
        if fraction.bytes().all(|it| it.is_ascii_digit() || it == b'_') {
            whole
        } else {
            text
        }
    });
    let mut parts = text.split(':');
    let first = parts.next().unwrap_or_default();
    let mut n_more = 0;
    let all_small = parts.all(|part| {
        n_more += 1;
        matches!(part.as_bytes(), [b'0'..=b'9'] | [b'0'..=b'5', b'0'..=b'9'])
    });
    n_more > 0
        && all_small
        && first.as_bytes().first().is_some_and(u8::is_ascii_digit)
        && all_digits(first, |it| it.is_ascii_digit())
}

/// Where the bytes of a decoded scalar lie in the file. `raw` is its source, which begins at `start`, in column `column` (from 0).
pub(super) fn breakpoints(style: ScalarStyle, raw: &str, start: u32, column: usize, value: &str) -> Vec<(u32, u32)> {
    let end = match style {
        ScalarStyle::Plain | ScalarStyle::Literal | ScalarStyle::Folded => raw.trim_end().len(),
        ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => raw.len().saturating_sub(1),
    };
    let walk = Walk {
        value,
        at: 0,
        start,
        marks: Vec::new(),
    };
    let walked = match style {
        ScalarStyle::Plain => walk.lines(raw, Lines::Plain),
        ScalarStyle::Literal | ScalarStyle::Folded => walk.lines(raw, Lines::Block { column }),
        ScalarStyle::SingleQuoted => walk.quoted(raw, '\''),
        ScalarStyle::DoubleQuoted => walk.quoted(raw, '"'),
    };
    let mut marks = walked.unwrap_or_else(|| vec![(0, start)]);
    if marks.first().is_none_or(|(value, _)| *value > 0) {
        marks.insert(0, (0, start));
    }
    let last = (offset(value.len()), start.saturating_add(offset(end)));
    if marks.last() != Some(&last) {
        marks.push(last);
    }
    marks
}

/// How the lines of a scalar are laid out.
#[derive(Clone, Copy)]
enum Lines {
    /// Indented by the column of the first.
    Block { column: usize },
    /// Blanks around each line do not count.
    Plain,
}

/// Follows source and value side by side.
struct Walk<'a> {
    value: &'a str,
    /// How far in `value`.
    at: usize,
    /// Where the source begins in the file.
    start: u32,
    marks: Vec<(u32, u32)>,
}

impl Walk<'_> {
    fn mark(&mut self, source: usize) {
        let mark = (offset(self.at), self.start.saturating_add(offset(source)));
        if self.marks.last() != Some(&mark) {
            self.marks.push(mark);
        }
    }

    fn rest(&self) -> &str {
        self.value.get(self.at..).unwrap_or_default()
    }

    /// Plain and block scalars: each line of the source stands in the value as it is, only what is between lines differs.
    fn lines(mut self, raw: &str, layout: Lines) -> Option<Vec<(u32, u32)>> {
        let indent = match layout {
            Lines::Plain => 0,
            Lines::Block { column } if !raw.split('\n').next().unwrap_or_default().trim().is_empty() => column,
            Lines::Block { .. } => raw
                .split('\n')
                .filter(|line| !line.trim().is_empty())
                .map(leading_spaces)
                .min()
                .unwrap_or_default(),
        };
        let mut line_start = 0;
        for (number, line) in raw.split('\n').enumerate() {
            let next_start = line_start + line.len() + 1;
            let line = line.strip_suffix('\r').unwrap_or(line);
            let (content, content_start) = match layout {
                Lines::Plain => (line.trim(), line_start + line.len() - line.trim_start().len()),
                Lines::Block { .. } => {
                    // The source begins behind the indentation of its first line.
                    let skipped = if number == 0 && !line.trim().is_empty() {
                        0
                    } else {
                        leading_spaces(line).min(indent)
                    };
                    (line.get(skipped..)?, line_start + skipped)
                }
            };
            line_start = next_start;
            if content.is_empty() {
                continue;
            }
            if self.rest().starts_with(' ') && !content.starts_with(' ') {
                self.at += 1;
            } else {
                self.at += self.rest().len() - self.rest().trim_start_matches('\n').len();
            }
            if !self.rest().starts_with(content) {
                if content.trim().is_empty() {
                    continue;
                }
                return None;
            }
            self.mark(content_start);
            self.at += content.len();
            self.mark(content_start + content.len());
        }
        self.rest().trim_end_matches('\n').is_empty().then_some(self.marks)
    }

    /// Quoted scalars: escapes, doubled quotes and folded lines.
    fn quoted(mut self, raw: &str, quote: char) -> Option<Vec<(u32, u32)>> {
        let inner = raw.strip_prefix(quote)?.strip_suffix(quote)?;
        let mut source = 1;
        self.mark(source);
        let end = source + inner.len();
        while source < end {
            let rest = raw.get(source..end)?;
            let blanks = rest.len() - rest.trim_start_matches([' ', '\t', '\r']).len();
            if rest.get(blanks..)?.starts_with('\n') {
                self.mark(source);
                let folded = rest.len() - rest.trim_start().len();
                match rest.get(..folded)?.matches('\n').count() {
                    1 if self.rest().starts_with(' ') => self.at += 1,
                    n_breaks => self.at += n_breaks - 1,
                }
                source += folded;
                self.mark(source);
                continue;
            }
            let first = rest.chars().next()?;
            let length = match (quote, first) {
                ('\'', '\'') => 2,
                ('"', '\\') => match rest.as_bytes().get(1)? {
                    b'\n' | b'\r' => {
                        self.mark(source);
                        source += 1 + rest.get(1..)?.len() - rest.get(1..)?.trim_start().len();
                        self.mark(source);
                        continue;
                    }
                    b'x' => 4,
                    b'u' if is_high_surrogate(rest.get(2..6)?) => 12,
                    b'u' => 6,
                    b'U' => 10,
                    _ => 2,
                },
                _ => {
                    if !self.rest().starts_with(first) {
                        return None;
                    }
                    source += first.len_utf8();
                    self.at += first.len_utf8();
                    continue;
                }
            };
            self.at += self.rest().chars().next()?.len_utf8();
            source += length;
            self.mark(source);
        }
        self.rest().is_empty().then_some(self.marks)
    }
}

fn leading_spaces(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}

fn is_high_surrogate(hex: &str) -> bool {
    u32::from_str_radix(hex, 16).is_ok_and(|unit| (0xD800..0xDC00).contains(&unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_scalars_are_read_by_notation() {
        let words = |list: &str, want: Plain| {
            for word in list.split(' ') {
                assert_eq!(plain(word), want, "{word}");
            }
        };
        words("0 -0 5 -17 1.10 1e3 1.5E-7 12345678901234567890", Plain::Number);
        words(
            "yes no on off Yes NO oN OFF True TRUE False Null NULL ~ y N = <<",
            Plain::Ambiguous,
        );
        words(
            "010 -010 00 08 0x1F 0o7 0b11 1_000 +1 +1.5 .5 -.5 1. 1.e5 .inf -.Inf .NaN 12:30 190:20:30 1:30:00.5",
            Plain::Ambiguous,
        );
        words(
            "EUR 2026-01-01 2026-01-01T00:00:00Z 127.0.0.1:8080 1.2.3 800ms 5m 1e _ . .. ... - + 0x 12:75 a:b 1a e5 Infinity",
            Plain::Text,
        );
    }
}
