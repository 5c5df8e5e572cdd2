//! Bodies that their client has signed: what they have to be, and the word about who asked, which waits for them.

use super::problem::Refusal;
use crate::auth::Why;
use crate::auth::digest::Digests;
use crate::plan::{Endpoint, Plan};
use crate::runtime::auth::{Audited, Denied, Identity, Reason, audit};
use crate::runtime::snapshot::Running;

/// What a body has to be, as its client has signed it.
#[derive(Debug)]
pub(super) struct Signed {
    pub(super) digests: Digests,
    /// What is said where it is another one.
    pub(super) otherwise: Box<Denied>,
}

impl Signed {
    /// Of whom has signed it; `None` where nobody has.
    pub(super) fn of(identity: &Identity, plan: &Plan, endpoint: &Endpoint) -> Option<Box<Self>> {
        let digests = Digests::clone(identity.digests.as_ref()?);
        let why = Reason::Invalid(Why::Digest);
        let otherwise = Box::new(Denied::of(plan, &endpoint.access, identity, why));
        Some(Box::new(Self { digests, otherwise }))
    }

    /// Whether it is that.
    pub(super) fn check(self, body: &[u8]) -> Result<(), Refusal> {
        let checked = self.digests.check(body);
        checked.map_err(|_| Refusal::Unwelcome(self.otherwise))
    }
}

/// Whose request it is, and which.
pub(super) type Whose<'w> = (Audited<'w>, Option<&'w Identity>);

/// What comes of a body, with a word about who sent it, where it had to be looked at before that was settled.
pub(super) async fn settled<T>(
    running: &Running,
    (about, identity): Whose<'_>,
    coming: impl Future<Output = Result<T, Refusal>>,
) -> Result<T, Refusal> {
    let result = coming.await;
    if identity.is_some_and(|it| it.digests.is_some()) {
        match &result {
            Err(Refusal::Unwelcome(denied)) => audit(running, about, Err(denied)),
            _ => audit(running, about, Ok(identity)),
        }
    }
    result
}
