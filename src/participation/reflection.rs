//! What a student wrote about a lesson, as it is recorded.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::room::{Competency, ReflectionType};

/// The details of a `reflection_submitted`: the reflection as it is from now on. The student is the event's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reflection {
    /// 32 hexadecimal digits, the same through all changes of it.
    pub reflection_id: String,
    /// 1 to 2,000 characters.
    pub text: String,
    pub reflection_type: ReflectionType,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub competency: Option<Competency>,
    /// 1 to 5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mood: Option<u8>,
    /// At most 4 KiB of JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Map<String, Value>>,
}
