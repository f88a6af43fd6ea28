//! Frames, events, close codes and presence as Phoenix clients speak them. Pure: no I/O, no clock.
//!
//! A frame that comes in is borrowed from the socket's buffer ([`decode_text`],
//! [`decode_binary`]); a frame that goes out is encoded once per serializer
//! ([`Vsn`]) and shared by everyone who is to get it.

mod base64_any;
pub mod binary;
pub mod broadcast;
pub mod close_code;
pub mod encode;
pub mod event;
pub mod inbound;
pub mod longpoll_body;
pub mod presence;
pub mod reference;
pub mod subprotocol;
pub mod text;
pub mod topic;
pub mod version;
pub mod websocket;

pub use binary::{
    FieldTooLong, decode_binary, encode_binary_broadcast, encode_binary_push, encode_binary_reply,
    encode_user_broadcast,
};
pub use broadcast::Broadcast;
pub use close_code::CloseCode;
pub use encode::{
    Status, encode_broadcast, encode_close, encode_error, encode_error_reply, encode_heartbeat_reply, encode_push,
    encode_reply, push_json_string,
};
pub use inbound::{Encoding, Inbound, InboundPayload, Malformed, UserBroadcast};
pub use reference::Ref;
pub use text::decode_text;
pub use topic::TopicKey;
pub use version::{BadVsn, Vsn};
