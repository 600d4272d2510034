//! Holds requests back until the test lets them go.

use std::sync::{Arc, Condvar, Mutex};

use super::live::PATIENCE;

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

    pub fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }
}
