//! A virtual board whose memory outlives the program, and what a test can know of it from outside.

use std::path::PathBuf;

use serde_json::Value;

use crate::program::{Answer, answer, flakescope};

pub struct Bench {
    folder: tempfile::TempDir,
    board: String,
}

impl Bench {
    pub fn new(board: &str) -> Self {
        Self { folder: tempfile::tempdir().unwrap(), board: board.to_owned() }
    }

    /// A board of its own, described here.
    pub fn described(text: &str) -> Self {
        let bench = Self::new("");
        let file = bench.path("board.toml");
        std::fs::write(&file, text).unwrap();
        Self { board: file.to_str().unwrap().to_owned(), ..bench }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn text_path(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// `--virtual BOARD --virtual-memory FILE`.
    pub fn board(&self) -> Vec<String> {
        let memory = self.text_path("memory.json");
        ["--virtual", &self.board, "--virtual-memory", &memory].map(str::to_owned).to_vec()
    }

    pub fn command(&self, arguments: &[&str]) -> std::process::Command {
        let mut command = flakescope();
        command.args(arguments).args(self.board());
        command
    }

    pub fn answer(&self, arguments: &[&str]) -> Answer {
        answer(&mut self.command(arguments))
    }

    /// A recipe that alters, confirmed by the port of virtual boards, on the case `board.case`.
    pub fn alter(&self, recipe: &str, more: &[&str]) -> Answer {
        let case = self.text_path("board.case");
        let mut arguments = vec!["run", "--headless", "--format", "json", "--recipe", recipe, "--case", &case];
        arguments.extend(["--write", "--confirm", "1-1"]);
        arguments.extend(more);
        self.answer(&arguments)
    }

    /// An image for the bench under the name of a real one.
    pub fn image(&self, more: &[&str]) -> String {
        let path = self.text_path("stm32wb5x_BLE_Stack_full_fw.bin");
        let made = answer(flakescope().args(["bench", "image", "--out", &path]).args(more));
        assert_eq!(made.code, Some(0), "{made:?}");
        path
    }

    /// A program that was killed before it had made its case has altered nothing.
    pub fn has_case(&self) -> bool {
        let told = answer(flakescope().args(["journal", &self.text_path("board.case")]));
        told.code != Some(4)
    }

    pub fn journal(&self) -> Value {
        let told = answer(flakescope().args(["journal", "--json", &self.text_path("board.case")]));
        serde_json::from_str(&told.out).unwrap_or_else(|error| panic!("{error}: {told:?}"))
    }

    /// What the board holds without power; a board that was never altered has no file.
    pub fn memory(&self) -> Option<Value> {
        let text = std::fs::read(self.path("memory.json")).ok()?;
        Some(serde_json::from_slice(&text).unwrap())
    }

    /// The pages of flash that differ from the board as it was made, from `start` on.
    pub fn flash(&self, start: u32, length: u32) -> Vec<(u32, String)> {
        let Some(memory) = self.memory() else { return Vec::new() };
        let pages = memory["memory"]["flash"].as_object().unwrap().clone();
        let pages = pages.into_iter().map(|(at, page)| (at.parse().unwrap(), page.as_str().unwrap().to_owned()));
        let mut pages: Vec<(u32, String)> = pages.filter(|(at, _)| (start..start + length).contains(at)).collect();
        pages.sort();
        pages
    }

    /// The page at which the installed wireless stack begins.
    pub fn stack_page(&self) -> Option<u64> {
        self.memory()?["service"]["stack_page"].as_u64()
    }

    pub fn option_bytes(&self, start: u32) -> Option<String> {
        Some(self.memory()?["memory"]["small"][start.to_string()].as_str()?.to_owned())
    }
}

pub fn states(journal: &Value) -> Vec<String> {
    let left = journal["left"].as_array().unwrap();
    left.iter().map(|left| left["state"].as_str().unwrap().to_owned()).collect()
}

/// Phase and end of every line; `None` where no end was written.
pub fn lines(journal: &Value) -> Vec<(String, Option<String>)> {
    let lines = journal["lines"].as_array().unwrap();
    let text = |value: &Value| value.as_str().map(str::to_owned);
    lines.iter().map(|line| (text(&line["phase"]).unwrap(), text(&line["end"]))).collect()
}

pub fn verdict(answer: &Answer) -> Value {
    serde_json::from_str(&answer.out).unwrap_or_else(|error| panic!("{error}: {answer:?}"))
}

/// The causes in their order.
pub fn causes(verdict: &Value) -> Vec<String> {
    let causes = verdict["causes"].as_array().unwrap();
    causes.iter().map(|cause| cause["id"].as_str().unwrap().to_owned()).collect()
}
