//! The single node's way from the recorder to the database: the journal in its files, and the drain.

mod damage;
mod drain;
mod exhausted;
mod killed;
mod limits;
mod measured;
mod properties;
mod samples;
