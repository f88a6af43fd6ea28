//! What this node knows of the others: who lives, who leaves, whom the ring names, and when nobody may take over.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use arc_swap::ArcSwap;
use parking_lot::Mutex;

use super::{Judgement, Observer, POINTS_PER_NODE, RING_VERSION, Ring, Terms};
use crate::{
    room::RoomKey,
    store::{Home, Look, SessionInfo},
};

/// A process that no look has shown for this long is gone, and its connections with it. Beyond the session's own
/// time to live, so that a session which is just being opened anew costs nobody his place.
const GONE_AFTER_US: i64 = 1_000_000;
/// What is added to a session's time to live where the store has changed under everybody.
const BAR_MARGIN_US: i64 = 500_000;
/// How long nodes give rooms back to a store that has lost them, before anybody takes one over.
const RESTORING_US: i64 = 1_500_000;
/// For how long after a loss rooms that the store lacks are still given back to it.
const LOST_US: i64 = 120_000_000;
/// Dead sessions remembered.
const DEAD_MAX: usize = 256;
/// Homes remembered; past it, those go that were not asked about for longest.
const HOMES_MAX: usize = 65_536;

/// A node as the last look showed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeSeen {
    pub incarnation: u64,
    pub info: SessionInfo,
    /// Its renewals move.
    pub lives: bool,
}

/// What the last look showed.
pub struct View {
    /// When it was asked for, by this node's boot-time clock; the beginning of time before the first.
    pub asked_us: i64,
    pub nodes: BTreeMap<Arc<str>, NodeSeen>,
    ring: Ring,
    /// Grows when the ring's nodes change.
    pub ring_changes: u64,
    pub generation: Option<String>,
    run_id: Option<String>,
}

/// What a look has brought to light.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct News {
    /// A session is over that was there before.
    pub somebody_died: bool,
    /// The store has lost everything.
    pub store_is_new: bool,
    /// Another server, which may lack the last writes.
    pub server_changed: bool,
}

/// This node's knowledge of the others. All times are microseconds of its own boot-time clock.
pub struct Directory {
    death_us: i64,
    observer: Mutex<Observer>,
    /// Sessions that stood in one look and not in a later one: dead for ever.
    dead: Mutex<VecDeque<(Arc<str>, u64)>>,
    /// When this node first learnt of sessions that it was asked about, until they are dead.
    learnt: Mutex<HashMap<(Arc<str>, u64), i64>>,
    view: ArcSwap<View>,
    homes_seen: Mutex<HashMap<Home, i64>>,
    named_generation: AtomicBool,
    bars: Mutex<Bars>,
}

#[derive(Default)]
struct Bars {
    barred_until_us: i64,
    restoring_until_us: i64,
    lost_until_us: i64,
    /// This node is still giving back what it knows.
    is_giving_back: bool,
}

impl Directory {
    pub fn new(terms: Terms) -> Self {
        let view = View {
            asked_us: i64::MIN,
            nodes: BTreeMap::new(),
            ring: Ring::new(Vec::<Arc<str>>::new(), POINTS_PER_NODE),
            ring_changes: 0,
            generation: None,
            run_id: None,
        };
        Self {
            death_us: terms.death_us,
            observer: Mutex::new(Observer::new(terms)),
            dead: Mutex::default(),
            learnt: Mutex::default(),
            view: ArcSwap::from_pointee(view),
            homes_seen: Mutex::default(),
            named_generation: AtomicBool::new(false),
            bars: Mutex::new(Bars {
                barred_until_us: i64::MIN,
                restoring_until_us: i64::MIN,
                lost_until_us: i64::MIN,
                is_giving_back: false,
            }),
        }
    }

    /// Takes in a look that was asked for at `asked_us` and answered at `now_us`.
    pub fn take_in(&self, look: Look, asked_us: i64, now_us: i64) -> News {
        let before = self.view.load_full();
        // Looks must be taken in in the order in which they were asked for.
        if asked_us < before.asked_us {
            return News::default();
        }
        let mut observer = self.observer.lock();
        let seen = look.sessions.iter().map(|session| (session.node.as_str(), session.incarnation, session.renewals));
        observer.observe(asked_us, now_us, seen);
        let living: Vec<String> = observer.live_nodes().map(str::to_owned).collect();
        drop(observer);
        let nodes: BTreeMap<Arc<str>, NodeSeen> = look
            .sessions
            .into_iter()
            .map(|session| {
                let lives = living.contains(&session.node);
                (session.node.into(), NodeSeen { incarnation: session.incarnation, info: session.info, lives })
            })
            .collect();
        self.see_homes(&nodes, now_us);
        self.note_dead(&before.nodes, &nodes);
        self.note_never_seen(&nodes, asked_us);
        let run_id = look.server.map(|server| server.run_id).or_else(|| before.run_id.clone());
        let is_first = before.asked_us == i64::MIN;
        let over = |(node, was): (&Arc<str>, &NodeSeen)| {
            was.lives && nodes.get(node).is_none_or(|now| !now.lives || now.incarnation != was.incarnation)
        };
        let news = News {
            somebody_died: before.nodes.iter().any(over),
            store_is_new: !is_first && look.generation != before.generation,
            server_changed: !is_first && run_id != before.run_id,
        };
        self.bar(news, now_us);
        let named = names_of_ring(&nodes);
        let (ring, ring_changes) = if names_of_ring(&before.nodes) == named {
            (before.ring.clone(), before.ring_changes)
        } else {
            (Ring::new(named, POINTS_PER_NODE), before.ring_changes + 1)
        };
        self.view.store(Arc::new(View { asked_us, nodes, ring, ring_changes, generation: look.generation, run_id }));
        news
    }

    fn bar(&self, news: News, now_us: i64) {
        let mut bars = self.bars.lock();
        if news.server_changed || news.store_is_new {
            bars.barred_until_us = now_us + self.death_us + BAR_MARGIN_US;
        }
        if news.store_is_new {
            bars.restoring_until_us = now_us + RESTORING_US;
            bars.lost_until_us = now_us + LOST_US;
        }
    }

    /// The store has ended this session, for this node: it is dead for ever, before the next look shows it.
    pub fn note_ended(&self, node: &str, incarnation: u64) {
        self.bury(std::iter::once((node.into(), incarnation)));
    }

    fn note_dead(&self, before: &BTreeMap<Arc<str>, NodeSeen>, now: &BTreeMap<Arc<str>, NodeSeen>) {
        let is_over =
            |(node, was): &(&Arc<str>, &NodeSeen)| now.get(*node).is_none_or(|is| is.incarnation != was.incarnation);
        self.bury(before.iter().filter(is_over).map(|(node, was)| (node.clone(), was.incarnation)));
    }

    /// Sessions that stood in no look since this node learnt of them from a room's record.
    fn note_never_seen(&self, nodes: &BTreeMap<Arc<str>, NodeSeen>, asked_us: i64) {
        let stands = |node: &Arc<str>, incarnation| nodes.get(node).is_some_and(|seen| seen.incarnation == incarnation);
        let mut learnt = self.learnt.lock();
        let is_over = |(node, incarnation): &(Arc<str>, u64), learnt_at_us: &mut i64| {
            *learnt_at_us <= asked_us && !stands(node, *incarnation)
        };
        self.bury(learnt.extract_if(is_over).map(|(session, _)| session));
    }

    fn bury(&self, sessions: impl Iterator<Item = (Arc<str>, u64)>) {
        let mut dead = self.dead.lock();
        dead.extend(sessions);
        while dead.len() > DEAD_MAX {
            dead.pop_front();
        }
    }

    fn see_homes(&self, nodes: &BTreeMap<Arc<str>, NodeSeen>, now_us: i64) {
        let mut homes = self.homes_seen.lock();
        for (node, seen) in nodes.iter().filter(|(_, seen)| seen.lives) {
            homes.insert(Home { node: node.clone(), process: seen.info.process }, now_us);
        }
        if homes.len() > HOMES_MAX {
            homes.retain(|_, seen_us| now_us - *seen_us < 60 * GONE_AFTER_US);
        }
    }

    /// Whether this node has named the store's life, and has seen no other node: there was no cluster before it.
    pub fn is_founder(&self) -> bool {
        self.named_generation.load(Ordering::Relaxed) && self.view.load().nodes.len() <= 1
    }

    /// This node has named the store's life.
    pub fn note_founding(&self) {
        self.named_generation.store(true, Ordering::Relaxed);
    }

    pub fn view(&self) -> Arc<View> {
        self.view.load_full()
    }

    /// What the last look says of a session that was learnt of at `learnt_at_us`, or before: what counts is when this
    /// node was first asked about it, for a look is always older than the question.
    pub fn judge(&self, node: &str, incarnation: u64, learnt_at_us: i64) -> Judgement {
        if self.dead.lock().iter().any(|(name, number)| (&**name, *number) == (node, incarnation)) {
            return Judgement::Dead;
        }
        let learnt_at_us = *self.learnt.lock().entry((node.into(), incarnation)).or_insert(learnt_at_us);
        let judgement = self.observer.lock().judge(node, incarnation, learnt_at_us);
        let view = self.view.load();
        // To ask one who lived at the last look costs nothing; only a death must be certain.
        let lived = view.nodes.get(node).is_some_and(|seen| seen.lives && seen.incarnation == incarnation);
        if judgement == Judgement::Unknown && lived { Judgement::Alive } else { judgement }
    }

    /// Whom the ring names for a room.
    pub fn named(&self, room: &RoomKey) -> Option<Arc<str>> {
        self.view.load().ring.owner(room).map(Arc::from)
    }

    /// Whether nobody may take over others' rooms.
    pub fn is_barred(&self, now_us: i64) -> bool {
        now_us < self.bars.lock().barred_until_us
    }

    /// Whether rooms are being given back to a store that has lost them: nobody takes over anything.
    pub fn is_restoring(&self, now_us: i64) -> bool {
        let bars = self.bars.lock();
        bars.is_giving_back || now_us < bars.restoring_until_us
    }

    /// This node begins, or has ended, to give back what it knows.
    pub fn set_giving_back(&self, is_giving_back: bool) {
        self.bars.lock().is_giving_back = is_giving_back;
    }

    /// Whether the store has lost everything not long ago: a room that it lacks may be one of the lost.
    pub fn has_lost_rooms(&self, now_us: i64) -> bool {
        now_us < self.bars.lock().lost_until_us
    }

    /// This process has spoken.
    pub fn note_heard(&self, home: &Home, now_us: i64) {
        self.homes_seen.lock().insert(home.clone(), now_us);
    }

    /// Whether this process, and every connection that ended there, is gone. Never said while the looks fail.
    pub fn is_gone(&self, home: &Home, now_us: i64) -> bool {
        let view = self.view.load();
        if view.asked_us < now_us - GONE_AFTER_US || self.is_barred(now_us) {
            return false;
        }
        let seen = view.nodes.get(&home.node);
        if seen.is_some_and(|seen| seen.info.process != home.process) {
            return true;
        }
        let seen_us = *self.homes_seen.lock().entry(home.clone()).or_insert(now_us);
        now_us - seen_us > GONE_AFTER_US
    }
}

/// The nodes that live and may conduct.
fn names_of_ring(nodes: &BTreeMap<Arc<str>, NodeSeen>) -> Vec<Arc<str>> {
    let fit = nodes.iter().filter(|(_, seen)| seen.lives && may_conduct(&seen.info));
    fit.map(|(node, _)| node.clone()).collect()
}

/// Whether the ring counts a living node: it does not leave, and hashes as this release does.
pub fn may_conduct(info: &SessionInfo) -> bool {
    !info.draining && info.ring_version == RING_VERSION && info.ring_points == POINTS_PER_NODE
}
