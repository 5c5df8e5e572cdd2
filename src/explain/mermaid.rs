//! An explanation as a Mermaid flowchart (<https://mermaid.js.org/syntax/flowchart.html>), which GitHub and GitLab draw.

use std::fmt::Write as _;

use super::{Explanation, Node, OnFailure, Wait, protection, shown};

/// Writes a flowchart: solid lines are waited for, dotted ones only by a fallback; a dashed box may be missing.
pub fn write(explained: &Explanation<'_>) -> String {
    let mut chart = Chart {
        out: "flowchart LR\n".to_owned(),
        edges: String::new(),
    };
    chart.nodes(&explained.calls, 1);
    chart.put(1, "response([response])");
    chart.edges("response", &explained.response);
    chart.out.push_str(&chart.edges);
    chart.out.push_str("  classDef optional stroke-dasharray: 5 5\n");
    chart.out
}

struct Chart {
    out: String,
    edges: String,
}

impl Chart {
    fn put(&mut self, depth: usize, text: &str) {
        // Writing to a String cannot fail.
        let _infallible = writeln!(self.out, "{:1$}{text}", "", depth * 2);
    }

    fn nodes(&mut self, nodes: &[Node], depth: usize) {
        for node in nodes {
            let id = id(&node.name);
            if node.inner.is_empty() {
                self.put(depth, &format!("{id}[\"{}\"]{}", label(node), class(node)));
            } else {
                self.put(depth, &format!("subgraph {id}[\"{}\"]", label(node)));
                // An inner call that has the name of the whole would be the same box.
                for inner in &node.inner {
                    let name = inner_id(node, inner);
                    self.put(depth + 1, &format!("{name}[\"{}\"]{}", label(inner), class(inner)));
                    for wait in inner.waits.iter().filter(|it| it.on != node.name) {
                        let sibling = node.inner.iter().find(|it| it.name == wait.on);
                        let from = sibling.map_or_else(|| self::id(&wait.on), |it| inner_id(node, it));
                        self.edge(&from, &name, wait);
                    }
                }
                self.put(depth, "end");
            }
            self.edges(&id, &node.waits);
        }
    }

    fn edges(&mut self, to: &str, waits: &[Wait]) {
        for wait in waits {
            self.edge(&id(&wait.on), to, wait);
        }
    }

    fn edge(&mut self, from: &str, to: &str, wait: &Wait) {
        let reason = wait
            .reasons
            .first()
            .map(|it| quoted(&cut(&it.written())))
            .unwrap_or_default();
        let line = if wait.in_fallback { "-." } else { "--" };
        let end = if wait.in_fallback { ".->" } else { "-->" };
        let _infallible = writeln!(self.edges, "  {from} {line} \"{reason}\" {end} {to}");
    }
}

fn inner_id(around: &Node, inner: &Node) -> String {
    format!("{}.{}", id(&around.name), inner.name)
}

/// `end` is a word of Mermaid's.
fn id(name: &str) -> String {
    if name == "end" {
        "end_".to_owned()
    } else {
        name.to_owned()
    }
}

fn class(node: &Node) -> &'static str {
    let dashed = node.failure != OnFailure::Required || node.when.is_some() || node.only_for_fallback;
    if dashed { ":::optional" } else { "" }
}

fn label(node: &Node) -> String {
    let time = node
        .timeout
        .map(|it| format!("<br/>≤ {}", shown(it)))
        .unwrap_or_default();
    let mut label = format!("<b>{}</b><br/>{}{time}", node.name, quoted(&node.does));
    for attempts in protection::attempts(&node.policy) {
        label.extend(["<br/>", &quoted(&attempts)]);
    }
    label
}

pub(super) fn cut(text: &str) -> String {
    let short: String = text.chars().take(32).collect();
    if short.len() < text.len() {
        format!("{short}…")
    } else {
        short
    }
}

fn quoted(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('"', "#quot;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('\n', " ")
}
