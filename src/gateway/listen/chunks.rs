//! Where a body in chunks ends (RFC 9112 §7.1), as the parser below has it: what that refuses is refused here.

/// A place between two bytes of a body in chunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chunks {
    /// Before the first digit of a size.
    Start,
    /// In a size, which is so far.
    Size(u64),
    /// Behind a size: spaces.
    Blank(u64),
    /// In the extensions of a chunk of that size.
    Extension(u64),
    /// Before the LF of that line.
    SizeLf(u64),
    /// In data, of which so many bytes are left.
    Data(u64),
    DataCr,
    DataLf,
    /// At the start of a line of the trailers, or of the empty one.
    Line,
    Trailer,
    TrailerLf,
    EndLf,
}

/// How far a body goes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// It ends behind so many bytes.
    Ends(usize),
    /// Beyond all of them.
    GoesOn,
    /// It is none.
    Malformed,
}

impl Chunks {
    /// Goes over bytes of the body.
    pub(super) fn pass(&mut self, bytes: &[u8]) -> Extent {
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            if let Self::Data(left) = self {
                let n_here = (bytes.len() - at).min(usize::try_from(*left).unwrap_or(usize::MAX));
                at += n_here;
                *left -= n_here as u64;
                if *left == 0 {
                    *self = Self::DataCr;
                }
                continue;
            }
            at += 1;
            if (*self, byte) == (Self::EndLf, b'\n') {
                return Extent::Ends(at);
            }
            let Some(next) = self.behind(byte) else {
                return Extent::Malformed;
            };
            *self = next;
        }
        Extent::GoesOn
    }

    /// The place behind a byte that is not data.
    fn behind(self, byte: u8) -> Option<Self> {
        Some(match (self, byte) {
            (Self::Start, _) => Self::Size(digit(byte)?),
            (Self::Size(size) | Self::Blank(size), b' ' | b'\t') => Self::Blank(size),
            (Self::Size(size) | Self::Blank(size), b';') => Self::Extension(size),
            (Self::Size(size) | Self::Blank(size) | Self::Extension(size), b'\r') => Self::SizeLf(size),
            (Self::Size(size), _) => Self::Size(size.checked_mul(16)?.checked_add(digit(byte)?)?),
            (Self::Extension(_), b'\n') => return None,
            (Self::Extension(_), _) => self,
            (Self::SizeLf(0) | Self::TrailerLf, b'\n') => Self::Line,
            (Self::SizeLf(size), b'\n') => Self::Data(size),
            (Self::DataCr, b'\r') => Self::DataLf,
            (Self::DataLf, b'\n') => Self::Start,
            (Self::Line, b'\r') => Self::EndLf,
            (Self::Trailer, b'\r') => Self::TrailerLf,
            (Self::Line | Self::Trailer, _) => Self::Trailer,
            _ => return None,
        })
    }
}

fn digit(byte: u8) -> Option<u64> {
    char::from(byte).to_digit(16).map(u64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_in_chunks_ends_where_it_ends_however_it_comes() {
        let ends = |text: &str| Extent::Ends(text.len());
        for (text, extent) in [
            ("0\r\n\r\n", ends("0\r\n\r\n")),
            ("0\r\n\r\nGET /", ends("0\r\n\r\n")),
            ("2;a=b \r\nab\r\n000\r\n\r\nGET", ends("2;a=b \r\nab\r\n000\r\n\r\n")),
            (
                "a \t\r\n0\r\n\r\n67890\r\n0\r\n\r\nx",
                ends("a \t\r\n0\r\n\r\n67890\r\n0\r\n\r\n"),
            ),
            ("0\r\nA: b\r\nC: d\r\n\r\nx", ends("0\r\nA: b\r\nC: d\r\n\r\n")),
            ("F\r\n", Extent::GoesOn),
            ("ffffffffffffffff\r\n", Extent::GoesOn),
            ("10000000000000000\r\n", Extent::Malformed),
            ("\r\n", Extent::Malformed),
            (" 1\r\n", Extent::Malformed),
            ("+1\r\n", Extent::Malformed),
            ("0x1\r\n", Extent::Malformed),
            ("1\n", Extent::Malformed),
            ("1 1\r\n", Extent::Malformed),
            ("1;a\nb\r\n", Extent::Malformed),
            ("1;a\rb\r\n", Extent::Malformed),
            ("1\r\nab\r\n", Extent::Malformed),
            ("1\r\na\n0\r\n\r\n", Extent::Malformed),
            ("0\r\n\rx", Extent::Malformed),
            ("0\r\nA: b\rx", Extent::Malformed),
        ] {
            assert_eq!(Chunks::Start.pass(text.as_bytes()), extent, "{text:?}");
            let (mut chunks, mut n_before) = (Chunks::Start, 0);
            let byte_by_byte = text.bytes().find_map(|it| match chunks.pass(&[it]) {
                Extent::GoesOn => {
                    n_before += 1;
                    None
                }
                Extent::Ends(n) => Some(Extent::Ends(n_before + n)),
                Extent::Malformed => Some(Extent::Malformed),
            });
            assert_eq!(byte_by_byte.unwrap_or(Extent::GoesOn), extent, "{text:?}");
        }
    }
}
