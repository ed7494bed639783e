//! Cursors: where the next page of a list begins.
//!
//! Lists are ordered by id, newest first, and a cursor is the last id that was seen. Ids are never given again and rows
//! never move, so pages neither repeat nor skip a row when others are added meanwhile, and page a thousand costs what
//! page one does. The audit log has no ids: its entries are ordered by time and number, which never change either.
//! The text is for Keyplane alone: callers hand it back as they got it.

use super::time::Time;
use keyplane_contract::id::Id;

/// Leads the text, so that an id is not taken for a cursor and the form can change.
const MARK: &str = "c1";

/// The place after a row.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cursor(Id);

impl Cursor {
    /// The place after the row of this id.
    pub const fn after(id: Id) -> Self {
        Self(id)
    }

    /// Reads what `to_string` wrote; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix(MARK).filter(|digits| digits.len() == 2 * Id::LEN)?;
        Id::parse(digits.as_bytes()).map(Self).filter(|cursor| cursor.to_string() == text)
    }

    /// The last id that was seen.
    pub const fn id(&self) -> Id {
        self.0
    }
}

impl core::fmt::Display for Cursor {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(MARK)?;
        self.0.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Leads the text of a place in the audit log.
const AUDIT_MARK: &str = "a1";

/// The place after an entry of the audit log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AuditCursor {
    /// When the last entry that was seen was written.
    pub at: Time,
    /// Its number.
    pub no: u64,
}

impl AuditCursor {
    /// Reads what `to_string` wrote; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix(AUDIT_MARK).filter(|digits| digits.len() == 32)?;
        let (at, no) = digits.split_at_checked(16)?;
        let at = i64::try_from(u64::from_str_radix(at, 16).ok()?).ok()?;
        let cursor = Self { at: Time::from_millis(at), no: u64::from_str_radix(no, 16).ok()? };
        Some(cursor).filter(|cursor| cursor.to_string() == text)
    }
}

impl core::fmt::Display for AuditCursor {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{AUDIT_MARK}{:016x}{:016x}", self.at.unsigned_millis(), self.no)
    }
}

/// How many rows a page has when the caller does not say.
pub const DEFAULT_LIMIT: u32 = 50;
/// The most rows of a page.
pub const MAX_LIMIT: u32 = 200;

/// Which page of a list is wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PageRequest {
    /// Begin after this place; `None` for the newest row.
    pub cursor: Option<Cursor>,
    /// How many rows, `1..=MAX_LIMIT`.
    pub limit: u32,
}

/// One page of a list.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
pub struct Listing<T> {
    /// The rows.
    pub data: Vec<T>,
    /// Where the next page begins; `None` on the last.
    pub next_cursor: Option<String>,
}

impl<T> Listing<T> {
    /// Makes a page of `rows`, which were read with one row more than `request` asks for.
    pub fn of(rows: Vec<T>, request: PageRequest, id: impl Fn(&T) -> Id) -> Self {
        Self::cut(rows, request.limit, |row| Cursor::after(id(row)).to_string())
    }

    /// Makes a page of `rows`, which were read with one row more than `limit`; `cursor` says the place after a row.
    pub fn cut(mut rows: Vec<T>, limit: u32, cursor: impl Fn(&T) -> String) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next_cursor = rows.last().filter(|_| more).map(cursor);
        Self { data: rows, next_cursor }
    }

    /// The same page with its rows turned into something else.
    pub fn map<U>(self, change: impl FnMut(T) -> U) -> Listing<U> {
        Listing { data: self.data.into_iter().map(change).collect(), next_cursor: self.next_cursor }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_cursor_reads_back(bytes: [u8; 16]) {
            let cursor = Cursor::after(Id(bytes));
            prop_assert_eq!(Cursor::parse(&cursor.to_string()), Some(cursor));
        }

        #[test]
        fn no_text_makes_the_parser_panic(text: String) {
            let _ = Cursor::parse(&text);
            let _ = AuditCursor::parse(&text);
            let _ = AuditCursor::parse(&format!("{AUDIT_MARK}{text}"));
        }

        #[test]
        fn every_cursor_of_the_audit_log_reads_back(millis in 0..253_370_764_799_999_i64, no: u64) {
            let cursor = AuditCursor { at: Time::from_millis(millis), no };
            prop_assert_eq!(AuditCursor::parse(&cursor.to_string()), Some(cursor));
        }
    }

    #[test]
    fn an_id_is_no_cursor() {
        assert_eq!(Cursor::parse("01890a5d-ac96-774b-bcce-b302099a8057"), None);
        assert_eq!(Cursor::parse("c1-1890a5dac96774bbcceb302099a8057"), None);
        assert_eq!(AuditCursor::parse(&Cursor::after(Id([1; 16])).to_string()), None);
    }
}
