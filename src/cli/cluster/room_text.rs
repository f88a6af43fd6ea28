//! One room, for people.

use std::collections::BTreeMap;

use super::{
    moment::span,
    room::{MemberLine, Report},
    table::{Cell, Paint, Table, Tone},
};

/// The whole answer.
pub(super) fn text(room: &Report, paint: Paint) -> String {
    let mut table = Table::new(&["ROOM", ""]);
    let mut line = |name: &str, value: Cell| table.row([Cell::plain(name), value]);
    line("room", Cell::plain(format!("{}:{} {:?}, of teacher {}", room.tenant, room.code, room.name, room.teacher_id)));
    line("conducted by", Cell::new(conductor(room), tone(room.owner_state)));
    line("since", Cell::plain(format!("{}, {} ago", room.since, span(room.reigned_us))));
    line("taken from", if room.taken_from.is_empty() { Cell::none() } else { Cell::plain(taken_from(room)) });
    line("the ring", ring(room));
    line("reign", Cell::plain(format!("epoch {}, nonce {}", room.epoch, room.nonce)));
    line("changes", Cell::plain(format!("rev {}, members rev {}", room.rev, room.members_rev)));
    line("clock", clock(room));
    line("tempo", Cell::plain(format!("{} bpm, {} beats a bar", room.bpm, room.meter.beats_per_bar)));
    line("settings", Cell::plain(settings(room)));
    line("muted", Cell::plain(muted(room)));
    line("roles", Cell::plain(pairs(&room.roles)));
    let assignments = room.assignments.iter().map(|(place, ids)| (place.to_string(), ids.join(" ")));
    line("assignments", Cell::plain(pairs(&assignments.collect())));
    line("created", Cell::plain(format!("{}, last changed {}", room.created, room.last_active)));
    let by_node = room.members_by_node.iter().map(|(node, count)| (node.clone(), count.to_string()));
    line("members", Cell::plain(format!("{} ({})", room.members.len(), pairs(&by_node.collect()))));
    // Without the head, which names nothing here.
    let text = table.text(paint);
    let mut text = text.split_once('\n').map_or(text.as_str(), |(_, rows)| rows).to_owned();
    if !room.members.is_empty() {
        text.push('\n');
        text += &members(&room.members).text(paint);
    }
    text
}

fn conductor(room: &Report) -> String {
    if room.owner.is_empty() {
        // Given back by a gateway that had not heard yet who conducts it.
        return "nobody".to_owned();
    }
    format!("{} ({}), session {}", room.owner, room.owner_state, room.incarnation)
}

fn taken_from(room: &Report) -> String {
    match room.from_beat {
        Some(beat) if room.taken_from != room.owner => format!("{}, handed over at beat {beat}", room.taken_from),
        _ if room.taken_from == room.owner => format!("{}: it took its own room up again", room.taken_from),
        _ => room.taken_from.clone(),
    }
}

fn ring(room: &Report) -> Cell {
    match &room.ring_names {
        None => Cell::new("names nobody: no node may conduct", Tone::Bad),
        Some(node) if *node == room.owner => Cell::plain(format!("names {node}")),
        Some(node) => Cell::new(format!("names {node}: the room will move there"), Tone::Odd),
    }
}

fn clock(room: &Report) -> Cell {
    match &room.beat {
        Some(now) => {
            let place = format!("beat {} (bar {}, pulse {})", now.beat, now.bar, now.pulse);
            Cell::new(format!("plays run {}: {place} at {}", room.run, room.now), Tone::Good)
        }
        None => Cell::plain(format!("stopped, run {}", room.run)),
    }
}

fn settings(room: &Report) -> String {
    let locked = if room.locked { "locked" } else { "open" };
    let start = if room.autostart { "starts by itself" } else { "is started by the teacher" };
    format!("{locked}, at most {} students, {start}", room.max_students)
}

fn muted(room: &Report) -> String {
    let all = room.all_muted.then(|| "all".to_owned());
    let names: Vec<String> = all.into_iter().chain(room.muted.iter().cloned()).collect();
    if names.is_empty() { "nobody".to_owned() } else { names.join(" ") }
}

fn pairs(pairs: &BTreeMap<String, String>) -> String {
    if pairs.is_empty() {
        return "none".to_owned();
    }
    pairs.iter().map(|(name, value)| format!("{name}: {value}")).collect::<Vec<_>>().join(", ")
}

fn members(members: &[MemberLine]) -> Table {
    let mut table = Table::new(&["MEMBER", "NAME", "ROLE", "ON", "MUTED", "HAND", "JOINED"]);
    for member in members {
        let gone = member.connections.iter().any(|connection| !connection.node_lives);
        let mut on: BTreeMap<String, usize> = BTreeMap::new();
        for connection in &member.connections {
            let state = if connection.node_lives { "" } else { " (gone)" };
            *on.entry(format!("{}{state}", connection.node)).or_default() += 1;
        }
        let on = on.iter().map(|(node, count)| if *count > 1 { format!("{node} ×{count}") } else { node.clone() });
        let yes = |is: bool| if is { Cell::new("yes", Tone::Odd) } else { Cell::none() };
        table.row([
            Cell::plain(&member.student_id),
            Cell::plain(&member.name),
            Cell::plain(member.role),
            Cell::new(on.collect::<Vec<_>>().join(" "), if gone { Tone::Bad } else { Tone::Plain }),
            yes(member.muted),
            yes(member.hand),
            Cell::plain(&member.joined),
        ]);
    }
    table
}

fn tone(state: &str) -> Tone {
    match state {
        "alive" => Tone::Good,
        "draining" => Tone::Odd,
        _ => Tone::Bad,
    }
}
