//! The `flakescope` program; everything is in the library.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> flakescope::cli::exit::ExitCode {
    flakescope::cli::run()
}
