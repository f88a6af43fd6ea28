//! The command line: what `downbeat` can be asked, and its settings.

mod cluster;
mod database_place;
mod erase_tenant;
mod flags;
mod migrate;
mod setting;
mod settings;
mod tenant_file;
mod token;

use clap::{Args, Parser, Subcommand};

pub use cluster::{AskError, NodesArgs, Question, RoomArgs, RoomsArgs, TailArgs, Whereabouts, ask};
pub use database_place::{DatabasePlace, NoPlace};
pub use erase_tenant::{EraseError, EraseTenantArgs, erase_tenant};
pub use flags::SettingFlags;
pub use migrate::{MigrateArgs, MigrateError, migrate};
pub use setting::Env;
pub use settings::{LogFormat, Mode, SecretKey, Settings, SettingsError};
pub use token::{RoleArg, TokenArgs, TokenError, mint_token, print_token};

/// Music classes played together over the web, in time.
///
/// A teacher and a class join a room with a code, hear the same beat and play together. Front ends speak to it
/// with the `phoenix` or `supabase-js` package.
#[derive(Debug, Parser)]
#[command(name = "downbeat", version, after_help = EXAMPLES, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

const EXAMPLES: &str = "\
Examples:
  downbeat dev                                 a class on this machine, at http://127.0.0.1:4000
  downbeat dev --lan                           the same, for the devices in the room
  downbeat serve --config downbeat.toml        a production node
  downbeat token --config downbeat.toml --tenant acme --role teacher --sub ada
  downbeat migrate --config downbeat.toml      the database's tables; nodes do it themselves, where they may
  downbeat nodes --redis-url redis://10.0.0.5   the nodes of a cluster; then `rooms`, `room`, `tail`

`downbeat help <command>` says more about each.";

#[derive(Debug, Subcommand)]
pub enum Command {
    Dev(DevArgs),
    Serve(ServeArgs),
    Token(TokenArgs),
    Migrate(MigrateArgs),
    EraseTenant(EraseTenantArgs),
    Nodes(NodesArgs),
    Rooms(RoomsArgs),
    Room(RoomArgs),
    Tail(TailArgs),
}

/// Try it: one node on this machine with everything built in
///
/// Starts a node on 127.0.0.1:4000 with a demo tenant, `demo`, whose secret is generated, and the classroom page
/// at `/`. Opens the teacher's page in the browser and prints the links for the teacher and the students. It allows every web origin and hands out tokens at
/// `/dev/token` on this machine, so it is not for the internet: use `downbeat serve` there.
#[derive(Debug, Args)]
#[command(after_help = DEV_EXAMPLES)]
pub struct DevArgs {
    /// Also listen on the local network: the class's own devices then join as guests
    #[arg(long)]
    pub lan: bool,
    /// Do not open the teacher's page in the browser. It is opened only where the terminal is somebody's
    #[arg(long)]
    pub no_browser: bool,
    #[command(flatten)]
    pub settings: SettingFlags,
}

const DEV_EXAMPLES: &str = "\
Examples:
  downbeat dev                                 then open the links that it prints
  downbeat dev --lan                           the students scan or type the link on their own devices
  downbeat dev --listen 127.0.0.1:5000         when port 4000 is taken
  curl 'http://127.0.0.1:4000/dev/token?role=teacher&sub=ada'    a token for your own front end

Every setting may also be an environment variable (--data-dir: DOWNBEAT_DATA_DIR) or a line of the file that
--config names (data_dir = \"…\"). Flags win, then the environment, then the file.";

/// Run a production node
///
/// Needs at least one tenant, a school or app with its key, in the file that --config names, or an --operator-key with
/// which they are made while it runs. The node stops with
/// a list of all that is wrong when a setting is; on SIGTERM it lets go of its clients within --drain-s seconds.
/// Several nodes with the same --redis-url, each with a --node-id of its own, are one service.
#[derive(Debug, Args)]
#[command(after_help = SERVE_EXAMPLES)]
pub struct ServeArgs {
    #[command(flatten)]
    pub settings: SettingFlags,
}

const SERVE_EXAMPLES: &str = "\
A complete downbeat.toml:
  listen = \"0.0.0.0:4000\"
  data_dir = \"/var/lib/downbeat\"
  default_tenant = \"acme\"            # of whoever names no tenant, by token or by host

  [[tenants]]
  id = \"acme\"
  jwt_secret_file = \"acme.secret\"    # or jwt_secret, jwks, jwks_file, jwks_url
  algorithm = \"HS256\"                # what tokens may be signed with
  hosts = [\"music.acme.org\"]         # besides acme.<your domain>
  origins = [\"https://*.acme.org\"]   # the web pages that may connect
  guests = false
  participation = true               # record who took part; docs/privacy.md says what that is
  retention_days = 180               # and for how long
  [tenants.limits]
  max_rooms_per_tenant = 100

Examples:
  downbeat serve --config downbeat.toml
  DOWNBEAT_LISTEN=0.0.0.0:80 downbeat serve --config downbeat.toml --log-format json
  downbeat serve --config downbeat.toml --redis-url redis://10.0.0.5:6379 --node-id a    one node of several
  DATABASE_URL=postgres://downbeat:secret@10.0.0.6/downbeat downbeat serve --config downbeat.toml
  DOWNBEAT_OPERATOR_KEY=… downbeat serve       tenants are made while it runs, over /api/tenants

Every setting is a flag (--drain-s), an environment variable (DOWNBEAT_DRAIN_S) and a line of the file (drain_s).
Flags win, then the environment, then the file.";
