//! `keyplane completions`: what a shell needs to complete commands and options.

use super::{Arguments, Failure};
use clap::CommandFactory as _;
use clap_complete::Shell;

/// Print what a shell needs to complete commands and options
#[derive(clap::Args, Debug)]
#[command(after_help = "Example: for this session of bash\n  source <(keyplane completions bash)")]
pub struct Completions {
    /// Which shell
    #[arg(value_enum)]
    shell: Shell,
}

impl Completions {
    /// Runs the command.
    pub fn run(self) -> Result<(), Failure> {
        // Into memory first: a pipe that closes early is no reason to panic.
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Arguments::command(), "keyplane", &mut script);
        std::io::Write::write_all(&mut std::io::stdout(), &script)?;
        Ok(())
    }
}
