//! A small HTTP server for Prometheus and the probes of Kubernetes: one request a connection.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use super::metrics::Metrics;
use super::text::MEDIA_TYPE;

/// The pause after a connection could not be accepted, for example because too many files are open.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// How many connections are served at once; others wait. Far more than any scraper and probe open: a probe that waits
/// for idle ones would have a healthy worker restarted.
const CONNECTIONS: usize = 512;

/// How long the head of a request may take, and the whole connection.
const LONGEST_HEAD: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(10);

/// Serves until it is dropped.
pub(super) async fn serve(listener: TcpListener, metrics: Metrics) {
    let permits = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(permit) = permits.clone().acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            sleep(ACCEPT_AGAIN).await;
            continue;
        };
        let metrics = metrics.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let response = reply(&request, &metrics);
                async move { Ok::<_, Infallible>(response) }
            });
            let connection = http1::Builder::new()
                .keep_alive(false)
                .timer(TokioTimer::new())
                .header_read_timeout(LONGEST_HEAD)
                .serve_connection(TokioIo::new(stream), service);
            // A client that leaves or takes too long ends the connection with an error.
            let _ = timeout(LONGEST, connection).await;
            drop(permit);
        });
    }
}

fn reply<B>(request: &Request<B>, metrics: &Metrics) -> Response<String> {
    let plain = |status, text: &str| respond(status, "text/plain; charset=utf-8", format!("{text}\n"));
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD");
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    match request.uri().path() {
        "/metrics" => respond(StatusCode::OK, MEDIA_TYPE, metrics.text()),
        "/healthz" => plain(StatusCode::OK, "alive"),
        "/readyz" if !metrics.has_queue() => {
            plain(StatusCode::SERVICE_UNAVAILABLE, "the queue cannot be reached")
        }
        "/readyz" if metrics.is_active() => plain(StatusCode::OK, "a run is active"),
        "/readyz" => plain(StatusCode::SERVICE_UNAVAILABLE, "no run is active"),
        _ => plain(StatusCode::NOT_FOUND, "there are /metrics, /healthz and /readyz"),
    }
}

fn respond(status: StatusCode, media: &'static str, text: String) -> Response<String> {
    let mut response = Response::new(text);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media));
    response
}
