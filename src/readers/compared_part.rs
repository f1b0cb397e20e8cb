//! A part that a poster names only to hold the part in question against it.

use std::sync::LazyLock;

use regex::Regex;

/// `it works on an F401RE`, `my F407 has no such problem`: what the part in question is held against.
pub(super) fn is_compared(before: &str, after: &str) -> bool {
    static BEFORE: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(
            r"(?ix) (?: \b(?:works?|worked|working|is|was|went|runs?) (?:\W+(?:just|perfectly|fine|ok|well|great|good|without\W+\w+))* | \bno\W+(?:such\W+)?(?:problems?|issues?|trouble) | \bsuccess\w* )
            \W+ (?:on|with|for|using) \W+ (?:(?:an?|the|my|our|another|other|several|some|all)\W+)* (?:(?:\w+\W+){0,2}) $ | \b(?:used|flashed|programmed)\W+it\W+(?:with|on)\W+(?:an?|the|my)\W+$",
        )
        .expect("the pattern is fixed")
    });
    static AFTER: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(
            r"(?ix) ^ [\w\-]* (?:\W+(?:boards?|nucleos?|chips?|mcus?|ones?|too|also|it|this|that|everything|all|same\W+\w+))* \W+
            (?: works? | worked | (?:is|was|are)\W+(?:fine|ok|good) | has\W+no\W+(?:such\W+)?(?:problem|issue) | never\W+had ) \b",
        )
        .expect("the pattern is fixed")
    });
    let clause = |c: char| matches!(c, ',' | ';' | ':' | '!' | '?' | '(');
    let before = before.rsplit(clause).next().unwrap_or_default();
    let before = [". ", " but ", " while ", " whereas "]
        .iter()
        .fold(before, |rest, end| rest.rsplit(end).next().unwrap_or(rest));
    let after = after.split(clause).next().unwrap_or_default();
    let is_denied =
        |text: &str| ["not ", "n't ", "never ", "only "].iter().any(|no| text.to_ascii_lowercase().contains(no));
    (BEFORE.is_match(before) && !is_denied(before))
        || (AFTER.is_match(after) && !is_denied(after.get(..40).unwrap_or(after)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compared(text: &str) -> bool {
        let at = text.find("F4").unwrap();
        let end = text[at..].find(|c: char| !c.is_ascii_alphanumeric()).map_or(text.len(), |length| at + length);
        is_compared(&text[..at], &text[end..])
    }

    #[test]
    fn a_part_on_which_it_works_is_held_against_another() {
        for text in [
            "it works on an F401RE, fails on an STM32F070RB",
            "The same code runs fine on my F407 board",
            "no such problem with the F446",
            "I used it with an F401RE",
            "my F407 boards work, the F746 does not",
            "the F401RE is fine",
        ] {
            assert!(compared(text), "{text}");
        }
    }

    #[test]
    fn a_part_that_fails_or_is_just_named_is_the_one_in_question() {
        for text in [
            "it fails on an F401RE",
            "it does not work on my F407 board",
            "A custom board with an F405RG",
            "my F407 does not work",
            "it works on Linux but the F401RE is not found on Windows",
            "this only works on the F401RE with BOOT0 high",
        ] {
            assert!(!compared(text), "{text}");
        }
    }
}
