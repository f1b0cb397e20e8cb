//! Classes of words that the patterns of `profiles/phrases` share: `{works}` stands for every way to say that something works.

use std::collections::BTreeMap;

use regex::{Captures, Regex};

#[derive(Debug)]
pub struct WordClasses {
    /// Each class as one group of alternatives.
    groups: BTreeMap<String, String>,
    name: Regex,
}

impl Default for WordClasses {
    fn default() -> Self {
        // A repetition such as `{0,40}` begins with a digit and is no name.
        let name = Regex::new(r"\{([a-z][a-z-]*)\}").expect("the pattern is fixed");
        Self { groups: BTreeMap::new(), name }
    }
}

impl WordClasses {
    pub fn extend(&mut self, classes: BTreeMap<String, Vec<String>>) {
        self.groups.extend(classes.into_iter().map(|(name, words)| (name, format!("(?:{})", words.join("|")))));
    }

    /// The pattern with every class written out, or what is wrong with it.
    pub fn write_out(&self, pattern: &str) -> Result<String, String> {
        let unknown = self.name.captures_iter(pattern).find(|found| !self.groups.contains_key(&found[1]));
        if let Some(found) = unknown {
            let known: Vec<_> = self.groups.keys().map(String::as_str).collect();
            return Err(format!("`{{{}}}` is no class of words; there are: {}", &found[1], known.join(", ")));
        }
        let put_in = |found: &Captures<'_>| self.groups[&found[1]].clone();
        let written_out = self.name.replace_all(pattern, put_in);
        // Behind the beginning of a word, `n.t` is meant for the end of one such as "doesn't".
        Ok(written_out.replace("|n.t", r"|\w*n.t").replace("(?:n.t", r"(?:\w*n.t"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classes() -> WordClasses {
        let mut classes = WordClasses::default();
        classes.extend(BTreeMap::from([("works".to_owned(), vec!["works?".to_owned(), "is fine".to_owned()])]));
        classes
    }

    #[test]
    fn a_class_is_written_out_and_a_repetition_is_left() {
        assert_eq!(classes().write_out(r"cold.{0,40}{works}\b").unwrap(), r"cold.{0,40}(?:works?|is fine)\b");
    }

    #[test]
    fn a_negation_is_the_end_of_a_word() {
        assert_eq!(classes().write_out(r"\b(?:not|n.t)\b").unwrap(), r"\b(?:not|\w*n.t)\b");
    }

    #[test]
    fn an_unknown_class_is_refused_with_the_known_ones() {
        let refused = classes().write_out("{wroks}").unwrap_err();
        assert!(refused.contains("`{wroks}`") && refused.contains("works"), "{refused}");
    }
}
