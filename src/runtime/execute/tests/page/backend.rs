//! A backend that answers as it is told, and writes down what it was asked.

use super::*;

/// Answers by path, and writes down what happened when. The path `*` stands for all others.
#[derive(Clone, Debug, Default)]
pub(in crate::runtime::execute) struct Scripted(pub(super) Rc<RefCell<Script>>);

#[derive(Debug, Default)]
pub(super) struct Script {
    acts: HashMap<String, (u64, Result<&'static str, Code>)>,
    directives: Directives,
    pub(super) start: Option<Instant>,
    log: Vec<String>,
}

/// Says so where a call is dropped.
struct Ongoing {
    script: Scripted,
    path: String,
    over: bool,
}

impl Scripted {
    pub(in crate::runtime::execute) fn on(&self, path: &str, after: u64, reply: Result<&'static str, Code>) -> &Self {
        self.0.borrow_mut().acts.insert(path.to_owned(), (after, reply));
        self
    }

    pub(in crate::runtime::execute) fn directives(&self, directives: Directives) {
        self.0.borrow_mut().directives = directives;
    }

    /// `time path`, and `time path ok|failed|cancelled`.
    pub(in crate::runtime::execute) fn log(&self) -> Vec<String> {
        self.0.borrow().log.clone()
    }

    fn note(&self, what: &str) {
        let mut script = self.0.borrow_mut();
        let at = script.start.map_or(0, |it| it.elapsed().as_millis());
        script.log.push(format!("{at} {what}"));
    }
}

impl Backend for Scripted {
    fn call<'c>(&'c self, request: &'c Request, attempt: Attempt) -> LocalBoxFuture<'c, Result<Reply, Failure>> {
        async move {
            let Request::Http {
                path_and_query: path, ..
            } = request
            else {
                panic!("no HTTP request")
            };
            let act = {
                let script = self.0.borrow();
                *script
                    .acts
                    .get(path)
                    .or(script.acts.get("*"))
                    .unwrap_or_else(|| panic!("unexpected {path}"))
            };
            attempt.sent.mark();
            self.note(path);
            let mut ongoing = Ongoing {
                script: self.clone(),
                path: path.clone(),
                over: false,
            };
            let (after, reply) = act;
            tokio::time::sleep(ms(after)).await;
            ongoing.over = true;
            self.note(&format!("{path} {}", if reply.is_ok() { "ok" } else { "failed" }));
            match reply {
                Ok(json) => Ok(Reply {
                    body: Bytes::from_static(json.as_bytes()),
                    directives: self.0.borrow().directives,
                }),
                Err(code) => Err(Failure::status(code, "it said no".to_owned(), Bytes::new())),
            }
        }
        .boxed_local()
    }
}

impl Drop for Ongoing {
    fn drop(&mut self) {
        if !self.over {
            self.script.note(&format!("{} cancelled", self.path));
        }
    }
}
