//! What can go wrong when a test drives a guest.

/// An error of the host or of the guest in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// The module cannot be loaded.
    #[error("{0}")]
    Load(String),
    /// The guest trapped in a callback: a panic, a bad memory access, no fuel left, or a hostcall it may not make yet.
    #[error("the guest failed in {callback}: {cause}")]
    Trap {
        /// Export that was called.
        callback: &'static str,
        /// The trap and the guest's stack.
        cause: String,
    },
    /// An earlier trap killed this VM.
    #[error("this VM failed before and runs no more")]
    VmFailed,
    /// The test names a context, callout or stream that is not there.
    #[error("no {0}")]
    Unknown(String),
}
