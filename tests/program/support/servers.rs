//! Servers of other people, each a process on a loopback port that ends with its test.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// How long a server may take to start.
const STARTING: Duration = Duration::from_mins(1);

/// A loopback port that nobody listens on just now.
pub fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

/// Whether somebody listens on the port.
pub fn accepts(port: u16) -> bool {
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// Waits until `is` holds, for as long as a server may take.
pub fn until(what: &str, mut is: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is() {
        assert!(begun.elapsed() < STARTING, "{what}: not within {} s", STARTING.as_secs());
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A child process that is killed, and waited for, when it is dropped.
pub struct ServerProcess(Child);

impl ServerProcess {
    /// Starts it and waits until it listens on `port`. `None` where it ends before, as it does where
    /// somebody else has the port.
    pub fn start(mut command: Command, port: u16) -> Option<Self> {
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let mut process = Self(child.unwrap());
        let mut ended = false;
        until(&format!("{command:?} listens on {port}"), || {
            ended = process.0.try_wait().unwrap().is_some();
            ended || accepts(port)
        });
        (!ended).then_some(process)
    }

    /// Ends it at once, as a crash would.
    pub fn kill(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }

    /// Holds it where it is: it answers nothing, and its connections stay.
    pub fn freeze(&self) {
        kill_process(self.pid(), Signal::STOP).unwrap();
        // Its threads stop one after the other, and one of them might still answer.
        let threads = format!("/proc/{}/task", self.0.id());
        let has_stopped = |task: std::io::Result<std::fs::DirEntry>| {
            let state = std::fs::read_to_string(task.unwrap().path().join("stat"));
            state.is_ok_and(|state| state.rsplit(") ").next().unwrap().starts_with('T'))
        };
        // Without such a folder nobody can tell.
        until("it stands still", || std::fs::read_dir(&threads).map_or(true, |mut all| all.all(has_stopped)));
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        kill_process(self.pid(), Signal::CONT).unwrap();
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.0)
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        self.kill();
    }
}
