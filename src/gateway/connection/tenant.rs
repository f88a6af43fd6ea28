//! What a change of its tenant means for a live socket.

use std::sync::Arc;

use super::Connection;
use crate::{
    auth::{AuthError, Tenant},
    protocol::CloseCode,
};

/// What the channels of a suspended tenant are told, before the tenant's name.
const SUSPENDED: &str = "tenant_suspended";

impl Connection {
    /// The tenant may have been changed between this socket's admission and its entry among those that are told of it.
    pub(super) fn catch_up_with_tenant(&mut self) {
        let current = self.gateway.tenants.get(&self.peer.tenant.id);
        if !current.is_some_and(|current| Arc::ptr_eq(&current, &self.peer.tenant)) {
            self.follow_tenant();
        }
    }

    /// Other limits and keys count from the next frame on. Whose tenant is suspended is told, and goes; it may come back
    /// when that ends. Whose tenant is no more goes for good.
    pub(super) fn follow_tenant(&mut self) {
        match self.gateway.tenants.get(&self.peer.tenant.id) {
            None => {
                self.end_all_channels();
                self.outbox.close(CloseCode::ForcedDisconnect);
            }
            Some(tenant) if tenant.suspended => {
                let error = AuthError::TenantSuspended { tenant: tenant.id.clone() };
                self.send_system_to_all("error", &format!("{SUSPENDED}: {error}"));
                self.error_all_channels(SUSPENDED);
                self.outbox.close(CloseCode::ForcedDisconnect);
            }
            Some(tenant) => self.adopt(tenant),
        }
    }

    fn adopt(&mut self, tenant: Arc<Tenant>) {
        self.session.set_channels_max(tenant.limits.max_channels_per_client as usize);
        for (_, channel) in &mut self.channels {
            channel.set_tenant(&tenant);
        }
        self.peer.tenant = tenant;
    }

    /// Why the token that this socket came with is not good for another join, if it is not: the secret that signed it has
    /// been taken away.
    pub(super) fn distrust(&self) -> Option<String> {
        let mark = self.peer.claims.signed_with?;
        if self.peer.tenant.keys.trusts(mark) {
            return None;
        }
        let error = AuthError::SignatureInvalid { tenant: self.peer.tenant.id.clone() };
        Some(format!("{}: {error}", error.code()))
    }
}
