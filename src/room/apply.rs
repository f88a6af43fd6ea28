//! From a control to what it does.

use serde_json::json;

use super::{
    applied::{Applied, MemberChange},
    control::{Actor, Control},
    permission::Refusal,
    state::Room,
};

impl Room {
    /// Carries out a control, wholly or not at all. One that asks for what already is, is carried out without an
    /// effect. Changes of time begin at `now_us + lead_us` or later.
    ///
    /// # Errors
    /// The reason that the client gets; the room is then unchanged.
    pub fn apply(&mut self, actor: &Actor, control: &Control, now_us: i64, lead_us: i64) -> Result<Applied, Refusal> {
        if self.controls.closed {
            return Err(Refusal::RoomNotFound);
        }
        self.controls.check_permission(actor, control)?;
        let mut applied = self.begin();
        let effect = &mut applied;
        match control {
            Control::SetTempo { bpm, at } => self.set_tempo(*bpm, *at, now_us, lead_us, effect),
            Control::RampTempo { bpm, beats } => self.ramp_tempo(*bpm, *beats, now_us, lead_us, effect),
            // While the clock runs, a start changes nothing, and while it stands, neither does a stop.
            Control::StartClock { .. } if self.controls.playing => {}
            Control::StartClock { resume: true, .. } => self.resume_clock(now_us, lead_us, effect),
            Control::StartClock { count_in, .. } => self.start_clock(*count_in, now_us, lead_us, effect),
            Control::StopClock if !self.controls.playing => {}
            Control::StopClock => self.stop_clock(now_us, lead_us, effect),
            Control::ResetClock => self.reset_clock(now_us, lead_us, effect),
            Control::SetMeter { beats_per_bar, groups } => {
                self.set_meter(*beats_per_bar, groups.clone(), now_us, lead_us, effect)?;
            }
            Control::MuteStudent { student_id } => self.mute(student_id, effect)?,
            Control::UnmuteStudent { student_id } => self.unmute(student_id, effect)?,
            Control::MuteAll => self.mute_all(effect),
            Control::UnmuteAll => self.unmute_all(effect),
            Control::AssignBeat { student_id, beat } => self.assign_beat(student_id, *beat, effect)?,
            Control::ClearBeat { beat } => self.clear_beat(*beat, effect),
            Control::ClearBeats => self.clear_beats(effect),
            Control::AssignRole { student_id, role } => self.assign_role(student_id, role.as_ref(), effect)?,
            Control::LockRoom => self.lock(effect),
            Control::UnlockRoom => self.unlock(effect),
            Control::RemoveStudent { student_id } => self.remove(actor, student_id, effect)?,
            Control::CloseRoom => self.close(effect),
            Control::RaiseHand => self.set_hand(&actor.student_id, true, effect)?,
            Control::LowerHand { student_id } => {
                self.set_hand(student_id.as_ref().unwrap_or(&actor.student_id), false, effect)?;
            }
            Control::ForgetStudent { student_id } => self.forget(student_id, effect),
            Control::ChangeSettings(change) => self.change_settings(change, now_us, lead_us, effect),
        }
        Ok(self.finish(applied, now_us))
    }

    fn set_hand(&mut self, student_id: &str, raised: bool, applied: &mut Applied) -> Result<(), Refusal> {
        self.check_member(student_id)?;
        self.touch(student_id, applied);
        let Some(member) = self.members.get_mut(student_id) else {
            return Err(Refusal::UnknownStudent);
        };
        if member.hand != raised {
            member.hand = raised;
            let event = if raised { "hand_raised" } else { "hand_lowered" };
            applied.tell(event, json!({ "student_id": student_id }));
            applied.member_changes.push(MemberChange::Changed { student_id: student_id.to_owned() });
        }
        Ok(())
    }

    pub(super) fn check_member(&self, student_id: &str) -> Result<(), Refusal> {
        let here = self.members.contains_key(student_id);
        here.then_some(()).ok_or(Refusal::UnknownStudent)
    }
}
