//! The program `decom`. Everything is in the library, so that tests can reach it.

/// Requests and records are made on one thread and let go on another, which costs the system's allocator a
/// twelfth of all time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    decom::cli::main()
}
