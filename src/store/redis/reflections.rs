//! Reflections, for as long as there is no database: a list of JSON for each code.

use redis::Value as Answer;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::room::RoomKey;
use crate::store::{NewReflection, REFLECTIONS_PER_CODE, ReflectionRefused, StoreError, StoredReflection};

use super::{RedisStore, odd, read, record::parsed, script::ADD_REFLECTION};

/// How many random bytes make an id.
const ID_BYTES: usize = 16;

#[derive(Deserialize)]
struct Kept {
    id: String,
    student_id: String,
    text: String,
    reflection_type: String,
    competency: Option<String>,
    mood: Option<u8>,
    metadata: Value,
    created_at_us: i64,
}

impl RedisStore {
    pub(super) async fn keep_reflection(&self, new: &NewReflection) -> Result<String, ReflectionRefused> {
        let id = new_id()?;
        let kept = json!({
            "id": id,
            "student_id": new.student_id,
            "text": new.text,
            "reflection_type": new.reflection_type,
            "competency": new.competency,
            "mood": new.mood,
            "metadata": new.metadata,
            "created_at_us": new.created_at_us,
        });
        let key = self.keys.reflections(&new.room);
        let call = ADD_REFLECTION.on(vec![key]).arg(kept.to_string()).arg(REFLECTIONS_PER_CODE);
        let answer = self.run(call).await?;
        match read::<Vec<String>>(answer)?.first().map(String::as_str) {
            Some("kept") => Ok(id),
            Some("full") => Err(ReflectionRefused::TooMany { max: REFLECTIONS_PER_CODE }),
            _ => Err(odd(&Answer::Nil).into()),
        }
    }

    pub(super) async fn read_reflections(&self, key: &RoomKey) -> Result<Vec<StoredReflection>, StoreError> {
        let mut range = redis::cmd("LRANGE");
        range.arg(self.keys.reflections(key)).arg(0).arg(-1);
        let answers = self.read_all(vec![range]).await?;
        let kept: Vec<String> = read(answers.into_iter().next().unwrap_or(Answer::Nil))?;
        let understood = kept.iter().map(|kept| parsed::<Kept>(key, "reflections", kept));
        let mut found = understood.map(|kept| kept.map(|kept| kept.of(key))).collect::<Result<Vec<_>, _>>()?;
        found.sort_by(|a, b| (a.reflection.created_at_us, &a.id).cmp(&(b.reflection.created_at_us, &b.id)));
        Ok(found)
    }
}

impl Kept {
    fn of(self, room: &RoomKey) -> StoredReflection {
        StoredReflection {
            id: self.id,
            reflection: NewReflection {
                room: room.clone(),
                student_id: self.student_id,
                text: self.text,
                reflection_type: self.reflection_type,
                competency: self.competency,
                mood: self.mood,
                metadata: self.metadata,
                created_at_us: self.created_at_us,
            },
        }
    }
}

fn new_id() -> Result<String, StoreError> {
    let mut bytes = [0_u8; ID_BYTES];
    getrandom::fill(&mut bytes).map_err(|error| StoreError::Unavailable {
        reason: format!("the operating system gives no random numbers: {error}"),
    })?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}
