//! `flakescope completions`: what a shell needs to complete the command line.

use clap::Args;
use clap_complete::{Shell, generate};

use super::console::Console;
use super::exit::ExitCode;

/// Print the completions for a shell
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  flakescope completions bash > ~/.local/share/bash-completion/completions/flakescope
  flakescope completions zsh > ~/.zfunc/_flakescope
  flakescope completions fish > ~/.config/fish/completions/flakescope.fish")]
pub struct CompletionsArgs {
    #[arg(value_enum)]
    shell: Shell,
}

pub fn run(args: &CompletionsArgs, console: &mut Console) -> ExitCode {
    let mut script = Vec::new();
    generate(args.shell, &mut super::command(), "flakescope", &mut script);
    console.deliver(script, ExitCode::Clean)
}
