//! Expressions that YAML cuts (semantics.md 7.4): finding them, and the text that was meant.

/// How an expression reads up to the end of its text.
struct Extent {
    /// Where it ends.
    end: usize,
    /// Brackets or quotes are open there.
    open: bool,
}

/// What ends an expression before the end of the text.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// A comment, or the end of the line.
    Block,
    /// As in a block, and a comma or closing bracket that belongs to the collection around it.
    Flow,
    /// Nothing.
    Never,
}

/// `{id}` or `{{ other.id }}` at a place, as values are written elsewhere, and the path in them.
pub(super) fn braces(source: &str, start: usize) -> Option<(&str, &str)> {
    let rest = source.get(start..)?.lines().next()?;
    let (inner, closing) = match rest.strip_prefix("{{") {
        Some(inner) => (inner, "}}"),
        None => (rest.strip_prefix('{')?, "}"),
    };
    let (inner, _) = inner.split_once(closing)?;
    let path = if closing == "}}" { inner.trim() } else { inner };
    let is_path = path.split('.').all(|it| {
        it.starts_with(|it: char| it.is_ascii_lowercase())
            && it.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'_')
    });
    let end = inner.len() + 2 * closing.len();
    is_path.then_some((rest.get(..end)?, path))
}

/// True where a plain scalar holds an expression whose brackets or quotes are open at its end.
pub(super) fn is_cut(plain: &str) -> bool {
    match plain.strip_prefix('$') {
        Some(rest) if !rest.starts_with(['$', '{']) => extent(rest, Stop::Never).open,
        _ => {
            let bound = plain
                .split_once(" in $")
                .filter(|(name, _)| name.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'_'));
            bound.is_some_and(|(_, list)| extent(list, Stop::Never).open) || has_open_hole(plain)
        }
    }
}

/// True where a `${` is never closed.
fn has_open_hole(text: &str) -> bool {
    let mut at = 0;
    while let Some(found) = text.get(at..).and_then(|rest| rest.find('$')) {
        at += found + 1;
        match text.as_bytes().get(at) {
            Some(b'$') => at += 1,
            Some(b'{') => {
                let hole = extent(text.get(at..).unwrap_or_default(), Stop::Flow);
                if hole.open {
                    return true;
                }
                at += hole.end.max(1);
            }
            _ => {}
        }
    }
    false
}

/// What was meant by a value that begins at `start` of the source, quoted so that YAML leaves it alone, and where it ends.
pub(super) fn meant(source: &str, start: usize, stop: Stop) -> (String, usize) {
    let (text, end) = plain(source, start, stop);
    (quoted(&text), end)
}

/// As [`meant`], without the quotes.
pub(super) fn plain(source: &str, start: usize, stop: Stop) -> (String, usize) {
    let rest = source.get(start..).unwrap_or_default();
    let whole = extent(rest, stop);
    let end = if whole.open {
        rest.find('\n').unwrap_or(rest.len())
    } else {
        whole.end
    };
    let text: Vec<&str> = rest.get(..end).unwrap_or_default().split_whitespace().collect();
    (text.join(" "), start + end)
}

/// Text in the quotes that need the fewest escapes.
pub(super) fn quoted(text: &str) -> String {
    if text.contains(['"', '\\']) {
        format!("'{}'", text.replace('\'', "''"))
    } else {
        format!("\"{text}\"")
    }
}

/// Follows brackets and CEL's quotes from the start of `text`.
fn extent(text: &str, stop: Stop) -> Extent {
    let mut open = Vec::new();
    let mut at = 0;
    let mut previous = b' ';
    while let Some(byte) = text.as_bytes().get(at).copied() {
        match byte {
            b'\'' | b'"' => {
                let raw = matches!(previous, b'r' | b'R');
                match string_end(text, at, raw) {
                    Some(end) => {
                        at = end;
                        previous = byte;
                        continue;
                    }
                    None => {
                        return Extent {
                            end: text.len(),
                            open: true,
                        };
                    }
                }
            }
            b'(' | b'[' | b'{' => open.push(byte),
            b')' | b']' | b'}' => {
                let closed = open.pop();
                if stop == Stop::Flow && closed.is_none() {
                    return Extent { end: at, open: false };
                }
                if stop == Stop::Flow && open.is_empty() && closed == Some(b'{') && text.starts_with('{') {
                    return Extent {
                        end: at + 1,
                        open: false,
                    };
                }
            }
            b',' if stop == Stop::Flow && open.is_empty() => return Extent { end: at, open: false },
            b'#' if stop != Stop::Never && open.is_empty() && previous == b' ' => {
                return Extent { end: at, open: false };
            }
            b'\n' if stop != Stop::Never && open.is_empty() => return Extent { end: at, open: false },
            _ => {}
        }
        previous = byte;
        at += 1;
    }
    Extent {
        end: text.len(),
        open: !open.is_empty(),
    }
}

/// Behind the string literal that opens at `at`; `None` where it never closes.
fn string_end(text: &str, at: usize, raw: bool) -> Option<usize> {
    let rest = text.get(at..)?;
    let quote = rest.get(..1)?;
    let triple = quote.repeat(3);
    let close = if rest.starts_with(&triple) {
        triple.as_str()
    } else {
        quote
    };
    let mut end = at + close.len();
    loop {
        let rest = text.get(end..)?;
        if rest.starts_with(close) {
            return Some(end + close.len());
        }
        let first = rest.chars().next()?;
        end += first.len_utf8();
        if first == '\\' && !raw {
            end += text.get(end..)?.chars().next()?.len_utf8();
        }
        if first == '\n' && close.len() == 1 {
            return None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_brackets_and_quotes_are_cuts() {
        for cut in [
            "$f(x",
            "$l.map(r",
            "$x == ' ",
            "${a",
            "a ${f(",
            "r in $l.filter(x",
            "${a} ${",
            "${f('}",
        ] {
            assert!(is_cut(cut), "{cut}");
        }
        for whole in [
            "$f(x, y)",
            "$a == ')'",
            "$$f(",
            "it's (",
            "${a}",
            "${f('}')}",
            "$${",
            "r in $l",
            "US$5 (",
            "$a == r'\\'",
        ] {
            assert!(!is_cut(whole), "{whole}");
        }
    }

    fn meant_text(source: &str, start: usize, stop: Stop) -> String {
        meant(source, start, stop).0
    }

    #[test]
    fn what_was_meant_is_quoted() {
        assert_eq!(
            meant_text("{ ids: $l.map(r, r.id), b: 1 }", 7, Stop::Flow),
            r#""$l.map(r, r.id)""#
        );
        assert_eq!(
            meant_text("a: $x ? 1 : 2  # why\nb: 1", 3, Stop::Block),
            r#""$x ? 1 : 2""#
        );
        assert_eq!(
            meant_text("a: $x ? \"y\" : 'z'", 3, Stop::Block),
            r#"'$x ? "y" : ''z'''"#
        );
        assert_eq!(
            meant_text("a: $f(x\nb: 1", 3, Stop::Block),
            "\"$f(x b: 1\"".replace(" b: 1", "")
        );
    }
}
