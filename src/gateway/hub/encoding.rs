//! A broadcast in each serializer's form, made when the first socket that speaks it is to get it.

use crate::{
    gateway::frame::Frame,
    protocol::{
        Broadcast, Encoding, UserBroadcast, Vsn, broadcast::Body, encode_broadcast, encode_user_broadcast, event,
    },
};

/// One broadcast on its way to many sockets. JSON leaves as text for both serializers; octets leave as a binary frame,
/// which V1 has not.
pub struct Encoded<'a> {
    topic: &'a str,
    broadcast: &'a Broadcast,
    replayed: bool,
    v1: Option<Option<Frame>>,
    v2: Option<Option<Frame>>,
}

impl<'a> Encoded<'a> {
    pub fn new(topic: &'a str, broadcast: &'a Broadcast, replayed: bool) -> Self {
        Self { topic, broadcast, replayed, v1: None, v2: None }
    }

    /// The frame for a socket, or none where its serializer cannot carry it.
    pub fn frame(&mut self, vsn: Vsn) -> Option<&Frame> {
        let (topic, broadcast, replayed) = (self.topic, self.broadcast, self.replayed);
        let made = match vsn {
            Vsn::V1 => &mut self.v1,
            Vsn::V2 => &mut self.v2,
        };
        made.get_or_insert_with(|| frame_of(vsn, topic, broadcast, replayed)).as_ref()
    }
}

fn frame_of(vsn: Vsn, topic: &str, broadcast: &Broadcast, replayed: bool) -> Option<Frame> {
    match (&broadcast.body, vsn) {
        (Body::Json(_), _) => {
            let payload = broadcast.payload_json(replayed)?;
            Some(Frame::text(&encode_broadcast(vsn, topic, event::BROADCAST, &payload)))
        }
        (Body::Octets(octets), Vsn::V2) => {
            let meta = broadcast.meta_json(replayed);
            let user = UserBroadcast { event: &broadcast.event, meta: &meta, encoding: Encoding::Binary, body: octets };
            // Names that do not fit were refused when they came.
            encode_user_broadcast(topic, &user).ok().map(|frame| Frame::binary(&frame))
        }
        (Body::Octets(_), Vsn::V1) => None,
    }
}
