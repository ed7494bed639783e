//! Reading the host's header block in place.
//!
//! The block is what proxy-wasm hosts answer to `get_header_map_pairs`: a count, then the length of each name and value, then the bytes, each
//! followed by a NUL, all numbers as little-endian u32. Names and values are bytes: a header that is no UTF-8 must not end
//! a worker. Reading the whole block costs about as much as asking for one header, so it is the only read of a request.

/// Iterator over the `(name, value)` pairs of a header block. A block that contradicts itself ends early; whether it did,
/// [`HeaderBlock::is_at_end`] tells afterwards. So the block is walked once and not twice.
#[derive(Clone)]
pub struct HeaderBlock<'a> {
    lengths: &'a [u8],
    bytes: &'a [u8],
}

impl<'a> HeaderBlock<'a> {
    /// Splits the block into its table of lengths and its bytes; `None` when even that is cut off.
    #[must_use]
    pub fn parse(block: &'a [u8]) -> Option<Self> {
        if block.is_empty() {
            return Some(Self { lengths: &[], bytes: &[] });
        }
        let (count, rest) = block.split_first_chunk::<4>()?;
        let count = usize::try_from(u32::from_le_bytes(*count)).ok()?;
        let (lengths, bytes) = rest.split_at_checked(count.checked_mul(8)?)?;
        Some(Self { lengths, bytes })
    }

    /// Whether every pair was read. Asked after the iterator has ended.
    #[must_use]
    pub const fn is_at_end(&self) -> bool {
        self.lengths.is_empty()
    }
}

impl<'a> Iterator for HeaderBlock<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (name_len, rest) = self.lengths.split_first_chunk::<4>()?;
        let (value_len, lengths) = rest.split_first_chunk::<4>()?;
        let (name, rest) = self.bytes.split_at_checked(usize::try_from(u32::from_le_bytes(*name_len)).ok()?)?;
        let (_nul, rest) = rest.split_first()?;
        let (value, rest) = rest.split_at_checked(usize::try_from(u32::from_le_bytes(*value_len)).ok()?)?;
        let (_nul, bytes) = rest.split_first()?;
        (self.lengths, self.bytes) = (lengths, bytes);
        Some((name, value))
    }
}

/// Writes `(name, value)` pairs as a header block, for requests to the control plane and for answers.
#[must_use]
pub fn write_block(pairs: &[(&[u8], &[u8])]) -> Vec<u8> {
    let length = |part: &[u8]| u32::try_from(part.len()).unwrap_or(u32::MAX).to_le_bytes();
    let mut block =
        Vec::with_capacity(4 + pairs.iter().map(|(name, value)| name.len() + value.len() + 10).sum::<usize>());
    block.extend_from_slice(&u32::try_from(pairs.len()).unwrap_or(u32::MAX).to_le_bytes());
    for (name, value) in pairs {
        block.extend_from_slice(&length(name));
        block.extend_from_slice(&length(value));
    }
    for (name, value) in pairs {
        for part in [name, value] {
            block.extend_from_slice(part);
            block.push(0);
        }
    }
    block
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_written_block_reads_back(pairs: Vec<(Vec<u8>, Vec<u8>)>) {
            let borrowed: Vec<(&[u8], &[u8])> = pairs.iter().map(|(n, v)| (n.as_slice(), v.as_slice())).collect();
            let block = write_block(&borrowed);
            let mut headers = HeaderBlock::parse(&block).unwrap();
            let read: Vec<_> = headers.by_ref().collect();
            prop_assert_eq!(read, borrowed);
            prop_assert!(headers.is_at_end());
        }

        #[test]
        fn a_cut_off_block_is_refused(pairs in proptest::collection::vec(any::<(Vec<u8>, Vec<u8>)>(), 1..5), cut in 1_usize..64) {
            let borrowed: Vec<(&[u8], &[u8])> = pairs.iter().map(|(n, v)| (n.as_slice(), v.as_slice())).collect();
            let block = write_block(&borrowed);
            let cut = cut.min(block.len() - 1);
            let whole = HeaderBlock::parse(&block[..block.len() - cut]).is_some_and(|mut headers| {
                headers.by_ref().for_each(|_| ());
                headers.is_at_end()
            });
            prop_assert!(!whole);
        }

        #[test]
        fn no_block_makes_the_reader_panic(block: Vec<u8>) {
            if let Some(headers) = HeaderBlock::parse(&block) {
                headers.for_each(|_| ());
            }
        }
    }
}
