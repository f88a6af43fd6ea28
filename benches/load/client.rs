//! Many light clients on one thread: each a socket in one epoll set, read with one call, parsed only as far as needed.
//!
//! A client must cost much less than the server does for it, or the generator is what is measured.

use std::{
    io::{ErrorKind, Read, Write},
    net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream},
    sync::Arc,
    time::Duration,
};

use rustix::{
    buffer::spare_capacity,
    event::{Timespec, epoll},
    fd::OwnedFd,
    net::{AddressFamily, SocketFlags, SocketType, bind, connect, socket_with, sockopt},
};

use crate::{
    clock::monotonic_us,
    error::{Doing, LoadError},
    user_broadcast::{self, UserBroadcast},
    wire,
};

/// Handshakes and joins that are under way at once: fewer than any listener's backlog.
const OPENING_MAX: usize = 128;
/// Sockets from one source address: finding a free port is slow when many are taken, long before all are.
const SOCKETS_PER_ADDRESS: usize = 4_000;
/// As phoenix.js does, a little sooner.
const HEARTBEAT_EVERY_US: i64 = 25_000_000;
/// The longest that joining may stand still.
const STALLED_US: i64 = 20_000_000;
const READ_BYTES: usize = 1 << 20;

/// How one client comes in.
#[derive(Clone, Debug)]
pub struct Join {
    /// The path and query of the handshake, token and all.
    pub path: Arc<str>,
    pub topic: Arc<str>,
    /// The join's payload, as JSON text.
    pub params: String,
}

/// One message from the server.
pub struct Heard<'a> {
    /// The client's place in the fleet.
    pub member: usize,
    pub event: &'a [u8],
    pub payload: &'a [u8],
    /// When the bytes were read, by the monotonic clock.
    pub at_us: i64,
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    /// The handshake is sent; the join follows it.
    Opening {
        params: String,
    },
    Joining,
    Joined,
    Gone,
}

struct Member {
    socket: TcpStream,
    state: State,
    topic: Arc<str>,
    /// The beginning of a frame whose rest has not come.
    partial: Vec<u8>,
    unsent: Vec<u8>,
    reference: u64,
}

/// All clients of one measurement.
pub struct Fleet {
    epoll: OwnedFd,
    members: Vec<Member>,
    joined: usize,
    /// The first client whose handshake or join was refused, or whose socket was closed.
    failed: Option<LoadError>,
    scratch: Box<[u8]>,
    ready: Vec<epoll::Event>,
    blocked: Vec<usize>,
    heartbeats_sent: usize,
    heartbeats_since_us: i64,
}

impl Fleet {
    pub fn new() -> Result<Self, LoadError> {
        Ok(Self {
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC).doing("making an epoll set")?,
            members: Vec::new(),
            joined: 0,
            failed: None,
            scratch: vec![0; READ_BYTES].into_boxed_slice(),
            ready: Vec::with_capacity(512),
            blocked: Vec::new(),
            heartbeats_sent: 0,
            heartbeats_since_us: monotonic_us(),
        })
    }

    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Opens one socket for each of `joins` and joins its topic; returns when all are in.
    pub fn join(&mut self, server: SocketAddr, joins: &[Join]) -> Result<(), LoadError> {
        let goal = self.members.len() + joins.len();
        let mut waiting = joins.iter();
        let (mut joined_before, mut moved_at_us) = (self.joined, monotonic_us());
        while self.joined < goal {
            while self.members.len() - self.joined < OPENING_MAX {
                let Some(join) = waiting.next() else { break };
                self.open(server, join)?;
            }
            self.turn(20_000, &mut |_| {})?;
            let now_us = monotonic_us();
            if self.joined > joined_before {
                (joined_before, moved_at_us) = (self.joined, now_us);
            } else if now_us - moved_at_us > STALLED_US {
                return Err(LoadError::TooSlow {
                    what: format!("joining the {}th client", self.joined + 1),
                    seconds: STALLED_US as u64 / 1_000_000,
                });
            }
        }
        Ok(())
    }

    fn open(&mut self, server: SocketAddr, join: &Join) -> Result<(), LoadError> {
        let number = self.members.len();
        let socket = connected(server, number).doing(&format!("opening socket {}", number + 1))?;
        let handshake = format!(
            "GET {} HTTP/1.1\r\nHost: {server}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            join.path
        );
        epoll::add(&self.epoll, &socket, epoll::EventData::new_u64(number as u64), epoll::EventFlags::IN)
            .doing("adding a socket to the epoll set")?;
        self.members.push(Member {
            socket,
            state: State::Opening { params: join.params.clone() },
            topic: join.topic.clone(),
            partial: Vec::new(),
            unsent: Vec::new(),
            reference: 1,
        });
        self.write(number, handshake.as_bytes());
        Ok(())
    }

    /// Sends one message of a client on its topic; `payload` is JSON.
    pub fn send(&mut self, number: usize, event: &str, payload: &str) {
        let member = &mut self.members[number];
        member.reference += 1;
        let text = format!(r#"["1","{}","{}","{event}",{payload}]"#, member.reference, member.topic);
        let mut frame = Vec::with_capacity(text.len() + 8);
        wire::push_client_frame(&mut frame, wire::TEXT, text.as_bytes());
        self.write(number, &frame);
    }

    /// Sends one broadcast of a client on its topic, in Supabase's binary form.
    pub fn broadcast(&mut self, number: usize, event: &str, is_json: bool, body: &[u8]) {
        let member = &mut self.members[number];
        member.reference += 1;
        let said = UserBroadcast { topic: &member.topic, event, is_json, body };
        let mut frame = Vec::with_capacity(body.len() + 128);
        wire::push_client_frame(&mut frame, wire::BINARY, &said.push("1", &member.reference.to_string()));
        self.write(number, &frame);
    }

    fn write(&mut self, number: usize, bytes: &[u8]) {
        let member = &mut self.members[number];
        let mut sent = 0;
        if member.unsent.is_empty() {
            // An error shows when the socket is read.
            sent = member.socket.write(bytes).unwrap_or(0);
        }
        if sent < bytes.len() {
            member.unsent.extend(&bytes[sent..]);
            self.blocked.push(number);
        }
    }

    /// Waits at most `wait_us` for the server, then hears out every socket that has something.
    pub fn turn(&mut self, wait_us: i64, hear: &mut dyn FnMut(Heard<'_>)) -> Result<(), LoadError> {
        self.send_heartbeats();
        for number in std::mem::take(&mut self.blocked) {
            let unsent = std::mem::take(&mut self.members[number].unsent);
            self.write(number, &unsent);
        }
        // epoll counts milliseconds. Rounded up: what is due within one goes out together, and nobody spins.
        let wait_ms = (wait_us.max(0) + 999) / 1_000;
        let timeout = Timespec { tv_sec: wait_ms / 1_000, tv_nsec: wait_ms % 1_000 * 1_000_000 };
        let mut ready = std::mem::take(&mut self.ready);
        ready.clear();
        match epoll::wait(&self.epoll, spare_capacity(&mut ready), Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error).doing("waiting for the sockets"),
        }
        for event in &ready {
            self.read(event.data.u64() as usize, hear);
        }
        self.ready = ready;
        self.failed.take().map_or(Ok(()), Err)
    }

    fn send_heartbeats(&mut self) {
        let passed_us = monotonic_us() - self.heartbeats_since_us;
        let due = self.members.len() as i64 * passed_us / HEARTBEAT_EVERY_US;
        while (self.heartbeats_sent as i64) < due {
            let number = self.heartbeats_sent % self.members.len();
            self.heartbeats_sent += 1;
            if self.members[number].state == State::Joined {
                let mut frame = Vec::with_capacity(64);
                let text = br#"[null,"0","phoenix","heartbeat",{}]"#;
                wire::push_client_frame(&mut frame, wire::TEXT, text);
                self.write(number, &frame);
            }
        }
    }

    fn read(&mut self, number: usize, hear: &mut dyn FnMut(Heard<'_>)) {
        let mut scratch = std::mem::take(&mut self.scratch);
        let member = &mut self.members[number];
        let kept = member.partial.len();
        scratch[..kept].copy_from_slice(&member.partial);
        match member.socket.read(&mut scratch[kept..]) {
            Ok(0) => self.lose(number, "the connection ended"),
            Ok(size) => {
                let used = self.take(number, &scratch[..kept + size], monotonic_us(), hear);
                let partial = &mut self.members[number].partial;
                partial.clear();
                partial.extend_from_slice(&scratch[used..kept + size]);
                if partial.is_empty() {
                    *partial = Vec::new();
                }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => self.lose(number, &error.to_string()),
        }
        self.scratch = scratch;
    }

    /// Takes every whole frame out of `bytes`; returns how many bytes are done with.
    fn take(&mut self, number: usize, bytes: &[u8], at_us: i64, hear: &mut dyn FnMut(Heard<'_>)) -> usize {
        let mut used = 0;
        if let State::Opening { params } = &self.members[number].state {
            let Some(head) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
                return 0;
            };
            if !bytes.starts_with(b"HTTP/1.1 101") {
                self.refuse(number, bytes);
                return bytes.len();
            }
            let params = params.clone();
            self.members[number].state = State::Joining;
            // The join's ref is its join_ref: "1".
            self.members[number].reference = 0;
            self.send(number, "phx_join", &params);
            used = head + 4;
        }
        while let Some(frame) = wire::server_frame(&bytes[used..]) {
            used += frame.len;
            match frame.opcode {
                wire::TEXT => self.text(number, frame.payload, at_us, hear),
                wire::BINARY => {
                    if let Some((event, payload)) = user_broadcast::heard(frame.payload) {
                        hear(Heard { member: number, event, payload, at_us });
                    }
                }
                wire::PING => {
                    let mut pong = Vec::new();
                    wire::push_client_frame(&mut pong, wire::PONG, frame.payload);
                    self.write(number, &pong);
                }
                wire::CLOSE => self.lose(number, &String::from_utf8_lossy(frame.payload)),
                _ => {}
            }
        }
        used
    }

    fn text(&mut self, number: usize, text: &[u8], at_us: i64, hear: &mut dyn FnMut(Heard<'_>)) {
        let Some((event, payload)) = wire::event_of(text) else {
            return;
        };
        if event == b"phx_reply" && self.members[number].state == State::Joining {
            if wire::after(payload, br#""status":"ok""#).is_none() {
                return self.refuse(number, payload);
            }
            self.members[number].state = State::Joined;
            self.joined += 1;
        }
        hear(Heard { member: number, event, payload, at_us });
    }

    fn refuse(&mut self, number: usize, answer: &[u8]) {
        let answer = String::from_utf8_lossy(answer).trim().to_owned();
        self.members[number].state = State::Gone;
        self.failed.get_or_insert(LoadError::Refused { member: number, answer });
    }

    fn lose(&mut self, number: usize, why: &str) {
        self.members[number].state = State::Gone;
        // It may be gone from the set already.
        let _ = epoll::delete(&self.epoll, &self.members[number].socket);
        self.failed.get_or_insert(LoadError::Closed { member: number, why: why.to_owned() });
    }
}

/// A socket that is connected, does not block, and leaves no port behind when it is closed.
fn connected(server: SocketAddr, number: usize) -> std::io::Result<TcpStream> {
    let socket = socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    let host = 1 + u8::try_from(number / SOCKETS_PER_ADDRESS).unwrap_or(250);
    bind(&socket, &SocketAddrV4::new(Ipv4Addr::new(127, 0, 0, host), 0))?;
    connect(&socket, &server)?;
    sockopt::set_tcp_nodelay(&socket, true)?;
    sockopt::set_socket_linger(&socket, Some(Duration::ZERO))?;
    let stream = TcpStream::from(socket);
    stream.set_nonblocking(true)?;
    Ok(stream)
}
