//! `keyplane projects`

use super::{Remote, Row, first, when};
use crate::cli::Failure;
use clap::Subcommand;
use keyplane_sdk::{AccountId, CreateProject, ListProjects, Prefixes, Project, ProjectId, UpdateProject};

/// Create, show and rename projects
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
    #[command(
        after_help = "Example:\n  keyplane projects create --account $account --live ex_live --test ex_test Uploads"
    )]
    Create {
        /// Id of its account
        #[arg(long, value_name = "ID")]
        account: AccountId,
        /// What its live keys begin with, such as `uk_live`: at most 16 small letters, digits and _
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
        /// Id of the project, as `projects list` shows it
        id: ProjectId,
    },
    /// Give a project another name
    Rename {
        /// Id of the project, as `projects list` shows it
        id: ProjectId,
        /// The new name
        name: String,
    },
    /// List projects, newest first
    List {
        /// Only those of this account
        #[arg(long, value_name = "ID")]
        account: Option<AccountId>,
        /// How many at most
        #[arg(long, value_name = "N", default_value_t = 50)]
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
            Command::Rename { id, name } => {
                show.one(&client.projects().update(id, &UpdateProject::new().name(name)).await?)
            }
            Command::List { account, limit } => {
                let list = account.map_or_else(ListProjects::new, |id| ListProjects::new().account(id));
                show.many(&first(client.projects().all(list), limit).await?)
            }
        })
    }
}
