//! Under which names the filter tells who calls.

use super::read::read;
use super::{Principal, Refusal};
use http::{HeaderMap, HeaderName};
use keyplane_contract::header::{ACCOUNT, ENVIRONMENT, KEY_ID, PROJECT, SCOPES, USER};
use std::sync::{Arc, LazyLock};

/// Something that a [`Principal`] is read from; in the filter's setting `identity.headers` it has the same name.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum PrincipalField {
    /// `key_id`
    KeyId,
    /// `account`
    Account,
    /// `project`
    Project,
    /// `environment`
    Environment,
    /// `user`
    User,
    /// `scopes`
    Scopes,
}

/// The names of the identity headers, where the filter's setting `identity` has other ones than its preset `keyplane`. They must be the same on
/// both sides.
///
/// Say only names that the setting has: the filter removes from requests what it has names for, and what begins with `x-keyplane-`. **A name that
/// it does not know is a header that every caller can send**, and be anybody.
///
/// ```
/// use http::HeaderName;
/// use keyplane_sdk::{PrincipalField, PrincipalHeaders};
///
/// // {"identity": {"headers": {"account": "x-tenant-id", "project": null}}}
/// let names = PrincipalHeaders::keyplane()
///     .with(PrincipalField::Account, HeaderName::from_static("x-tenant-id"))
///     .without(PrincipalField::Project);
///
/// let mut headers = http::HeaderMap::new();
/// headers.insert("x-keyplane-key-id", "01890a5d-ac96-774b-bcce-b302099a8057".parse()?);
/// headers.insert("x-keyplane-environment", "live".parse()?);
/// headers.insert("x-tenant-id", "01890a5d-ac96-774b-bcce-b302099a8058".parse()?);
/// assert_eq!(names.read(&headers)?.account(), Some("01890a5d-ac96-774b-bcce-b302099a8058"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A [`PrincipalLayer`](super::PrincipalLayer) is given them with [`headers`](super::PrincipalLayer::headers). Extractors find them among the
/// request's extensions: in axum `router.layer(Extension(names))`. Where they were forgotten nobody is known, and nobody is let in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PrincipalHeaders {
    names: Arc<Names>,
}

/// The header of each field that has one.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Names {
    pub key_id: Option<HeaderName>,
    pub account: Option<HeaderName>,
    pub project: Option<HeaderName>,
    pub environment: Option<HeaderName>,
    pub user: Option<HeaderName>,
    pub scopes: Option<HeaderName>,
}

static KEYPLANE: LazyLock<PrincipalHeaders> = LazyLock::new(|| {
    let name = |name| Some(HeaderName::from_static(name));
    PrincipalHeaders::of(Names {
        key_id: name(KEY_ID),
        account: name(ACCOUNT),
        project: name(PROJECT),
        environment: name(ENVIRONMENT),
        user: name(USER),
        scopes: name(SCOPES),
    })
});

impl PrincipalHeaders {
    fn of(names: Names) -> Self {
        Self { names: Arc::new(names) }
    }

    /// Those of the preset `keyplane`, which is the filter's default: `x-keyplane-*`.
    pub fn keyplane() -> Self {
        KEYPLANE.clone()
    }

    /// Those of the preset `kong`: `X-Consumer-ID` for the account, `X-Credential-Identifier` for the key's id.
    pub fn kong() -> Self {
        let name = |name| Some(HeaderName::from_static(name));
        Self::of(Names { account: name("x-consumer-id"), key_id: name("x-credential-identifier"), ..Names::default() })
    }

    /// None, the preset `none`: nobody is known until names are given.
    pub fn none() -> Self {
        Self::of(Names::default())
    }

    /// The header of a field, in place of the preset's.
    #[must_use]
    pub fn with(mut self, field: PrincipalField, name: HeaderName) -> Self {
        *self.slot(field) = Some(name);
        self
    }

    /// No header for this field: `null` in the filter's setting.
    #[must_use]
    pub fn without(mut self, field: PrincipalField) -> Self {
        *self.slot(field) = None;
        self
    }

    fn slot(&mut self, field: PrincipalField) -> &mut Option<HeaderName> {
        let names = Arc::make_mut(&mut self.names);
        match field {
            PrincipalField::KeyId => &mut names.key_id,
            PrincipalField::Account => &mut names.account,
            PrincipalField::Project => &mut names.project,
            PrincipalField::Environment => &mut names.environment,
            PrincipalField::User => &mut names.user,
            PrincipalField::Scopes => &mut names.scopes,
        }
    }

    /// Reads the headers of a request.
    pub fn read(&self, headers: &HeaderMap) -> Result<Principal, Refusal> {
        read(headers, &self.names)
    }

    /// Those among a request's extensions, else the default.
    pub(super) fn among(extensions: &http::Extensions) -> &Self {
        extensions.get::<Self>().unwrap_or(&KEYPLANE)
    }
}

/// [`keyplane`](PrincipalHeaders::keyplane)
impl Default for PrincipalHeaders {
    fn default() -> Self {
        Self::keyplane()
    }
}
