//! What can go wrong in sync, each with its name in metrics and logs.

use std::fmt;

/// A fault of sync. The table serves on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SyncFault {
    /// No answer: connection refused, timed out, lost by the host, or 502 to 504.
    Unreachable,
    /// 401 or 403: the proxy token is not accepted.
    Unauthorized,
    /// Another status than 200.
    Status,
    /// A page that is cut off, damaged, or of a version or kind that this filter does not know.
    Page,
    /// A page that does not follow on the table's revision.
    Gap,
    /// After a complete catch-up the number of keys is not the control plane's.
    Count,
    /// A new table with far fewer keys than the old.
    Shrink,
    /// A lower revision under the same epoch: a restored database without a new epoch.
    Backwards,
    /// More keys than the table has room for.
    Full,
    /// An answer that nobody waits for.
    Unexpected,
}

impl SyncFault {
    /// Every fault, for metrics.
    pub const ALL: [Self; 10] = [
        Self::Unreachable,
        Self::Unauthorized,
        Self::Status,
        Self::Page,
        Self::Gap,
        Self::Count,
        Self::Shrink,
        Self::Backwards,
        Self::Full,
        Self::Unexpected,
    ];

    /// The name in metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Unauthorized => "unauthorized",
            Self::Status => "status",
            Self::Page => "page",
            Self::Gap => "gap",
            Self::Count => "count",
            Self::Shrink => "shrink",
            Self::Backwards => "backwards",
            Self::Full => "full",
            Self::Unexpected => "unexpected",
        }
    }
}

impl fmt::Display for SyncFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unreachable => "the control plane does not answer; is the cluster of `control_plane.cluster` right?",
            Self::Unauthorized => "the control plane does not accept the proxy token in KEYPLANE_PROXY_TOKEN",
            Self::Status => "the control plane answered with an error status; its log says why",
            Self::Page => "a page was damaged, or is of a newer format than this filter reads",
            Self::Gap => "a page does not follow on this table; starting over",
            Self::Count => "the number of keys is not the control plane's; starting over",
            Self::Shrink => "the new table has less than half the keys of the old and was refused",
            Self::Backwards => "the control plane's revision went backwards in the same epoch and was refused",
            Self::Full => "there are more keys than the table has room for",
            Self::Unexpected => "an answer came that was not asked for",
        })
    }
}
