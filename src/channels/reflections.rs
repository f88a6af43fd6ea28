//! `submit_reflection`: what a student thinks of the lesson.

use std::sync::Arc;

use serde_json::{Value, json};

use super::Answer;
use crate::{
    protocol::Status,
    room::{Reflection, RoomKey, TokenRole},
    store::{NewReflection, ReflectionStore},
};

/// Reads a reflection that `student_id` sends from `room`.
///
/// # Errors
/// The reason of the error reply: the field that is wrong, or `unauthorized` when a student writes for another.
pub(super) fn read(
    payload: &str,
    room: &RoomKey,
    student_id: &str,
    role: TokenRole,
    now_us: i64,
) -> Result<NewReflection, String> {
    let reflection = Reflection::parse(payload).map_err(|bad| bad.to_string())?;
    if reflection.room_id.is_some_and(|code| code != room.code) {
        return Err("room_id must be this room's code, or be left away".to_owned());
    }
    let author = reflection.student_id.unwrap_or_else(|| student_id.to_owned());
    if author != student_id && role != TokenRole::Teacher {
        return Err("unauthorized".to_owned());
    }
    let word = |value: Value| value.as_str().map(str::to_owned);
    Ok(NewReflection {
        room: room.clone(),
        student_id: author,
        text: reflection.reflection_text,
        reflection_type: word(json!(reflection.reflection_type)).unwrap_or_default(),
        competency: word(json!(reflection.competency)),
        mood: reflection.mood.and_then(|mood| u8::try_from(mood).ok()),
        metadata: json!(reflection.metadata),
        created_at_us: now_us,
    })
}

/// Stores it; the ok carries its id.
pub(super) async fn submit(store: Arc<dyn ReflectionStore>, reflection: NewReflection) -> Answer {
    match store.add_reflection(reflection).await {
        Ok(id) => Answer::Reply { status: Status::Ok, response: json!({ "id": id }).to_string() },
        Err(refused) => Answer::error(&refused.to_string()),
    }
}
