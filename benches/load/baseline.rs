//! The bare fan-out server: sockets, rooms, writes. No tokens, no rules, no limits, no record of anything.
//!
//! One thread. Whoever sends a note writes it to each member's socket at once, which is the least that a server
//! can do that does not delay anything on purpose. What Downbeat costs more than this is what its rules cost.
//! A broadcast (kind 03) goes to all but its sender, as text or, where its body is octets, as kind 04.

use std::{
    cell::{Cell, RefCell},
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
    io,
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    task::{LocalSet, spawn_local},
    time::sleep,
};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::{
    clock,
    error::{Doing, LoadError},
    user_broadcast::UserBroadcast,
    wire,
};

const BEAT_EVERY_US: i64 = 500_000;
/// How long frames wait for each other where they do.
const COALESCE: Duration = Duration::from_millis(2);

struct Member {
    socket: OwnedWriteHalf,
    unsent: RefCell<Vec<u8>>,
    flushing: Cell<bool>,
    coalesces: bool,
}

impl Member {
    fn write(self: &Rc<Self>, frame: &[u8]) {
        let mut unsent = self.unsent.borrow_mut();
        let sent = if unsent.is_empty() && !self.coalesces { self.socket.try_write(frame).unwrap_or(0) } else { 0 };
        if sent < frame.len() {
            unsent.extend(&frame[sent..]);
            if !self.flushing.replace(true) {
                spawn_local(self.clone().flush());
            }
        }
    }

    async fn flush(self: Rc<Self>) {
        if self.coalesces {
            sleep(COALESCE).await;
        }
        while self.socket.writable().await.is_ok() {
            let mut unsent = self.unsent.borrow_mut();
            match self.socket.try_write(&unsent) {
                Ok(sent) => drop(unsent.drain(..sent)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => unsent.clear(),
            }
            if unsent.is_empty() {
                break;
            }
        }
        self.flushing.set(false);
    }
}

#[derive(Default)]
struct Rooms {
    members: HashMap<Arc<str>, Vec<Rc<Member>>>,
    /// When each room's next beat is due, by the real clock, and its number.
    beats: BinaryHeap<Reverse<(i64, u64, Arc<str>)>>,
    clock: bool,
    coalesces: bool,
}

/// Serves until the process is ended.
pub fn serve(clock: bool, coalesces: bool) -> Result<(), LoadError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().doing("starting a runtime")?;
    let rooms = Rc::new(RefCell::new(Rooms { clock, coalesces, ..Rooms::default() }));
    LocalSet::new().block_on(&runtime, async {
        let listener = TcpListener::bind("127.0.0.1:0").await.doing("listening")?;
        let address = listener.local_addr().doing("listening")?;
        let fields = json!({"message": "listening", "http.address": address.to_string()});
        eprintln!("{}", json!({ "fields": fields }));
        if clock {
            spawn_local(beat(rooms.clone()));
        }
        loop {
            let (socket, _) = listener.accept().await.doing("accepting")?;
            spawn_local(meet(socket, rooms.clone()));
        }
    })
}

async fn meet(mut socket: TcpStream, rooms: Rc<RefCell<Rooms>>) -> Option<()> {
    socket.set_nodelay(true).ok()?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        socket.read_buf(&mut head).await.ok().filter(|n| *n > 0)?;
    }
    let key = wire::after(&head, b"Sec-WebSocket-Key: ")?;
    let accept = derive_accept_key(key.split(|byte| *byte == b'\r').next()?);
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
    );
    socket.write_all(answer.as_bytes()).await.ok()?;
    let (reader, writer) = socket.into_split();
    let (flushing, coalesces) = (Cell::new(false), rooms.borrow().coalesces);
    let member = Rc::new(Member { socket: writer, unsent: RefCell::default(), flushing, coalesces });
    let topic = listen(reader, &member, &rooms).await;
    if let Some(topic) = topic
        && let Some(members) = rooms.borrow_mut().members.get_mut(&topic)
    {
        members.retain(|other| !Rc::ptr_eq(other, &member));
    }
    Some(())
}

/// Serves one socket to its end; returns the topic that it was in.
async fn listen(mut reader: OwnedReadHalf, member: &Rc<Member>, rooms: &Rc<RefCell<Rooms>>) -> Option<Arc<str>> {
    let mut joined: Option<(Arc<str>, String)> = None;
    let (mut bytes, mut out) = (Vec::with_capacity(1024), Vec::new());
    while reader.read_buf(&mut bytes).await.is_ok_and(|size| size > 0) {
        while let Some((opcode, payload, used)) = client_frame(&bytes) {
            if opcode == wire::BINARY {
                relay(&payload, member, &rooms.borrow(), &mut out);
            } else if let Ok(text) = String::from_utf8(payload) {
                answer(&text, member, rooms, &mut joined, &mut out);
            }
            bytes.drain(..used);
        }
    }
    joined.map(|(topic, _)| topic)
}

/// The first whole frame: its opcode, what it carries, unmasked, and its length.
fn client_frame(bytes: &[u8]) -> Option<(u8, Vec<u8>, usize)> {
    let opcode = bytes.first()? & 0x0f;
    let (header, size) = match bytes.get(1)? & 0x7f {
        126 => (4, usize::from(u16::from_be_bytes([*bytes.get(2)?, *bytes.get(3)?]))),
        size => (2, usize::from(size)),
    };
    let (mask, payload) = bytes.get(header..header + 4 + size)?.split_at(4);
    let plain: Vec<u8> = payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
    Some((opcode, plain, header + 4 + size))
}

fn answer(
    text: &str,
    member: &Rc<Member>,
    rooms: &Rc<RefCell<Rooms>>,
    joined: &mut Option<(Arc<str>, String)>,
    out: &mut Vec<u8>,
) -> Option<()> {
    let (event, payload) = wire::event_of(text.as_bytes())?;
    let mut parts = text.splitn(4, ',');
    let (join_ref, reference, topic) =
        (parts.next()?.trim_start_matches('['), parts.next()?, parts.next()?.trim_matches('"'));
    let now_us = clock::realtime_us();
    match event {
        b"phx_join" => {
            // A topic of broadcasts has no students.
            let student = wire::after(payload, br#""student_id":""#).unwrap_or_default();
            let student = student.split(|byte| *byte == b'"').next()?;
            let topic: Arc<str> = topic.into();
            let mut rooms = rooms.borrow_mut();
            let members = rooms.members.entry(topic.clone()).or_default();
            members.push(member.clone());
            if members.len() == 1 && rooms.clock {
                rooms.beats.push(Reverse((now_us, 0, topic.clone())));
            }
            *joined = Some((topic, String::from_utf8_lossy(student).into_owned()));
        }
        b"play_note" => {
            let (topic, student) = joined.as_ref()?;
            let note = format!(
                r#"[null,null,"{topic}","student_note",{{"midi":{},"velocity":{},"student_id":"{student}","timestamp":{},"beat":{:.6}}}]"#,
                wire::integer_after(payload, br#""midi":"#)?,
                wire::integer_after(payload, br#""velocity":"#)?,
                now_us / 1_000,
                now_us as f64 % 1e9 / BEAT_EVERY_US as f64,
            );
            broadcast(&rooms.borrow(), topic, &note, out);
        }
        _ => {}
    }
    let reply = format!(r#"[{join_ref},{reference},"{topic}","phx_reply",{{"status":"ok","response":{{}}}}]"#);
    out.clear();
    wire::push_server_frame(out, wire::TEXT, reply.as_bytes());
    member.write(out);
    Some(())
}

/// Passes a broadcast on to everybody else on its topic.
fn relay(frame: &[u8], from: &Rc<Member>, rooms: &Rooms, out: &mut Vec<u8>) -> Option<()> {
    let said = UserBroadcast::read(frame)?;
    out.clear();
    match said.text() {
        Some(text) => wire::push_server_frame(out, wire::TEXT, text.as_bytes()),
        None => wire::push_server_frame(out, wire::BINARY, &said.octets()?),
    }
    for member in rooms.members.get(said.topic)?.iter().filter(|member| !Rc::ptr_eq(member, from)) {
        member.write(out);
    }
    Some(())
}

fn broadcast(rooms: &Rooms, topic: &Arc<str>, text: &str, out: &mut Vec<u8>) {
    out.clear();
    wire::push_server_frame(out, wire::TEXT, text.as_bytes());
    for member in rooms.members.get(topic).into_iter().flatten() {
        member.write(out);
    }
}

/// Beats every room that has had a member, from its own anchor.
async fn beat(rooms: Rc<RefCell<Rooms>>) {
    let mut out = Vec::new();
    loop {
        let next_us = beat_due(&mut rooms.borrow_mut(), &mut out);
        let wait_us = next_us.map_or(10_000, |next_us| next_us - clock::realtime_us());
        let wait_us = u64::try_from(wait_us).unwrap_or(0).clamp(1, 10_000);
        sleep(Duration::from_micros(wait_us)).await;
    }
}

/// Sends every beat that is due; returns when the next one will be.
fn beat_due(rooms: &mut Rooms, out: &mut Vec<u8>) -> Option<i64> {
    let now_us = clock::realtime_us();
    while rooms.beats.peek().is_some_and(|next| next.0.0 <= now_us) {
        let Reverse((due_us, beat, topic)) = rooms.beats.pop()?;
        let text = format!(
            r#"[null,null,"{topic}","beat",{{"beat":{beat},"run":1,"at":{}.{:03},"bpm":120,"bar":{},"pulse":{},"source":"clock"}}]"#,
            due_us / 1_000,
            due_us % 1_000,
            beat / 4 + 1,
            beat % 4 + 1,
        );
        broadcast(rooms, &topic, &text, out);
        let next = (due_us + BEAT_EVERY_US, beat + 1, topic);
        rooms.beats.push(Reverse(next));
    }
    rooms.beats.peek().map(|next| next.0.0)
}
