//! Requests that are no controls, as a client may get them wrong.

use downbeat::room::{ChangeSettings, ClockReport, ClockSync, CreateRoom, JoinParams, Note, Reflection};

#[test]
fn a_note_needs_midi_and_clamps_its_velocity() {
    let note =
        |payload: &str| Note::parse(payload).map(|note| (note.midi, note.velocity)).map_err(|bad| bad.to_string());
    let wrong = |message: &str| Err(message.to_owned());
    assert_eq!(note("{\"midi\":60}"), Ok((60, 64)));
    assert_eq!(note("{\"midi\":0,\"velocity\":null}"), Ok((0, 64)));
    for (velocity, clamped) in [("0", 0), ("-5", 0), ("127.4", 127), ("63.5", 64), ("1e300", 127), ("-1e300", 0)] {
        assert_eq!(note(&format!("{{\"velocity\":{velocity},\"midi\":127}}")), Ok((127, clamped)), "{velocity}");
    }
    for payload in ["", "null", "{}", "{\"midi\":null}", "[60, 64]", "60", " {\"velocity\":1}"] {
        assert_eq!(note(payload), wrong("midi required"), "{payload}");
    }
    for midi in ["-1", "128", "60.5", "\"60\"", "true", "[60]", "1e30", "{\"midi\":60}"] {
        assert_eq!(note(&format!("{{\"midi\":{midi}}}")), wrong("midi must be an integer from 0 to 127"), "{midi}");
    }
    assert_eq!(note("{\"midi\":60,\"velocity\":\"loud\"}"), wrong("velocity must be a number from 0 to 127"));
    assert_eq!(note("{\"midi\":60,"), wrong("payload must be a JSON object"));
    assert_eq!(note("{\"midi\":60,\"midi\":61}"), Ok((61, 64)), "the last one wins, as in JavaScript");
}

#[test]
fn a_clock_probe_comes_back_as_it_was() {
    let probe = ClockSync::parse("{\"i\":7,\"t0\":1700000000000.125}").expect("well formed");
    assert_eq!(probe.i.to_string(), "7");
    assert_eq!(probe.t0.to_string(), "1700000000000.125");
    assert_eq!(ClockSync::parse("{\"t0\":1}").map_err(|bad| bad.field), Err("i".into()));
    assert_eq!(ClockSync::parse("{\"i\":1,\"t0\":\"1\"}").map_err(|bad| bad.field), Err("t0".into()));
}

#[test]
fn a_clock_report_has_two_whole_numbers() {
    let report = ClockReport::parse("{\"unc_us\":4200,\"round_trip_us\":31000}");
    assert_eq!(report, Ok(ClockReport { unc_us: 4_200, round_trip_us: 31_000 }));
    for (bad, field) in [
        ("{\"round_trip_us\":1}", "unc_us"),
        ("{\"unc_us\":-1,\"round_trip_us\":1}", "unc_us"),
        ("{\"unc_us\":1.5,\"round_trip_us\":1}", "unc_us"),
        ("{\"unc_us\":1,\"round_trip_us\":\"1\"}", "round_trip_us"),
        ("{\"unc_us\":1,\"round_trip_us\":4294967296}", "round_trip_us"),
    ] {
        assert_eq!(ClockReport::parse(bad).map_err(|bad| bad.field), Err(field.into()), "{bad}");
    }
}

#[test]
fn a_join_may_say_nothing_but_nothing_wrong() {
    assert_eq!(JoinParams::parse(""), Ok(JoinParams::default()));
    assert_eq!(JoinParams::parse("{\"name\":\"  \",\"role\":\"teacher\"}"), Ok(JoinParams::default()));
    let params = JoinParams::parse("{\"name\":\" Ada L. \",\"student_id\":\"ada\"}").expect("well formed");
    assert_eq!((params.name.as_deref(), params.student_id.as_deref()), (Some("Ada L."), Some("ada")));
    let long = format!("{{\"name\":\"{}\"}}", "x".repeat(65));
    for payload in [long.as_str(), "{\"name\":7}", "{\"name\":\"a\\u0007\"}"] {
        assert_eq!(JoinParams::parse(payload).map_err(|bad| bad.field), Err("name".into()));
    }
}

#[test]
fn a_reflection_keeps_to_its_limits() {
    let with = |more: &str| {
        Reflection::parse(&format!("{{\"reflection_text\":\"Fun\",\"reflection_type\":\"exit_ticket\"{more}}}"))
    };
    let reflection =
        with(",\"mood\":5,\"competency\":\"self_awareness\",\"metadata\":{\"a\":1},\"room_id\":\"MUSIC-1234\"");
    let reflection = reflection.expect("well formed");
    assert_eq!(reflection.mood, Some(5));
    assert_eq!(reflection.room_id.map(|code| code.to_string()).as_deref(), Some("MUSIC-1234"));
    let big = format!(",\"metadata\":{{\"a\":\"{}\"}}", "x".repeat(4_096));
    for (more, field) in [
        (",\"mood\":6", "mood"),
        (",\"mood\":\"5\"", "mood"),
        (",\"competency\":\"juggling\"", "competency"),
        (",\"metadata\":[]", "metadata"),
        (big.as_str(), "metadata"),
        (",\"room_id\":\"ROOM-1\"", "room_id"),
        (",\"student_id\":9", "student_id"),
        (",\"reflection_type\":\"diary\"", "reflection_type"),
    ] {
        assert_eq!(with(more).map_err(|bad| bad.field), Err(field.into()), "{more:.40}");
    }
    assert_eq!(Reflection::parse("{}").map_err(|bad| bad.field), Err("reflection_text".into()));
    let text = |text: &str| {
        Reflection::parse(&format!("{{\"reflection_type\":\"exit_ticket\",\"reflection_text\":\"{text}\"}}"))
    };
    assert!(text(&"é".repeat(2_000)).is_ok());
    assert!(text(&"é".repeat(2_001)).is_err());
    assert!(text("a\\u0000").is_err());
}

#[test]
fn a_room_is_made_and_changed_within_its_limits() {
    assert_eq!(CreateRoom::parse(""), Ok(CreateRoom::default()));
    for (body, field) in [
        ("{\"bpm\":0}", "bpm"),
        ("{\"autostart\":1}", "autostart"),
        ("{\"beats_per_bar\":65}", "beats_per_bar"),
        ("{\"max_students\":0}", "max_students"),
        ("{\"max_students\":10001}", "max_students"),
        ("{\"name\":[]}", "name"),
    ] {
        assert_eq!(CreateRoom::parse(body).map_err(|bad| bad.field), Err(field.into()));
        if field != "beats_per_bar" {
            assert_eq!(ChangeSettings::parse(body).map_err(|bad| bad.field), Err(field.into()));
        }
    }
}
