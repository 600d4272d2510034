//! Holds requests back until the test lets them go.

use std::sync::{Arc, Condvar, Mutex};

use super::PATIENCE;
use super::reply::Reply;
use super::server::Server;

/// Holds requests back until the test lets them go.
#[derive(Clone, Default)]
pub struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    pub fn pass(&self) {
        let (open, changed) = &*self.0;
        let open = open.lock().unwrap();
        let passed = changed.wait_timeout_while(open, PATIENCE, |open| !*open).unwrap();
        assert!(!passed.1.timed_out(), "nobody opened the gate");
    }

    /// A server that deletes whatever it is asked to, each as soon as this is open.
    pub fn server(&self) -> Server {
        let held = self.clone();
        Server::start(move |_| {
            held.pass();
            Reply::deleted()
        })
    }

    pub fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }
}
