//! `cargo xtask screenshots`: the pictures of the documentation, taken anew of the real dashboard by the flow that also holds them
//! against their bounds.

use anyhow::{Context, Result};

use crate::browser;
use crate::parts::Parts;
use crate::project::Project;
use crate::run;

/// The flow that takes them, into `target/screenshots/docs`.
const FLOW: &str = "flows::dashboard::pictures";

/// Takes them and puts them into `docs/images`.
pub fn take(project: &Project) -> Result<()> {
    browser::obtain(project)?;
    let parts = Parts::obtain(project)?;
    let mut flow = project.cargo(["test", "--workspace", "--test", "flows", FLOW]);
    // Those that are there already may be what is wrong.
    flow.envs(parts.environment()).env("KEYPLANE_NEW_PICTURES", "yes");
    run::visibly("the flow that takes pictures", flow)?;
    let (from, to) = (project.target().join("screenshots/docs"), project.root().join("docs/images"));
    std::fs::create_dir_all(&to).with_context(|| format!("cannot create {}", to.display()))?;
    for entry in std::fs::read_dir(&from).with_context(|| format!("cannot read {}", from.display()))? {
        let file = entry?;
        let kept = to.join(file.file_name());
        std::fs::copy(file.path(), &kept).with_context(|| format!("cannot write {}", kept.display()))?;
        println!("{}", project.shown(&kept));
    }
    Ok(())
}
