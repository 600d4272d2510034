//! Connections: a thread with a runtime of its own that accepts, serves HTTP/1.1, and stops when told.
//!
//! hyper is driven directly, because a router answers every request, and an emulator of a bad day
//! must also be able not to.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::sync::oneshot;

use super::EmulatorError;
use super::service::Service;

/// How long to leave the listener alone when no connection can be accepted (too many open files).
const ACCEPT_AGAIN: Duration = Duration::from_millis(10);

/// The thread that serves. Dropping it closes every connection and waits for the thread's end.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Binds a free loopback port and serves on it. The port accepts connections on return.
    pub(super) fn start(service: Arc<Service>) -> Result<Self, EmulatorError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(EmulatorError::Runtime)?;
        let (listener, address) = bind().map_err(EmulatorError::Bind)?;
        let listener = {
            let _entered = runtime.enter();
            tokio::net::TcpListener::from_std(listener).map_err(EmulatorError::Bind)?
        };
        let (stop, stopped) = oneshot::channel();
        let thread = thread::Builder::new()
            .name("emulator".to_owned())
            .spawn(move || {
                runtime.block_on(async move {
                    tokio::select! {
                        () = accept(listener, service) => {}
                        // Also when the sender is dropped.
                        _ = stopped => {}
                    }
                });
            })
            .map_err(EmulatorError::Thread)?;
        Ok(Self { address, stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic of that thread has been printed; there is nobody left to tell.
            let _ = thread.join();
        }
    }
}

fn bind() -> io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

async fn accept(listener: tokio::net::TcpListener, service: Arc<Service>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(ACCEPT_AGAIN).await;
            continue;
        };
        // Without it small answers would wait for the client's acknowledgements.
        let _ = stream.set_nodelay(true);
        let service = Arc::clone(&service);
        tokio::spawn(async move {
            let serve = service_fn(move |request| Arc::clone(&service).serve(request));
            // A connection ends with an error when the client leaves, or by design.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), serve).await;
        });
    }
}
