//! The session against a plain model of itself, over any sequence of frames and ends.

use std::collections::{BTreeMap, VecDeque};

use downbeat::gateway::session::{Instance, Step};
use proptest::prelude::*;

use crate::{frame, session};

#[derive(Debug, Clone, Copy)]
enum Act {
    Receive { topic: usize, join_ref: Option<u8>, event: usize },
    EndJoin { topic: usize, ok: bool },
    Hold { topic: usize },
    Handled { topic: usize },
    Remove { topic: usize },
    Next { topic: usize },
}

const TOPICS: [&str; 4] = ["a", "b", "c", "d"];
const EVENTS: [&str; 5] = ["phx_join", "phx_join", "phx_leave", "play_note", "clock_sync"];

fn any_act() -> impl Strategy<Value = Act> {
    let topic = 0..TOPICS.len();
    let join_ref = prop::option::of(0..3u8);
    prop_oneof![
        6 => (topic.clone(), join_ref, 0..EVENTS.len())
            .prop_map(|(topic, join_ref, event)| Act::Receive { topic, join_ref, event }),
        3 => (topic.clone(), prop::bool::weighted(0.8))
            .prop_map(|(topic, ok)| Act::EndJoin { topic, ok }),
        1 => topic.clone().prop_map(|topic| Act::Hold { topic }),
        1 => topic.clone().prop_map(|topic| Act::Handled { topic }),
        1 => topic.clone().prop_map(|topic| Act::Remove { topic }),
        3 => topic.prop_map(|topic| Act::Next { topic }),
    ]
}

/// A frame of the model: its join_ref, its event, and which it is.
type ModelFrame = (Option<u8>, &'static str, usize);

#[derive(Default)]
struct ModelTopic {
    /// Joining, or joined: the instance and its join_ref.
    channel: Option<(u64, Option<u8>)>,
    joining: bool,
    held: bool,
    waiting: VecDeque<ModelFrame>,
}

/// What a step comes to, in words.
fn word(step: &Step) -> String {
    match step {
        Step::Join { instance, replaced } => {
            format!("join {} for {:?}", instance.number(), replaced.map(Instance::number))
        }
        Step::Leave { instance, .. } => format!("leave {}", instance.number()),
        Step::Push { instance, .. } => format!("push {}", instance.number()),
        other => format!("{other:?}"),
    }
}

#[derive(Default)]
struct Model {
    topics: BTreeMap<&'static str, ModelTopic>,
    last: u64,
}

impl Model {
    fn channels(&self) -> usize {
        self.topics.values().filter(|topic| topic.channel.is_some()).count()
    }

    fn receive(&mut self, name: &'static str, frame: ModelFrame) -> String {
        let topic = self.topics.entry(name).or_default();
        let busy = topic.joining || topic.held || !topic.waiting.is_empty();
        let stale = matches!((topic.channel, frame.0), (Some((_, Some(a))), Some(b)) if a != b);
        if frame.1 == "clock_sync" && !topic.joining && !stale && topic.channel.is_some() {
            return self.decide(name, frame);
        }
        if busy {
            topic.waiting.push_back(frame);
            return "Queued".to_owned();
        }
        self.decide(name, frame)
    }

    fn decide(&mut self, name: &'static str, (join_ref, event, _): ModelFrame) -> String {
        let full = self.channels() >= 3;
        let topic = self.topics.entry(name).or_default();
        match (event, topic.channel) {
            ("phx_join", None) if full => "Refuse(TooManyChannels)".to_owned(),
            ("phx_join", old) => {
                self.last += 1;
                topic.channel = Some((self.last, join_ref));
                topic.joining = true;
                format!("join {} for {:?}", self.last, old.map(|(instance, _)| instance))
            }
            ("phx_leave", None) => "LeaveUnjoined".to_owned(),
            (_, None) => "Refuse(Unmatched)".to_owned(),
            (_, Some((_, Some(current)))) if join_ref.is_some_and(|named| named != current) => "Stale".to_owned(),
            ("phx_leave", Some((instance, _))) => {
                topic.channel = None;
                format!("leave {instance}")
            }
            (_, Some((instance, _))) => format!("push {instance}"),
        }
    }

    fn next(&mut self, name: &'static str) -> Option<(usize, String)> {
        let topic = self.topics.entry(name).or_default();
        if topic.joining || topic.held {
            return None;
        }
        let frame = topic.waiting.pop_front()?;
        Some((frame.2, self.decide(name, frame)))
    }
}

proptest! {
    #[test]
    fn the_session_does_what_a_plain_model_does(acts in prop::collection::vec(any_act(), 0..120)) {
        let mut session = session();
        let mut model = Model::default();
        let mut latest: BTreeMap<&str, Instance> = BTreeMap::new();
        for (at, act) in acts.into_iter().enumerate() {
            let note = |latest: &mut BTreeMap<&str, Instance>, name, step: &Step| {
                if let Step::Join { instance, .. } = step {
                    latest.insert(name, *instance);
                }
            };
            match act {
                Act::Receive { topic, join_ref, event } => {
                    let (name, event) = (TOPICS[topic], EVENTS[event]);
                    let join_text = join_ref.map(|join_ref| join_ref.to_string());
                    let message = at.to_string();
                    let step = session.receive(&frame(join_text.as_deref(), &message, name, event));
                    note(&mut latest, name, &step);
                    prop_assert_eq!(word(&step), model.receive(name, (join_ref, event, at)));
                }
                Act::EndJoin { topic, ok } => {
                    let name = TOPICS[topic];
                    let Some(instance) = latest.get(name) else { continue };
                    let ended = if ok {
                        session.joined(name, *instance)
                    } else {
                        session.refused(name, *instance)
                    };
                    let topic = model.topics.entry(name).or_default();
                    prop_assert_eq!(ended.is_some(), topic.joining);
                    if std::mem::take(&mut topic.joining) && !ok {
                        topic.channel = None;
                    }
                }
                Act::Hold { topic } | Act::Handled { topic } => {
                    let name = TOPICS[topic];
                    let Some(instance) = latest.get(name) else { continue };
                    let holds = matches!(act, Act::Hold { .. });
                    let turned = if holds {
                        session.hold(name, *instance)
                    } else {
                        session.handled(name, *instance)
                    };
                    let topic = model.topics.entry(name).or_default();
                    let joined = topic.channel.is_some() && !topic.joining;
                    prop_assert_eq!(turned, joined && topic.held != holds);
                    topic.held = if turned { holds } else { topic.held };
                }
                Act::Remove { topic } => {
                    let name = TOPICS[topic];
                    let Some(instance) = latest.get(name) else { continue };
                    let removed = session.remove(name, *instance);
                    let topic = model.topics.entry(name).or_default();
                    prop_assert_eq!(removed.is_some(), topic.channel.is_some());
                    (topic.channel, topic.joining, topic.held) = (None, false, false);
                }
                Act::Next { topic } => {
                    let name = TOPICS[topic];
                    let next = session.next_queued(name);
                    if let Some((_, step)) = &next {
                        note(&mut latest, name, step);
                    }
                    let next = next.map(|(frame, step)| {
                        let message = frame.as_inbound().reference.map(|message| message.to_string());
                        (message.unwrap_or_default(), word(&step))
                    });
                    let expected = model.next(name).map(|(at, word)| (at.to_string(), word));
                    prop_assert_eq!(next, expected);
                }
            }
            prop_assert_eq!(session.channels().count(), model.channels());
        }
    }
}
