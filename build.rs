//! The program is built anew when the classroom page has been: `rust-embed` notices changed files, not new ones.

fn main() {
    println!("cargo::rerun-if-changed=web/dist");
}
