//! The page on making a virtual board: its reference of mechanisms is that of the code, and its examples work.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use flakescope::bench::blueprint::Blueprint;
use flakescope::bench::board::VirtualBoard;
use flakescope::investigation::scenario;
use serde_json::Value;

use super::kept_block;
use super::program::{answer, flakescope};

const BEGIN: &str = "<!-- mechanisms: begin -->\n";
const END: &str = "<!-- mechanisms: end -->";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn page() -> PathBuf {
    root().join("docs/boards.md")
}

#[test]
fn the_reference_of_mechanisms_is_that_of_the_code() {
    kept_block::is_kept("docs/boards.md", (BEGIN, END), &reference());
}

/// Each fenced TOML block of the page is a board or a file of scenarios, and is accepted as such.
#[test]
fn the_examples_of_the_page_work() {
    let text = fs::read_to_string(page()).unwrap();
    let blocks: Vec<_> = text.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert_eq!(blocks.len(), 2, "a board and a file of scenarios");
    for block in blocks {
        if block.contains("[[scenario]]") {
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("mine.toml");
            fs::write(&file, block).unwrap();
            let scenarios = scenario::read(&file).unwrap();
            let first = scenarios.first().unwrap();
            VirtualBoard::from_toml(&first.name, &first.drawn(1), 1).unwrap();
        } else {
            VirtualBoard::from_toml("mine.toml", block, 1).unwrap();
        }
    }
}

/// Whoever makes the first board of the page sees it fail in the boots that the page runs, whatever the seed.
#[test]
fn the_flaky_board_of_the_page_is_flaky() {
    let text = fs::read_to_string(page()).unwrap();
    let board = text.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("mine.toml"), board).unwrap();
    for seed in ["1", "2", "3"] {
        let run = ["run", "--virtual", "mine.toml", "--boots", "30", "--headless", "--case", seed, "--seed", seed];
        let said = answer(flakescope().current_dir(folder.path()).args(run));
        assert_eq!(said.code, Some(1), "{said:?}");
    }
}

/// One section per mechanism: what its file says of it and its source, then its parameters.
fn reference() -> String {
    let schema = schemars::schema_for!(Blueprint).to_value();
    let mechanisms = schema["$defs"]["Mechanisms"]["properties"].as_object().unwrap();
    let mut text = String::new();
    for (name, reached) in mechanisms {
        write!(text, "\n### `[mechanism.{name}]`\n\n{}\n\n", about(name)).unwrap();
        text.push_str("| parameter | is | range | otherwise | what it is |\n| --- | --- | --- | --- | --- |\n");
        rows(&mut text, &schema, definition(&schema, reached), "");
    }
    text.push('\n');
    text
}

/// The comment at the head of the mechanism's file.
fn about(mechanism: &str) -> String {
    let file = root().join("src/bench/mechanism").join(format!("{}.rs", mechanism.replace('-', "_")));
    let source = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let lines = source.lines().map_while(|line| line.strip_prefix("//!")).map(str::trim);
    let text = lines.collect::<Vec<_>>().join("\n");
    assert!(text.contains("Source"), "{} does not say where it comes from", file.display());
    text
}

fn definition<'a>(schema: &'a Value, reached: &'a Value) -> &'a Value {
    let names = reached["anyOf"].as_array().into_iter().flatten().chain([reached]);
    let name = names.filter_map(|place| place["$ref"].as_str()).find_map(|path| path.strip_prefix("#/$defs/"));
    name.map_or(reached, |name| &schema["$defs"][name])
}

fn rows(text: &mut String, schema: &Value, holder: &Value, prefix: &str) {
    let required: Vec<_> = holder["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    for (key, place) in holder["properties"].as_object().into_iter().flatten() {
        let inner = definition(schema, place);
        let otherwise = match (&place["default"], required.contains(&key.as_str())) {
            (_, true) => "required".to_owned(),
            (Value::Null, false) => "absent".to_owned(),
            (default, false) => default.to_string(),
        };
        let about = place["description"].as_str().or(inner["description"].as_str()).unwrap_or_default();
        let about = about.replace('\n', " ");
        writeln!(text, "| `{prefix}{key}` | {} | {} | {otherwise} | {about} |", kind(inner), range(place)).unwrap();
        if inner["properties"].is_object() && inner["type"] == "object" {
            rows(text, schema, inner, &format!("{prefix}{key}."));
        }
    }
}

fn kind(place: &Value) -> String {
    let words: Vec<_> = place["enum"].as_array().into_iter().flatten().chain(variants(place)).collect();
    if !words.is_empty() {
        return words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
    }
    match &place["type"] {
        Value::String(one) if one == "object" => "table".to_owned(),
        Value::String(one) => one.clone(),
        Value::Array(several) => several.first().and_then(Value::as_str).unwrap_or_default().to_owned(),
        _ => String::new(),
    }
}

fn variants(place: &Value) -> impl Iterator<Item = &Value> {
    place["oneOf"].as_array().into_iter().flatten().map(|variant| &variant["const"]).filter(|word| !word.is_null())
}

fn range(place: &Value) -> String {
    match (place["minimum"].as_f64(), place["maximum"].as_f64()) {
        (Some(low), Some(high)) => format!("{low} to {high}"),
        (Some(low), None) => format!("from {low}"),
        (None, Some(high)) => format!("up to {high}"),
        (None, None) => String::new(),
    }
}
