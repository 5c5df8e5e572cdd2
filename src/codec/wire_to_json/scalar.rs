//! Scalars: one value each, from wire to JSON.
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use super::program::Scalar;
use super::run::{Writer, Written};
use crate::codec::wire::{self, Reader};
use crate::codec::{DecodeError, escape, number};

impl Writer<'_> {
    /// Writes one scalar.
    #[expect(clippy::inline_always, reason = "the loop over fields is a tenth faster for it")]
    #[inline(always)]
    pub(super) fn scalar(&mut self, scalar: Scalar, reader: &mut Reader<'_>) -> Result<Written, DecodeError> {
        let default = match scalar {
            Scalar::String => {
                let (text, length) = reader.bytes_first()?;
                self.out.push(b'"');
                escape::end_utf8(text, length, &mut self.out)?;
                length == 0
            }
            Scalar::LossyString => {
                let text = reader.bytes()?;
                escape::write_lossy(text, &mut self.out);
                text.is_empty()
            }
            Scalar::Bytes => {
                let bytes = reader.bytes()?;
                escape::write_base64(bytes, &mut self.out);
                bytes.is_empty()
            }
            Scalar::Bool => {
                let value = reader.varint()? != 0;
                self.out.extend_from_slice(if value { b"true" } else { b"false" });
                !value
            }
            Scalar::Double => {
                let value = f64::from_bits(reader.fixed64()?);
                number::write_double(value, &mut self.out);
                // Minus zero is not the default.
                value.to_bits() == 0
            }
            Scalar::Float => {
                let value = f32::from_bits(reader.fixed32()?);
                number::write_float(value, &mut self.out);
                value.to_bits() == 0
            }
            Scalar::Fixed32 => self.unsigned(u64::from(reader.fixed32()?), false),
            Scalar::Uint32 => self.unsigned(u64::from(wire::uint32(reader.varint()?)), false),
            Scalar::Int32 => self.signed(i64::from(wire::int32(reader.varint()?)), false),
            Scalar::Sfixed32 => self.signed(i64::from(reader.fixed32()?.cast_signed()), false),
            Scalar::Sint32 => self.signed(i64::from(wire::sint32(reader.varint()?)), false),
            Scalar::Fixed64 => self.unsigned(reader.fixed64()?, self.program.quote_64),
            Scalar::Uint64 => self.unsigned(reader.varint()?, self.program.quote_64),
            Scalar::Int64 => self.signed(wire::int64(reader.varint()?), self.program.quote_64),
            Scalar::Sfixed64 => self.signed(reader.fixed64()?.cast_signed(), self.program.quote_64),
            Scalar::Sint64 => self.signed(wire::sint64(reader.varint()?), self.program.quote_64),
        };
        Ok(if default { Written::Default } else { Written::Value })
    }

    #[inline]
    pub(super) fn signed(&mut self, value: i64, quoted: bool) -> bool {
        if quoted {
            self.out.push(b'"');
        }
        number::write_i64(value, &mut self.out);
        if quoted {
            self.out.push(b'"');
        }
        value == 0
    }

    #[inline]
    pub(super) fn unsigned(&mut self, value: u64, quoted: bool) -> bool {
        if quoted {
            self.out.push(b'"');
        }
        number::write_u64(value, &mut self.out);
        if quoted {
            self.out.push(b'"');
        }
        value == 0
    }

    /// Writes the default of a scalar: what zero bytes mean as any of them.
    pub(super) fn default_scalar(&mut self, scalar: Scalar) -> Result<(), DecodeError> {
        self.scalar(scalar, &mut Reader::new(&[0; 8])).map(drop)
    }
}
