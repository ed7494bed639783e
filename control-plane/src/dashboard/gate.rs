//! Who is signed in. Every page but the one to sign in on is behind [`require_session`]: a page that forgets to ask is still not
//! open, and a form that comes from elsewhere reaches no handler.

use super::answer::see_other;
use super::{cookie, csrf, link};
use crate::domain::audit::Origin;
use crate::domain::id::RequestId;
use crate::domain::secret::Secret;
use crate::domain::session::Session;
use crate::error::{Code, Error};
use crate::http::auth::source;
use crate::http::problem::Problem;
use crate::service::{App, sessions};
use axum::body::Body;
use axum::extract::{FromRequest as _, FromRequestParts, Request, State};
use axum::http::Method;
use axum::http::header::SET_COOKIE;
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::Response;

/// Who is signed in, and from where. Only behind [`require_session`].
#[derive(Clone, Debug)]
pub struct SignedIn {
    /// Who acts and from where: what operations ask for rights, and the audit log for names.
    pub origin: Origin,
    /// What the browser holds.
    pub held: Secret,
    /// The session.
    pub session: Session,
}

/// The fields of a form, in their order. Only behind [`require_session`], which has checked where it comes from.
#[derive(Clone, Default)]
pub struct Form(Vec<(String, String)>);

impl Form {
    /// Reads the body of a form.
    pub async fn read(parts: &Parts, body: Body) -> Result<Self, Error> {
        let request = Request::from_parts(parts.clone(), body);
        match axum::extract::Form::<Vec<(String, String)>>::from_request(request, &()).await {
            Ok(axum::extract::Form(fields)) => Ok(Self(fields)),
            Err(rejection) => Err(Error::new(Code::of_status(rejection.status().as_u16()))),
        }
    }

    /// The first field of this name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// The first field of this name, without white space around; empty when there is none.
    pub fn text(&self, name: &str) -> &str {
        self.get(name).unwrap_or_default().trim()
    }

    /// The field's words, in its lines or between commas.
    pub fn words(&self, name: &str) -> Vec<String> {
        let words = self.text(name).split(|c: char| c.is_whitespace() || c == ',');
        words.filter(|word| !word.is_empty()).map(str::to_owned).collect()
    }

    /// All of it, to recognise a form that comes twice.
    pub fn fields(&self) -> &[(String, String)] {
        &self.0
    }
}

/// Lets in who is signed in; leads others to where they can. A request that may change something must come from a page of the session.
pub async fn require_session(State(app): State<App>, request: Request, next: Next) -> Result<Response, Problem> {
    let source = source(&request);
    let (mut parts, body) = request.into_parts();
    let Some(held) = cookie::read(&parts) else { return Ok(to_sign_in(&parts)) };
    let Some((session, actor)) = sessions::resume(&app, &held, source).await? else {
        let mut response = to_sign_in(&parts);
        if let Some(value) = cookie::clear(&parts) {
            response.headers_mut().insert(SET_COOKIE, value);
        }
        return Ok(response);
    };
    let (form, body) = if matches!(parts.method, Method::GET | Method::HEAD) {
        (Form::default(), body)
    } else {
        csrf::check_origin(&parts)?;
        let form = Form::read(&parts, body).await?;
        csrf::check_token(&held, form.get(csrf::FIELD))?;
        (form, Body::empty())
    };
    let request_id = parts.extensions.get::<RequestId>().copied();
    let origin = Origin { actor, request: request_id, source };
    parts.extensions.insert(SignedIn { origin, held, session });
    parts.extensions.insert(form);
    Ok(next.run(Request::from_parts(parts, body)).await)
}

/// To the page to sign in on, and from there back.
fn to_sign_in(parts: &Parts) -> Response {
    let wanted = parts.uri.path_and_query().map_or("/", axum::http::uri::PathAndQuery::as_str);
    if parts.method == Method::GET && wanted != "/" {
        see_other(&format!("/sign-in?next={}", link::encode(wanted)))
    } else {
        see_other("/sign-in")
    }
}

impl<S: Send + Sync> FromRequestParts<S> for SignedIn {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let found = parts.extensions.get::<Self>().cloned();
        found.ok_or_else(|| Error::internal("a page is not behind the sign-in").into())
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Form {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let found = parts.extensions.get::<Self>().cloned();
        found.ok_or_else(|| Error::internal("a page is not behind the sign-in").into())
    }
}
