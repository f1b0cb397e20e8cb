//! Profiles are built into the program; a new or removed one must rebuild it.

fn main() {
    println!("cargo::rerun-if-changed=profiles");
}
