//! What a node tells others of where it can be reached.

use std::net::{IpAddr, SocketAddr};

use tokio::net::UdpSocket;

use crate::redis_url::{Deployment, RedisUrl};

/// `bound`, or, where that is every address of this host, the one from which this host reaches Redis: whoever looks
/// after the cluster reaches it there, if anywhere. Nothing is sent.
pub(super) async fn reachable(bound: SocketAddr, redis: Option<&RedisUrl>) -> SocketAddr {
    let (true, Some(url)) = (bound.ip().is_unspecified(), redis) else { return bound };
    match source_towards(url).await {
        Some(ip) => SocketAddr::new(ip, bound.port()),
        None => bound,
    }
}

async fn source_towards(url: &RedisUrl) -> Option<IpAddr> {
    let server = match &url.deployment {
        Deployment::Standalone(address) => address,
        Deployment::Sentinel { sentinels: addresses, .. } | Deployment::Cluster(addresses) => addresses.first()?,
    };
    for any in [IpAddr::from([0; 4]), IpAddr::from([0; 16])] {
        // To connect a datagram socket only chooses the way.
        let socket = UdpSocket::bind((any, 0)).await.ok()?;
        if socket.connect((server.host.as_str(), server.port)).await.is_ok() {
            return Some(socket.local_addr().ok()?.ip());
        }
    }
    None
}
