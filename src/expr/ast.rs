//! The syntax tree of an expression: an arena of nodes, a span on each.
//!
//! Owns what can be said of an expression without types: which names it mentions, whether it is a bare name, a path or a
//! literal. Invariant: children stand before their parents in the arena, and no tree is higher than the parser allows.

use super::Span;

/// A parsed expression.
#[derive(Clone, Debug)]
pub struct Ast {
    text: String,
    nodes: Vec<Node>,
    spans: Vec<Span>,
    /// The spans with the parentheses around them.
    outer: Vec<Span>,
    heights: Vec<u16>,
    pub(super) root: NodeId,
}

/// Names a node of an [`Ast`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct NodeId(u32);

/// A node.
#[derive(Clone, Debug, PartialEq)]
pub enum Node {
    /// An operator with two sides, other than `&&` and `||`.
    Binary {
        /// Which.
        operator: Operator,
        /// Where it stands.
        at: Span,
        /// Left side.
        left: NodeId,
        /// Right side.
        right: NodeId,
    },
    /// `true`, `false`.
    Bool(bool),
    /// `b"…"`.
    Bytes(Vec<u8>),
    /// A function (`f(x)`), or a method or macro of `target` (`x.f(y)`).
    Call {
        /// What stands before the dot.
        target: Option<NodeId>,
        /// Its name.
        name: String,
        /// Where the name stands.
        at: Span,
        /// What stands between the parentheses.
        args: Vec<NodeId>,
    },
    /// `c ? a : b`.
    Conditional {
        /// What is asked.
        condition: NodeId,
        /// Where it is true.
        yes: NodeId,
        /// Where it is false.
        no: NodeId,
    },
    /// `1.5`.
    Double(f64),
    /// `x[y]`.
    Index {
        /// What is looked into.
        of: NodeId,
        /// Index or key.
        index: NodeId,
    },
    /// `5`, `-5`.
    Int(i64),
    /// `[a, b]`.
    List(Vec<NodeId>),
    /// `a && b && c` or `a || b || c`.
    Logic {
        /// `And` or `Or`.
        operator: Operator,
        /// Two or more.
        operands: Vec<NodeId>,
    },
    /// `{a: b}`.
    Map(Vec<(NodeId, NodeId)>),
    /// A name.
    Name(String),
    /// `-x`.
    Negate(NodeId),
    /// `!x`.
    Not(NodeId),
    /// `null`.
    Null,
    /// `x.f`.
    Select {
        /// What stands before the dot.
        of: NodeId,
        /// The name behind it.
        field: String,
        /// Where that stands.
        at: Span,
    },
    /// `"…"`.
    String(String),
    /// `5u`.
    Uint(u64),
}

/// An operator with two sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Operator {
    Add,
    And,
    Divide,
    Equal,
    Greater,
    GreaterOrEqual,
    In,
    Less,
    LessOrEqual,
    Multiply,
    NotEqual,
    Or,
    Remainder,
    Subtract,
}

/// A name that an expression mentions, with the literal steps behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mention {
    /// The free name: never a macro's variable.
    pub root: String,
    /// Literal steps behind it, as far as they go (`.a`, `["b"]`): a method call, a computed index or an operator ends them.
    pub path: Vec<String>,
    /// Where the root stands.
    pub span: Span,
    /// Inside `error(…)`: asks about the failure, not the value.
    pub error_only: bool,
}

/// Methods that bring a variable: `x.map(v, …)`.
pub const MACROS: [&str; 9] = [
    "all",
    "distinct_by",
    "exists",
    "exists_one",
    "filter",
    "group_by",
    "index_by",
    "map",
    "sort_by",
];

/// Names before a dot that belong to functions, not to values: `math.abs(x)`.
pub const NAMESPACES: [&str; 2] = ["base64", "math"];

/// Methods whose result is a list, map or object that was not there before.
const BUILDERS: [&str; 16] = [
    "chunk",
    "distinct",
    "distinct_by",
    "drop",
    "filter",
    "flatten",
    "group_by",
    "index_by",
    "map",
    "omit",
    "pick",
    "reverse",
    "sort",
    "sort_by",
    "split",
    "take",
];

impl Ast {
    pub(super) fn new(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            nodes: Vec::new(),
            spans: Vec::new(),
            outer: Vec::new(),
            heights: Vec::new(),
            root: NodeId(0),
        }
    }

    /// Adds a node; `None` where the tree would become higher than `max_height`.
    pub(super) fn push(&mut self, node: Node, span: Span, max_height: u16) -> Option<NodeId> {
        let below = children(&node)
            .into_iter()
            .map(|it| self.heights[it.0 as usize])
            .max()
            .unwrap_or(0);
        if below >= max_height {
            return None;
        }
        let id = NodeId(u32::try_from(self.nodes.len()).ok()?);
        self.nodes.push(node);
        self.spans.push(span);
        self.outer.push(span);
        self.heights.push(below + 1);
        Some(id)
    }

    /// Makes `right` one more operand of the chain `left`, if that is a chain of the same operator.
    pub(super) fn extend_chain(&mut self, left: NodeId, wanted: Operator, right: NodeId, end: u32) -> bool {
        let at = left.0 as usize;
        match &mut self.nodes[at] {
            Node::Logic { operator, operands } if *operator == wanted => operands.push(right),
            _ => return false,
        }
        self.spans[at].end = end;
        self.outer[at].end = end;
        self.heights[at] = self.heights[at].max(self.heights[right.0 as usize] + 1);
        true
    }

    pub(super) fn set_outer(&mut self, id: NodeId, span: Span) {
        self.outer[id.0 as usize] = span;
    }

    /// The whole expression.
    pub fn root(&self) -> NodeId {
        self.root
    }

    /// A node.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0 as usize]
    }

    /// Where a node stands, without parentheses around it.
    pub fn span(&self, id: NodeId) -> Span {
        self.spans[id.0 as usize]
    }

    /// Where a node stands, with the parentheses around it.
    pub fn outer(&self, id: NodeId) -> Span {
        self.outer[id.0 as usize]
    }

    /// The text that was parsed.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The text of one node, without parentheses around it.
    pub fn text_of(&self, id: NodeId) -> &str {
        let span = self.span(id);
        self.text
            .get(span.start as usize..span.end as usize)
            .unwrap_or_default()
    }

    /// Every free name that the expression mentions, in order of appearance.
    ///
    /// ```
    /// let ast = weft::expr::parse("reviews.list.map(r, authors[r.author_id])").unwrap();
    /// let roots: Vec<String> = ast.mentions().into_iter().map(|it| it.root).collect();
    /// assert_eq!(roots, ["reviews", "authors"]);
    /// ```
    pub fn mentions(&self) -> Vec<Mention> {
        let mut found = Vec::new();
        self.collect(self.root, &mut Vec::new(), false, &mut found);
        found.sort_by_key(|it: &Mention| it.span.start);
        found
    }

    /// True where it makes a new list, map or object out of what it reads; a path alone looks into what arrived.
    ///
    /// ```
    /// assert!(weft::expr::parse("reviews.map(r, r.author_id)").unwrap().builds());
    /// assert!(!weft::expr::parse("product.price_usd.units + 1").unwrap().builds());
    /// ```
    pub fn builds(&self) -> bool {
        self.nodes.iter().any(|it| match it {
            Node::List(_) | Node::Map(_) => true,
            Node::Call {
                target: Some(_), name, ..
            } => BUILDERS.contains(&name.as_str()),
            _ => false,
        })
    }

    /// `Some` where the whole expression is one bare name (`$limit`).
    pub fn as_name(&self) -> Option<&str> {
        match self.node(self.root) {
            Node::Name(name) => Some(name),
            _ => None,
        }
    }

    /// `Some` where the whole expression is a name and literal steps (`$body.order.id`).
    pub fn as_path(&self) -> Option<Mention> {
        self.path(self.root)
    }

    /// True where the whole expression is a literal (`5`, `"x"`, `null`), which is `constant-expression`.
    pub fn is_literal(&self) -> bool {
        self.is_literal_node(self.root)
    }

    /// True where `id` is a scalar literal.
    pub(super) fn is_literal_node(&self, id: NodeId) -> bool {
        matches!(
            self.node(id),
            Node::Bool(_)
                | Node::Bytes(_)
                | Node::Double(_)
                | Node::Int(_)
                | Node::Null
                | Node::String(_)
                | Node::Uint(_)
        )
    }

    /// Where the whole expression is a call of a function by paths alone (`given_fields(body)`): its name and the paths.
    pub fn as_call(&self) -> Option<(&str, Vec<Mention>)> {
        match self.node(self.root) {
            Node::Call {
                target: None,
                name,
                args,
                ..
            } => Some((name, args.iter().map(|&it| self.path(it)).collect::<Option<_>>()?)),
            _ => None,
        }
    }

    /// The literal step that a node takes: the name, where it stands, and what it is taken from.
    pub(super) fn literal_step(&self, id: NodeId) -> Option<(&str, Span, NodeId)> {
        match self.node(id) {
            Node::Select { of, field, at } => Some((field, *at, *of)),
            Node::Index { of, index } => match self.node(*index) {
                Node::String(key) => Some((key, self.span(*index), *of)),
                _ => None,
            },
            _ => None,
        }
    }

    fn path(&self, id: NodeId) -> Option<Mention> {
        let mut path = Vec::new();
        let mut at = id;
        while let Some((name, _, of)) = self.literal_step(at) {
            path.push(name.to_owned());
            at = of;
        }
        path.reverse();
        match self.node(at) {
            Node::Name(root) => Some(Mention {
                root: root.clone(),
                path,
                span: self.span(at),
                error_only: false,
            }),
            _ => None,
        }
    }

    /// Depth is bounded by the height of the tree.
    fn collect<'a>(&'a self, id: NodeId, bound: &mut Vec<&'a str>, error_only: bool, found: &mut Vec<Mention>) {
        if let Some(mention) = self.path(id) {
            if !bound.contains(&&*mention.root) {
                found.push(Mention { error_only, ..mention });
            }
            return;
        }
        match self.node(id) {
            Node::Call { target, name, args, .. } => {
                if let Some(target) = *target {
                    let namespace = matches!(self.node(target), Node::Name(it) if NAMESPACES.contains(&&**it));
                    if !namespace {
                        self.collect(target, bound, error_only, found);
                    }
                }
                if let Some(variable) = self.macro_variable(id) {
                    bound.push(variable);
                    for &arg in &args[1..] {
                        self.collect(arg, bound, error_only, found);
                    }
                    bound.pop();
                } else if target.is_some() && matches!(name.as_str(), "omit" | "pick") {
                    // Their paths are literals: a name that stands there is refused, and is nothing else's.
                } else {
                    let error_only = error_only || target.is_none() && name == "error";
                    for &arg in args {
                        self.collect(arg, bound, error_only, found);
                    }
                }
            }
            node => {
                for child in children(node) {
                    self.collect(child, bound, error_only, found);
                }
            }
        }
    }

    /// The variable of a macro call.
    pub(super) fn macro_variable(&self, id: NodeId) -> Option<&str> {
        match self.node(id) {
            Node::Call {
                target: Some(_),
                name,
                args,
                ..
            } if MACROS.contains(&&**name) && args.len() >= 2 => match self.node(args[0]) {
                Node::Name(variable) => Some(variable),
                _ => None,
            },
            _ => None,
        }
    }
}

fn children(node: &Node) -> Vec<NodeId> {
    match node {
        Node::Binary { left, right, .. } => vec![*left, *right],
        Node::Call { target, args, .. } => target.iter().chain(args).copied().collect(),
        Node::Conditional { condition, yes, no } => vec![*condition, *yes, *no],
        Node::Index { of, index } => vec![*of, *index],
        Node::List(items) | Node::Logic { operands: items, .. } => items.clone(),
        Node::Map(entries) => entries.iter().flat_map(|(key, value)| [*key, *value]).collect(),
        Node::Negate(of) | Node::Not(of) | Node::Select { of, .. } => vec![*of],
        Node::Bool(_)
        | Node::Bytes(_)
        | Node::Double(_)
        | Node::Int(_)
        | Node::Name(_)
        | Node::Null
        | Node::String(_)
        | Node::Uint(_) => Vec::new(),
    }
}
