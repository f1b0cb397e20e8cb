//! Holds the published schema of virtual board files and their parser to each other.

use std::fs;
use std::path::{Path, PathBuf};

use flakescope::bench::blueprint::Blueprint;
use flakescope::bench::board::VirtualBoard;
use jsonschema::Validator;
use serde_json::{Value, json};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The schema as the parser's types give it, with what the types alone do not say.
fn generated() -> Value {
    let mut schema = schemars::schema_for!(Blueprint).to_value();
    bound_integers(&mut schema);
    let object = schema.as_object_mut().unwrap();
    object.insert("$id".to_owned(), json!("urn:flakescope:schema:board:1"));
    object.insert("title".to_owned(), json!("flakescope virtual board"));
    object.insert("description".to_owned(), json!(ABOUT));
    schema
}

const ABOUT: &str = "A file of profiles/benches, or of your own for --virtual FILE. The parser refuses more than this schema can: what the chosen ROM \
                     makes impossible, and figures that contradict each other.";

fn bound_integers(schema: &mut Value) {
    let largest = match schema["format"].as_str() {
        Some("uint8") => Some(u64::from(u8::MAX)),
        Some("uint16") => Some(u64::from(u16::MAX)),
        Some("uint32") => Some(u64::from(u32::MAX)),
        _ => None,
    };
    if let Some(largest) = largest.filter(|_| schema.get("maximum").is_none()) {
        schema["maximum"] = json!(largest);
    }
    match schema {
        Value::Object(members) => members.values_mut().for_each(bound_integers),
        Value::Array(items) => items.iter_mut().for_each(bound_integers),
        _ => {}
    }
}

fn published() -> Value {
    let file = root().join("schemas/board.schema.json");
    if std::env::var_os("FLAKESCOPE_UPDATE").is_some() {
        fs::write(&file, format!("{:#}\n", generated())).unwrap();
    }
    serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap()
}

fn validator() -> Validator {
    jsonschema::draft202012::new(&published()).unwrap()
}

fn boards() -> Vec<(PathBuf, String)> {
    let files = fs::read_dir(root().join("profiles/benches")).unwrap().map(|entry| entry.unwrap().path());
    let files = files.filter(|path| path.extension().is_some_and(|extension| extension == "toml"));
    files.map(|path| (path.clone(), fs::read_to_string(path).unwrap())).collect()
}

fn as_json(text: &str) -> Value {
    serde_json::to_value(toml::from_str::<toml::Table>(text).unwrap()).unwrap()
}

fn parses(text: &str) -> bool {
    VirtualBoard::from_toml("board.toml", text, 1).is_ok()
}

#[test]
fn the_published_schema_is_that_of_the_parser() {
    assert_eq!(published(), generated(), "run with FLAKESCOPE_UPDATE=1 and look at the difference");
}

#[test]
fn every_built_in_board_follows_the_schema() {
    let validator = validator();
    for (path, text) in boards() {
        let board = as_json(&text);
        let wrong: Vec<_> = validator.iter_errors(&board).map(|error| error.to_string()).collect();
        assert!(wrong.is_empty(), "{}: {wrong:?}", path.display());
    }
}

const HEAD: &str = "text = \"A board.\"\npart = \"STM32F407VG\"\nrom = \"f40x-v9\"\n";

#[test]
fn what_the_schema_refuses_the_parser_refuses_too() {
    let validator = validator();
    for (what, text) in [
        ("no ROM", "text = \"A board.\"\npart = \"STM32F407VG\"\ncrystal-mhz = 8.0\n".to_owned()),
        ("an unknown key", format!("{HEAD}crystal-mhz = 8.0\ncolour = \"green\"\n")),
        ("an unknown mechanism", format!("{HEAD}crystal-mhz = 8.0\n[mechanism.gremlin]\n")),
        (
            "an unknown figure",
            format!("{HEAD}crystal-mhz = 8.0\n[mechanism.bursts]\nevery-s = 1\nopen-ms = 1\nopen-s = 1\n"),
        ),
        ("a figure that is missing", format!("{HEAD}crystal-mhz = 8.0\n[mechanism.bursts]\nevery-s = 1\n")),
        ("a text for a number", format!("{HEAD}crystal-mhz = \"8 MHz\"\n")),
        ("an impossible crystal", format!("{HEAD}crystal-mhz = 8000.0\n")),
        ("a unique identity of two words", format!("{HEAD}crystal-mhz = 8.0\nuid = [1, 2]\n")),
        (
            "a frame with too many transactions",
            format!("{HEAD}crystal-mhz = 8.0\n[host]\ntransactions-per-frame = 20\n"),
        ),
        ("an unknown level", format!("{HEAD}crystal-mhz = 8.0\n[mechanism.product-state]\nis = \"ajar\"\n")),
    ] {
        assert!(!parses(&text), "{what} parses");
        assert!(!validator.is_valid(&as_json(&text)), "{what} follows the schema");
    }
}

/// What only the parser can see: the sentence names file, line and reason.
#[test]
fn contradictions_are_refused_with_file_line_and_reason() {
    let supply = "source-mv = 3300\nresistance-ohm = 1\ntraffic-ma = 60\nflash-work-ma = 30\nusb-needs-mv = 2700\n";
    for (rest, sentence) in [
        (String::new(), "board.toml:3: `rom` makes its USB clock from a crystal, and no `crystal-mhz` is fitted"),
        (
            "crystal-mhz = 8.0\n[mechanism.hsi48]\nerror-percent = 1\ndrift-percent-per-kelvin = 0\nrecovery-works = true\n".to_owned(),
            "board.toml:5: `hsi48` has no effect: this ROM does not run USB from HSI48",
        ),
        (
            "crystal-mhz = 8.0\n[mechanism.usb-pin-supply]\npin-mv = 0\n".to_owned(),
            "board.toml:5: `usb-pin-supply` is not there: this part feeds USB from VDD",
        ),
        (
            "crystal-mhz = 8.0\n[mechanism.vbus-sense]\npin-mv = 0\nnoise-mv = 1\n".to_owned(),
            "board.toml:5: `vbus-sense` has no effect: this ROM ignores it",
        ),
        (
            "crystal-mhz = 8.0\nread-out-protected = true\nclosed-for-ever = true\n".to_owned(),
            "board.toml:6: `closed-for-ever` contains `read-out-protected`",
        ),
        (
            "crystal-mhz = 8.0\nexecute-only = [{ address = 0x20000000, length-bytes = 16 }]\n".to_owned(),
            "board.toml:5: `execute-only` holds an area that is empty or not in flash",
        ),
        (
            format!("crystal-mhz = 8.0\n[mechanism.bursts]\nevery-s = 1\nopen-ms = 5\n[mechanism.supply]\n{supply}brown-out = \"level-1\"\nresets-below-mv = 1700\n"),
            "board.toml:14: `brown-out` and `resets-below-mv` say the same in two ways",
        ),
        (
            format!("crystal-mhz = 8.0\n[mechanism.supply]\n{supply}inrush = {{ uf = 10, bleeds-s = 1 }}\n"),
            "board.toml:11: `inrush` has no effect without a `limit`",
        ),
        (
            "crystal-mhz = 8.0\n[mechanism.bursts]\nevery-s = 1\nopen-ms = 5\n[mechanism.hub-port]\nevery-s = 0.05\nback-after-ms = 80\n".to_owned(),
            "board.toml:10: `back-after-ms` is longer than the time between, so the port would stay off",
        ),
    ] {
        let error = VirtualBoard::from_toml("board.toml", &format!("{HEAD}{rest}"), 1).unwrap_err().to_string();
        assert_eq!(error, sentence);
    }
}

/// Every number of every board, pushed far out: where one of the two refuses, so does the other.
#[test]
fn schema_and_parser_know_the_same_limits() {
    let validator = validator();
    let mut tried = 0;
    let mut apart = Vec::new();
    for (path, text) in boards() {
        let board = as_json(&text);
        for place in numbers(&board, "") {
            for outside in [json!(-1e9), json!(1e12)] {
                let mut changed = board.clone();
                *changed.pointer_mut(&place).unwrap() = outside.clone();
                let table = toml::to_string(&serde_json::from_value::<toml::Table>(changed.clone()).unwrap()).unwrap();
                let (by_schema, by_parser) = (validator.is_valid(&changed), parses(&table));
                if by_schema != by_parser {
                    apart.push(format!("{}: {place} = {outside}: {by_schema} by the schema", path.display()));
                }
                tried += 1;
            }
        }
    }
    assert!(apart.is_empty(), "{}", apart.join("\n"));
    assert!(tried > 200, "{tried}");
}

fn numbers(value: &Value, place: &str) -> Vec<String> {
    match value {
        Value::Object(members) => members.iter().flat_map(|(key, it)| numbers(it, &format!("{place}/{key}"))).collect(),
        Value::Array(items) => {
            items.iter().enumerate().flat_map(|(number, it)| numbers(it, &format!("{place}/{number}"))).collect()
        }
        Value::Number(_) => vec![place.to_owned()],
        _ => Vec::new(),
    }
}
