//! What conductors, the way to them and the mirrors of their rooms promise, on a fake clock and a store that fails
//! when it is told to.

mod closing;
mod controls;
mod ears;
mod faulty_store;
mod fences;
mod holdover;
mod house;
mod house_clock;
mod joining;
mod mirrors;
mod notes;
mod presence;
mod reigns;
mod repetition;
mod resuming;
mod sessions;
mod tenants;
