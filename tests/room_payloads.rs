//! Payloads that a client may get wrong, and the sentence that each gets.

use downbeat::room::{Control, Note, Quantise};

fn complaint(event: &str, payload: &str) -> String {
    match Control::parse(event, payload) {
        Err(bad) => bad.to_string(),
        Ok(control) => format!("read as {control:?}"),
    }
}

fn read(event: &str, payload: &str) -> Control {
    Control::parse(event, payload).expect("well formed").expect("a control")
}

#[test]
fn a_bad_tempo_gets_the_sentences_of_the_contract() {
    for event in ["set_tempo", "ramp_tempo"] {
        for bpm in ["null", "\"120\"", "120.5", "true", "[120]", "{}", "-0.5"] {
            let payload = format!("{{\"bpm\":{bpm},\"beats\":4}}");
            assert_eq!(complaint(event, &payload), "bpm must be an integer", "{bpm}");
        }
        for bpm in ["0", "-1", "300", "4294967416", "1e300", "-1e300", "99999999999999999999", "300.0"] {
            let payload = format!("{{\"bpm\":{bpm},\"beats\":4}}");
            assert_eq!(complaint(event, &payload), "BPM must be between 1 and 299", "{bpm}");
        }
        for payload in ["", "null", "[]", "\"bpm\"", "{}", "7"] {
            assert_eq!(complaint(event, payload), "bpm must be an integer", "{payload}");
        }
    }
    assert_eq!(complaint("set_tempo", "{\"bpm\":1e400}"), "payload must be a JSON object");
    assert_eq!(complaint("set_tempo", "{\"bpm\":NaN}"), "payload must be a JSON object");
    assert_eq!(complaint("set_tempo", "{\"bpm\":90,\"at\":\"soon\"}"), "at must be now, beat or bar");
    assert_eq!(complaint("set_tempo", "{\"bpm\":90,\"at\":1}"), "at must be now, beat or bar");
    for beats in ["0", "1025", "1.5", "null", "\"4\"", "-4", "1e99"] {
        let payload = format!("{{\"bpm\":90,\"beats\":{beats}}}");
        assert_eq!(complaint("ramp_tempo", &payload), "beats must be an integer from 1 to 1024", "{beats}");
    }
}

#[test]
fn an_integer_may_be_written_with_a_point() {
    let Control::SetTempo { bpm, at } = read("set_tempo", "{\"bpm\":90.0,\"at\":null,\"more\":[1]}") else {
        panic!("set_tempo");
    };
    assert_eq!((bpm.get(), at), (90, Quantise::Now));
    assert_eq!(Note::parse("{\"midi\":6.0e1}").map(|note| note.midi), Ok(60));
}

#[test]
fn a_bad_start_or_meter_is_named() {
    let count_in = "count_in must be an integer from 0 to 64";
    for wrong in ["-1", "65", "0.5", "\"4\"", "1e30"] {
        assert_eq!(complaint("start_clock", &format!("{{\"count_in\":{wrong}}}")), count_in);
    }
    assert_eq!(complaint("start_clock", "{\"resume\":\"yes\"}"), "resume must be true or false");
    assert_eq!(
        complaint("start_clock", "{\"resume\":true,\"count_in\":2}"),
        "count_in must be 0 or absent when resume is true"
    );
    assert_eq!(read("start_clock", "null"), Control::StartClock { count_in: 0, resume: false });
    for wrong in ["0", "65", "null", "3.5"] {
        assert_eq!(
            complaint("set_meter", &format!("{{\"beats_per_bar\":{wrong}}}")),
            "beats_per_bar must be an integer from 1 to 64"
        );
    }
    for wrong in ["[2,2]", "[7,0]", "[8,-1]", "[3.5,3.5]", "7", "[null]", "[4294967295,8]", "\"2+2+3\""] {
        assert_eq!(
            complaint("set_meter", &format!("{{\"beats_per_bar\":7,\"groups\":{wrong}}}")),
            "groups must be a list of positive integers that add up to beats_per_bar",
            "{wrong}"
        );
    }
    assert_eq!(
        read("set_meter", "{\"beats_per_bar\":7,\"groups\":[2,2,3]}"),
        Control::SetMeter { beats_per_bar: 7, groups: vec![2, 2, 3] }
    );
}

#[test]
fn a_student_id_is_required_and_printable() {
    for event in ["mute_student", "unmute_student", "remove_student", "assign_beat", "assign_role"] {
        for payload in ["{}", "{\"student_id\":null}", "{\"student_id\":\"\"}", "[\"ada\"]"] {
            assert_eq!(complaint(event, payload), "student_id required");
        }
        let long = format!("\"{}\"", "a".repeat(65));
        for wrong in ["7", "[]", "\" \"", "\"a\\u0000b\"", "\"a\\u202eb\"", "\"\\n\"", &long] {
            assert_eq!(
                complaint(event, &format!("{{\"student_id\":{wrong}}}")),
                "student_id must be a string of 1 to 64 printable characters",
                "{wrong}"
            );
        }
    }
    let widest = "𝄞".repeat(64);
    let payload = format!("{{\"student_id\":\"{widest}\"}}");
    assert_eq!(read("mute_student", &payload), Control::MuteStudent { student_id: widest });
}

#[test]
fn a_place_in_the_pattern_is_one_to_sixty_four() {
    for beat in ["0", "65", "-1", "1e30", "18446744073709551616"] {
        let payload = format!("{{\"student_id\":\"ada\",\"beat\":{beat}}}");
        assert_eq!(complaint("assign_beat", &payload), "beat out of range");
        assert_eq!(complaint("clear_beat", &payload), "beat out of range");
    }
    for beat in ["null", "\"1\"", "1.5", "[]"] {
        assert_eq!(complaint("clear_beat", &format!("{{\"beat\":{beat}}}")), "beat must be an integer from 1 to 64");
    }
}

#[test]
fn a_role_is_one_that_a_room_knows() {
    for role in ["null", "\"teacher\"", "7", "\"section:\"", "\"\""] {
        assert_eq!(
            complaint("assign_role", &format!("{{\"student_id\":\"ada\",\"role\":{role}}}")),
            "role must be co_teacher, soloist, listener, section:<name> or none"
        );
    }
}

#[test]
fn an_event_that_is_no_control_is_left_to_others() {
    for event in ["play_note", "get_room", "", "SET_TEMPO", "change_settings", "phx_join"] {
        assert_eq!(Control::parse(event, "{broken"), Ok(None));
    }
    assert_eq!(complaint("mute_all", "{broken"), "payload must be a JSON object");
}

#[test]
fn every_event_on_the_list_of_controls_is_read_as_one() {
    for event in Control::EVENTS {
        assert!(!matches!(Control::parse(event, "{}"), Ok(None)), "{event}");
    }
}
