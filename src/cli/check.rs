//! `weft check`: everything that `serve` would refuse, and the warnings.

use std::path::PathBuf;

use super::{Ending, Format, loader, plural, show, tell};
use crate::gateway::load::Purpose;

/// Arguments of `weft check`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The gateway file
    #[arg(short, long, default_value = "weft.yaml", env = "WEFT_CONFIG")]
    config: PathBuf,
    /// How mistakes are shown
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Ask no backend: those with reflection serve what they said last
    #[arg(long)]
    offline: bool,
    /// Exit with 1 where there are warnings, too
    #[arg(long)]
    deny_warnings: bool,
}

/// Checks all files. A backend that cannot be asked what it serves is an error here, since nothing of it was checked.
pub(super) fn run(arguments: &Arguments) -> anyhow::Result<Ending> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut loader = loader(&arguments.config)?.with_purpose(Purpose::Check);
    let result = runtime.block_on(async {
        if arguments.offline {
            loader.load_known().await
        } else {
            loader.load().await
        }
    });
    match result {
        Err(refused) => {
            show(&refused.diagnostics, &refused.sources, arguments.format)?;
            Ok(Ending::Mistakes)
        }
        Ok(loaded) => {
            show(&loaded.warnings, &loaded.sources, arguments.format)?;
            for note in &loaded.notes {
                tell(&format!("{note}\n"));
            }
            for reason in &loaded.waiting {
                tell(&format!("not checked: backend {reason}\n"));
            }
            for reason in &loaded.silent {
                tell(&format!("checked against what it said last: backend {reason}\n"));
            }
            if arguments.format.is_for_people() {
                tell(&format!(
                    "{}, {} checked\n",
                    plural(loaded.plan.endpoints.len(), "endpoint"),
                    plural(loaded.plan.backends.len() - loaded.waiting.len(), "backend")
                ));
            }
            if !loaded.waiting.is_empty() {
                anyhow::bail!("a backend could not be asked what it serves")
            }
            if !loaded.silent.is_empty() {
                anyhow::bail!("a backend could not be asked what it serves: --offline asks none")
            }
            if arguments.deny_warnings && !loaded.warnings.is_empty() {
                return Ok(Ending::Mistakes);
            }
            Ok(Ending::Clean)
        }
    }
}
