//! Reading varints and lengths: the short ones without a call, the others by whole registers.
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use super::{Reader, bits_of, short_word};
use crate::codec::DecodeError;

impl Reader<'_> {
    /// Reads a varint of at most 64 bits.
    #[inline]
    pub fn varint(&mut self) -> Result<u64, DecodeError> {
        match self.rest.split_first() {
            Some((&byte, rest)) if byte < 0x80 => {
                self.rest = rest;
                Ok(u64::from(byte))
            }
            _ => self.long_varint_behind(),
        }
    }

    /// Of several bytes. A copy is lent, so that the reader itself stays in registers.
    #[expect(clippy::inline_always, reason = "it is only a call")]
    #[inline(always)]
    fn long_varint_behind(&mut self) -> Result<u64, DecodeError> {
        let mut behind = *self;
        let value = behind.long_varint()?;
        *self = behind;
        Ok(value)
    }

    /// Of several bytes.
    fn long_varint(&mut self) -> Result<u64, DecodeError> {
        const STOPS: u64 = 0x8080_8080_8080_8080;
        if let &[low, high, ref rest @ ..] = self.rest
            && high < 0x80
        {
            self.rest = rest;
            return Ok(u64::from(low & 0x7f) | u64::from(high) << 7);
        }
        // Five bytes: the seconds of our times.
        if let &[one, two, three, four, five, ref rest @ ..] = self.rest
            && five < 0x80
        {
            let word = u32::from_le_bytes([one, two, three, four]);
            if word & 0x8080_8080 == 0x8080_8080 {
                let value = word & 0x007f_007f | (word & 0x7f00_7f00) >> 1;
                let value = value & 0x3fff | (value & 0x3fff_0000) >> 2;
                self.rest = rest;
                return Ok(u64::from(value) | u64::from(five) << 28);
            }
        }
        // Up to eight bytes at once.
        let word = match self.rest.first_chunk::<8>() {
            Some(chunk) => u64::from_le_bytes(*chunk),
            // What is not there counts as bytes with which a varint goes on.
            None => short_word(self.rest) | u64::MAX.unbounded_shl(bits_of(self.rest.len())),
        };
        let stops = !word & STOPS;
        if stops != 0 {
            // All bits up to that of the byte without a continuation bit; then sevens are pushed together.
            let value = word & (stops ^ stops.wrapping_sub(1)) & !STOPS;
            let value = value & 0x007f_007f_007f_007f | (value & 0x7f00_7f00_7f00_7f00) >> 1;
            let value = value & 0x0000_3fff_0000_3fff | (value & 0x3fff_0000_3fff_0000) >> 2;
            let value = value & 0x0fff_ffff | (value & 0x0fff_ffff_0000_0000) >> 4;
            let length = (stops.trailing_zeros() / 8).saturating_add(1) as usize;
            self.rest = self.rest.get(length..).unwrap_or_default();
            return Ok(value);
        }
        self.longest_varint()
    }

    #[cold]
    fn longest_varint(&mut self) -> Result<u64, DecodeError> {
        let mut rest = self.rest;
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let (&byte, after) = rest.split_first().ok_or(DecodeError::Malformed)?;
            rest = after;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                // The tenth byte has room for one bit.
                if shift == 63 && byte > 1 {
                    return Err(DecodeError::Malformed);
                }
                self.rest = rest;
                return Ok(value);
            }
        }
        Err(DecodeError::Malformed)
    }

    /// Reads a length, most of which have one byte or two.
    #[expect(clippy::inline_always, reason = "read with nearly every field")]
    #[inline(always)]
    pub(super) fn length(&mut self) -> Result<usize, DecodeError> {
        match *self.rest {
            [length, ref rest @ ..] if length < 0x80 => {
                self.rest = rest;
                Ok(usize::from(length))
            }
            [low, high, ref rest @ ..] if high < 0x80 => {
                self.rest = rest;
                Ok(usize::from(low & 0x7f) | usize::from(high) << 7)
            }
            _ => usize::try_from(self.long_varint_behind()?).map_err(|_| DecodeError::Malformed),
        }
    }
}
