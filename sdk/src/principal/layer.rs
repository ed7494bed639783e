//! The principal as a layer of tower, for whole routers and for servers other than axum.

use super::{Principal, PrincipalHeaders, Refusal};
use crate::environment::Environment;
use http::{Request, Response};
use pin_project_lite::pin_project;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tower_layer::Layer;
use tower_service::Service;

/// Refuses requests without an identity, with one that is not what the filter writes, or without what is asked for here. The others go on with the
/// [`Principal`] among their extensions.
///
/// Read [what it rests on](Principal#what-it-rests-on).
///
/// ```
/// use keyplane_sdk::{Environment, PrincipalLayer};
///
/// let layer = PrincipalLayer::new().scope("files:write").environment(Environment::Live);
/// # let _ = layer;
/// ```
#[derive(Clone, Debug, Default)]
pub struct PrincipalLayer {
    needs: Arc<Needs>,
}

#[derive(Clone, Debug, Default)]
struct Needs {
    /// `None`: those among the request's extensions.
    headers: Option<PrincipalHeaders>,
    /// Of each of these, one.
    scopes: Vec<Vec<String>>,
    environment: Option<Environment>,
}

impl Needs {
    fn check(&self, principal: &Principal) -> Result<(), Refusal> {
        if let Some(environment) = self.environment {
            principal.require_environment(environment)?;
        }
        let lacking = |any: &&Vec<String>| !any.iter().any(|scope| principal.has_scope(scope));
        self.scopes.iter().find(lacking).map_or(Ok(()), |any| Err(Refusal::scope_missing(any)))
    }
}

impl PrincipalLayer {
    /// Asks for an identity, and nothing else.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks for this scope too. Several calls ask for all of their scopes.
    #[must_use]
    pub fn scope(self, scope: impl Into<String>) -> Self {
        self.any_scope([scope])
    }

    /// Asks for one of these scopes too. Of none, nobody has one.
    #[must_use]
    pub fn any_scope<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        Arc::make_mut(&mut self.needs).scopes.push(scopes.into_iter().map(Into::into).collect());
        self
    }

    /// Reads the identity under these names, and has the layers and extractors inside do so too.
    #[must_use]
    pub fn headers(mut self, headers: PrincipalHeaders) -> Self {
        Arc::make_mut(&mut self.needs).headers = Some(headers);
        self
    }

    /// Takes keys of this environment only.
    #[must_use]
    pub fn environment(mut self, environment: Environment) -> Self {
        Arc::make_mut(&mut self.needs).environment = Some(environment);
        self
    }
}

impl<S> Layer<S> for PrincipalLayer {
    type Service = PrincipalService<S>;

    fn layer(&self, inner: S) -> PrincipalService<S> {
        PrincipalService { inner, needs: Arc::clone(&self.needs) }
    }
}

/// The service that [`PrincipalLayer`] makes of another.
#[derive(Clone, Debug)]
pub struct PrincipalService<S> {
    inner: S,
    needs: Arc<Needs>,
}

impl<S, Body, Answer> Service<Request<Body>> for PrincipalService<S>
where
    S: Service<Request<Body>, Response = Response<Answer>>,
    Answer: From<String>,
{
    type Response = Response<Answer>;
    type Error = S::Error;
    type Future = PrincipalFuture<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        // Always from the headers: an outer layer with fewer needs must not answer for this one.
        if let Some(headers) = &self.needs.headers {
            request.extensions_mut().insert(headers.clone());
        }
        let principal = PrincipalHeaders::among(request.extensions()).read(request.headers());
        match principal.and_then(|principal| self.needs.check(&principal).map(|()| principal)) {
            Ok(principal) => {
                request.extensions_mut().insert(principal);
                PrincipalFuture { way: Way::On { future: self.inner.call(request) } }
            }
            Err(refusal) => PrincipalFuture { way: Way::Refused { refusal: Some(refusal) } },
        }
    }
}

pin_project! {
    /// The answer of a [`PrincipalService`] to be.
    #[derive(Debug)]
    pub struct PrincipalFuture<F> {
        #[pin]
        way: Way<F>,
    }
}

pin_project! {
    #[project = WayOf]
    #[derive(Debug)]
    enum Way<F> {
        On { #[pin] future: F },
        Refused { refusal: Option<Refusal> },
    }
}

impl<F, Answer, Error> Future for PrincipalFuture<F>
where
    F: Future<Output = Result<Response<Answer>, Error>>,
    Answer: From<String>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        match self.project().way.project() {
            WayOf::On { future } => Poll::Ready(ready!(future.poll(context))),
            // A future that is asked again after its answer may wait for ever.
            WayOf::Refused { refusal } => {
                refusal.take().map_or(Poll::Pending, |refusal| Poll::Ready(Ok(refusal.into_response())))
            }
        }
    }
}
