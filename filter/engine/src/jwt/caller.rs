//! A verified token as a caller: what the table knows of its account.

use super::Token;
use crate::identity::Who;
use crate::table::Table;
use keyplane_contract::code::Reason;
use keyplane_contract::sync::Environment;

/// Who a request with a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller<'t> {
    /// The account: by its id when the table has it, else as the token names it.
    pub account: Option<Who<'t>>,
    /// The account's name; empty when the table does not have it.
    pub account_name: &'t str,
    /// What another system calls the account; empty when the table does not have it.
    pub account_external_id: &'t str,
    /// The user, as the token names them.
    pub user: Option<Who<'t>>,
    /// `live` or `test`.
    pub environment: Option<Environment>,
    /// Scopes joined by spaces; empty for none.
    pub scopes: &'t str,
    /// Whether the account is suspended.
    pub suspended: bool,
}

impl<'t> Caller<'t> {
    /// The token's caller. The table is asked for only if the token names an account; without one that may decide it is the refusal.
    pub fn of(token: &'t Token<'_>, table: impl FnOnce() -> Result<&'t Table, Reason>) -> Result<Self, Reason> {
        let mut caller = Self {
            account: None,
            account_name: "",
            account_external_id: "",
            user: token.user.as_deref().map(Who::Text),
            environment: token.environment,
            scopes: &token.scopes,
            suspended: false,
        };
        if let Some(name) = token.account.as_deref() {
            caller.account = Some(Who::Text(name));
            if let Some(account) = table()?.owners.account_named(name) {
                caller.account = Some(Who::Id(account.id));
                (caller.account_name, caller.account_external_id) = (&account.name, &account.external_id);
                caller.suspended = account.suspended;
            }
        }
        Ok(caller)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use keyplane_contract::id::Id;
    use keyplane_contract::sync::{Account, Record};

    fn table() -> Table {
        let account = |no, suspended, external_id| {
            let id = Id([u8::try_from(no).unwrap(); 16]);
            Record::Account(Account { revision: u64::from(no), id, no, suspended, name: "Acme", external_id })
        };
        let mut table = Table::new(Id([9; 16]), 3);
        assert!([account(1, false, "org_1"), account(2, true, "")].iter().all(|row| table.apply(row)));
        table
    }

    fn token(account: Option<&str>) -> Token<'_> {
        let account = account.map(Into::into);
        Token { account, user: Some("u".into()), scopes: "a b".into(), environment: Some(Environment::Live) }
    }

    #[test]
    fn an_account_that_the_table_has_is_told_as_with_a_key() {
        let table = table();
        for name in ["org_1".to_owned(), Id([1; 16]).to_string()] {
            let token = token(Some(&name));
            let expected = Caller {
                account: Some(Who::Id(Id([1; 16]))),
                account_name: "Acme",
                account_external_id: "org_1",
                user: Some(Who::Text("u")),
                environment: Some(Environment::Live),
                scopes: "a b",
                suspended: false,
            };
            assert_eq!(Caller::of(&token, || Ok(&table)), Ok(expected));
        }
        let (id, unknown) = (Id([2; 16]).to_string(), token(Some("org_2")));
        assert!(Caller::of(&token(Some(&id)), || Ok(&table)).unwrap().suspended);
        assert_eq!(Caller::of(&unknown, || Ok(&table)).unwrap().account, Some(Who::Text("org_2")));
    }

    #[test]
    fn only_a_token_with_an_account_needs_the_table() {
        for reason in [Reason::NotReady, Reason::Stale] {
            assert_eq!(Caller::of(&token(Some("org_1")), || Err(reason)), Err(reason));
            assert_eq!(Caller::of(&token(None), || Err(reason)).unwrap().account, None);
        }
    }
}
