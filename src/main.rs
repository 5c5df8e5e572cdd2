//! The `weft` command: argv → [`weft::cli`] → exit code; nothing else.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {}
