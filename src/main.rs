//! The `flakescope` program; everything is in the library.

fn main() -> flakescope::cli::exit::ExitCode {
    flakescope::cli::run()
}
