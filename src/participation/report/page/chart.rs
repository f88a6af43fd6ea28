//! The activity of a session as bars.

use std::fmt::Write;

use super::{super::figures::Activity, words::duration};

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 150.0;
/// Room for the numbers at the left, and for the times below.
const LEFT: f64 = 40.0;
const BELOW: f64 = 20.0;
const ABOVE: f64 = 8.0;
/// How many times are written below.
const MARKS: usize = 6;

/// An SVG that says in words, too, what it shows.
pub(super) fn activity_chart(activity: &Activity) -> String {
    let most = activity.buckets.iter().map(|bucket| bucket.notes).max().unwrap_or(0);
    if most == 0 {
        return "<p class=\"none\">Nobody played.</p>".to_owned();
    }
    let (floor, step) = (HEIGHT - BELOW, (WIDTH - LEFT) / activity.buckets.len() as f64);
    let height = |notes: u64| (floor - ABOVE) * notes as f64 / most as f64;
    let gap = if step > 4.0 { 1.0 } else { 0.0 };
    let mut bars = String::new();
    for (at, bucket) in activity.buckets.iter().enumerate().filter(|(_, bucket)| bucket.notes > 0) {
        let (x, tall) = (LEFT + step * at as f64, height(bucket.notes));
        // Writing to a string cannot fail.
        let _ = write!(bars, "M{x:.1} {floor:.1}v-{tall:.1}h{:.2}v{tall:.1}z", step - gap);
    }
    let mut marks = String::new();
    for mark in 0..MARKS {
        let part = mark as f64 / (MARKS - 1) as f64;
        let x = LEFT + (WIDTH - LEFT) * part;
        let anchor = match mark {
            0 => "start",
            mark if mark + 1 == MARKS => "end",
            _ => "middle",
        };
        let at = duration(activity.bucket_s * activity.buckets.len() as f64 * part);
        let _ = write!(marks, "<text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\">{at}</text>", HEIGHT - 5.0);
    }
    let bucket = duration(activity.bucket_s);
    format!(
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-labelledby=\"activity-title activity-text\">\n\
         <title id=\"activity-title\">Notes of all students over the session</title>\n\
         <desc id=\"activity-text\">Each bar stands for {bucket} (minutes and seconds); the highest is {most} notes.</desc>\n\
         <line class=\"guide\" x1=\"{LEFT}\" y1=\"{ABOVE}\" x2=\"{WIDTH}\" y2=\"{ABOVE}\"/>\n\
         <path class=\"bars\" d=\"{bars}\"/>\n\
         <line class=\"axis\" x1=\"{LEFT}\" y1=\"{floor}\" x2=\"{WIDTH}\" y2=\"{floor}\"/>\n\
         <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{most}</text>\n\
         <text x=\"{:.1}\" y=\"{floor}\" text-anchor=\"end\">0</text>\n{marks}\n</svg>\n\
         <p class=\"note\">Each bar is {bucket} long; the number at the left is the most notes in one of them.</p>",
        LEFT - 6.0,
        ABOVE + 4.0,
        LEFT - 6.0
    )
}
