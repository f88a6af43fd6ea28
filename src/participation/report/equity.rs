//! How the voices of a lesson were shared.
//!
//! What is compared is notes per minute in which a student could play, not notes: a child who was muted for half of
//! the lesson and played half as much is no quiet child, and the teacher who muted them does not look unfair for it.
//! A time under a minute counts as a minute, so that two notes in somebody's only second are not a hundred and twenty a
//! minute and the rest of the class silent beside them.

use serde::Serialize;

/// What the figures are, in words and signs, so that a report explains itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Formulas {
    pub x: &'static str,
    pub gini: &'static str,
    pub evenness: &'static str,
}

/// The formulas that the reports use.
pub const FORMULAS: Formulas = Formulas {
    x: "x_i = notes / max(1, could_play_s / 60), for each of the n students with could_play_s > 0",
    gini: "G = sum_i sum_j |x_i - x_j| / (2 n^2 mean(x)); 0 = all alike, (n - 1) / n = one voice alone",
    evenness: "H = -sum_i p_i ln(p_i) / ln(n), p_i = x_i / sum(x); 1 = all alike, 0 = one voice alone",
};

/// What is compared: see the head of this file.
pub(super) fn rate(notes: u64, could_play_us: i64) -> f64 {
    notes as f64 / (could_play_us as f64 / 60e6).max(1.0)
}

/// The Gini coefficient Σᵢ Σⱼ |xᵢ − xⱼ| / (2 n² x̄) of values that are not negative: 0 where all are alike, (n − 1) / n
/// where one has all. None of fewer than two values, or where all are 0.
#[must_use]
pub fn gini(values: &[f64]) -> Option<f64> {
    let (n, sum) = (values.len() as f64, values.iter().sum::<f64>());
    if values.len() < 2 || sum <= 0.0 {
        return None;
    }
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    // In order, the double sum is Σᵢ 2 (2 i − n − 1) xᵢ.
    let weighted: f64 = sorted.iter().zip(1_u32..).map(|(x, i)| (2.0 * f64::from(i) - n - 1.0) * x).sum();
    Some((weighted / (n * sum)).clamp(0.0, 1.0))
}

/// The normalised entropy −Σ pᵢ ln pᵢ / ln n with pᵢ = xᵢ / Σx (Pielou's evenness, 1966) of values that are not
/// negative: 1 where all are alike, 0 where one has all. None of fewer than two values, or where all are 0.
#[must_use]
pub fn evenness(values: &[f64]) -> Option<f64> {
    let (n, sum) = (values.len() as f64, values.iter().sum::<f64>());
    if values.len() < 2 || sum <= 0.0 {
        return None;
    }
    let entropy: f64 = values.iter().map(|x| x / sum).filter(|p| *p > 0.0).map(|p| -p * p.ln()).sum();
    Some((entropy / n.ln()).clamp(0.0, 1.0))
}
