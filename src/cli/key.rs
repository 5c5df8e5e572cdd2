//! `weft key`: a new API key, and the line for the file of keys that knows only its hash.

use rand::TryRng;
use rand::rngs::SysRng;

use super::{Ending, say, tell};
use crate::auth::api_key;

/// Arguments of `weft key`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Who gets it: a name in the file of keys
    name: String,
    /// Hash a key that there is already, read from standard input, in place of making one
    #[arg(long)]
    hash: bool,
}

/// Prints the key once, and what is kept of it.
pub(super) fn run(arguments: &Arguments) -> anyhow::Result<Ending> {
    anyhow::ensure!(
        !arguments.name.is_empty()
            && arguments
                .name
                .bytes()
                .all(|it| it.is_ascii_alphanumeric() || b"-_.".contains(&it)),
        "`{}` is not a name: letters, digits, `-`, `_` and `.`",
        arguments.name
    );
    let key = if arguments.hash {
        let mut line = String::new();
        std::io::stdin().read_line(&mut line)?;
        let key = line.trim().to_owned();
        anyhow::ensure!(key.len() >= 16, "a key of less than 16 characters can be guessed");
        key
    } else {
        let mut random = [0; 32];
        SysRng.try_fill_bytes(&mut random)?;
        let key = format!(
            "{}.{}",
            arguments.name,
            base64_simd::URL_SAFE_NO_PAD.encode_to_string(random)
        );
        tell("the key, which is shown once and goes to whoever is to have it:\n");
        say(&format!("{key}\n"))?;
        tell("the line for the file of keys:\n");
        key
    };
    let hash = api_key::written(&api_key::hash(&key));
    say(&format!("{}: {{ hash: \"{hash}\", claims: {{}} }}\n", arguments.name))?;
    Ok(Ending::Clean)
}
