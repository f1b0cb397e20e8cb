//! Holds the verdict's JSON and its published schema to each other.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use flakescope::diagnosis::verdict::{
    Argument, CampaignFigures, FailureLine, NextExperiment, RankedCause, Together, VERDICT_SCHEMA, Verdict, VerdictKind,
};
use flakescope::evidence::finding::Unit;
use flakescope::observation::alteration::{Alteration, AlterationEnd, AlterationLine, AlterationOutcome};
use flakescope::observation::fact::{Fact, FactValue};
use flakescope::observation::failure::{DfuStand, Failure, FailureClass};
use flakescope::observation::step::Phase;
use flakescope::observation::units::{Address, Micros};
use serde_json::{Value, json};

/// Stops the test with every violation unless `verdict` follows the published schema.
pub fn assert_follows_schema(verdict: &Value) {
    assert_follows("verdict", verdict);
}

/// The same for another published schema.
pub fn assert_follows(schema: &str, output: &Value) {
    let validator = jsonschema::draft202012::new(&published(schema)).unwrap();
    let wrong: Vec<_> =
        validator.iter_errors(output).map(|error| format!("{}: {error}", error.instance_path)).collect();
    assert!(wrong.is_empty(), "{}\n{output:#}", wrong.join("\n"));
}

fn published(name: &str) -> Value {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("schemas/{name}.schema.json"));
    serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap()
}

fn failed_alteration() -> AlterationEnd {
    AlterationEnd {
        elapsed: Some(Micros::from_millis(3_010)),
        outcome: AlterationOutcome::Failed("FUS_IMAGE_WRTERROR".into()),
        seen: vec![Fact::measured("target-voltage-at-look", FactValue::Volts(3.3))],
    }
}

fn full_verdict() -> Verdict {
    let argument = |finding: &str| Argument { finding: finding.to_owned(), text: "As seen.".to_owned(), at: vec![3] };
    let failure = Failure::new(FailureClass::Stall, Phase::OptionBytes).with_code("LIBUSB_ERROR_PIPE");
    let placed = failure
        .clone()
        .at(Address(0x1fff_7800))
        .standing(DfuStand { alternate: Some((1, "Option Bytes".into())), state: Some("dfuERROR".to_owned()) });
    Verdict {
        schema: VERDICT_SCHEMA,
        source: "campaign.flakescope".into(),
        verdict: VerdictKind::Fault,
        decided: false,
        device: Some("STM32F407".to_owned()),
        transport: Some("dfu"),
        tools: vec!["flakescope".to_owned()],
        causes: vec![RankedCause {
            id: "hse-no-start".to_owned(),
            family: "hse-no-start".to_owned(),
            name: "The crystal starts too slowly".to_owned(),
            probability: 0.58,
            speaks_for: vec![argument("enumerate-scattered")],
            speaks_against: vec![argument("fails-after-identify")],
        }],
        together: Some(Together {
            causes: ["hse-no-start".to_owned(), "usb-cable".to_owned()],
            names: ["The crystal starts too slowly".to_owned(), "Cable or plug".to_owned()],
            probability: 0.6,
        }),
        failures: vec![
            FailureLine::of(&failure, Some(7)),
            FailureLine::of(&failure.clone().after(Micros::from_millis(12)), None),
            FailureLine { worked: BTreeSet::from([Phase::Layout, Phase::Read]), ..FailureLine::of(&placed, Some(8)) },
        ],
        next: vec![NextExperiment {
            command: Some("flakescope run --reenter".to_owned()),
            experiment: "golden-board".to_owned(),
            minutes: 3.0,
            bits: 0.41,
            changes: vec!["board".to_owned()],
            text: "Try a board that is known to work.".to_owned(),
        }],
        alterations: vec![
            AlterationLine::of(&Alteration::FusDelete.note(), None),
            AlterationLine::of(&Alteration::FusInstall.note(), Some(&failed_alteration())),
        ],
        campaign: Some(CampaignFigures {
            boots: 40,
            cycles: 200,
            failed_boots: 7,
            failed_cycles: 31,
            unit: Unit::Boot,
            rate: 0.175,
            interval: (0.07, 0.35),
        }),
    }
}

#[test]
fn a_full_and_an_empty_verdict_follow_the_schema() {
    let full = full_verdict();
    let empty = Verdict {
        verdict: VerdictKind::Inconclusive,
        device: None,
        transport: None,
        tools: Vec::new(),
        causes: Vec::new(),
        failures: Vec::new(),
        next: Vec::new(),
        alterations: Vec::new(),
        campaign: None,
        ..full.clone()
    };
    for verdict in [full, empty] {
        assert_follows_schema(&serde_json::to_value(verdict).unwrap());
    }
}

#[test]
fn the_schema_refuses_what_is_no_verdict() {
    let schema = published("verdict");
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    let good = serde_json::to_value(full_verdict()).unwrap();
    let spoilt: [fn(&mut Value); 6] = [
        |v| v["surprise"] = json!(1),
        |v| v["verdict"] = json!("broken"),
        |v| v["causes"][0]["probability"] = json!(1.2),
        |v| v["causes"][0]["family"] = json!("none"),
        |v| v["failures"][0]["class"] = json!("exploded"),
        |v| drop(v.as_object_mut().unwrap().remove("next")),
    ];
    for (number, spoil) in spoilt.iter().enumerate() {
        let mut bad = good.clone();
        spoil(&mut bad);
        assert!(!validator.is_valid(&bad), "number {number} passed");
    }
}

#[test]
fn classes_and_phases_of_the_schema_are_those_of_the_program() {
    let listed = |definition: &str| -> BTreeSet<String> {
        let schema = published("verdict");
        let names = schema["$defs"][definition]["enum"].as_array().unwrap();
        names.iter().map(|name| name.as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(listed("failureClass"), FailureClass::ALL.iter().map(ToString::to_string).collect());
    assert_eq!(listed("phase"), Phase::ALL.iter().map(ToString::to_string).collect());
}
