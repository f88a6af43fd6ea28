//! `downbeat dev`: the demo tenant, whose secret is generated once and kept, and what the terminal says.

use std::{
    fs, io,
    io::Write,
    net::{IpAddr, SocketAddr, UdpSocket},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use thiserror::Error;

use crate::{
    auth::{Problem, Secret, Tenant, TenantConfig, Tenants},
    cli::Mode,
    http::DevMode,
};

/// The tenant of `downbeat dev`.
pub const TENANT: &str = "demo";
const SECRET_FILE: &str = "dev-secret";

/// The demo tenant could not be made.
#[derive(Debug, Error)]
pub enum DevError {
    #[error("data_dir: `{}` cannot be used ({source}): make it writable, or name another with --data-dir", path.display())]
    DataDir { path: PathBuf, source: io::Error },
    #[error("the operating system gives no random numbers: {0}")]
    Random(#[from] getrandom::Error),
    #[error("the demo tenant is not right: {}", problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Tenant { problems: Vec<Problem> },
}

/// The demo tenant alone, and the default of whoever names none. Its limits suit trying things out.
pub fn tenants(data_dir: &Path) -> Result<Tenants, DevError> {
    let config = TenantConfig {
        id: TENANT.into(),
        jwt_secret: Some(secret(data_dir)?),
        guests: true,
        ..TenantConfig::default()
    };
    let tenant: Tenant = config.build(data_dir).map_err(|problems| DevError::Tenant { problems })?;
    Tenants::new(vec![tenant], Some(TENANT)).map_err(|problems| DevError::Tenant { problems })
}

/// Kept over a restart, so that the class's tokens stay good.
fn secret(data_dir: &Path) -> Result<Secret, DevError> {
    let path = data_dir.join(SECRET_FILE);
    let failed = |source| DevError::DataDir { path: path.clone(), source };
    if let Ok(kept) = fs::read_to_string(&path)
        && kept.trim().len() >= 32
    {
        return Ok(Secret::from(kept.trim().to_owned()));
    }
    let secret = Secret::random()?;
    fs::create_dir_all(data_dir).map_err(failed)?;
    let mut file =
        fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path).map_err(failed)?;
    file.write_all(secret.expose().as_bytes()).map_err(failed)?;
    Ok(secret)
}

/// The teacher's page, as this machine reaches it.
fn teachers_page(listen: SocketAddr) -> String {
    format!("http://{}/?role=teacher", from_here(listen))
}

/// An address on which this machine reaches the node.
fn from_here(listen: SocketAddr) -> SocketAddr {
    let ip = if listen.ip().is_unspecified() { IpAddr::from([127, 0, 0, 1]) } else { listen.ip() };
    SocketAddr::new(ip, listen.port())
}

/// Shows the teacher's page in the browser of whoever sits here. Where there is none, the link stands above.
pub fn open_browser(listen: SocketAddr) {
    if let Err(error) = open::that_detached(teachers_page(listen)) {
        tracing::debug!(%error, "no browser could be opened");
    }
}

/// Where to go now.
pub fn greet(listen: SocketAddr, lan: bool, data_dir: &Path) {
    let here = from_here(listen);
    println!();
    println!(
        "  Downbeat is running. Everything is built in. Rooms, and who took part in them, are kept in {}.",
        data_dir.display()
    );
    println!();
    println!("    Teacher   {}", teachers_page(listen));
    match lan_origin(listen, lan) {
        Some(origin) => println!("    Students  {origin}/   (any device on this network)"),
        None => println!("    Students  http://{here}/"),
    }
    println!("    API       http://{here}/api/docs");
    println!("    A token   curl 'http://{here}/dev/token?role=teacher&sub=ada'");
    println!();
    println!("  Ctrl-C stops it.{}", if lan { "" } else { " With --lan, the class joins on its own devices." });
    println!();
}

/// What `downbeat dev` adds to the API.
pub fn mode(mode: Mode, listen: SocketAddr) -> Option<DevMode> {
    let Mode::Dev { lan, .. } = mode else { return None };
    Some(DevMode { tenant: TENANT.into(), lan_origin: lan_origin(listen, lan) })
}

/// Where other devices of the local network find the node, if it listens to them.
fn lan_origin(listen: SocketAddr, lan: bool) -> Option<String> {
    let address = lan_address().filter(|_| lan)?;
    Some(format!("http://{}", SocketAddr::new(address, listen.port())))
}

/// The address of this machine on the network that has its default route. Nothing is sent to find it.
fn lan_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    // A documentation address (RFC 5737): connecting a datagram socket only looks at the routes.
    socket.connect("192.0.2.1:9").ok()?;
    socket.local_addr().ok().map(|address| address.ip())
}
