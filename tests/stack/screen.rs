//! The screen in a real terminal: tmux runs the program, presses keys and shows what a person would see.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use flakescope::case::file::{Case, Durability};
use flakescope::observation::board::BoardIdentity;
use flakescope::observation::boot::{Boot, BootKind, BootProof};
use flakescope::observation::cycle::Cycle;
use flakescope::observation::event::{CampaignStart, EventKind, Reentry, Transport};
use flakescope::observation::failure::{Failure, FailureClass};
use flakescope::observation::step::{Outcome, Phase, StepRecord, TransferSummary};
use flakescope::observation::units::Micros;
use libtest_mimic::Trial;

/// Each by its name, as the harness would have it.
macro_rules! trials {
    ($($test:ident),* $(,)?) => {
        vec![$(Trial::test(concat!("screen::", stringify!($test)), || { $test(); Ok(()) })),*]
    };
}

pub fn trials() -> Vec<Trial> {
    let trials = trials![
        keys_work_and_leaving_gives_the_terminal_back,
        sigterm_gives_the_terminal_back,
        a_terminal_that_goes_away_ends_the_program,
        a_terminal_that_shrinks_and_grows_keeps_its_screen,
        a_guided_campaign_asks_on_the_screen_and_comes_to_its_end,
        a_virtual_board_is_held_for_the_person_at_the_screen,
        without_a_screen_questions_are_asked_on_the_terminal,
    ];
    let has_tmux = has_tmux();
    trials.into_iter().map(|trial| if has_tmux { trial } else { ignored(trial) }).collect()
}

fn has_tmux() -> bool {
    Command::new("tmux").arg("-V").output().is_ok_and(|output| output.status.success())
}

fn ignored(trial: Trial) -> Trial {
    trial.with_kind("needs tmux, on Debian `apt install tmux`").with_ignored_flag(true)
}

fn keys_work_and_leaving_gives_the_terminal_back() {
    let terminal = Terminal::start(120, 40);
    terminal.replay_a_case();
    terminal.wait_for("REPLAY");
    terminal.wait_for("EEE");
    terminal.press("?");
    terminal.wait_for("this help");
    terminal.press("Escape");
    terminal.wait_for("Failure rate");
    terminal.press("Space");
    terminal.wait_for("FROZEN");
    terminal.press("e");
    terminal.wait_for("Report written to board.html");
    terminal.press("q");
    terminal.wait_for("exit code 0");
    terminal.expect_as_before();
}

fn sigterm_gives_the_terminal_back() {
    let terminal = Terminal::start(80, 24);
    terminal.replay_a_case();
    terminal.wait_for("REPLAY");
    let pid = std::fs::read_to_string(terminal.folder.path().join("pid")).unwrap();
    assert!(Command::new("kill").args(["-TERM", pid.trim()]).status().unwrap().success());
    terminal.wait_for("exit code");
    terminal.expect_as_before();
}

fn a_terminal_that_goes_away_ends_the_program() {
    let terminal = Terminal::start(80, 24);
    terminal.replay_a_case();
    terminal.wait_for("REPLAY");
    let pid = std::fs::read_to_string(terminal.folder.path().join("pid")).unwrap();
    let is_running = || Command::new("kill").args(["-0", pid.trim()]).output().unwrap().status.success();
    assert!(is_running());
    terminal.tmux(&["kill-server"]);
    for _ in 0..200 {
        if !is_running() {
            return;
        }
        thread::sleep(Duration::from_millis(50));
    }
    panic!("the program still runs though its terminal has gone");
}

fn a_terminal_that_shrinks_and_grows_keeps_its_screen() {
    let terminal = Terminal::start(80, 24);
    terminal.replay_a_case();
    terminal.wait_for("Failure rate");
    terminal.tmux(&["resize-window", "-t", "0", "-x", "20", "-y", "5"]);
    terminal.wait_for("60x16 needed");
    terminal.tmux(&["resize-window", "-t", "0", "-x", "100", "-y", "30"]);
    terminal.wait_for("Failure rate");
    terminal.press("q");
    terminal.wait_for("exit code 0");
}

/// On a virtual board, but with everything asked of the person in front of the screen.
fn a_guided_campaign_asks_on_the_screen_and_comes_to_its_end() {
    let terminal = Terminal::start(120, 40);
    terminal.guide("");
    terminal.wait_for("Asked of you");
    terminal.answer("maybe");
    terminal.wait_for("Not taken: `maybe` was not understood");
    terminal.press("a");
    terminal.wait_for("Your answer (");
    terminal.press("Escape");
    // A key right behind it would be read as one with Alt.
    terminal.wait_until_gone("Your answer (");
    for _ in 0..8 {
        terminal.press("+");
    }
    let mut seen = Vec::new();
    while terminal.asked_next(&mut seen) {
        if seen.last().is_some_and(|question| question.contains("type a value") || question.contains("yes, no or skip"))
        {
            terminal.answer("skip");
        } else {
            terminal.press("d");
        }
    }
    assert!(seen.iter().any(|question| question.contains("Put everything back")), "{seen:?}");
    terminal.wait_for("Likely causes");
    terminal.wait_for("decided");
    terminal.press("q");
    terminal.wait_for("exit code 1");
    terminal.expect_as_before();
}

/// Whoever asked for the hold looks at it, also where the board is a virtual one.
fn a_virtual_board_is_held_for_the_person_at_the_screen() {
    let terminal = Terminal::start(120, 40);
    terminal.run("--virtual f407-rdp1 --boots 1 --cycles 2 --hold-on-failure");
    terminal.wait_for("Held in cycle 1");
    terminal.press("d");
    terminal.wait_for("Held in cycle 2");
    terminal.press("d");
    terminal.wait_for("FINISHED");
    terminal.press("q");
    terminal.wait_for("exit code 1");
}

fn without_a_screen_questions_are_asked_on_the_terminal() {
    let terminal = Terminal::start(120, 40);
    terminal.guide("--headless");
    terminal.wait_for("(Enter when it is done, skip if you cannot)");
    terminal.tmux(&["send-keys", "-t", "0", "maybe", "Enter"]);
    terminal.wait_for("`maybe` was not understood");
    terminal.tmux(&["send-keys", "-t", "0", "Enter"]);
    terminal.wait_for("Put everything back as it was before");
    terminal.tmux(&["send-keys", "-t", "0", "C-c"]);
    terminal.wait_for("exit code 130");
}

/// A tmux server of its own, so that nobody's sessions are touched.
struct Terminal {
    folder: tempfile::TempDir,
    socket: PathBuf,
}

impl Terminal {
    fn start(width: u16, height: u16) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let terminal = Self { socket: folder.path().join("tmux"), folder };
        let size = [width.to_string(), height.to_string()];
        terminal.tmux(&["-f", "/dev/null", "new-session", "-d", "-x", &size[0], "-y", &size[1], "env PS1='$ ' sh"]);
        terminal.wait_for("$");
        terminal
    }

    /// Plays a case of 200 cycles slowly enough to be watched; tells its process id, exit code and the terminal's settings.
    fn replay_a_case(&self) {
        let script = format!(
            "cd '{}'; stty -a > before; \
             '{}' replay board.case --pace 2 & echo $! > pid; fg > /dev/null; echo exit code $?; stty -a > after\n",
            self.folder.path().display(),
            env!("CARGO_BIN_EXE_flakescope")
        );
        write_case(&self.folder.path().join("board.case"));
        std::fs::write(self.folder.path().join("script"), script).unwrap();
        let dot = format!("set -m; clear; . '{}'", self.folder.path().join("script").display());
        self.tmux(&["send-keys", "-t", "0", &dot, "Enter"]);
    }

    /// Bits flip in the cable of a virtual board, and the person is asked for everything.
    fn guide(&self, more: &str) {
        let board = "text = \"Bits flip in the cable.\"\npart = \"STM32F407VGT6\"\nrom = \"f40x-v9\"\ncrystal-mhz = 8.0\n\
             [mechanism.bit-errors]\nto-host-per-bit = 2e-4\nto-device-per-bit = 1e-4\nfactor-per-run-bit = 1.2\n\
             [place]\nbit-errors = \"cable\"\n";
        std::fs::write(self.folder.path().join("board.toml"), board).unwrap();
        self.run(&format!("--virtual ./board.toml --guided --ask --seed 7 {more}"));
    }

    fn run(&self, options: &str) {
        let script = format!(
            "cd '{}'; stty -a > before; '{}' run --case board.case {options}; echo exit code $?; stty -a > after\n",
            self.folder.path().display(),
            env!("CARGO_BIN_EXE_flakescope")
        );
        std::fs::write(self.folder.path().join("script"), script).unwrap();
        let dot = format!("clear; . '{}'", self.folder.path().join("script").display());
        self.tmux(&["send-keys", "-t", "0", &dot, "Enter"]);
    }

    /// Types an answer to what is asked.
    fn answer(&self, text: &str) {
        self.press("a");
        self.wait_for("Your answer (");
        self.tmux(&["send-keys", "-t", "0", "-l", text]);
        self.press("Enter");
    }

    /// Waits for a question other than the last one; false where the campaign has ended instead.
    fn asked_next(&self, seen: &mut Vec<String>) -> bool {
        for _ in 0..1_200 {
            let screen = self.screen();
            if screen.contains(" FINISHED ") {
                return false;
            }
            let asked =
                screen.find("Asked of you").map(|at| screen[at..].lines().take(3).collect::<Vec<_>>().join(" "));
            match asked {
                Some(asked) if seen.last() != Some(&asked) => {
                    seen.push(asked);
                    return true;
                }
                _ => thread::sleep(Duration::from_millis(100)),
            }
        }
        panic!("neither a question nor an end; the screen shows:\n{}", self.screen());
    }

    fn press(&self, key: &str) {
        self.tmux(&["send-keys", "-t", "0", key]);
    }

    fn tmux(&self, arguments: &[&str]) -> String {
        let mut tmux = Command::new("tmux");
        // The terminal speaks UTF-8 whatever the tests run under.
        tmux.env("LC_ALL", "C.UTF-8")
            .env_remove("TMUX")
            .env_remove("NO_COLOR")
            .env("FLAKESCOPE_PROFILES", self.folder.path())
            .arg("-S")
            .arg(&self.socket);
        let output = tmux.args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn screen(&self) -> String {
        self.tmux(&["capture-pane", "-p", "-t", "0"])
    }

    /// Looks until the text is there; a minute is far more than a loaded computer needs.
    fn wait_for(&self, text: &str) {
        for _ in 0..600 {
            if self.screen().contains(text) {
                return;
            }
            thread::sleep(Duration::from_millis(100));
        }
        panic!("`{text}` never came; the screen shows:\n{}", self.screen());
    }

    fn wait_until_gone(&self, text: &str) {
        for _ in 0..600 {
            if !self.screen().contains(text) {
                return;
            }
            thread::sleep(Duration::from_millis(100));
        }
        panic!("`{text}` stays; the screen shows:\n{}", self.screen());
    }

    /// The settings of the terminal are those before the program ran, and the alternate screen is gone.
    fn expect_as_before(&self) {
        let read = |name| std::fs::read_to_string(self.folder.path().join(name)).unwrap_or_default();
        for _ in 0..100 {
            if !read("after").is_empty() {
                break;
            }
            thread::sleep(Duration::from_millis(50));
        }
        assert_eq!(read("after"), read("before"));
        assert_eq!(self.tmux(&["display-message", "-p", "-t", "0", "#{alternate_on}"]).trim(), "0");
        assert_eq!(self.tmux(&["display-message", "-p", "-t", "0", "#{cursor_flag}"]).trim(), "1");
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = Command::new("tmux").arg("-S").arg(&self.socket).arg("kill-server").output();
    }
}

/// Forty boots of five cycles; every third boot never enumerates.
fn write_case(path: &Path) {
    let mut case = Case::open_or_create(path, Durability::Crash).unwrap();
    let start = CampaignStart {
        transport: Transport::Dfu,
        virtual_board: None,
        recipe: "dfu-read".to_owned(),
        reentry: Reentry::Manual,
        seed: 1,
        boots: 40,
        cycles_per_boot: 5,
        calendar_millis: 0,
    };
    case.append(None, EventKind::CampaignStarted(start)).unwrap();
    let board = BoardIdentity { serial: Some("\u{1b}[2JSN".into()), ..BoardIdentity::default() };
    case.append(Some(Micros::ZERO), EventKind::BoardSeen(board)).unwrap();
    for number in 1..=40 {
        let started = Micros::from_secs(u64::from(number));
        let boot = Boot { number, started, kind: BootKind::Nrst, proof: BootProof::Commanded };
        case.append(Some(started), EventKind::BootStarted(boot)).unwrap();
        for index in 1..=5 {
            let started = started + Micros::from_millis(u64::from(index) * 150);
            case.append(Some(started), EventKind::CycleFinished(cycle((number - 1) * 5 + index, number, started)))
                .unwrap();
        }
    }
    case.append(Some(Micros::from_secs(42)), EventKind::CampaignEnded { interrupted: false }).unwrap();
}

fn cycle(number: u32, boot: u32, started: Micros) -> Cycle {
    let outcome = if boot.is_multiple_of(3) {
        Outcome::Failed(Failure::new(FailureClass::NotEnumerated, Phase::Enumerate).after(Micros::from_millis(100)))
    } else {
        Outcome::Done
    };
    let enumerate = StepRecord {
        phase: Phase::Enumerate,
        started: Some(started),
        elapsed: Some(Micros::from_millis(100)),
        outcome,
        summary: TransferSummary::default(),
        transfers: Vec::new(),
        facts: Vec::new(),
    };
    Cycle { number, boot: Some(boot), started: Some(started), steps: vec![enumerate], levels: Default::default() }
}
