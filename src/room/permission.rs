//! Who may do what.

use serde::{Deserialize, Serialize};

use super::{
    control::{Actor, Control},
    fields::BadField,
    role::{RoomRole, TokenRole},
    state::{Controls, Members},
};

/// Why a room does not do what it is asked. The sentence is the reason that the client gets, word for word.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    #[error("Room not found")]
    RoomNotFound,
    #[error("room_locked")]
    RoomLocked,
    #[error("room_full")]
    RoomFull,
    #[error("removed_from_room")]
    RemovedFromRoom,
    #[error("unauthorized")]
    Unauthorized,
    #[error("unknown student")]
    UnknownStudent,
    #[error("muted")]
    Muted,
    #[error("only_soloist_can_play")]
    OnlySoloistCanPlay,
    #[error("listener_cannot_play")]
    ListenerCannotPlay,
    /// The room already remembers as many students in this respect as it can.
    #[error("too many students on record")]
    TooManyOnRecord,
    /// The room's connections already show as much of themselves as all may together.
    #[error("payload_size_exceeded")]
    TrackedTooMuch,
    #[error(transparent)]
    BadField(#[from] BadField),
}

/// What a control takes.
enum Needs {
    /// Anybody in the room.
    Nothing,
    /// A teacher's token, or the role of a co-teacher.
    Conducting,
    /// A teacher's token.
    Teaching,
}

impl Control {
    fn needs(&self, actor: &Actor) -> Needs {
        match self {
            Self::RaiseHand | Self::LowerHand { student_id: None } => Needs::Nothing,
            Self::LowerHand { student_id: Some(id) } if *id == actor.student_id => Needs::Nothing,
            Self::CloseRoom | Self::ForgetStudent { .. } => Needs::Teaching,
            _ => Needs::Conducting,
        }
    }
}

impl Controls {
    pub(super) fn check_permission(&self, actor: &Actor, control: &Control) -> Result<(), Refusal> {
        let teaches = actor.role == TokenRole::Teacher;
        let permitted = match control.needs(actor) {
            Needs::Nothing => true,
            Needs::Conducting => teaches || self.has_role(&actor.student_id, &RoomRole::CoTeacher),
            Needs::Teaching => teaches,
        };
        permitted.then_some(()).ok_or(Refusal::Unauthorized)
    }

    /// Whether the notes of a person with a student's token are kept back. `mute_all` passes co-teachers by; a mute
    /// of their own they keep to as well.
    #[must_use]
    pub fn is_muted(&self, student_id: &str) -> bool {
        self.muted.contains(student_id)
            || (self.all_muted && !self.exempt.contains(student_id) && !self.has_role(student_id, &RoomRole::CoTeacher))
    }

    /// Whether a note may go out; every gateway asks this for every note, so it allocates nothing.
    ///
    /// `role` is that of the connection's token. A soloist keeps the others silent only while present: one whose
    /// connection is lost does not silence the class.
    ///
    /// # Errors
    /// `muted`, `listener_cannot_play` or `only_soloist_can_play`, of which the first that applies.
    pub fn may_play(&self, members: &Members, student_id: &str, role: TokenRole) -> Result<(), Refusal> {
        if role == TokenRole::Teacher {
            return Ok(());
        }
        if self.is_muted(student_id) {
            return Err(Refusal::Muted);
        }
        match self.roles.get(student_id) {
            Some(RoomRole::Listener) => return Err(Refusal::ListenerCannotPlay),
            Some(RoomRole::CoTeacher | RoomRole::Soloist) => return Ok(()),
            Some(RoomRole::Section(_)) | None => {}
        }
        let soloist_is_here =
            self.roles.iter().any(|(id, role)| *role == RoomRole::Soloist && members.contains_key(id));
        if soloist_is_here {
            return Err(Refusal::OnlySoloistCanPlay);
        }
        Ok(())
    }

    pub(super) fn has_role(&self, student_id: &str, role: &RoomRole) -> bool {
        self.roles.get(student_id) == Some(role)
    }
}
