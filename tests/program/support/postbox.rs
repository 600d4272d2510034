//! A server that takes what is pushed or posted to it, and keeps it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};

use super::live::PATIENCE;

/// What was sent.
#[derive(Debug, Clone)]
pub struct Letter {
    pub method: String,
    pub path: String,
    /// The headers, names in lower case.
    pub head: String,
    pub body: Vec<u8>,
}

impl Letter {
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// What is done with a letter.
#[derive(Debug, Clone, Copy)]
pub enum Reply {
    Status(u16),
    /// The connection stays open, and nothing comes.
    Never,
}

/// The server. Its threads end with the test.
pub struct Postbox {
    address: SocketAddr,
    letters: Arc<(Mutex<Vec<Letter>>, Condvar)>,
}

impl Postbox {
    pub fn start(reply: Reply) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let letters: Arc<(Mutex<Vec<Letter>>, Condvar)> = Arc::default();
        let kept = letters.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let kept = kept.clone();
                std::thread::spawn(move || take(&stream, reply, &kept));
            }
        });
        Self { address, letters }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// All that has come so far.
    pub fn letters(&self) -> Vec<Letter> {
        self.letters.0.lock().unwrap().clone()
    }

    /// Waits for the first letter.
    #[track_caller]
    pub fn wait(&self) -> Letter {
        let guard = self.letters.0.lock().unwrap();
        let (letters, timeout) =
            self.letters.1.wait_timeout_while(guard, PATIENCE, |letters| letters.is_empty()).unwrap();
        assert!(!timeout.timed_out(), "nothing came");
        letters[0].clone()
    }
}

fn take(stream: &TcpStream, reply: Reply, letters: &(Mutex<Vec<Letter>>, Condvar)) {
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        let mut words = line.split(' ').map(str::to_owned);
        let (method, path) = (words.next().unwrap(), words.next().unwrap());
        let (mut head, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            let Some((name, value)) = line.trim_end().split_once(": ") else { break };
            let name = name.to_ascii_lowercase();
            if name == "content-length" {
                length = value.parse().unwrap();
            }
            head.extend([name.as_str(), ": ", value, "\n"]);
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        letters.0.lock().unwrap().push(Letter { method, path, head, body });
        letters.1.notify_all();
        match reply {
            Reply::Status(status) => {
                let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: 2\r\n\r\nok");
                let mut stream = stream;
                let _ = stream.write_all(answer.as_bytes());
            }
            // Until whoever waits gives up.
            Reply::Never => drop(reader.read(&mut [0])),
        }
    }
}
