//! What a recipe does to a board, in words: told by its alterations, never by its name.

use crate::campaign::recipe::Recipe;
use crate::observation::alteration::{Alteration, Place};

/// How the board is before and after it.
pub fn in_words(recipe: &Recipe) -> &'static str {
    let does: Vec<Kind> = recipe.alterations().map(Kind::of).collect();
    match does.as_slice() {
        [Kind::Delete, Kind::Image, Kind::Image, Kind::Install, Kind::Start] => {
            "before, the old wireless stack; after, the image installed and started. Between the two there is none"
        }
        [Kind::Image, Kind::Image, Kind::Install] => {
            "before, whatever the upgrade service shows; after, the image installed"
        }
        [Kind::Delete] => "before, a wireless stack; after, none",
        [Kind::Start] => "before, the upgrade service; after, the wireless stack runs",
        [Kind::PutBack] => "before, a pattern or nothing; after, what the case has saved",
        [altered @ .., Kind::PutBack] if altered.iter().all(|kind| *kind == Kind::Scratch) => {
            "before and after, the same contents; between, a pattern"
        }
        _ => "as its file says",
    }
}

/// The old wireless stack is gone by the time the image is installed.
pub fn deletes_before_it_installs(recipe: &Recipe) -> bool {
    let installs = |alteration: &&Alteration| matches!(alteration, Alteration::FusInstall);
    let mut before = recipe.alterations().take_while(|alteration| !installs(alteration));
    recipe.alterations().any(|alteration| installs(&alteration))
        && before.any(|alteration| matches!(alteration, Alteration::FusDelete))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Scratch,
    Image,
    PutBack,
    OptionBytes,
    Delete,
    Install,
    Start,
}

impl Kind {
    fn of(alteration: &Alteration) -> Self {
        match alteration {
            Alteration::Erase { place, .. } | Alteration::Write { place, .. } => match place {
                Place::Scratch => Self::Scratch,
                Place::Image => Self::Image,
                Place::Restored => Self::PutBack,
            },
            Alteration::Restore { .. } => Self::PutBack,
            Alteration::OptionBytes { .. } => Self::OptionBytes,
            Alteration::FusDelete => Self::Delete,
            Alteration::FusInstall => Self::Install,
            Alteration::FusStart => Self::Start,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::campaign::recipe::tests::{built_in, recipe};

    #[test]
    fn every_recipe_of_ours_that_alters_says_what_it_does() {
        for (name, words) in [
            ("fus-upgrade", "the old wireless stack"),
            ("fus-install", "whatever the upgrade service shows"),
            ("fus-delete", "after, none"),
            ("fus-start-stack", "the wireless stack runs"),
            ("write-verify", "the same contents"),
            ("scratch-restore", "what the case has saved"),
        ] {
            assert!(in_words(&built_in(name)).contains(words), "{name}: {}", in_words(&built_in(name)));
        }
    }

    #[test]
    fn a_name_promises_nothing() {
        let misnamed = recipe("write-verify", &["erase-scratch", "write-scratch"]);
        assert_eq!(in_words(&misnamed), "as its file says");
        assert!(in_words(&recipe("mine", &["fus-delete"])).contains("after, none"));
        assert!(deletes_before_it_installs(&recipe("mine", &["fus-delete", "fus-install"])));
        assert!(!deletes_before_it_installs(&recipe("fus-upgrade", &["fus-install", "fus-delete"])));
        assert!(!deletes_before_it_installs(&built_in("fus-delete")));
    }
}
