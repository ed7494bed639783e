//! The command line of `cargo xtask`. Results go to stdout, progress to stderr; a failure is one clear line and status 1.

use std::process::ExitCode;

use anstyle::{AnsiColor, Style};
use clap::{Parser, Subcommand};
use xtask::project::Project;

/// Keyplane's developer commands.
#[derive(Parser)]
#[command(bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Build everything, start it with a real Envoy, and show a key being accepted and revoked.
    Up {
        /// Assert what is shown, stop everything and exit.
        #[arg(long)]
        check: bool,
    },
    /// Run every test, fast ones first.
    Test,
    /// Build the filter: target/keyplane.wasm and its SHA-256.
    Wasm,
    /// Build what an operator deploys, optimised: target/package/.
    Package,
    /// Measure, and say which goals are met. Figures go to target/bench/.
    Bench {
        #[command(subcommand)]
        what: Bench,
    },
    /// Try the filter's parsers and decisions on inputs that nobody would think of.
    Fuzz(xtask::fuzz::Options),
    /// Take the pictures of the documentation anew, of the real dashboard: docs/images.
    Screenshots,
    /// Print the path of an Envoy that will do, fetching one when there is none.
    Envoy,
    /// Print the path of a Node.js that runs TypeScript, fetching one when there is none.
    Node,
}

#[derive(Subcommand)]
enum Bench {
    /// The control plane's API with many keys in its database.
    ControlPlane(xtask::bench::control_plane::Options),
    /// The dashboard's pages, for an account with 10,000 keys.
    Dashboard(xtask::bench::dashboard::Options),
    /// How long a proxy takes until it knows many keys, and what memory.
    Load(xtask::bench::load_time::Options),
    /// What the filter adds to Envoy's work for one request.
    Request(xtask::bench::request::Options),
    /// How long a revoked key is accepted by the last of many proxies.
    Revoke(xtask::bench::revoke::Options),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let red = Style::new().bold().fg_color(Some(AnsiColor::Red.into()));
            anstream::eprintln!("{red}error:{red:#} {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: &Command) -> anyhow::Result<()> {
    let project = Project::locate()?;
    match command {
        Command::Up { check } => xtask::up::up(&project, *check),
        Command::Test => xtask::test::test(&project),
        Command::Wasm => {
            println!("{}", xtask::wasm::build(&project)?.display());
            Ok(())
        }
        Command::Package => xtask::package::package(&project),
        Command::Bench { what: Bench::ControlPlane(options) } => xtask::bench::control_plane::bench(&project, options),
        Command::Bench { what: Bench::Dashboard(options) } => xtask::bench::dashboard::bench(&project, options),
        Command::Bench { what: Bench::Load(options) } => xtask::bench::load_time::bench(&project, options),
        Command::Bench { what: Bench::Request(options) } => xtask::bench::request::bench(&project, options),
        Command::Bench { what: Bench::Revoke(options) } => xtask::bench::revoke::bench(&project, options),
        Command::Fuzz(options) => xtask::fuzz::fuzz(&project, options).map(|_| ()),
        Command::Screenshots => xtask::screenshots::take(&project),
        Command::Envoy => {
            println!("{}", xtask::envoy::obtain(&project)?.display());
            Ok(())
        }
        Command::Node => {
            println!("{}", xtask::node::obtain(&project)?.display());
            Ok(())
        }
    }
}
