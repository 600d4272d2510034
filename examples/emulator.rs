//! The emulator of the API by itself, for programs in any language: benchmarks, and trials by hand.
//!
//! `cargo run --example emulator -- NAMES [--datamarts 3] [--limit 500/10s] [--headers draft-8] [--request-log FILE]`
//!
//! NAMES is a file with the name of a datasource on each line. The first line on stdout is the base URL; the token is
//! read from `DATABRAIN_TOKEN`. The emulator ends when its stdin is closed, so that it never outlives its caller.

use std::fs::File;
use std::io::{BufRead, BufReader, Write, stdin, stdout};
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use decom::emulator::{Emulator, EmulatorOptions, HeaderGeneration, WindowLimit};
use decom::ratelimit::Rate;

/// The emulator of the Databrain API, on a free port of the loopback interface.
#[derive(Debug, Parser)]
struct Options {
    /// The names of the datasources that exist, one on each line
    names: PathBuf,
    /// How many datamarts read each datasource at most
    #[arg(long, default_value_t = 0)]
    datamarts: u8,
    /// The limit, as requests in a fixed window; none without it
    #[arg(long)]
    limit: Option<Rate>,
    /// The headers that report the limit: draft-6, draft-7, draft-8, legacy or none
    #[arg(long, default_value = "draft-6")]
    headers: HeaderGeneration,
    /// A file that gets a line of JSON for every deletion asked for
    #[arg(long)]
    request_log: Option<PathBuf>,
}

fn main() -> Result<()> {
    let options = Options::parse();
    let token = std::env::var("DATABRAIN_TOKEN").context("the token is read from DATABRAIN_TOKEN")?;
    let file = File::open(&options.names).with_context(|| options.names.display().to_string())?;
    let names = BufReader::new(file).lines().collect::<Result<Vec<_>, _>>()?;
    let limit = options.limit.map(|rate| match rate {
        Rate::Ceiling { requests, window } => Some(WindowLimit { requests: requests.get(), window }),
        Rate::Auto | Rate::Unlimited => None,
    });
    ensure!(limit != Some(None), "a limit is a number of requests in a window, such as 500/10s");
    let emulator = Emulator::start(EmulatorOptions {
        datamarts: options.datamarts,
        limit: limit.flatten(),
        header_generation: options.headers,
        request_log: options.request_log,
        ..EmulatorOptions::new(token, names)
    })?;
    writeln!(stdout(), "{}", emulator.base_url())?;
    stdout().flush()?;
    // Until the caller closes stdin.
    std::io::copy(&mut stdin().lock(), &mut std::io::sink())?;
    emulator.shutdown();
    Ok(())
}
