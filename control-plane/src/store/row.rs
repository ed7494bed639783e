//! Reading columns into types: a value that this program would not have written is an error, never a panic.

use super::StoreError;
use crate::domain::cursor::PageRequest;
use crate::domain::name::Name;
use crate::domain::time::Time;
use keyplane_contract::digest::Digest;
use keyplane_contract::id::Id;
use keyplane_contract::sync::Environment;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;
use std::time::Duration;

pub(super) fn bytes<const N: usize>(row: &SqliteRow, column: &'static str) -> Result<[u8; N], StoreError> {
    row.try_get::<&[u8], _>(column)?.try_into().map_err(|_| StoreError::Corrupt { column })
}

pub(super) fn id(row: &SqliteRow, column: &'static str) -> Result<Id, StoreError> {
    bytes(row, column).map(Id)
}

/// An id that may be absent.
pub(super) fn optional_id(row: &SqliteRow, column: &'static str) -> Result<Option<Id>, StoreError> {
    row.try_get::<Option<&[u8]>, _>(column)?
        .map(|bytes| bytes.try_into().map(Id).map_err(|_| StoreError::Corrupt { column }))
        .transpose()
}

/// A length of time in milliseconds that may be absent.
pub(super) fn optional_millis(row: &SqliteRow, column: &'static str) -> Result<Option<Duration>, StoreError> {
    let millis = row.try_get::<Option<i64>, _>(column)?;
    millis
        .map(|millis| u64::try_from(millis).map(Duration::from_millis))
        .transpose()
        .map_err(|_| StoreError::Corrupt { column })
}

pub(super) fn digest(row: &SqliteRow, column: &'static str) -> Result<Digest, StoreError> {
    bytes(row, column).map(Digest::from_bytes)
}

/// A number that is never negative: a revision, a count, a row's number.
pub(super) fn number<T: TryFrom<i64>>(row: &SqliteRow, column: &'static str) -> Result<T, StoreError> {
    T::try_from(row.try_get::<i64, _>(column)?).map_err(|_| StoreError::Corrupt { column })
}

/// A number that may be absent, which the wire writes as 0.
pub(super) fn number_or_zero<T: TryFrom<i64>>(row: &SqliteRow, column: &'static str) -> Result<T, StoreError> {
    let value = row.try_get::<Option<i64>, _>(column)?.unwrap_or_default();
    T::try_from(value).map_err(|_| StoreError::Corrupt { column })
}

pub(super) fn time(row: &SqliteRow, column: &'static str) -> Result<Time, StoreError> {
    Ok(Time::from_millis(row.try_get(column)?))
}

pub(super) fn optional_time(row: &SqliteRow, column: &'static str) -> Result<Option<Time>, StoreError> {
    Ok(row.try_get::<Option<i64>, _>(column)?.map(Time::from_millis))
}

pub(super) fn name(row: &SqliteRow, column: &'static str) -> Result<Name, StoreError> {
    Name::parse(row.try_get(column)?).map_err(|_| StoreError::Corrupt { column })
}

pub(super) fn environment(row: &SqliteRow, column: &'static str) -> Result<Environment, StoreError> {
    Environment::from_number(number(row, column)?).ok_or(StoreError::Corrupt { column })
}

/// A revision as the database keeps it. It counts up from 0, so it never reaches the sign bit.
pub(super) fn sql_number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// Ids below this one come on the page. Without a cursor that is every id: the bound is one byte longer than any.
pub(super) fn upper_bound(page: PageRequest) -> Vec<u8> {
    page.cursor.map_or_else(|| vec![0xff; Id::LEN + 1], |cursor| cursor.id().0.to_vec())
}
