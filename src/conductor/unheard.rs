//! A change of tempo that was stored and that no gateway has heard of, because its conductor died before it could say so.
//!
//! It was to begin while nobody conducted. To go by it as it stands would move the beats that children have heard since:
//! so the tempo changes a moment from now, from where the class is. Position and phase never jump.

use crate::{
    relay::Snapshot,
    room::{Actor, Bpm, Control, Controls, Quantise, Room, RoomKey, TokenRole},
};

/// The controls in which the change begins at `now_us + lead_us` or later; none where there is nothing to mend.
/// `heard` is the latest that any gateway goes by.
pub(super) fn begun_anew(
    key: &RoomKey,
    stored: &Controls,
    heard: &Snapshot,
    now_us: i64,
    lead_us: i64,
) -> Option<Controls> {
    let Snapshot { stamp, controls, .. } = heard;
    let goes_on = stored.playing && controls.playing && stored.run == controls.run && stamp.rev < stored.rev;
    if !goes_on || stored.timeline == controls.timeline {
        return None;
    }
    let continued = Controls { timeline: controls.timeline.clone(), bpm: controls.bpm, ..stored.clone() };
    let mut room = Room::restored(key.clone(), continued, now_us);
    let actor = Actor { student_id: stored.teacher_id.clone(), role: TokenRole::Teacher, connection: 0 };
    let control = Control::SetTempo { bpm: Bpm::clamped(stored.bpm), at: Quantise::Now };
    let applied = room.apply(&actor, &control, now_us, lead_us).ok()?;
    applied.controls_changed.then_some(room.controls)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{relay::Stamp, room::CreateRoom, store::Lineage, tempo::Timeline};

    const SECOND_US: i64 = 1_000_000;

    fn playing(rev: u64, bpm: u32, timeline: Timeline) -> Controls {
        let key = RoomKey { tenant: "acme".into(), code: "MUSIC-1234".parse().expect("a code") };
        let controls = Room::create(key, CreateRoom::default(), "ms-ray", 120, 60, 0).controls;
        Controls { rev, run: 1, bpm, playing: true, timeline: Some(timeline), ..controls }
    }

    fn heard(controls: Controls) -> Snapshot {
        let stamp = Stamp { epoch: 1, nonce: 1, rev: controls.rev };
        let (lineage, members) = (Lineage::default(), Vec::new());
        Snapshot { stamp, lineage, members_rev: 0, controls: Arc::new(controls), members }
    }

    fn key() -> RoomKey {
        RoomKey { tenant: "acme".into(), code: "MUSIC-1234".parse().expect("a code") }
    }

    #[test]
    fn a_tempo_that_nobody_heard_of_begins_from_where_the_class_is() {
        let known = playing(3, 120, Timeline::starting(0, 0, 120_000));
        let mut changed = Timeline::starting(0, 0, 120_000);
        changed.change_tempo(2_000_000, 240_000);
        let stored = playing(4, 240, changed);
        let anew = begun_anew(&key(), &stored, &heard(known), 5 * SECOND_US, SECOND_US / 10).expect("mended");
        assert_eq!((anew.rev, anew.bpm), (5, 240));
        let timeline = anew.timeline.expect("it plays");
        assert_eq!(timeline.position_at(5 * SECOND_US), 10_000_000, "where the class is: ten beats at 120");
        assert_eq!(timeline.position_at(6_100_000), 12_200_000 + 2_000_000, "and then four beats a second");
    }

    #[test]
    fn what_a_gateway_has_heard_is_left_as_it_is() {
        let known = playing(3, 120, Timeline::starting(0, 0, 120_000));
        assert_eq!(begun_anew(&key(), &known, &heard(known.clone()), 0, 0), None);
        let muted = Controls { rev: 4, ..known.clone() };
        assert_eq!(begun_anew(&key(), &muted, &heard(known), 0, 0), None, "the timeline is the same");
    }
}
