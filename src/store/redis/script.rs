//! The scripts, each of them one step on the server.

use std::sync::LazyLock;

use redis::{Cmd, ToRedisArgs};

/// A script's text, with what stands before all of them, and the name by which a server that has it runs it.
pub struct Script {
    text: &'static str,
    hash: LazyLock<String>,
}

macro_rules! scripts {
    ($($(#[$doc:meta])* $name:ident = $file:literal;)*) => {
        $($(#[$doc])* pub static $name: Script = Script {
            text: concat!(include_str!("../scripts/shared.lua"), include_str!(concat!("../scripts/", $file))),
            hash: LazyLock::new(|| redis::Script::new($name.text).get_hash().to_owned()),
        };)*
        /// All of them, to be loaded into a server.
        pub static ALL: &[&Script] = &[$(&$name),*];
    };
}

scripts! {
    CREATE_ROOM = "create_room.lua";
    ENLIST = "enlist.lua";
    STRIKE = "strike.lua";
    LOAD_ROOM = "load_room.lua";
    TAKE_OVER = "take_over.lua";
    WRITE_ROOM = "write_room.lua";
    CLOSE_ROOM = "close_room.lua";
    RESTORE_ROOM = "restore_room.lua";
    BURY_ROOM = "bury_room.lua";
    WRITE_MEMBERS = "write_members.lua";
    MEMBERS = "members.lua";
    OPEN_INCARNATION = "open_incarnation.lua";
    RENEW_SESSION = "renew_session.lua";
    END_SESSION = "end_session.lua";
    SEEN_NODE = "seen_node.lua";
    SET_ONCE = "set_once.lua";
    LOOK = "look.lua";
    AGREE_CLOCK = "agree_clock.lua";
    WRITE_PRESENCES = "write_presences.lua";
    KEEP_BROADCAST = "keep_broadcast.lua";
    ENLIST_STREAM = "enlist_stream.lua";
    ADD_EVENTS = "add_events.lua";
    TAKE_EVENTS = "take_events.lua";
    RECLAIM_EVENTS = "reclaim_events.lua";
    SETTLE_EVENTS = "settle_events.lua";
    WAITING_EVENTS = "waiting_events.lua";
    TIDY_EVENTS = "tidy_events.lua";
    NOTE_TENANTS = "note_tenants.lua";
    CACHE_TENANT = "cache_tenant.lua";
}

/// A script with its keys and arguments.
pub struct Call {
    script: &'static Script,
    keys: Vec<String>,
    arguments: Vec<Vec<u8>>,
}

impl Script {
    pub fn on(&'static self, keys: Vec<String>) -> Call {
        Call { script: self, keys, arguments: Vec::new() }
    }

    /// The command that loads it.
    pub fn load(&self) -> Cmd {
        redis::cmd("SCRIPT").arg("LOAD").arg(self.text).to_owned()
    }
}

impl Call {
    /// Adds an argument, which `scripts/shared.lua` reads as `argument()` or `number()`.
    pub fn arg(mut self, argument: impl ToRedisArgs) -> Self {
        argument.write_redis_args(&mut self.arguments);
        self
    }

    /// Adds an argument, or an empty one for none.
    pub fn optional(self, argument: Option<impl ToRedisArgs>) -> Self {
        match argument {
            Some(argument) => self.arg(argument),
            None => self.arg(""),
        }
    }

    /// Adds a list, which `scripts/shared.lua` reads as `list()`.
    pub fn list(mut self, items: &[String]) -> Self {
        self = self.arg(items.len());
        self.arguments.extend(items.iter().map(|item| item.clone().into_bytes()));
        self
    }

    /// For a server that has the script.
    pub fn by_hash(&self) -> Cmd {
        self.command("EVALSHA", self.script.hash.as_str())
    }

    /// For a server that does not have it: from then on it has.
    pub fn in_full(&self) -> Cmd {
        self.command("EVAL", self.script.text)
    }

    fn command(&self, name: &str, script: &str) -> Cmd {
        let mut command = redis::cmd(name);
        command.arg(script).arg(self.keys.len()).arg(&self.keys).arg(&self.arguments);
        command
    }
}
