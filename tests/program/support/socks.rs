//! A SOCKS5 proxy (RFC 1928, no authentication) in front of one server, whatever name is asked for.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// What the proxy answers to a request to connect.
#[derive(Clone, Copy)]
pub enum Manner {
    /// It connects to the server at this port.
    Connecting(u16),
    /// It says that its rules do not allow it.
    Refusing,
}

/// Runs until its test ends.
pub struct SocksProxy {
    port: u16,
    asked_for: Arc<Mutex<Vec<String>>>,
}

impl SocksProxy {
    pub fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked_for = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&asked_for);
        thread::spawn(move || {
            for client in listener.incoming() {
                let seen = Arc::clone(&seen);
                // A client that leaves early ends its own connection only.
                thread::spawn(move || serve(client.unwrap(), manner, &seen).ok());
            }
        });
        Self { port, asked_for }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// The hosts that it was asked to connect to, by name.
    pub fn asked_for(&self) -> Vec<String> {
        self.asked_for.lock().unwrap().clone()
    }
}

fn serve(mut client: TcpStream, manner: Manner, asked_for: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let [_version, methods] = read(&mut client)?;
    client.read_exact(&mut vec![0; usize::from(methods)])?;
    client.write_all(&[5, 0])?;
    let [_version, _connect, _reserved, kind] = read(&mut client)?;
    assert_eq!(kind, 3, "a name is asked for, not an address");
    let [length] = read(&mut client)?;
    let mut name = vec![0; usize::from(length)];
    client.read_exact(&mut name)?;
    let port = u16::from_be_bytes(read(&mut client)?);
    asked_for.lock().unwrap().push(format!("{}:{port}", String::from_utf8(name).unwrap()));
    let reply = |code| [5, code, 0, 1, 0, 0, 0, 0, 0, 0];
    let Manner::Connecting(to) = manner else { return client.write_all(&reply(2)) };
    let mut server = TcpStream::connect((Ipv4Addr::LOCALHOST, to))?;
    client.write_all(&reply(0))?;
    let (mut from_client, mut to_server) = (client.try_clone()?, server.try_clone()?);
    thread::spawn(move || {
        std::io::copy(&mut from_client, &mut to_server).ok();
        to_server.shutdown(Shutdown::Write).ok();
    });
    std::io::copy(&mut server, &mut client)?;
    client.shutdown(Shutdown::Write)
}

fn read<const N: usize>(client: &mut TcpStream) -> std::io::Result<[u8; N]> {
    let mut bytes = [0; N];
    client.read_exact(&mut bytes)?;
    Ok(bytes)
}
