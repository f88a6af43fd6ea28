//! What conductors, the way to them and the mirrors of their rooms promise, on a fake clock and a store that fails
//! when it is told to.

mod book;
mod closing;
mod confirming;
mod controls;
mod ears;
mod faulty_store;
mod fences;
mod gate;
mod handing_over;
mod holdover;
mod house;
mod house_clock;
mod inheritance;
mod joining;
mod lossy_relay;
mod mirrors;
mod missing;
mod neighbours;
mod notes;
mod presence;
mod reconciling;
mod recording;
mod reigns;
mod repetition;
mod restoring;
mod resuming;
mod saying;
mod sessions;
mod succession;
mod tenants;
mod town;
mod tracks;
