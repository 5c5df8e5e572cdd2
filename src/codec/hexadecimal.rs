//! Bytes as people and protocols compare them: digests, fingerprints, trace ids.

/// Bytes as hexadecimal digits in lower case, two for each.
pub fn hexadecimal(bytes: &[u8]) -> String {
    let digit = |it: u8| b"0123456789abcdef"[usize::from(it)];
    let mut text = Vec::with_capacity(2 * bytes.len());
    for byte in bytes {
        text.extend_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
    }
    // All of them are ASCII.
    String::from_utf8(text).unwrap_or_default()
}
