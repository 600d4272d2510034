//! The connection below the client, on which every message is made readable.

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use async_rs::traits::Reactor;
use async_rs::util::RuntimeParts;
use async_rs::{Runtime, Tokio};
use futures_io::{AsyncRead, AsyncWrite};
use futures_util::Stream;
use lapin::tcp::{AMQPUriTcpExt, AsyncTcpStream};
use lapin::{Connection, ConnectionProperties, Result};

use super::endpoint::Endpoint;
use super::readable::ReadableFrames;

/// How much is read from the broker at once.
const PIECE: usize = 16 * 1024;

/// Connects to the broker, with TLS if the address says so.
pub(super) async fn connect(endpoint: &Endpoint, properties: ConnectionProperties) -> Result<Connection> {
    let runtime = Runtime::new(RuntimeParts::new(Tokio::current(), ReadableTokio(Tokio::current())));
    let (tls, sockets) = (endpoint.tls.clone(), Runtime::new(Tokio::current()));
    let connect = async move |uri: lapin::uri::AMQPUri, _| {
        let stream = uri.connect_with_config_async(tls.as_ref(), &sockets).await?;
        Ok(AsyncTcpStream::Plain(ReadableStream::over(Box::new(stream))))
    };
    Connection::connector(endpoint.uri.clone(), runtime, connect, properties).await
}

/// Tokio's reactor, whose streams are readable ones.
#[derive(Debug, Clone)]
struct ReadableTokio(Tokio);

impl Reactor for ReadableTokio {
    type TcpStream = ReadableStream;
    type Sleep = <Tokio as Reactor>::Sleep;

    /// Not used by the client, which has its streams from [`connect`].
    fn register<H: Read + Write + Send + 'static>(
        &self,
        _: H,
    ) -> io::Result<impl AsyncRead + AsyncWrite + Send + Unpin + 'static> {
        Err::<ReadableStream, _>(io::ErrorKind::Unsupported.into())
    }

    fn sleep(&self, duration: Duration) -> Self::Sleep {
        self.0.sleep(duration)
    }

    fn interval(&self, duration: Duration) -> impl Stream<Item = Instant> + Send + 'static {
        self.0.interval(duration)
    }

    fn tcp_connect_addr(
        &self,
        address: SocketAddr,
    ) -> impl Future<Output = io::Result<ReadableStream>> + Send + 'static {
        let connecting = self.0.tcp_connect_addr(address);
        async move { Ok(ReadableStream::over(Box::new(connecting.await?))) }
    }
}

/// Both directions of a connection.
trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// A connection that gives the client only what it can parse.
struct ReadableStream {
    inner: Box<dyn Duplex>,
    frames: ReadableFrames,
    /// What the client may read next, from `read` on.
    ready: Vec<u8>,
    read: usize,
    piece: Box<[u8]>,
}

impl ReadableStream {
    fn over(inner: Box<dyn Duplex>) -> Self {
        let piece = vec![0; PIECE].into_boxed_slice();
        Self { inner, frames: ReadableFrames::default(), ready: Vec::new(), read: 0, piece }
    }
}

impl AsyncRead for ReadableStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let Self { inner, frames, ready: out, read, piece } = &mut *self;
        while *read == out.len() {
            out.clear();
            *read = 0;
            let count = ready!(Pin::new(&mut *inner).poll_read(context, piece))?;
            if count > 0 {
                frames.push(&piece[..count], out);
                continue;
            }
            frames.flush(out);
            if out.is_empty() {
                return Poll::Ready(Ok(0));
            }
        }
        let count = buffer.len().min(out.len() - *read);
        buffer[..count].copy_from_slice(&out[*read..*read + count]);
        *read += count;
        Poll::Ready(Ok(count))
    }
}

impl AsyncWrite for ReadableStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_close(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_close(context)
    }
}
