//! Publishes to RabbitMQ what no client library would: a message whose properties and routing key are any bytes.

use std::io::{Read, Write};
use std::net::TcpStream;

const METHOD: u8 = 1;
const HEADER: u8 = 2;
const BODY: u8 = 3;

/// The properties of a message: the flags of those that it has, and their values.
pub struct Properties(Vec<u8>);

impl Properties {
    pub fn none() -> Self {
        Self(vec![0, 0])
    }

    pub fn message_id(id: &[u8]) -> Self {
        Self([&[0, 0x80][..], &short(id)].concat())
    }

    pub fn content_type(text: &[u8]) -> Self {
        Self([&[0x80, 0][..], &short(text)].concat())
    }

    /// One header, whose value is a text.
    pub fn header(name: &[u8]) -> Self {
        let table = [&short(name)[..], b"S", &long(b"value")].concat();
        Self([&[0x20, 0][..], &long(&table)].concat())
    }
}

/// Publishes `body` to `exchange`, and returns when the broker has it.
pub fn publish(port: u16, exchange: &str, routing_key: &[u8], properties: &Properties, body: &[u8]) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.write_all(b"AMQP\0\0\x09\x01").unwrap();
    read_frame(&mut stream);
    let start_ok = [&[0; 4][..], &short(b"PLAIN"), &long(b"\0guest\0guest"), &short(b"en_US")].concat();
    send(&mut stream, METHOD, 0, &method(10, 11, &start_ok));
    read_frame(&mut stream);
    send(&mut stream, METHOD, 0, &method(10, 31, &[0x07, 0xff, 0, 2, 0, 0, 0, 0]));
    send(&mut stream, METHOD, 0, &method(10, 40, &[short(b"/"), short(b""), vec![0]].concat()));
    read_frame(&mut stream);
    send(&mut stream, METHOD, 1, &method(20, 10, &short(b"")));
    read_frame(&mut stream);
    let publish = [&[0, 0][..], &short(exchange.as_bytes()), &short(routing_key), &[0]].concat();
    send(&mut stream, METHOD, 1, &method(60, 40, &publish));
    let length = (body.len() as u64).to_be_bytes();
    let header = [&[0, 60, 0, 0][..], &length, &properties.0].concat();
    send(&mut stream, HEADER, 1, &header);
    send(&mut stream, BODY, 1, body);
    send(&mut stream, METHOD, 1, &method(20, 40, &[&[0, 200][..], &short(b"done"), &[0; 4]].concat()));
    read_frame(&mut stream);
}

fn method(class: u16, number: u16, arguments: &[u8]) -> Vec<u8> {
    [&class.to_be_bytes()[..], &number.to_be_bytes(), arguments].concat()
}

fn short(text: &[u8]) -> Vec<u8> {
    [&[u8::try_from(text.len()).unwrap()][..], text].concat()
}

fn long(text: &[u8]) -> Vec<u8> {
    [&u32::try_from(text.len()).unwrap().to_be_bytes()[..], text].concat()
}

fn send(stream: &mut TcpStream, kind: u8, channel: u16, payload: &[u8]) {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let frame = [&[kind][..], &channel.to_be_bytes(), &length, payload, &[0xce]].concat();
    stream.write_all(&frame).unwrap();
}

fn read_frame(stream: &mut TcpStream) {
    let mut head = [0; 7];
    stream.read_exact(&mut head).unwrap();
    let length = u32::from_be_bytes(head[3..].try_into().unwrap());
    let mut rest = vec![0; length as usize + 1];
    stream.read_exact(&mut rest).unwrap();
}
