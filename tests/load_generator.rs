//! The load generator's own parts: a generator that miscounts measures nothing.

#[path = "../benches/load/client.rs"]
mod client;
#[path = "../benches/load/clock.rs"]
mod clock;
#[path = "../benches/load/cluster.rs"]
mod cluster;
#[path = "../benches/load/error.rs"]
mod error;
#[path = "../benches/load/histogram.rs"]
mod histogram;
#[path = "../benches/load/http.rs"]
mod http;
#[path = "../benches/load/lab.rs"]
mod lab;
#[path = "../benches/load/options.rs"]
mod options;
#[path = "../benches/participation/postgres.rs"]
mod postgres;
#[path = "../benches/load/procfs.rs"]
mod procfs;
#[path = "../benches/load/redis_server.rs"]
mod redis_server;
#[path = "../benches/load/report.rs"]
mod report;
#[path = "../benches/load/scenarios/mod.rs"]
mod scenarios;
#[path = "../benches/load/server.rs"]
mod server;
#[path = "../benches/load/stats.rs"]
mod stats;
#[path = "../benches/load/user_broadcast.rs"]
mod user_broadcast;
#[path = "../benches/load/wire.rs"]
mod wire;

use clap::Parser;
use histogram::Histogram;
use redis_server::Counts;
use stats::{Percentiles, median, slope};
use user_broadcast::UserBroadcast;

#[test]
fn a_frame_is_taken_only_when_it_is_whole() {
    for size in [0, 1, 125, 126, 4_000] {
        let payload = vec![b'x'; size];
        let mut bytes = Vec::new();
        wire::push_server_frame(&mut bytes, wire::TEXT, &payload);
        let whole = bytes.len();
        bytes.extend(b"next");
        for end in 0..whole {
            assert_eq!(wire::server_frame(&bytes[..end]), None, "{end} of {whole}");
        }
        let frame = wire::server_frame(&bytes).expect("it is whole");
        assert_eq!((frame.opcode, frame.len), (wire::TEXT, whole));
        assert_eq!(frame.payload, payload);
    }
}

#[test]
fn a_broadcast_is_what_the_server_reads_and_what_it_sends_is_heard() {
    use downbeat::protocol::{
        Encoding, InboundPayload, UserBroadcast as Theirs, Vsn, broadcast::as_broadcast, decode_binary,
        encode_broadcast, encode_user_broadcast,
    };
    for (is_json, encoding) in [(true, Encoding::Json), (false, Encoding::Binary)] {
        let said = UserBroadcast { topic: "realtime:load", event: "say", is_json, body: b"{\"n\":7}" };
        let frame = said.push("1", "23");
        assert_eq!(UserBroadcast::read(&frame), Some(said));
        let read = decode_binary(Vsn::V2, &frame).expect("sound");
        let theirs = Theirs { event: "say", meta: "", encoding, body: b"{\"n\":7}" };
        assert_eq!(read.topic, "realtime:load");
        assert!(matches!(read.payload, InboundPayload::UserBroadcast(read) if read == theirs), "{encoding:?}");
    }
    let octets = Theirs { event: "say", meta: "{}", encoding: Encoding::Binary, body: b"{\"n\":7}" };
    let frame = encode_user_broadcast("realtime:load", &octets).expect("it fits");
    assert_eq!(user_broadcast::heard(&frame), Some((&b"broadcast"[..], &b"{\"n\":7}"[..])));
    let bare = UserBroadcast { topic: "realtime:load", event: "say", is_json: false, body: b"{\"n\":7}" };
    let json = UserBroadcast { topic: bare.topic, event: bare.event, is_json: true, body: bare.body };
    let payload = as_broadcast("say", r#"{"n":7}"#);
    assert_eq!(json.text(), Some(encode_broadcast(Vsn::V2, "realtime:load", "broadcast", &payload)), "the same bytes");
    let octets = Theirs { meta: "", ..octets };
    assert_eq!(bare.octets(), encode_user_broadcast("realtime:load", &octets).ok());
}

#[test]
fn a_clients_frame_is_what_a_websocket_library_reads() {
    use tokio_tungstenite::tungstenite::protocol::{Role, WebSocket};
    for size in [0, 125, 126, 70_000] {
        let text = "n".repeat(size);
        let mut bytes = Vec::new();
        wire::push_client_frame(&mut bytes, wire::TEXT, text.as_bytes());
        let mut socket = WebSocket::from_raw_socket(std::io::Cursor::new(bytes), Role::Server, None);
        let message = socket.read().expect("a whole frame");
        assert_eq!(message.to_text().ok(), Some(text.as_str()));
    }
}

#[test]
fn the_event_and_payload_of_pushes_and_replies_are_found() {
    let push = br#"[null,null,"music_room:MUSIC-1234","beat",{"beat":7,"at":12.5}]"#;
    let (event, payload) = wire::event_of(push).expect("a frame");
    assert_eq!(event, b"beat");
    assert_eq!(wire::number_after(payload, br#""at":"#), Some(12.5));
    assert_eq!(wire::integer_after(payload, br#""beat":"#), Some(7));
    let reply = br#"["1","12","t","phx_reply",{"status":"ok","response":{}}]"#;
    assert_eq!(wire::event_of(reply).map(|found| found.0), Some(&b"phx_reply"[..]));
    assert_eq!(wire::event_of(b"[null"), None);
}

#[test]
fn percentiles_are_of_the_nearest_rank() {
    let mut delays_us: Vec<i64> = (1..=1_000).rev().collect();
    let found = Percentiles::of(&mut delays_us);
    assert_eq!((found.p50, found.p99, found.p999, found.max), (500.0, 990.0, 999.0, 1_000.0));
    assert_eq!(Percentiles::of(&mut []), Percentiles::default());
}

#[test]
fn the_median_of_an_even_number_is_between_the_middle_two() {
    assert_eq!(median([4.0, 1.0, 3.0]), 3.0);
    assert_eq!(median([4.0, 1.0, 3.0, 2.0]), 2.5);
    assert_eq!(median([]), 0.0);
}

#[test]
fn a_clock_that_gains_a_thousandth_has_that_slope() {
    let points: Vec<(f64, f64)> =
        (0..20).map(|beat| f64::from(beat) * 500_000.0).map(|planned| (planned, planned * 0.001)).collect();
    let found = slope(&points).expect("many points");
    assert!((found - 0.001).abs() < 1e-12);
    assert_eq!(slope(&points[..1]), None);
}

#[test]
fn a_histogram_counts_only_what_came_since() {
    let text = |counts: [u32; 3]| {
        format!(
            "# HELP late x\nlate_bucket{{le=\"0.001\"}} {}\nlate_bucket{{le=\"0.01\"}} {}\nlate_bucket{{le=\"+Inf\"}} {}\nlate_sum 1\n",
            counts[0], counts[1], counts[2]
        )
    };
    let before = Histogram::read(&text([50, 60, 60]), "late");
    let after = Histogram::read(&text([55, 159, 160]), "late");
    let since = after.since(&before);
    assert_eq!(since.at_most_ms(0.05), Some(1.0));
    assert_eq!(since.at_most_ms(0.5), Some(10.0));
    assert_eq!(since.at_most_ms(1.0), Some(f64::INFINITY));
    assert_eq!(before.since(&before).at_most_ms(0.5), None);
}

#[test]
fn what_redis_counts_is_told_apart_by_command() {
    let text = |evals: u32, reads: u32| {
        format!(
            "# Commandstats\r\ncmdstat_evalsha:calls={evals},usec=1,usec_per_call=0.5\r\n\
             cmdstat_client|setinfo:calls=4,usec=9\r\n# Stats\r\ntotal_reads_processed:{reads}\r\n"
        )
    };
    let since = Counts::read(&text(25, 30)).since(&Counts::read(&text(7, 10)));
    assert_eq!((since.of(&["evalsha", "eval"]), since.reads), (18, 20));
    assert_eq!(since.commands.len(), 1, "what has not run since is left out: {:?}", since.commands);
}

/// Every figure of the cluster, too small to mean anything: that each can be had, and that all rooms of a node that was
/// killed have a living owner, which the scenario itself looks after.
#[test]
fn the_cluster_scenario_measures_real_nodes_from_end_to_end() {
    let small = ["load", "--scenario", "cluster", "--rooms", "6", "--seconds", "1", "--rounds", "1", "--settle", "0"];
    scenarios::run(options::Options::parse_from(small)).expect("all figures are had");
}
