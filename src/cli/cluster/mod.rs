//! What operators ask a cluster: `downbeat rooms`, `room`, `nodes` and `tail`. All of them only read.

mod figures;
mod moment;
mod nodes;
mod reach;
mod room;
mod room_text;
mod rooms;
mod table;
mod tail;
mod tail_text;

use std::io::{self, Write};

use serde::Serialize;

pub use nodes::NodesArgs;
pub use reach::{AskError, Whereabouts};
pub use room::RoomArgs;
pub use rooms::RoomsArgs;
pub use tail::TailArgs;

use super::Env;
use reach::Cluster;
use table::Paint;

/// A question to the cluster.
#[derive(Clone, Debug)]
pub enum Question {
    Rooms(RoomsArgs),
    Room(RoomArgs),
    Nodes(NodesArgs),
    Tail(TailArgs),
}

/// Prints the answer.
///
/// # Errors
/// With a sentence for the operator: no Redis is named, it cannot be reached, there is no such room.
pub async fn ask(question: &Question, env: Env<'_>) -> Result<(), AskError> {
    let paint = Paint::of_stdout(env);
    let reach = |place| Cluster::reach(place, env);
    let answer = match question {
        Question::Rooms(args) => rooms::rooms(args, &reach(&args.place).await?, paint).await?,
        Question::Room(args) => room::room(args, &reach(&args.place).await?, paint).await?,
        Question::Nodes(args) => nodes::nodes(args, &reach(&args.place).await?, paint).await?,
        Question::Tail(args) => return until_unread(tail::tail(args, &reach(&args.place).await?, paint).await),
    };
    until_unread(io::stdout().write_all(answer.as_bytes()).map_err(AskError::from))
}

/// Whoever reads no further (`| head`) has had enough, which is no failure.
fn until_unread(printed: Result<(), AskError>) -> Result<(), AskError> {
    match printed {
        Err(AskError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// A report as one JSON document.
fn json(report: &impl Serialize) -> Result<String, AskError> {
    let mut text = serde_json::to_string_pretty(report).map_err(io::Error::from)?;
    text.push('\n');
    Ok(text)
}

fn micros(ms: u64) -> i64 {
    i64::try_from(ms).unwrap_or(i64::MAX).saturating_mul(1_000)
}
