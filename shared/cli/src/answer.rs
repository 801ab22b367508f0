//! Answers: what a command found or did, in one value that holds both what `--json` prints and what
//! a person reads, so that the two never tell different things.

use std::io::IsTerminal;

use anyhow::bail;
use serde_json::{Value, json};

use crate::args::{OutputArgs, TargetArgs};
use crate::exit::Exit;
use crate::target::{self, Opened, Target};
use crate::{count, show};

/// What a command found or did.
#[derive(Clone, PartialEq, Debug)]
pub struct Answer {
    /// What `--json` prints, beside the target.
    pub document: Value,
    /// What a person reads, styled; `None` where that is the document itself.
    pub text: Option<Vec<String>>,
    /// How the command ends.
    pub exit: Exit,
}

impl Answer {
    /// The answer of a command that found nothing wrong.
    #[must_use]
    pub fn ok(document: Value, text: Vec<String>) -> Self {
        Self { document, text: Some(text), exit: Exit::Ok }
    }

    /// Prints it, with the target where there is one. Returns how the command ends.
    pub fn tell(mut self, target: Option<&Target>, output: OutputArgs) -> Exit {
        match (self.text, target) {
            (None, _) => show::document(&self.document),
            (Some(_), target) if output.json => {
                if let (Value::Object(fields), Some(target)) = (&mut self.document, target) {
                    fields.insert("target".to_owned(), json!(target.to_string()));
                }
                show::document(&self.document);
            }
            (Some(lines), target) => {
                if let Some(target) = target {
                    show::line(format!("target: {target}"));
                }
                lines.iter().for_each(show::styled);
            }
        }
        self.exit
    }
}

/// Opens a target, lets a command answer on it, and tells the answer.
///
/// # Errors
/// Whatever the command answers, and where the target cannot be reached, or be written to without
/// a word more.
pub async fn on(
    target: TargetArgs,
    output: OutputArgs,
    writes: bool,
    answer: impl AsyncFnOnce(&Opened) -> anyhow::Result<Answer>,
) -> anyhow::Result<Exit> {
    if writes {
        count::consent(target.target)?;
    }
    let opened = target::open(target.target).await?;
    let answered = answer(&opened).await;
    let resolved = opened.target.clone();
    opened.stack.stop().await;
    Ok(answered?.tell(Some(&resolved), output))
}

/// Asks a person at a terminal whether to go on; whoever is at none has to say `--yes`.
///
/// # Errors
/// Where nobody said yes.
pub fn confirm(yes: bool, what: &str) -> anyhow::Result<()> {
    if yes {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        bail!("{what}; say `--yes` to mean it");
    }
    show::remark(format!("{what}. Go on? [y/N]"));
    let mut said = String::new();
    std::io::stdin().read_line(&mut said)?;
    match said.trim().to_ascii_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => bail!("nothing was changed"),
    }
}
