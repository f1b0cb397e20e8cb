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
    for path in commands().into_iter().filter(|path| !path.is_empty()) {
        let help = answer(flakescope().args(&path).arg("--help"));
        assert!(help.out.contains(&format!("flakescope {}", path.join(" "))), "{path:?}\n{}", help.out);
        assert!(help.out.contains("Example"), "{path:?} has no example");
    }
}

/// An example that the command line does not take is none. Those that a shell puts together are left out.
#[test]
fn every_example_is_taken() {
    let root = flakescope::cli::command();
    let mut taken = 0;
    for path in commands() {
        let command = path.iter().fold(&root, |command, name| command.find_subcommand(name).unwrap());
        let examples = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        let lines = examples
            .lines()
            .map(str::trim)
            .filter(|line| line.starts_with("flakescope ") && !line.contains(['|', '>']));
        for line in lines {
            let parsed = flakescope::cli::command().try_get_matches_from(line.split_whitespace());
            assert!(parsed.is_ok(), "{line}: {}", parsed.unwrap_err());
            taken += 1;
        }
    }
    assert!(taken > 40, "{taken}");
}

#[test]
fn help_on_help_is_help() {
    let plain = answer(flakescope().arg("help"));
    for asked in [["help", "--help"], ["help", "-h"]] {
        let said = answer(flakescope().args(asked));
        assert_eq!((said.code, said.out), (Some(0), plain.out.clone()));
    }
    let inner = answer(flakescope().args(["help", "bench", "--help"]));
    assert!(inner.code == Some(0) && inner.out.contains("flakescope bench list"), "{inner:?}");
    assert_eq!(answer(flakescope().args(["bench", "help", "--help"])).code, Some(0));
    assert_eq!(answer(flakescope().args(["explain", "help"])).code, Some(2));
}

#[test]
fn inner_commands_have_a_page_however_they_are_written() {
    let page = answer(flakescope().args(["man", "bench", "show"]));
    assert!(page.code == Some(0) && page.out.contains("flakescope\\-bench\\-show"), "{page:?}");
    for name in ["bench show", "bench-show", "flakescope-bench-show"] {
        assert_eq!(answer(flakescope().args(["man", name])).out, page.out);
    }
    answer(flakescope().args(["man", "bench", "shw"])).refused(2, &["`bench shw`; did you mean `bench-show`?"]);
    let folder = tempfile::tempdir().unwrap();
    answer(flakescope().args(["man", "--out"]).arg(folder.path()));
    for path in commands() {
        let name = std::iter::once("flakescope").chain(path.iter().map(String::as_str)).collect::<Vec<_>>().join("-");
        assert!(folder.path().join(format!("{name}.1")).is_file(), "{name}");
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
