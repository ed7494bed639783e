//! The wire form of a list of headers between host and guest.
//!
//! Little-endian: u32 count; for each pair u32 name length, u32 value length; then for each pair the name, NUL, the
//! value, NUL. Source: proxy-wasm ABI 0.2.1, "Serialized map". Envoy treats a malformed list from a guest as an empty
//! one, silently; `decode` says so with `None` and leaves that to the caller.

use super::headers::Header;

/// Limits that Envoy sets on a list from a guest.
const MAX_BYTES: usize = 1024 * 1024;
const MAX_PAIRS: usize = 1024;

/// The bytes of these headers.
pub(crate) fn encode(headers: &[Header]) -> Vec<u8> {
    let mut out = Vec::new();
    out.extend_from_slice(&length(headers.len()));
    for (name, value) in headers {
        out.extend_from_slice(&length(name.len()));
        out.extend_from_slice(&length(value.len()));
    }
    for (name, value) in headers {
        for part in [name, value] {
            out.extend_from_slice(part);
            out.push(0);
        }
    }
    out
}

/// The headers in these bytes; `None` when malformed, over a limit or with bytes left over.
pub(crate) fn decode(bytes: &[u8]) -> Option<Vec<Header>> {
    if bytes.len() > MAX_BYTES {
        return None;
    }
    let (count, mut sizes) = take_u32(bytes)?;
    if count > MAX_PAIRS || sizes.len() < count * 8 {
        return None;
    }
    let mut data = &sizes[count * 8..];
    let mut headers = Vec::with_capacity(count);
    for _ in 0..count {
        let (name_size, rest) = take_u32(sizes)?;
        let (value_size, rest) = take_u32(rest)?;
        sizes = rest;
        let (name, rest) = take_string(data, name_size)?;
        let (value, rest) = take_string(rest, value_size)?;
        data = rest;
        headers.push((name, value));
    }
    data.is_empty().then_some(headers)
}

fn length(n: usize) -> [u8; 4] {
    u32::try_from(n).unwrap_or(u32::MAX).to_le_bytes()
}

fn take_u32(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (head, rest) = bytes.split_first_chunk::<4>()?;
    Some((usize::try_from(u32::from_le_bytes(*head)).ok()?, rest))
}

fn take_string(bytes: &[u8], size: usize) -> Option<(Vec<u8>, &[u8])> {
    let (head, rest) = bytes.split_at_checked(size)?;
    let (nul, rest) = rest.split_first()?;
    (*nul == 0).then(|| (head.to_vec(), rest))
}

#[cfg(test)]
mod tests {
    use super::{decode, encode};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(headers: Vec<(Vec<u8>, Vec<u8>)>) {
            prop_assert_eq!(decode(&encode(&headers)), Some(headers));
        }

        #[test]
        fn a_broken_list_never_panics_and_only_the_one_form_is_accepted(
            headers: Vec<(Vec<u8>, Vec<u8>)>, at: usize, byte: u8, cut: usize
        ) {
            let mut bytes = encode(&headers);
            let at = at % bytes.len();
            bytes[at] = byte;
            bytes.truncate(bytes.len() - cut % 3);
            if let Some(headers) = decode(&bytes) {
                prop_assert_eq!(encode(&headers), bytes);
            }
        }
    }
}
