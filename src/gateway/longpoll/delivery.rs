//! What a long-poll session has sent, how much of it has arrived, and what was posted to it.
//!
//! Requests of one session may come through any node, late, twice, or not at all. So messages have numbers, from 1 on,
//! and the client itself tells how many it has: each answer's token names its last message, and the client shows the
//! newest token that it got with its next request. What it does not show goes out again.

use std::collections::VecDeque;

/// The most text of one batch, in bytes; a single longer message goes alone.
pub const BATCH_BYTES_MAX: usize = 512 * 1024;
/// How many posts are remembered: far more than a client has under way at once.
pub const POSTS_REMEMBERED_MAX: usize = 128;

/// Messages for one poll.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// In order, at least one.
    pub messages: Vec<String>,
    /// The number of the last of them.
    pub last: u64,
}

/// One session's numbers.
#[derive(Debug, Default)]
pub struct Delivery {
    /// Messages up to this number have arrived.
    confirmed: u64,
    /// Those that follow. At most a batch and one message more.
    unconfirmed: VecDeque<String>,
    /// The client's newest poll.
    poll: u64,
    /// The numbers of the newest posts.
    posts: VecDeque<u64>,
}

impl Delivery {
    /// A request of the poll `poll`, whose client has the first `received` messages. `is_first` until its node has
    /// heard of this session: such a request makes its poll the newest. False when a newer one has taken over.
    pub fn admit_poll(&mut self, poll: u64, is_first: bool, received: u64) -> bool {
        if is_first {
            self.poll = poll;
        }
        self.confirm(received);
        self.poll == poll
    }

    /// The first `upto` messages have arrived. Hearing this twice, or of fewer than before, changes nothing.
    pub fn confirm(&mut self, upto: u64) {
        let news = usize::try_from(upto.saturating_sub(self.confirmed)).unwrap_or(usize::MAX);
        let arrived = self.unconfirmed.drain(..news.min(self.unconfirmed.len())).count();
        self.confirmed += arrived as u64;
    }

    /// What goes out now: first what has not arrived, then what `next` gives.
    pub fn batch(&mut self, mut next: impl FnMut() -> Option<String>) -> Option<Batch> {
        let mut bytes: usize = self.unconfirmed.iter().map(String::len).sum();
        while bytes < BATCH_BYTES_MAX
            && let Some(message) = next()
        {
            bytes += message.len();
            self.unconfirmed.push_back(message);
        }
        let mut room = BATCH_BYTES_MAX;
        let fits = |message: &&String| {
            let fits = message.len() <= room;
            room = room.saturating_sub(message.len());
            fits
        };
        let count = self.unconfirmed.iter().take_while(fits).count().max(1);
        let messages: Vec<String> = self.unconfirmed.iter().take(count).cloned().collect();
        let last = self.confirmed + messages.len() as u64;
        (!messages.is_empty()).then_some(Batch { messages, last })
    }

    /// Whether this post is new; from now on it is not.
    pub fn take_post(&mut self, number: u64) -> bool {
        if self.has_taken(number) {
            return false;
        }
        self.posts.push_back(number);
        if self.posts.len() > POSTS_REMEMBERED_MAX {
            self.posts.pop_front();
        }
        true
    }

    pub fn has_taken(&self, number: u64) -> bool {
        self.posts.contains(&number)
    }
}
