//! What a person reads before anything runs: help of every command, the manual and the completions.

use super::program::{answer, flakescope};

/// Every command that help shows, in full: `["profile", "check"]`.
fn commands() -> Vec<Vec<String>> {
    fn below(command: &clap::Command, path: &[String], found: &mut Vec<Vec<String>>) {
        for inner in command.get_subcommands().filter(|inner| !inner.is_hide_set() && inner.get_name() != "help") {
            let path = [path, &[inner.get_name().to_owned()]].concat();
            below(inner, &path, found);
            found.push(path);
        }
    }
    let mut found = vec![Vec::new()];
    below(&flakescope::cli::command(), &[], &mut found);
    found
}

#[test]
fn help_of_every_command() {
    for path in commands() {
        let help = answer(flakescope().args(&path).arg("--help"));
        assert_eq!((help.code, help.err.as_str()), (Some(0), ""), "{path:?}");
        let name = if path.is_empty() { "flakescope".to_owned() } else { path.join("-") };
        insta::assert_snapshot!(format!("help-{name}"), help.out);
    }
}

#[test]
fn every_command_has_an_example() {
    for path in commands().into_iter().filter(|path| path.len() == 1) {
        let help = answer(flakescope().args(&path).arg("--help"));
        assert!(help.out.contains(&format!("flakescope {}", path.join(" "))), "{path:?}\n{}", help.out);
        assert!(help.out.contains("Example"), "{path:?} has no example");
    }
}

#[test]
fn the_manual() {
    let page = answer(flakescope().arg("man"));
    assert_eq!(page.code, Some(0));
    insta::assert_snapshot!("man", page.out);
}

#[test]
fn completions_know_every_command_in_every_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = answer(flakescope().args(["completions", shell]));
        assert_eq!(script.code, Some(0), "{shell}");
        for path in commands().into_iter().filter(|path| path.len() == 1) {
            assert!(script.out.contains(&path[0]), "{shell} does not know {path:?}");
        }
    }
}
