//! The program `decom`. Everything is in the library, so that tests can reach it.

/// Requests and records are allocated on one thread and freed on another, at which the system's allocator is slow: a
/// deletion takes about 11 µs less processor time with this one.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    decom::cli::main()
}
