//! Participation over REST as its callers see it: a `downbeat serve` process with a SQLite file of its own.

mod erasing;
mod formats;
mod lesson;
mod listing;
mod off;
mod pupil;
mod reflecting;
mod reports;
mod school;
