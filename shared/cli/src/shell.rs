//! `evercount completions` and `evercount man`: what shells and `man` need to know of the command.

use clap::CommandFactory;

use crate::args::{Cli, CompletionsArgs, ManArgs};
use crate::exit::{self, Exit};

/// Prints the completions of a shell.
pub fn completions(args: &CompletionsArgs) -> Exit {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "evercount", &mut text);
    crate::show::line(String::from_utf8_lossy(&text).trim_end());
    Exit::Ok
}

/// Prints the man page of the command, or of one of its commands.
///
/// # Errors
/// Where there is no such command.
pub fn man(args: &ManArgs) -> anyhow::Result<Exit> {
    let mut root = Cli::command();
    root.build();
    let mut command = root;
    for name in &args.command {
        let found = command.find_subcommand(name).cloned();
        command = found.ok_or_else(|| {
            let known = command.get_subcommands().map(clap::Command::get_name);
            crate::show::unknown("command", name, known, "evercount help")
        })?;
    }
    let mut text = Vec::new();
    clap_mangen::Man::new(command.after_long_help(exit::HELP)).render(&mut text)?;
    crate::show::line(String::from_utf8_lossy(&text).trim_end());
    Ok(Exit::Ok)
}
