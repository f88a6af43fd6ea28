//! Another implementation, on both ends of a wire in memory.

use std::io::{self, Read, Write};

use tokio_tungstenite::tungstenite::{
    Error, Message, WebSocket,
    protocol::{Role, WebSocketConfig},
};

use crate::Received;

/// What is there to be read, and what was written.
#[derive(Debug, Default)]
struct Wire {
    input: io::Cursor<Vec<u8>>,
    output: Vec<u8>,
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.input.read(buffer)? {
            0 => Err(io::ErrorKind::WouldBlock.into()),
            bytes => Ok(bytes),
        }
    }
}

impl Write for Wire {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.output.write(octets)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn socket(role: Role, message_bytes_max: usize, input: &[u8]) -> WebSocket<Wire> {
    let limits = WebSocketConfig::default()
        .read_buffer_size(4096)
        .max_message_size(Some(message_bytes_max))
        .max_frame_size(Some(message_bytes_max));
    let wire = Wire { input: io::Cursor::new(input.to_vec()), output: Vec::new() };
    WebSocket::from_raw_socket(wire, role, Some(limits))
}

/// What a client puts on the wire for these messages and raw frames.
pub fn sent_by_client(messages: impl IntoIterator<Item = Message>) -> Vec<u8> {
    let mut client = socket(Role::Client, usize::MAX, &[]);
    for message in messages {
        client.send(message).expect("memory takes everything");
    }
    client.get_ref().output.clone()
}

/// What a client or a server makes of the wire, and why it would not go on, if it would not.
pub fn read_as(role: Role, message_bytes_max: usize, input: &[u8]) -> (Vec<Message>, Option<Error>) {
    let mut socket = socket(role, message_bytes_max, input);
    let mut messages = Vec::new();
    loop {
        match socket.read() {
            Ok(message) => messages.push(message),
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => return (messages, None),
            Err(error) => return (messages, Some(error)),
        }
        if messages.last().is_some_and(Message::is_close) {
            return (messages, None);
        }
    }
}

pub fn received(message: Message) -> Received {
    match message {
        Message::Text(text) => Received::Text(text.as_str().to_owned()),
        Message::Binary(octets) => Received::Binary(octets.to_vec()),
        Message::Ping(payload) => Received::Ping(payload.to_vec()),
        Message::Pong(_) => Received::Pong,
        Message::Close(_) => Received::Close,
        Message::Frame(_) => unreachable!("reading gives messages only"),
    }
}
