//! The only random source of the crate. All that uses it takes the bytes as an argument, so that it can be tested.

/// Sixteen bytes from the operating system; `None` where it has none to give.
pub(crate) fn random() -> Option<[u8; 16]> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).ok().map(|()| bytes)
}
