//! What the reports of a lesson say: worked examples with round numbers, and plain models beside the fold.

mod examples;
mod support;
