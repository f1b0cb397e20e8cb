//! The same campaign on a virtual board in process, for comparison.

use std::process::Command;

/// What both sides are compared by.
#[derive(Debug, PartialEq)]
pub struct Outcome {
    pub kind: String,
    /// Of the three likeliest causes, the leading one first.
    pub families: Vec<String>,
    pub cycles: Option<u64>,
    pub failures: Vec<Failure>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    pub class: String,
    pub phase: String,
    pub code: String,
}

pub fn run(board: &str, arguments: &[&str]) -> Result<Outcome, String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let output = Command::new(env!("CARGO_BIN_EXE_flakescope"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["run", "--headless", "--format", "json", "--virtual", board])
        .args(arguments)
        .arg("--case")
        .arg(folder.path().join("board.case"))
        .output()
        .map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout);
    verdict(&text).map_err(|error| format!("{board}: {error}: {}", String::from_utf8_lossy(&output.stderr)))
}

/// So many of the leading causes are told by their families.
const LISTED: usize = 6;

/// Reads the verdict's JSON; what stands before it on the line is left out.
pub fn verdict(text: &str) -> Result<Outcome, String> {
    let json = text.find("{\"schema\"").map(|at| &text[at..]).ok_or("no verdict")?;
    let json = json.lines().next().unwrap_or_default();
    let verdict: serde_json::Value = serde_json::from_str(json).map_err(|error| error.to_string())?;
    let word = |value: &serde_json::Value| value.as_str().map(str::to_owned);
    let failure = |it: &serde_json::Value| Failure {
        class: word(&it["class"]).unwrap_or_default(),
        phase: word(&it["phase"]).unwrap_or_default(),
        code: word(&it["code"]).unwrap_or_default(),
    };
    Ok(Outcome {
        kind: word(&verdict["verdict"]).ok_or("no kind of verdict")?,
        families: (0..LISTED).filter_map(|place| word(&verdict["causes"][place]["family"])).collect(),
        cycles: verdict["campaign"]["cycles"].as_u64(),
        failures: verdict["failures"].as_array().into_iter().flatten().map(failure).collect(),
    })
}
