//! Event and payload of a room, as anybody may send them: the first line is the event, the rest its payload.
//! Nothing may panic, and what was read as a control must survive its way to another node.
#![no_main]

use downbeat::room::{
    ChangeSettings, ClockReport, ClockSync, Code, Control, CreateRoom, JoinParams, Note, Reflection,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let (event, payload) = text.split_once('\n').unwrap_or((text, ""));
    if let Ok(Some(control)) = Control::parse(event, payload) {
        let written = serde_json::to_string(&control).expect("a control is plain data");
        assert_eq!(
            serde_json::from_str::<Control>(&written).expect("as written"),
            control
        );
    }
    if let Ok(note) = Note::parse(payload) {
        assert!(note.midi <= 127 && note.velocity <= 127);
    }
    let _ = ClockSync::parse(payload);
    let _ = ClockReport::parse(payload);
    let _ = JoinParams::parse(payload);
    let _ = Reflection::parse(payload);
    let _ = CreateRoom::parse(payload);
    let _ = ChangeSettings::parse(payload);
    let _ = event.parse::<Code>();
});
