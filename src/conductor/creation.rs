//! New rooms: a code that is free, a record, and the node that the ring names for it.

use std::sync::Arc;

use super::{CreateRefused, RoomStanding, Router, ask::Ask, random, router::CALL_WITHIN};
use crate::{
    auth::Tenant,
    room::{Code, CodeLength, CreateRoom, Room, RoomKey},
    store::{self, Lineage, Owner, RoomRecord},
};

/// How often a code is drawn before the tenant's codes count as exhausted.
const CODE_DRAWS_MAX: usize = 64;

impl Router {
    /// Makes a room with a code of its own and has it conducted, even if the caller goes away meanwhile.
    pub async fn create(
        self: &Arc<Self>,
        tenant: &Arc<Tenant>,
        request: CreateRoom,
        teacher_id: &str,
    ) -> Result<RoomStanding, CreateRefused> {
        let (router, tenant, teacher_id) = (self.clone(), tenant.clone(), teacher_id.to_owned());
        let creating = tokio::spawn(async move { router.create_and_conduct(&tenant, request, &teacher_id).await });
        creating.await.unwrap_or(Err(CreateRefused::Unavailable))
    }

    async fn create_and_conduct(
        self: &Arc<Self>,
        tenant: &Tenant,
        request: CreateRoom,
        teacher_id: &str,
    ) -> Result<RoomStanding, CreateRefused> {
        // A code may be that of a room which is not given back yet.
        if self.surroundings.directory.is_restoring(self.surroundings.clock.boot_us()) {
            return Err(CreateRefused::Unavailable);
        }
        let store = &self.surroundings.store;
        let limit = tenant.limits.max_rooms_per_tenant as usize;
        let live_rooms = store.live_rooms(&tenant.id).await.map_err(|_| CreateRefused::Unavailable)?;
        let length = CodeLength::for_live_rooms(live_rooms);
        for _ in 0..CODE_DRAWS_MAX {
            let code = Code::from_number(random() as u32, length);
            let key = RoomKey { tenant: tenant.id.clone(), code };
            let record = self.new_record(key, tenant, request.clone(), teacher_id).ok_or(CreateRefused::Unavailable)?;
            match store.create_room(record.clone(), limit).await {
                Ok(()) => {
                    let standing = RoomStanding::of(&record.key, &record.controls, 0);
                    self.have_conducted(record);
                    return Ok(standing);
                }
                Err(store::CreateRefused::CodeTaken) => {}
                Err(store::CreateRefused::TooManyRooms { .. }) => return Err(CreateRefused::TooManyRooms { limit }),
                Err(store::CreateRefused::Unavailable(error)) => {
                    tracing::error!(tenant.id = %tenant.id, %error, "a room could not be stored");
                    return Err(CreateRefused::Unavailable);
                }
            }
        }
        Err(CreateRefused::Unavailable)
    }

    fn have_conducted(self: &Arc<Self>, record: RoomRecord) {
        if record.owner == *self.node {
            return self.install(record);
        }
        // If it is not heard, the first request takes its place.
        let (router, node, key) = (self.clone(), Arc::from(record.owner), record.key);
        tokio::spawn(async move { router.ask_there(&node, &key, Ask::TakeUp, CALL_WITHIN).await });
    }

    fn new_record(&self, key: RoomKey, tenant: &Tenant, request: CreateRoom, teacher_id: &str) -> Option<RoomRecord> {
        let now_us = self.surroundings.clock.now_us();
        let now_ms = now_us.div_euclid(1_000).unsigned_abs();
        let limits = &tenant.limits;
        let Owner { node, incarnation } = self.owner_of_new(&key)?;
        let room = Room::create(key, request, teacher_id, limits.default_bpm, limits.max_students_per_room, now_us);
        let nonce = random();
        Some(RoomRecord {
            key: room.key,
            owner: node,
            incarnation,
            epoch: now_ms,
            nonce,
            since_ms: now_ms,
            taken_from: String::new(),
            from_beat: None,
            members_rev: 0,
            lineage: Lineage::founded(now_ms, nonce),
            controls: room.controls,
        })
    }

    /// Whom the ring names, in its present session; this node where that is not known.
    fn owner_of_new(&self, key: &RoomKey) -> Option<Owner> {
        let me = self.surroundings.membership.standing()?;
        let directory = &self.surroundings.directory;
        let named = directory.named(key).filter(|named| *named != self.node);
        let seen = named.and_then(|named| {
            let view = directory.view();
            let seen = view.nodes.get(&named)?;
            Some(Owner { node: named.to_string(), incarnation: seen.incarnation })
        });
        Some(seen.unwrap_or(Owner { node: self.node.to_string(), incarnation: me }))
    }
}
