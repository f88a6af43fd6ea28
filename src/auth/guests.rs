//! People without an account: a student's token for one room.

use super::{Grant, MintError, Tenant, mint};
use crate::room::TokenRole;

/// How long a guest's token is good, in seconds: a long morning at school.
pub const GUEST_TTL_S: i64 = 6 * 3_600;

/// A guest who may join one room.
#[derive(Clone, PartialEq, Eq)]
pub struct Guest {
    pub token: String,
    /// A new student id, `guest-` and eight random characters.
    pub sub: String,
    /// When the token ends, in seconds since the epoch.
    pub exp_s: i64,
}

/// Makes a token for `room` of `tenant` alone. Whether the room exists is for the caller to know.
///
/// # Errors
/// When the tenant allows no guests, and when `name` is not 1 to 64 printable characters.
pub fn admit_guest(tenant: &Tenant, room: &str, name: &str, now_s: i64) -> Result<Guest, MintError> {
    if !tenant.guests {
        return Err(MintError::GuestsOff { tenant: tenant.id.to_string() });
    }
    let sub = new_id()?;
    let grant = Grant {
        sub: Some(sub.clone()),
        role: TokenRole::Student,
        name: Some(name.trim().to_owned()),
        room: Some(room.to_owned()),
        ttl_s: GUEST_TTL_S,
    };
    let token = mint(tenant, &grant, now_s)?;
    Ok(Guest { token, sub, exp_s: now_s.saturating_add(GUEST_TTL_S) })
}

/// 32 letters and digits without the four that are easily misread: five bits each, so none is likelier.
const ALPHABET: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz023456789";

fn new_id() -> Result<String, MintError> {
    let mut bytes = [0_u8; 8];
    getrandom::fill(&mut bytes).map_err(|_| MintError::NoRandomness)?;
    let letters = bytes.map(|byte| char::from(ALPHABET[usize::from(byte & 31)]));
    Ok(format!("guest-{}", String::from_iter(letters)))
}
