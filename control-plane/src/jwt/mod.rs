//! JWTs of other issuers (Supabase Auth, Clerk, any `OpenID` provider) as a way to call the control plane.
//!
//! [`Verifier::verify`] takes a bearer token and says who it speaks for, or why it is refused. The signature is the work of
//! `jsonwebtoken`; the claims are checked here, because that library reads the machine's clock and ours is an argument.
//! Rules are those of RFC 7519 (JWT), RFC 7515 (JWS), RFC 7517 (JWK) and RFC 8725 (best practice): the issuer's settings,
//! never the token, decide which algorithm and which keys may be used.
//!
//! [`settings`] says whom to trust, `fetch` gets an issuer's keys, `cache` decides when, `keys` finds the key of a token,
//! `claims` judges what was signed. `provider` leads people to an issuer and takes them back, when they sign in to the dashboard with it; `login` is
//! what one such way is bound to. All but `fetch`, `issuer` and `provider` are pure.

mod cache;
mod claims;
mod error;
mod fetch;
mod issuer;
mod keys;
mod login;
mod provider;
pub mod settings;
mod token;
mod trusted_url;
mod verifier;

pub use claims::VerifiedToken;
pub use error::JwtError;
pub use login::Login;
pub use provider::{Provider, Returned, SignInError};
pub use settings::{Algorithm, CALLBACK, IssuerSettings, JwtSettings, SettingError, SettingsErrors, SignInSettings};
pub use token::{MAX_TOKEN_LEN, looks_like_jwt};
pub use verifier::{SetupError, Verifier};
