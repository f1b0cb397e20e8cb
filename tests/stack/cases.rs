//! The cases of the lane: what each runs in the guest, and what has to come of it.

use crate::guest::Section;

pub struct Case {
    /// One word; it also marks the case's section of the console.
    pub name: &'static str,
    /// Shell, in the guest. Boards that it attaches are detached afterwards.
    pub script: &'static str,
    pub check: fn(&Section) -> Result<(), String>,
}

pub fn all() -> Vec<Case> {
    vec![
        Case {
            name: "an_empty_bus_is_no_board",
            script: "flakescope list",
            check: |section| {
                expect_code(section, 3)?;
                expect(section, "no board in DFU mode")
            },
        },
        Case {
            name: "doctor_finds_a_working_stack",
            script: "flakescope doctor",
            check: |section| {
                expect(section, "ok       libusb")?;
                expect(section, "ok       device-nodes")
            },
        },
    ]
}

/// The script that the guest runs: every case with its own deadline.
pub fn script() -> String {
    let mut script = String::from(PRELUDE);
    for Case { name, script: body, .. } in all() {
        script.push_str(&format!("echo '@@case {name}'\ncat > /tmp/case.sh <<'END'\n. /tmp/helpers.sh\n{body}\nEND\n"));
        script.push_str(&format!("timeout 60 sh /tmp/case.sh 2>&1\necho \"@@end {name} $?\"\nsh /tmp/after.sh\n"));
    }
    script
}

const PRELUDE: &str = r"
cat > /tmp/helpers.sh <<'END'
END
cat > /tmp/after.sh <<'END'
END
";

fn expect_code(section: &Section, code: i32) -> Result<(), String> {
    if section.code == code { Ok(()) } else { Err(format!("exit code {} instead of {code}", section.code)) }
}

fn expect(section: &Section, words: &str) -> Result<(), String> {
    if section.text.contains(words) { Ok(()) } else { Err(format!("`{words}` is not there")) }
}
