//! One connection, from the TLS handshake to its last answer.

use super::progress::{HEAD, LAST_CALL, Progress, Verdict};
use super::stopped;
use super::tls::Tls;
use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::graceful::GracefulConnection;
use std::fmt::Display;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tower::Service as _;

/// The longest head of a request, in bytes.
const MAX_HEAD: usize = 64 * 1024;
/// How often a connection that is to end is looked at.
const LOOK: Duration = Duration::from_millis(200);
/// Type of a TLS record that begins a handshake (RFC 8446, section 5.1): the first byte of every TLS connection.
const HANDSHAKE: u8 = 22;
/// The answer to plain HTTP where TLS is spoken.
const PLAIN: &[u8] =
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\nContent-Length: 49\r\n\r\n\
    This port speaks TLS. Use https:// to reach it.\r\n";

/// What a connection needs.
pub struct Connection {
    /// Who is at the other end.
    pub peer: SocketAddr,
    /// What is served.
    pub routes: Router,
    /// Becomes true when the process stops.
    pub stopping: watch::Receiver<bool>,
    /// Changes when connections are to be made anew.
    pub reload: Option<watch::Receiver<u64>>,
}

impl Connection {
    /// Serves it until it ends.
    pub async fn run(mut self, stream: TcpStream, tls: Option<Tls>) {
        tracing::trace!(peer = %self.peer, tls = tls.is_some(), "accepted a connection");
        // Answers are written whole; waiting for more only makes them late.
        let _ = stream.set_nodelay(true);
        let Some(tls) = tls else { return self.http1(stream).await };
        let mut stopping = self.stopping.clone();
        let handshake = tokio::select! {
            () = stopped(&mut stopping) => return,
            handshake = tokio::time::timeout(HEAD, handshake(stream, &tls)) => handshake,
        };
        match handshake {
            Ok(Ok(Some(stream))) if stream.get_ref().1.alpn_protocol() == Some(b"h2") => self.http2(stream).await,
            Ok(Ok(Some(stream))) => self.http1(stream).await,
            Ok(Ok(None)) => {}
            Ok(Err(error)) => tls.complain(self.peer, &error),
            Err(_) => tls.complain(self.peer, &io::ErrorKind::TimedOut.into()),
        }
    }

    async fn http1<T: AsyncRead + AsyncWrite + Unpin + Send + 'static>(&mut self, io: T) {
        let watched = Watched::new(io, false);
        let progress = watched.progress.clone();
        let service = service(self.routes.clone(), self.peer, progress.clone());
        let connection = http1::Builder::new().max_buf_size(MAX_HEAD).serve_connection(TokioIo::new(watched), service);
        self.drive(Box::pin(connection), &progress).await;
    }

    async fn http2<T: AsyncRead + AsyncWrite + Unpin + Send + 'static>(&mut self, io: T) {
        let watched = Watched::new(io, true);
        let progress = watched.progress.clone();
        let service = service(self.routes.clone(), self.peer, progress.clone());
        let connection = http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(watched), service);
        self.drive(Box::pin(connection), &progress).await;
    }

    /// Keeps `connection` going, within its bounds.
    ///
    /// Boxed: a future has room for each that it hands on, and thousands of polls wait here.
    async fn drive<C: GracefulConnection>(&mut self, mut connection: Pin<Box<C>>, progress: &Shared)
    where
        C::Error: Display,
    {
        let mut look = pin!(tokio::time::sleep(HEAD));
        // When it was told to end.
        let mut told: Option<Instant> = None;
        loop {
            let end = tokio::select! {
                ended = connection.as_mut() => {
                    if let Err(error) = ended {
                        tracing::debug!(peer = %self.peer, %error, "a connection failed");
                    }
                    return;
                }
                () = look.as_mut() => {
                    let (now, found) = (now(), *lock(progress));
                    match (told, found.verdict(now)) {
                        (Some(told), _) if found.is_left_over(told, now) => return,
                        (Some(_), _) => look.as_mut().reset((now + LOOK).into()),
                        (None, Verdict::Wait(until)) => look.as_mut().reset(until.into()),
                        (None, Verdict::Close) => {}
                        (None, Verdict::Cut) => {
                            tracing::debug!(peer = %self.peer, "a request did not come in time");
                            return;
                        }
                    }
                    told.is_none() && found.verdict(now) == Verdict::Close
                }
                () = stopped(&mut self.stopping), if told.is_none() => true,
                () = changed(self.reload.as_mut()), if told.is_none() => true,
            };
            if end {
                let now = now();
                connection.as_mut().graceful_shutdown();
                look.as_mut().reset((now + LAST_CALL).into());
                told = Some(now);
            }
        }
    }
}

/// Makes the TLS of a connection. `None`: there is none to make, and whoever it was has been told.
async fn handshake(mut stream: TcpStream, tls: &Tls) -> io::Result<Option<TlsStream<TcpStream>>> {
    let mut first = [0];
    match stream.peek(&mut first).await? {
        0 => Ok(None),
        _ if first == [HANDSHAKE] => TlsAcceptor::from(tls.config()).accept(stream).await.map(Some),
        _ => {
            stream.write_all(PLAIN).await?;
            stream.shutdown().await?;
            // What is left unread would take the answer away from the client (RST).
            let mut rest = stream.take(64 * 1024);
            let _ = tokio::time::timeout(LAST_CALL, tokio::io::copy(&mut rest, &mut tokio::io::sink())).await;
            Ok(None)
        }
    }
}

async fn changed(reload: Option<&mut watch::Receiver<u64>>) {
    if let Some(reload) = reload
        && reload.changed().await.is_ok()
    {
        return;
    }
    std::future::pending::<()>().await;
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

type Shared = Arc<Mutex<Progress>>;

fn lock(progress: &Shared) -> std::sync::MutexGuard<'_, Progress> {
    progress.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The routes, with the peer's address, and with each request told to `progress`.
fn service(
    routes: Router,
    peer: SocketAddr,
    progress: Shared,
) -> impl hyper::service::Service<
    Request<Incoming>,
    Response = axum::response::Response,
    Error = std::convert::Infallible,
    Future = impl Future<Output = Result<axum::response::Response, std::convert::Infallible>> + Send + 'static,
> {
    service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        let running = Running::begin(progress.clone());
        let answer = routes.clone().call(request);
        async move {
            let answer = answer.await;
            drop(running);
            answer
        }
    })
}

/// A request that runs; its client may go away and drop it.
struct Running(Shared);

impl Running {
    fn begin(progress: Shared) -> Self {
        lock(&progress).begin(now());
        Self(progress)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        lock(&self.0).end(now());
    }
}

/// A transport whose bytes are told to [`Progress`].
struct Watched<T> {
    io: T,
    progress: Shared,
}

impl<T> Watched<T> {
    fn new(io: T, multiplexed: bool) -> Self {
        Self { io, progress: Arc::new(Mutex::new(Progress::new(now(), multiplexed))) }
    }

    fn wrote(&self, result: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(1..)) = result {
            lock(&self.progress).wrote(now());
        }
        result
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Watched<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let result = Pin::new(&mut self.io).poll_read(cx, buf);
        if buf.filled().len() > before {
            lock(&self.progress).read(now());
        }
        result
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Watched<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.io).poll_write(cx, buf);
        self.wrote(result)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.io).poll_write_vectored(cx, bufs);
        self.wrote(result)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}
