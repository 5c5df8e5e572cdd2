//! An explanation as a drawing: a column for each stage, a box for each call, the response on the right.

use std::fmt::Write as _;

use super::mermaid::cut;
use super::{Explanation, Node, OnFailure, Wait, protection, shown};

const COLUMN: usize = 340;
const BOX_WIDTH: usize = 270;
const LINE: usize = 18;
const GAP: usize = 24;
const TOP: usize = 56;

/// A box of the drawing.
struct Placed<'e> {
    name: &'e str,
    lines: Vec<String>,
    dashed: bool,
    x: usize,
    y: usize,
    waits: &'e [Wait],
}

/// Writes a drawing that needs nothing beside it; it takes the colour of the text around it.
pub fn write(explained: &Explanation<'_>) -> String {
    let boxes = place(explained);
    let width = boxes.iter().map(|it| it.x + BOX_WIDTH).max().unwrap_or(0) + GAP;
    let height = boxes.iter().map(|it| it.y + it.height()).max().unwrap_or(0) + GAP;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"ui-monospace, monospace\" font-size=\"12\" fill=\"currentColor\" stroke=\"none\">\n"
    );
    put(
        &mut out,
        &format!("<title>{}</title>", escaped(&explained.endpoint.name)),
    );
    put(
        &mut out,
        &format!(
            "<text x=\"{GAP}\" y=\"32\" font-size=\"15\" font-weight=\"bold\">{}</text>",
            escaped(&explained.endpoint.name)
        ),
    );
    for it in &boxes {
        for wait in it.waits {
            if let Some(from) = boxes.iter().find(|from| from.name == &*wait.on) {
                edge(from, it, wait, &mut out);
            }
        }
    }
    for it in &boxes {
        it.draw(&mut out);
    }
    out.push_str("</svg>\n");
    out
}

fn place<'e>(explained: &'e Explanation<'_>) -> Vec<Placed<'e>> {
    let n_stages = explained.calls.iter().map(|it| it.stage).max().unwrap_or(0);
    let first = explained.calls.iter().map(|it| it.stage).min().unwrap_or(0);
    let mut boxes: Vec<Placed<'e>> = Vec::new();
    for stage in first..=n_stages {
        let mut y = TOP;
        for node in explained.calls.iter().filter(|it| it.stage == stage) {
            let placed = Placed {
                name: &node.name,
                lines: lines(node, ""),
                dashed: is_dashed(node),
                x: GAP + (stage - first) * COLUMN,
                y,
                waits: &node.waits,
            };
            y += placed.height() + GAP;
            boxes.push(placed);
        }
    }
    boxes.push(Placed {
        name: "response",
        lines: vec!["response".to_owned(), format!("≤ {}", shown(explained.recipe.timeout))],
        dashed: false,
        x: GAP + (n_stages + 1 - first) * COLUMN,
        y: TOP,
        waits: &explained.response,
    });
    boxes
}

fn is_dashed(node: &Node) -> bool {
    node.failure != OnFailure::Required || node.when.is_some() || node.only_for_fallback
}

fn lines(node: &Node, indent: &str) -> Vec<String> {
    let time = node.timeout.map(|it| format!("  ≤ {}", shown(it))).unwrap_or_default();
    let mut all = vec![
        format!("{indent}{}{time}", node.name),
        format!("{indent}{}", cut(&node.does)),
    ];
    for attempts in protection::attempts(&node.policy) {
        all.push(format!("{indent}{}", cut(&attempts)));
    }
    if let Some(when) = &node.when {
        all.push(format!("{indent}when {}", cut(when)));
    }
    for inner in &node.inner {
        all.extend(lines(inner, &format!("{indent}\u{a0}\u{a0}")));
    }
    all
}

fn edge(from: &Placed<'_>, to: &Placed<'_>, wait: &Wait, out: &mut String) {
    let (x1, y1) = (from.x + BOX_WIDTH, from.y + LINE);
    let (x2, y2) = (to.x, to.y + LINE);
    let bend = usize::midpoint(x1, x2);
    let dashes = if wait.in_fallback {
        " stroke-dasharray=\"2 4\""
    } else {
        ""
    };
    put(
        out,
        &format!(
            "<path d=\"M{x1} {y1} C{bend} {y1} {bend} {y2} {x2} {y2}\" fill=\"none\" stroke=\"currentColor\" \
             stroke-opacity=\"0.5\"{dashes}><title>{}</title></path>",
            escaped(
                &wait
                    .reasons
                    .iter()
                    .map(|it| format!("{}: {}", it.key, it.written()))
                    .collect::<Vec<_>>()
                    .join("; ")
            )
        ),
    );
}

impl Placed<'_> {
    fn height(&self) -> usize {
        self.lines.len() * LINE + 12
    }

    fn draw(&self, out: &mut String) {
        let (x, y, height) = (self.x, self.y, self.height());
        let dashes = if self.dashed { " stroke-dasharray=\"5 5\"" } else { "" };
        put(
            out,
            &format!(
                "<rect x=\"{x}\" y=\"{y}\" width=\"{BOX_WIDTH}\" height=\"{height}\" rx=\"6\" fill=\"none\" \
                 stroke=\"currentColor\"{dashes}/>"
            ),
        );
        for (at, line) in self.lines.iter().enumerate() {
            let weight = if at == 0 { " font-weight=\"bold\"" } else { "" };
            let (x, y) = (x + 10, y + LINE * (at + 1));
            put(
                out,
                &format!("<text x=\"{x}\" y=\"{y}\"{weight}>{}</text>", escaped(line)),
            );
        }
    }
}

fn put(out: &mut String, line: &str) {
    // Writing to a String cannot fail.
    let _infallible = writeln!(out, "  {line}");
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
