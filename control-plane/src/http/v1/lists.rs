//! What the lists of objects are asked with: a page, and whose objects.

use super::super::query::page;
use super::id_field;
use super::texts::CursorText;
use crate::domain::cursor::PageRequest;
use crate::domain::id::AccountId;
use crate::error::{Code, Error};
use serde::Deserialize;
use utoipa::IntoParams;

/// A page of all that the caller may see.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// The most objects on the page.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 200, default = 50)]
    limit: Option<String>,
    /// The `next_cursor` of the page before.
    #[param(value_type = Option<CursorText>)]
    cursor: Option<String>,
}

impl PageQuery {
    /// Reads the parameters.
    pub fn parse(&self) -> Result<PageRequest, Error> {
        let mut errors = Vec::new();
        let page = page(self.limit.as_deref(), self.cursor.as_deref(), &mut errors);
        if errors.is_empty() { Ok(page) } else { Err(Error::fields(Code::InvalidQuery, errors)) }
    }
}

/// A page of what one account has, or of all that the caller may see.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AccountPageQuery {
    /// Only of this account.
    #[param(value_type = Option<uuid::Uuid>)]
    account_id: Option<String>,
    /// The most objects on the page.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 200, default = 50)]
    limit: Option<String>,
    /// The `next_cursor` of the page before.
    #[param(value_type = Option<CursorText>)]
    cursor: Option<String>,
}

impl AccountPageQuery {
    /// Reads the parameters.
    pub fn parse(&self) -> Result<(Option<AccountId>, PageRequest), Error> {
        let mut errors = Vec::new();
        let account = self.account_id.as_deref().and_then(|text| id_field("account_id", text, &mut errors));
        let page = page(self.limit.as_deref(), self.cursor.as_deref(), &mut errors);
        if errors.is_empty() { Ok((account, page)) } else { Err(Error::fields(Code::InvalidQuery, errors)) }
    }
}
