//! What is kept, as bytes that any gateway of the same version understands.
//!
//! One behind the other, numbers big-endian: the version (1 byte); the life it was begun in (1 byte of length), the number of
//! drops in that life (8), how many tags (2) and the tags (16 each), which `find.lua` reads; the kind (1); in milliseconds
//! its age and all of its life when it was written, and how long after it was made it is fresh, may be given while it is
//! made again, and may stand in (8 each); then what it is, with lengths before texts. Every length has to fit, to the end:
//! what others wrote, or an older version, is nothing.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::super::kept::{Kept, Terms};
use super::super::tag::{Since, Tag};
use super::super::{Entry, Keepable};
use super::Moment;
use crate::runtime::backend::{Directives, Reply};

/// Counts up with every change of what the bytes mean.
pub(super) const VERSION: u8 = 1;

/// So many tags at most.
const MAX_TAGS: usize = 1024;

/// What can be kept elsewhere.
pub trait Portable: Keepable {
    /// What it is, in metrics.
    const NAME: &'static str;
    /// What it is, in bytes.
    const KIND: u8;
    /// As bytes; `None` where it is nothing to be kept elsewhere.
    fn pack(&self, out: &mut Vec<u8>) -> Option<()>;
    /// From bytes.
    fn unpack(bytes: &mut Cursor) -> Option<Self>;
}

/// Something kept as bytes, and how long it is kept; `None` where it is no longer good for anything, or too much.
pub(super) fn pack<T: Portable>(kept: &Kept<T>, moment: &Moment) -> Option<(Vec<u8>, Duration)> {
    let (age, terms) = (kept.age(), kept.terms());
    let life = terms.fresh.max(terms.revalidate).max(terms.stand_in).checked_sub(age)?;
    if life < Duration::from_millis(1) || kept.tags.len() > MAX_TAGS {
        return None;
    }
    let mut out = vec![VERSION, u8::try_from(moment.life.len()).ok()?];
    out.extend_from_slice(moment.life.as_bytes());
    out.extend_from_slice(&moment.number.to_be_bytes());
    out.extend_from_slice(&u16::try_from(kept.tags.len()).ok()?.to_be_bytes());
    kept.tags.iter().for_each(|it| out.extend_from_slice(it.bytes()));
    out.push(T::KIND);
    for time in [age, life, terms.fresh, terms.revalidate, terms.stand_in] {
        out.extend_from_slice(&millis(time)?.to_be_bytes());
    }
    kept.what.pack(&mut out)?;
    Some((out, life))
}

/// The same from its bytes, which are kept for `left` more. `since` is when it was asked for.
pub(super) fn unpack<T: Portable>(bytes: Bytes, left: Duration, since: Since) -> Option<Kept<T>> {
    let mut bytes = Cursor(bytes);
    (bytes.u8()? == VERSION).then_some(())?;
    let life = bytes.u8()?;
    bytes.take(usize::from(life) + 8)?;
    let n_tags = usize::from(bytes.u16()?);
    (n_tags <= MAX_TAGS).then_some(())?;
    let tags: Option<Vec<Tag>> = (0..n_tags)
        .map(|_| Some(Tag::from_bytes(bytes.take(16)?.first_chunk().copied()?)))
        .collect();
    (bytes.u8()? == T::KIND).then_some(())?;
    let (age, life) = (bytes.millis()?, bytes.millis()?);
    let terms = Terms {
        fresh: bytes.millis()?,
        revalidate: bytes.millis()?,
        stand_in: bytes.millis()?,
    };
    let what = T::unpack(&mut bytes)?;
    bytes.0.is_empty().then_some(())?;
    // How long it has been there, by the only clock that everybody shares.
    let age = age.checked_add(life.checked_sub(left)?)?;
    Kept::found(what, age, terms, tags?, since)
}

impl Portable for Entry {
    const NAME: &'static str = "response";
    const KIND: u8 = 1;

    fn pack(&self, out: &mut Vec<u8>) -> Option<()> {
        out.extend_from_slice(&self.status.as_u16().to_be_bytes());
        out.push(u8::from(self.forms.is_some()));
        out.extend_from_slice(&u16::try_from(self.headers.len()).ok()?.to_be_bytes());
        for (name, value) in &self.headers {
            short(name.as_str().as_bytes(), out)?;
            short(value.as_bytes(), out)?;
        }
        long(&self.body, out)
    }

    fn unpack(bytes: &mut Cursor) -> Option<Self> {
        let status = StatusCode::from_u16(bytes.u16()?).ok()?;
        let has_forms = bytes.flag()?;
        let mut headers = HeaderMap::new();
        for _ in 0..bytes.u16()? {
            let name = HeaderName::from_bytes(&bytes.short()?).ok()?;
            let value = HeaderValue::from_maybe_shared(bytes.short()?).ok()?;
            headers.try_append(name, value).ok()?;
        }
        Some(Self {
            status,
            headers,
            body: bytes.long()?,
            forms: has_forms.then(Box::default),
        })
    }
}

impl Portable for Reply {
    const NAME: &'static str = "reply";
    const KIND: u8 = 2;

    fn pack(&self, out: &mut Vec<u8>) -> Option<()> {
        let Directives {
            no_store,
            no_stale,
            fresh_for,
        } = self.directives;
        out.extend_from_slice(&[no_store, no_stale, fresh_for.is_some()].map(u8::from));
        out.extend_from_slice(&millis(fresh_for.unwrap_or_default())?.to_be_bytes());
        long(&self.body, out)
    }

    fn unpack(bytes: &mut Cursor) -> Option<Self> {
        let (no_store, no_stale, is_said) = (bytes.flag()?, bytes.flag()?, bytes.flag()?);
        let fresh_for = bytes.millis()?;
        let directives = Directives {
            no_store,
            no_stale,
            fresh_for: is_said.then_some(fresh_for),
        };
        let body = bytes.long()?;
        Some(Self { body, directives })
    }
}

/// Bytes that are read from the front.
#[derive(Debug)]
pub struct Cursor(Bytes);

impl Cursor {
    fn take(&mut self, n: usize) -> Option<Bytes> {
        (n <= self.0.len()).then(|| self.0.split_to(n))
    }

    fn u8(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn u16(&mut self) -> Option<u16> {
        self.take(2)?.first_chunk().copied().map(u16::from_be_bytes)
    }

    fn flag(&mut self) -> Option<bool> {
        match self.u8()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    fn millis(&mut self) -> Option<Duration> {
        let millis = self.take(8)?.first_chunk().copied().map(u64::from_be_bytes)?;
        Some(Duration::from_millis(millis))
    }

    fn short(&mut self) -> Option<Bytes> {
        let length = self.u16()?;
        self.take(usize::from(length))
    }

    fn long(&mut self) -> Option<Bytes> {
        let length = self.take(4)?.first_chunk().copied().map(u32::from_be_bytes)?;
        self.take(usize::try_from(length).ok()?)
    }
}

fn short(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    out.extend_from_slice(&u16::try_from(text.len()).ok()?.to_be_bytes());
    out.extend_from_slice(text);
    Some(())
}

fn long(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    out.extend_from_slice(&u32::try_from(text.len()).ok()?.to_be_bytes());
    out.extend_from_slice(text);
    Some(())
}

fn millis(it: Duration) -> Option<u64> {
    u64::try_from(it.as_millis()).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::plan::Keep;

    const SECOND: Duration = Duration::from_secs(1);

    fn moment() -> Moment {
        Moment {
            life: "0123456789abcdef.1700000000.5".into(),
            number: 7,
        }
    }

    fn keep() -> Keep {
        Keep {
            stale_while_revalidate: 5 * SECOND,
            stale_if_error: 20 * SECOND,
            ..Keep::only(10 * SECOND)
        }
    }

    fn entry() -> Entry {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", HeaderValue::from_static("application/json"));
        headers.append("vary", HeaderValue::from_static("a"));
        headers.append("vary", HeaderValue::from_static("b"));
        Entry {
            status: StatusCode::NON_AUTHORITATIVE_INFORMATION,
            headers,
            body: Bytes::from_static(b"{\"a\":1}"),
            forms: Some(Box::default()),
        }
    }

    fn packed() -> (Bytes, Duration) {
        let kept = Kept::new(entry(), keep(), vec![Tag::of("a"), Tag::of("b")], Since::default());
        let (bytes, life) = pack(&kept, &moment()).unwrap();
        (bytes.into(), life)
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_the_same_and_as_much_older_as_it_was_there() {
        let kept = Kept::new(entry(), keep(), vec![Tag::of("a"), Tag::of("b")], Since::default());
        tokio::time::advance(4 * SECOND).await;
        let (bytes, life) = pack(&kept, &moment()).unwrap();
        assert_eq!(life, 26 * SECOND);
        // Another gateway's clock has run for another time.
        tokio::time::advance(100 * SECOND).await;
        let found: Kept<Entry> = unpack(bytes.into(), 23 * SECOND, Since::default()).unwrap();
        assert_eq!(found.what, kept.what);
        assert_eq!(found.tags, kept.tags);
        assert_eq!((found.age(), found.seconds_left()), (7 * SECOND, 3));
        assert_eq!(found.terms(), kept.terms());
    }

    #[tokio::test(start_paused = true)]
    async fn a_reply_keeps_what_its_backend_said() {
        tokio::time::advance(100 * SECOND).await;
        for fresh_for in [None, Some(3 * SECOND)] {
            let directives = Directives {
                no_stale: true,
                fresh_for,
                ..Directives::default()
            };
            let body = Bytes::from_static(b"\x08\x01");
            let kept = Kept::new(Reply { body, directives }, keep(), Vec::new(), Since::default());
            let (bytes, life) = pack(&kept, &moment()).unwrap();
            let bytes = Bytes::from(bytes);
            let found: Kept<Reply> = unpack(bytes.clone(), life, Since::default()).unwrap();
            assert_eq!((&found.what.body, found.what.directives), (&kept.what.body, directives));
            assert!(unpack::<Entry>(bytes, life, Since::default()).is_none());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_good_for_nothing_is_not_packed() {
        let kept = Kept::new(entry(), keep(), Vec::new(), Since::default());
        tokio::time::advance(30 * SECOND).await;
        assert!(pack(&kept, &moment()).is_none());
        let tags = (0..=MAX_TAGS).map(|it| Tag::of(&it.to_string())).collect();
        let kept = Kept::new(entry(), keep(), tags, Since::default());
        assert!(pack(&kept, &moment()).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn part_of_it_or_more_is_nothing() {
        let (bytes, life) = packed();
        let read = |bytes: Bytes| unpack::<Entry>(bytes, life, Since::default());
        assert!(read(bytes.clone()).is_some());
        for end in 0..bytes.len() {
            assert!(read(bytes.slice(..end)).is_none(), "{end}");
        }
        let mut more = bytes.to_vec();
        more.push(0);
        assert!(read(more.into()).is_none());
        let mut other = bytes.to_vec();
        other[0] = VERSION + 1;
        assert!(read(other.into()).is_none());
        // It cannot have been there for less than no time.
        assert!(unpack::<Entry>(bytes, life + SECOND, Since::default()).is_none());
    }

    proptest! {
        #[test]
        fn no_bytes_are_an_error(bytes in prop::collection::vec(any::<u8>(), 0..400), at in 0_usize..300, byte: u8, left: u32) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
            let _guard = runtime.enter();
            let left = Duration::from_millis(u64::from(left));
            drop(unpack::<Entry>(bytes.clone().into(), left, Since::default()));
            drop(unpack::<Reply>(bytes.into(), left, Since::default()));
            let mut one_is_other = packed().0.to_vec();
            let length = one_is_other.len();
            one_is_other[at % length] = byte;
            drop(unpack::<Entry>(one_is_other.into(), left, Since::default()));
        }
    }
}
