//! Content codings (RFC 9110 §8.4.1): bodies made shorter, and bodies of requests as they were before.
//!
//! Owns which codings there are and how much effort each is worth. Levels are those that cost less time than they save on
//! the way, measured on pages of 20 KB (`docs/guide/edge.md`). Invariant: decoding never takes more memory than it is allowed.

use std::cell::RefCell;
use std::io::{self, Read, Write};
use std::sync::OnceLock;

use bytes::Bytes;
use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;

/// What is longer is coded with less effort, so that no other request waits for long.
const LONG: usize = 256 << 10;
/// Buffers of decoders.
const BUFFER: usize = 8 << 10;
/// The largest window of zstd that clients and we have to have (RFC 9659): 8 MiB.
const ZSTD_WINDOW_LOG: u32 = 23;
/// A body that was this many times shorter is made to hurt, once it is [`BIG`].
const RATIO: usize = 100;
/// Shorter ones hurt nobody, bytes.
const BIG: usize = 64 << 10;

/// A content coding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// `br` (RFC 7932).
    Brotli,
    /// `gzip` (RFC 1952).
    Gzip,
    /// `zstd` (RFC 8878).
    Zstd,
}

/// How often what is coded will be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// For each client who asks while it is kept.
    Kept,
    /// Once.
    Once,
}

/// Why a body cannot be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Undecodable {
    /// It is not what it says.
    Malformed,
    /// It becomes too long.
    TooLong,
}

/// A body in each coding, made when first asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Forms([OnceLock<Option<Bytes>>; 3]);

impl Coding {
    /// In the order in which the gateway prefers them.
    pub const ALL: [Self; 3] = [Self::Zstd, Self::Brotli, Self::Gzip];

    /// Its name in headers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Brotli => "br",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }

    /// The coding of a name.
    pub fn of(name: &str) -> Option<Self> {
        // RFC 9110 §8.4.1.3 has the other name mean the same.
        let name = if name.eq_ignore_ascii_case("x-gzip") {
            "gzip"
        } else {
            name
        };
        Self::ALL.into_iter().find(|it| it.name().eq_ignore_ascii_case(name))
    }

    /// The body, coded; `None` where that makes it no shorter.
    pub fn encode(self, body: &[u8], effort: Effort) -> Option<Bytes> {
        let coded = match self {
            Self::Brotli => brotli(body, effort),
            Self::Gzip => gzip(body, effort),
            Self::Zstd => zstd(body, effort),
        };
        coded.ok().filter(|it| it.len() < body.len()).map(Bytes::from)
    }

    /// The body as it was before; at most `max` bytes.
    pub fn decode(self, body: &[u8], max: usize) -> Result<Vec<u8>, Undecodable> {
        let max = max.min(body.len().saturating_mul(RATIO).max(BIG));
        match self {
            Self::Brotli => read(::brotli::Decompressor::new(body, BUFFER), max),
            Self::Gzip => read(MultiGzDecoder::new(body), max),
            Self::Zstd => {
                let mut decoder = ::zstd::Decoder::new(body).map_err(|_| Undecodable::Malformed)?;
                let limited = decoder.window_log_max(ZSTD_WINDOW_LOG);
                limited.map_err(|_| Undecodable::Malformed)?;
                read(decoder, max)
            }
        }
    }
}

impl Forms {
    /// The body in a coding; `None` where that makes it no shorter.
    pub fn get(&self, coding: Coding, body: &[u8]) -> Option<Bytes> {
        self.0[coding as usize]
            .get_or_init(|| coding.encode(body, Effort::Kept))
            .clone()
    }
}

fn read(decoder: impl Read, max: usize) -> Result<Vec<u8>, Undecodable> {
    let mut decoded = Vec::new();
    let mut limited = decoder.take(max as u64 + 1);
    limited.read_to_end(&mut decoded).map_err(|_| Undecodable::Malformed)?;
    if decoded.len() > max {
        return Err(Undecodable::TooLong);
    }
    Ok(decoded)
}

fn brotli(body: &[u8], effort: Effort) -> io::Result<Vec<u8>> {
    let quality = match effort {
        // The next one takes ten times as long.
        Effort::Kept => 4,
        Effort::Once => 1,
    };
    // A window that holds all of it, and no more memory than that takes.
    let lgwin = i32::try_from(body.len().max(1).ilog2() + 1).unwrap_or(22).clamp(16, 22);
    let parameters = ::brotli::enc::BrotliEncoderParams {
        quality,
        lgwin,
        size_hint: body.len(),
        ..Default::default()
    };
    let mut coded = Vec::with_capacity(body.len() / 4);
    let mut reader = body;
    ::brotli::BrotliCompress(&mut reader, &mut coded, &parameters)?;
    Ok(coded)
}

fn gzip(body: &[u8], effort: Effort) -> io::Result<Vec<u8>> {
    let level = match effort {
        Effort::Kept => 6,
        Effort::Once if body.len() < LONG => 3,
        Effort::Once => 1,
    };
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 4), Compression::new(level));
    encoder.write_all(body)?;
    encoder.finish()
}

fn zstd(body: &[u8], effort: Effort) -> io::Result<Vec<u8>> {
    thread_local! {
        /// Making one takes longer than coding a page.
        static CONTEXT: RefCell<Option<::zstd::bulk::Compressor<'static>>> = const { RefCell::new(None) };
    }
    let level = match effort {
        Effort::Kept if body.len() < LONG => 6,
        Effort::Kept => 3,
        Effort::Once if body.len() < LONG => 3,
        Effort::Once => 1,
    };
    CONTEXT.with_borrow_mut(|context| {
        let compressor = match context {
            Some(it) => it,
            None => context.insert(::zstd::bulk::Compressor::new(level)?),
        };
        compressor.set_compression_level(level)?;
        compressor.compress(body)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(rows: usize) -> Vec<u8> {
        let row = |it: usize| {
            format!(
                "{{\"id\":\"p-{it}\",\"name\":\"Product {}\",\"price\":{}}}",
                it * 7919 % 101,
                it * 31
            )
        };
        format!("[{}]", (0..rows).map(row).collect::<Vec<_>>().join(",")).into_bytes()
    }

    #[test]
    fn what_was_coded_is_decoded_to_the_same() {
        for rows in [0, 1, 30, 400, 9_000] {
            let page = page(rows);
            for coding in Coding::ALL {
                for effort in [Effort::Kept, Effort::Once] {
                    let Some(coded) = coding.encode(&page, effort) else {
                        assert!(rows < 30, "{coding:?} makes nothing of {} bytes", page.len());
                        continue;
                    };
                    assert!(coded.len() < page.len());
                    assert_eq!(coding.decode(&coded, page.len()).as_deref(), Ok(page.as_slice()));
                    assert_eq!(coding.decode(&coded, page.len() - 1), Err(Undecodable::TooLong));
                }
            }
        }
    }

    #[test]
    fn nothing_is_gained_with_noise() {
        let mut state = 1_u64;
        let noise: Vec<u8> = (0..2_000)
            .map(|_| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                state.to_be_bytes()[0]
            })
            .collect();
        for coding in Coding::ALL {
            assert_eq!(coding.encode(&noise, Effort::Once), None, "{coding:?}");
        }
    }

    #[test]
    fn bombs_and_rubbish_are_refused() {
        let bomb = vec![b'a'; 4 << 20];
        let text = page(20);
        for coding in Coding::ALL {
            let coded = coding.encode(&bomb, Effort::Once).unwrap();
            assert_eq!(coding.decode(&coded, 8 << 20), Err(Undecodable::TooLong), "{coding:?}");
            let coded = coding.encode(&text, Effort::Once).unwrap();
            for cut in 0..coded.len() {
                let decoded = coding.decode(&coded[..cut], 1 << 20);
                assert_eq!(decoded, Err(Undecodable::Malformed), "{coding:?} at {cut}");
            }
            assert_eq!(
                coding.decode(b"{\"a\":1}", 1 << 20),
                Err(Undecodable::Malformed),
                "{coding:?}"
            );
        }
    }

    #[test]
    fn a_form_is_made_once() {
        let (page, forms) = (page(50), Forms::default());
        let first = forms.get(Coding::Gzip, &page).unwrap();
        // A second body is not looked at.
        assert_eq!(forms.get(Coding::Gzip, b"").unwrap().as_ptr(), first.as_ptr());
        assert_ne!(forms.get(Coding::Brotli, &page).unwrap(), first);
    }
}
