//! Joining a realtime topic.

use std::sync::Arc;

use super::{
    Realtime, RealtimeTopic, Topic,
    channel::{Missed, no_reading, permit},
    config::{JoinConfig, Replay},
};
use crate::{
    channels::{JoinRefused, JoinRequest, Peer},
    protocol::{
        TopicKey,
        topic::{REALTIME, REALTIME_BYTES_MAX},
    },
};

impl Realtime {
    /// Takes the peer into the topic that the request names.
    ///
    /// # Errors
    /// In Supabase's words, where it has any.
    pub async fn join(self: &Arc<Self>, peer: &Peer, request: &JoinRequest) -> Result<RealtimeTopic, JoinRefused> {
        let refused = |reason: String| JoinRefused::Realtime(reason);
        let name = request.topic.strip_prefix(REALTIME).ok_or(JoinRefused::UnmatchedTopic)?;
        if name.is_empty() {
            return Err(refused("TopicNameRequired: You must provide a topic name".to_owned()));
        }
        if request.topic.len() > REALTIME_BYTES_MAX {
            return Err(refused(format!("topic must have at most {REALTIME_BYTES_MAX} bytes")));
        }
        let config = JoinConfig::parse(&request.payload).map_err(|bad| refused(bad.to_string()))?;
        let permit = permit(&peer.claims, name, config.private);
        if !permit.read {
            return Err(refused(no_reading(name)));
        }
        let key = TopicKey { tenant: peer.tenant.id.clone(), name: name.into(), private: config.private };
        let mut seat = self.enter(&key);
        // Before anything is read, so that nothing is missed between.
        seat.heard().await;
        if config.hears_presence {
            self.presences_known(seat.topic()).await;
        }
        let missed = match config.replay {
            None => None,
            Some(replay) => Some(self.read_missed(seat.topic(), replay).await?),
        };
        Ok(RealtimeTopic::new(self.clone(), peer.tenant.clone(), request.connection, config, permit, missed, seat))
    }

    async fn read_missed(&self, topic: &Arc<Topic>, replay: Replay) -> Result<Missed, JoinRefused> {
        // Before the store is read: what comes meanwhile is remembered.
        let newcomer = topic.newcomer();
        match self.parts.store.broadcasts(topic.key(), replay.since_ms, replay.limit).await {
            Ok(stored) => Ok(Missed { stored, replay, newcomer }),
            Err(error) => {
                tracing::warn!(
                    tenant.id = %topic.key().tenant, topic.name = %topic.key().name, %error,
                    "broadcasts could not be replayed"
                );
                let reason = "UnableToReplayMessages: Realtime was unable to replay messages";
                Err(JoinRefused::Realtime(reason.to_owned()))
            }
        }
    }
}
