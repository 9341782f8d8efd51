//! `plume-load`: how many packets a second a server answers, how fast and at what cost, beside a bare tokio sink in
//! the same run.
//!
//! ```text
//! plume-load registry --connections 100 > registry.toml   # the devices the load pretends to be, for plume's registry
//! plume-load run     --target 127.0.0.1:9212 --server-pid PID --connections 100 --outstanding 16 --seconds 10
//! plume-load ingest  --directory DIR --connections 100        # ingest and log alone, to be loaded like any server
//! plume-load log     --directory DIR                          # the log alone, beside bare writes and syncs
//! plume-load compare --target 127.0.0.1:9212 --server-pid PID --connections 100 --seconds 10 --rounds 3
//! ```
//!
//! The client shares the machine with the server, so absolute rates say little; the ratios to the sink of the same
//! run are the result. `compare` alternates between the two in rounds, so that what else the machine does falls on
//! both.

mod alone;
mod client;
mod histogram;
mod log_alone;
mod process;
mod report;
mod sink;

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use plume_benches::error::LoadError;
use plume_benches::packets;
use plume_schemas::time::{Clock, Time};

#[derive(Parser)]
#[command(
    name = "plume-load",
    about = "Load for an HJ 212 server, every reply checked, beside a bare sink"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Load one server.
    Run(RunArgs),
    /// Load a server and a bare sink in turn and give the ratios.
    Compare(CompareArgs),
    /// A bare tokio server: cuts at CR LF, echoes the QN in a right 9014, keeps nothing. Prints its address.
    Sink {
        /// Address to listen on.
        #[arg(long, default_value = "127.0.0.1:0")]
        listen: SocketAddr,
    },
    /// Ingest and log alone, with nobody who reads the log. Prints its address.
    Ingest {
        /// Directory of the log; made if missing.
        #[arg(long)]
        directory: PathBuf,
        /// Devices of the load.
        #[arg(long, default_value_t = 100)]
        connections: usize,
    },
    /// The log alone: durable records a second, by callers and records in an append.
    Log {
        /// Where to make it; removed by nobody.
        #[arg(long)]
        directory: PathBuf,
        /// How long each shape is measured, and the bare file beside it.
        #[arg(long, default_value_t = 3)]
        seconds: u64,
    },
    /// Print a registry (TOML) with the devices of a load.
    Registry {
        /// How many devices.
        #[arg(long, default_value_t = 100)]
        connections: usize,
    },
}

#[derive(Args, Clone)]
struct RunArgs {
    /// The server.
    #[arg(long)]
    target: SocketAddr,
    /// Its process, for CPU and memory.
    #[arg(long)]
    server_pid: Option<u32>,
    #[command(flatten)]
    load: LoadArgs,
}

#[derive(Args, Clone)]
struct CompareArgs {
    #[command(flatten)]
    run: RunArgs,
    /// How often to alternate between server and sink; each round lasts `--seconds` on both.
    #[arg(long, default_value_t = 3)]
    rounds: u32,
}

#[derive(Args, Clone)]
struct LoadArgs {
    /// Devices, each on a connection of its own.
    #[arg(long, default_value_t = 100)]
    connections: usize,
    /// Packets in flight on each; 1 waits for every answer, as most devices do.
    #[arg(long, default_value_t = 1)]
    outstanding: usize,
    /// How long to send.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Bytes of a packet, head and tail included: 425 is a real-time packet of a usual stack, 700 a minute packet.
    #[arg(long, default_value_t = 425)]
    payload: usize,
    /// Milliseconds between the packets of one connection; 0 sends as fast as answers come. Large values make idle
    /// connections.
    #[arg(long, default_value_t = 0)]
    interval_ms: u64,
    /// Password of the devices.
    #[arg(long, default_value = "123456")]
    password: String,
}

impl LoadArgs {
    fn plan(&self, now: Time) -> Result<client::Plan, LoadError> {
        Ok(client::Plan {
            connections: self.connections,
            outstanding: self.outstanding.max(1),
            duration: Duration::from_secs(self.seconds.max(1)),
            interval: Duration::from_millis(self.interval_ms),
            template: packets::Template::new(self.payload, &self.password, now)?,
        })
    }
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&LoadError::Io("starting the runtime".to_owned(), error)),
    };
    match runtime.block_on(dispatch(cli.command)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

fn fail(error: &LoadError) -> ExitCode {
    // Nowhere to say that standard error is closed.
    let _unsaid = writeln!(io::stderr(), "error: {error}\nhint: {}", error.hint());
    ExitCode::FAILURE
}

async fn dispatch(command: Command) -> Result<(), LoadError> {
    match command {
        Command::Run(args) => {
            let plan = args.load.plan(now())?;
            let measured = client::measure("server", args.target, args.server_pid, &plan).await?;
            report::print(&[measured], &plan)
        }
        Command::Compare(args) => compare(args).await,
        Command::Sink { listen } => sink::serve(listen).await,
        Command::Ingest { directory, connections } => alone::serve(&directory, connections, Clock::new(now)).await,
        Command::Log { directory, seconds } => {
            log_alone::measure(&directory, Duration::from_secs(seconds.max(1))).await
        }
        Command::Registry { connections } => report::say(&packets::registry(connections)?),
    }
}

async fn compare(args: CompareArgs) -> Result<(), LoadError> {
    let plan = args.run.load.plan(now())?;
    let sink = process::SinkProcess::start()?;
    let mut totals = [client::Measured::new("sink"), client::Measured::new("server")];
    for _ in 0..args.rounds.max(1) {
        let [of_sink, of_server] = &mut totals;
        of_sink.add(&client::measure("sink", sink.address, Some(sink.pid()), &plan).await?);
        of_server.add(&client::measure("server", args.run.target, args.run.server_pid, &plan).await?);
    }
    report::print(&totals, &plan)
}

/// DataTime and QN must lie near the server's own clock.
#[expect(
    clippy::disallowed_methods,
    reason = "a load tool is a device: its packets carry the real time"
)]
fn now() -> Time {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    Time(
        since
            .ok()
            .and_then(|since| i64::try_from(since.as_millis()).ok())
            .unwrap_or_default(),
    )
}
