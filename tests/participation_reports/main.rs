//! What the reports of a lesson say: worked examples with round numbers, and plain models beside the fold.

mod examples;
mod figures;
mod fold_properties;
mod names;
mod page;
mod school;
mod sheets;
mod support;
mod trend;
