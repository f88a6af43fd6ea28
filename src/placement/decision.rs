//! Who conducts a room: what a node does that needs the room conducted, from its record and from what it has seen.
//!
//! The room's record says who *does* conduct, the ring who *should*. A node takes a room over only when the recorded
//! owner is dead for certain, or was this node itself; otherwise it asks whoever conducts, or waits until it is clear.
//! Two nodes may see different things for a moment, and both decide to take over: the store's script lets one do it.

use super::Judgement;

/// A room's owner as its record names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordedOwner<'a> {
    pub node: &'a str,
    pub incarnation: u64,
}

/// What the deciding node knows.
#[derive(Clone, Copy, Debug)]
pub struct Sight<'a> {
    /// This node, in the session that it may act in right now.
    pub me: RecordedOwner<'a>,
    /// Whether the recorded incarnation was one of this very process, and was given up by it for good.
    pub was_mine: bool,
    /// What the last look at the sessions says of the recorded owner.
    pub judgement: Judgement,
    /// Whom the ring names for the room, among the nodes that live and do not leave.
    pub named: Option<&'a str>,
    /// No takeover of others' rooms for now: the store has just changed under us.
    pub is_barred: bool,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision<'a> {
    /// Take the room over from its recorded owner.
    TakeOver,
    /// End the owner's session where it stands still at `renewals`; if that succeeds, take over.
    EndAndTakeOver { renewals: u64 },
    /// Ask this node.
    Ask(&'a str),
    /// Nothing is certain yet: look again in a moment.
    Wait,
}

/// Decides. PURE.
pub fn decide<'a>(owner: RecordedOwner<'a>, sight: &Sight<'a>) -> Decision<'a> {
    // Mine, and yet I do not conduct it: made for me, or my conductor has failed.
    if owner == sight.me || sight.was_mine {
        return Decision::TakeOver;
    }
    let successor = |take: Decision<'a>| match sight.named {
        Some(named) if named == sight.me.node => {
            if sight.is_barred {
                Decision::Wait
            } else {
                take
            }
        }
        // The ring names the living: under the dead owner's name too, where a new process bears it.
        Some(named) => Decision::Ask(named),
        None => Decision::Wait,
    };
    match sight.judgement {
        Judgement::Alive if owner.node == sight.me.node => Decision::Wait,
        Judgement::Alive => Decision::Ask(owner.node),
        Judgement::Dead => successor(Decision::TakeOver),
        Judgement::Stalled { renewals } => successor(Decision::EndAndTakeOver { renewals }),
        Judgement::Unknown => Decision::Wait,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ME: RecordedOwner = RecordedOwner { node: "me", incarnation: 7 };
    const OTHER: RecordedOwner = RecordedOwner { node: "other", incarnation: 5 };

    fn sight(judgement: Judgement, named: Option<&str>) -> Sight<'_> {
        Sight { me: ME, was_mine: false, judgement, named, is_barred: false }
    }

    #[test]
    fn a_living_owner_is_asked_whatever_the_ring_says() {
        assert_eq!(decide(OTHER, &sight(Judgement::Alive, Some("me"))), Decision::Ask("other"));
    }

    #[test]
    fn the_room_of_a_dead_owner_goes_to_whom_the_ring_names() {
        assert_eq!(decide(OTHER, &sight(Judgement::Dead, Some("me"))), Decision::TakeOver);
        assert_eq!(decide(OTHER, &sight(Judgement::Dead, Some("third"))), Decision::Ask("third"));
        assert_eq!(
            decide(OTHER, &sight(Judgement::Stalled { renewals: 3 }, Some("me"))),
            Decision::EndAndTakeOver { renewals: 3 }
        );
    }

    #[test]
    fn a_node_that_came_back_under_its_name_takes_over_its_former_process_s_rooms() {
        let former = RecordedOwner { node: "me", incarnation: 3 };
        assert_eq!(decide(former, &sight(Judgement::Dead, Some("me"))), Decision::TakeOver);
        let other_back = RecordedOwner { node: "other", incarnation: 4 };
        assert_eq!(decide(other_back, &sight(Judgement::Dead, Some("other"))), Decision::Ask("other"));
    }

    #[test]
    fn my_own_reigns_are_taken_back_at_once_even_while_others_are_barred() {
        let former = RecordedOwner { node: "me", incarnation: 3 };
        let barred = Sight { was_mine: true, is_barred: true, ..sight(Judgement::Unknown, None) };
        assert_eq!(decide(former, &barred), Decision::TakeOver);
        assert_eq!(decide(ME, &barred), Decision::TakeOver);
    }

    #[test]
    fn nobody_takes_over_while_takeovers_are_barred_or_the_sessions_unknown() {
        let barred = Sight { is_barred: true, ..sight(Judgement::Dead, Some("me")) };
        assert_eq!(decide(OTHER, &barred), Decision::Wait);
        assert_eq!(decide(OTHER, &sight(Judgement::Unknown, Some("me"))), Decision::Wait);
    }
}
