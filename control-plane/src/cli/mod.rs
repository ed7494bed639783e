//! The command line. One file for each command.

mod api;
mod backup;
mod completions;
mod config;
mod doctor;
mod init;
mod openapi;
mod place;
mod restore;
mod secrets;
mod serve;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Below the list of commands.
const FIRST_STEPS: &str = "\
First steps:
  keyplane init                                make a database; prints the first admin key
  keyplane serve                               run on it; all settings: keyplane config
  export KEYPLANE_API_KEY=kp_admin_...         what the commands from `accounts` on call with
  export KEYPLANE_URL=http://127.0.0.1:8080    where they call, if it is elsewhere
  keyplane keys list";

/// Keyplane issues API keys and has Envoy check them.
#[derive(Parser, Debug)]
#[command(name = "keyplane", version, about, max_term_width = 100, after_help = FIRST_STEPS)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    Init(init::Init),
    Serve(serve::Serve),
    Doctor(doctor::Doctor),
    Backup(backup::Backup),
    Restore(restore::Restore),
    Config(config::Config),
    Openapi(openapi::OpenApi),
    Accounts(api::accounts::Accounts),
    Projects(api::projects::Projects),
    Keys(api::keys::Keys),
    Users(api::users::Users),
    Tokens(api::tokens::Tokens),
    Usage(api::usage::Usage),
    Audit(api::audit::Audit),
    AdminKeys(api::admin_keys::AdminKeys),
    ProxyTokens(api::proxy_tokens::ProxyTokens),
    Completions(completions::Completions),
}

/// Runs the command that the process was started with. A failure is one line on stderr and exit code 1.
pub fn run() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Init(init) => init.run(),
        Command::Serve(serve) => serve.run(),
        Command::Doctor(doctor) => doctor.run(),
        Command::Backup(backup) => backup.run(),
        Command::Restore(restore) => restore.run(),
        Command::Config(config) => config.run(),
        Command::Openapi(openapi) => openapi.run(),
        Command::Accounts(accounts) => accounts.run(),
        Command::Projects(projects) => projects.run(),
        Command::Keys(keys) => keys.run(),
        Command::Users(users) => users.run(),
        Command::Tokens(tokens) => tokens.run(),
        Command::Usage(usage) => usage.run(),
        Command::Audit(audit) => audit.run(),
        Command::AdminKeys(keys) => keys.run(),
        Command::ProxyTokens(tokens) => tokens.run(),
        Command::Completions(completions) => completions.run(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("keyplane: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What stopped a command, as a sentence for the operator.
type Failure = Box<dyn std::error::Error + Send + Sync>;
