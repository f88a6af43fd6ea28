//! What connections show of themselves on a topic, and the ways by which everybody learns of it.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use super::{Realtime, Topic, TopicState, roll::TopicIsFull};

/// A connection as others may see it on a topic.
pub(super) struct Present {
    pub topic: Arc<Topic>,
    pub connection: u64,
    pub key: Arc<str>,
    /// It is there, and the token that counts lets it write: or nothing that it asked for before shows it again.
    pub may_show: AtomicBool,
}

impl Realtime {
    /// What a connection shows of itself is now this, or nothing.
    pub(super) fn set_presence(&self, present: &Present, fields: Option<Arc<str>>) -> Result<(), TopicIsFull> {
        let Present { topic, connection, key, may_show } = present;
        let mut state = topic.lock();
        if fields.is_some() && !may_show.load(Ordering::Relaxed) {
            return Ok(());
        }
        let home = self.parts.membership.home();
        if let Some(change) = state.roll.change(&home, *connection, key, fields)? {
            state.roll.take_in(&change, self.parts.clock.boot_us());
            self.spread(topic, &mut state, [*connection]);
        }
        Ok(())
    }

    /// From now on the connection hears who comes and goes.
    pub(super) fn enable_presence(&self, present: &Present) {
        let mut state = present.topic.lock();
        present.topic.enable_presence(present.connection);
        self.announce(&present.topic, &mut state);
    }

    /// The presences of these connections have changed: the audience hears of it, the store, and the other nodes.
    pub(super) fn spread(
        &self,
        topic: &Arc<Topic>,
        state: &mut TopicState,
        connections: impl IntoIterator<Item = u64>,
    ) {
        if state.roll.has_diff() {
            self.announce(topic, state);
        }
        if state.queue(connections) {
            self.under_way.send_modify(|under_way| *under_way += 1);
            // Nobody writes any more only when the node is going down.
            let _ = self.unwritten.send(topic.clone());
        }
    }

    /// The audience is to hear something of presences, with the next diffs.
    fn announce(&self, topic: &Arc<Topic>, state: &mut TopicState) {
        if state.note_change() {
            self.changed.lock().push(topic.clone());
        }
    }

    /// Sends what has changed among presences; to be called some twenty times a second.
    pub fn send_diffs(&self) {
        let changed = std::mem::take(&mut *self.changed.lock());
        changed.iter().for_each(|topic| topic.send_presences());
    }

    /// Resolves once it is known who is present, or cannot be for now.
    pub(super) async fn presences_known(&self, topic: &Arc<Topic>) {
        let _only_one = topic.reading.lock().await;
        if topic.lock().read_us.is_none() {
            self.read_presences(topic).await;
        }
    }
}
