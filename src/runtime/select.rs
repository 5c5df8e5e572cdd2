//! `?fields=`: what a client chose of a response, compiled once for each choice (semantics.md 4.2).
//!
//! Owns which members are written, and which calls are still needed for them. A choice is read for each request; what it
//! makes of the response is kept, for as many choices as fit. Invariant: an endpoint without `select: true` never comes here.

mod narrow;
pub(super) mod need;

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use crate::codec::{BindError, Descent, Fields, query};
use crate::plan::{CallIndex, EndpointIndex, Mask, Recipe, ResponseBody, Start, Template, Used};

/// The parameter that says what is wanted.
const PARAMETER: &str = "fields";

/// A response of which less is wanted.
#[derive(Debug)]
pub struct Selected {
    /// What is written.
    pub body: Template,
    /// When each call of the composition starts now; `None` for those that are not made.
    pub starts: Vec<Option<Start>>,
    /// Which fields of replies are used now.
    pub masks: Vec<Mask>,
    /// The choice as it stands in keys: equal choices have equal text.
    pub canonical: String,
}

/// The choices that one worker has compiled, in two generations: what nobody asked for while the younger filled up is
/// forgotten.
#[derive(Debug, Default)]
pub struct Selections {
    young: RefCell<HashMap<(EndpointIndex, String), Rc<Selected>>>,
    old: RefCell<HashMap<(EndpointIndex, String), Rc<Selected>>>,
}

impl Selections {
    /// How many choices a generation holds.
    const GENERATION: usize = 256;

    /// What the query of a request chooses of an endpoint's response; `None` where that is everything.
    pub fn of_query(
        &self,
        (index, recipe): (EndpointIndex, &Recipe),
        query: Option<&str>,
    ) -> Result<Option<Rc<Selected>>, Vec<BindError>> {
        let bad = |reason: String| BindError {
            name: PARAMETER.to_owned(),
            reason,
        };
        // What is no query is refused with the other inputs.
        let pairs = query.and_then(query::all_pairs).unwrap_or_default();
        let mut given = pairs.iter().filter(|(name, _)| name == PARAMETER);
        let Some((_, text)) = given.next() else { return Ok(None) };
        if given.next().is_some() {
            return Err(vec![bad("must be given once".to_owned())]);
        }
        let fields = Fields::parse(text).map_err(|it| vec![bad(it)])?;
        if fields == Fields::All {
            return Ok(None);
        }
        let key = (index, fields.to_string());
        if let Some(known) = self.find(&key) {
            return Ok(Some(known));
        }
        let made = Selected::compile(recipe, &fields)
            .map_err(|wrong| wrong.into_iter().map(bad).collect::<Vec<_>>())?
            .map(Rc::new);
        if let Some(made) = &made {
            self.keep(key, made.clone());
        }
        Ok(made)
    }

    fn find(&self, key: &(EndpointIndex, String)) -> Option<Rc<Selected>> {
        if let Some(known) = self.young.borrow().get(key) {
            return Some(known.clone());
        }
        let (key, known) = self.old.borrow_mut().remove_entry(key)?;
        self.keep(key, known.clone());
        Some(known)
    }

    fn keep(&self, key: (EndpointIndex, String), selected: Rc<Selected>) {
        let mut young = self.young.borrow_mut();
        if young.len() >= Self::GENERATION {
            self.old.replace(std::mem::take(&mut young));
        }
        young.insert(key, selected);
    }
}

impl Selected {
    /// Applies a choice to a response. Fails with a sentence for each name that is not there; `None` where the response is
    /// no JSON, which the checker refuses to offer.
    fn compile(recipe: &Recipe, fields: &Fields) -> Result<Option<Self>, Vec<String>> {
        let ResponseBody::Json(whole) = &recipe.response.body else {
            return Ok(None);
        };
        let mut descent = Descent::default();
        let body = narrow::template(whole, fields, &mut descent);
        let wrong = descent.finish();
        if !wrong.is_empty() {
            return Err(wrong.into_iter().map(|it| it.reason).collect());
        }
        let starts = need::starts(recipe, &body);
        let made = |it: CallIndex| starts.get(it.0).is_some_and(Option::is_some);
        let masks = match recipe.graph.masks.as_slice() {
            [] => Vec::new(),
            _ => Used::by(&recipe.graph, &recipe.response, Some(&body), made).masks(&recipe.graph),
        };
        Ok(Some(Self {
            starts,
            masks,
            body,
            canonical: fields.to_string(),
        }))
    }
}
