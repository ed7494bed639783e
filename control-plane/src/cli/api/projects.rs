//! `keyplane projects`

use super::{Remote, Row, first, when};
use crate::cli::Failure;
use clap::Subcommand;
use keyplane_sdk::{AccountId, CreateProject, ListProjects, Prefixes, Project, ProjectId};

/// Create and show projects
#[derive(clap::Args, Debug)]
pub struct Projects {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Create a project
    Create {
        /// Id of its account
        #[arg(long)]
        account: AccountId,
        /// What its live keys begin with, such as `uk_live`
        #[arg(long, value_name = "PREFIX")]
        live: String,
        /// What its test keys begin with, such as `uk_test`
        #[arg(long, value_name = "PREFIX")]
        test: String,
        /// Its name
        name: String,
    },
    /// Show one project
    Get {
        /// Its id
        id: ProjectId,
    },
    /// List projects, newest first
    List {
        /// Only those of this account
        #[arg(long)]
        account: Option<AccountId>,
        /// How many at most
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
}

impl Row for Project {
    const COLUMNS: &'static [&'static str] = &["ID", "NAME", "LIVE", "TEST", "CREATED", "ACCOUNT"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.id.to_string(),
            self.name.clone(),
            self.prefixes.live.clone(),
            self.prefixes.test.clone(),
            when(Some(self.created_at)),
            self.account_id.to_string(),
        ]
    }
}

impl Projects {
    /// Runs the command.
    pub fn run(self) -> Result<(), Failure> {
        let Self { command, remote } = self;
        remote.run(async |client, show| match command {
            Command::Create { account, live, test, name } => {
                let new = CreateProject::new(account, name, Prefixes::new(live, test));
                show.one(&client.projects().create(&new).await?)
            }
            Command::Get { id } => show.one(&client.projects().get(id).await?),
            Command::List { account, limit } => {
                let list = account.map_or_else(ListProjects::new, |id| ListProjects::new().account(id));
                show.many(&first(client.projects().all(list), limit).await?)
            }
        })
    }
}
