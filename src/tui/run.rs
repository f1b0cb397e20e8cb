//! The loop of the screen: draw what is new, wait for a key, pass on what it asks for.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use crossterm::event::{self, Event};

use super::bindings::{Bindings, KeyPress};
use super::pace::Pace;
use super::state::{App, Wish};
use super::terminal::Screen;
use super::theme::{Looks, LooksError, locale_is_utf8};
use super::view;
use crate::investigation::commands::{Command, SnapshotSource};
use crate::investigation::snapshot::Snapshot;
use crate::profile::loader::ProfileError;

/// Ten looks a second at the latest picture.
const TICK: Duration = Duration::from_millis(100);

const EVERY_TERMINALS_THEME: &str = "ansi";

/// What the caller decides about the screen.
pub struct ScreenOptions<'a> {
    /// Simulated or recorded seconds per second at the start; absent for a real board.
    pub pace: Option<f64>,
    /// The snapshots come from a case that is played.
    pub replay: bool,
    pub colour: bool,
    pub utf8: bool,
    /// A name from the `themes` folder of the profiles.
    pub theme: String,
    /// Writes a report of a snapshot and says where, or why not.
    pub report: Option<ReportWriter<'a>>,
}

pub type ReportWriter<'a> = &'a dyn Fn(&Snapshot) -> Result<PathBuf, String>;

impl ScreenOptions<'_> {
    /// As the environment asks: the locale says whether there is UTF-8, FLAKESCOPE_THEME names the theme.
    pub fn for_this_terminal(colour: bool, pace: Option<f64>) -> Self {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let utf8 = locale_is_utf8(variable);
        let theme = variable("FLAKESCOPE_THEME").unwrap_or_else(|| EVERY_TERMINALS_THEME.to_owned());
        Self { pace, replay: false, colour, utf8, theme, report: None }
    }

    /// The same for a case that is played.
    pub fn for_replay(colour: bool, pace: f64) -> Self {
        Self { replay: true, ..Self::for_this_terminal(colour, Some(pace)) }
    }
}

impl std::fmt::Debug for ScreenOptions<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ScreenOptions").field("pace", &self.pace).field("theme", &self.theme).finish_non_exhaustive()
    }
}

/// Why the screen was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leave {
    ByOperator,
    BySignal,
}

#[derive(Debug, thiserror::Error)]
pub enum TuiError {
    #[error("the terminal cannot be used: {0}")]
    Terminal(#[from] std::io::Error),
    #[error(transparent)]
    Looks(#[from] LooksError),
    #[error(transparent)]
    Keys(#[from] ProfileError),
    #[error("the screen was closed because a part of the program stopped unexpectedly; its message is above")]
    Lost,
}

/// Shows the investigation until the operator leaves or a signal ends it. Asks the campaign to stop on the way out.
pub fn run(
    source: &dyn SnapshotSource,
    commands: &Sender<Command>,
    options: &ScreenOptions<'_>,
) -> Result<Leave, TuiError> {
    let bindings = Bindings::load()?;
    let looks = Looks::load(&options.theme, options.colour, options.utf8)?;
    // ratatui leaves colour to us; crossterm would drop even bold and reversed under NO_COLOR.
    crossterm::style::force_color_output(true);
    let mut screen = Screen::take()?;
    let app = App::new(source.latest(), options.pace.map(Pace::new), options.replay);
    let left = Session { source, commands, options, bindings, looks, app }.run(&mut screen);
    // Nobody hears it where the campaign has ended already.
    let _ = commands.send(Command::Stop);
    left
}

/// Keys and resizes, read on a thread of their own: crossterm's poll never returns once the terminal has been closed, and
/// the screen has to see the signal that tells so. The thread ends with the program.
fn terminal_events() -> Receiver<Event> {
    let (sender, events) = channel();
    thread::spawn(move || {
        while let Ok(event) = event::read() {
            if sender.send(event).is_err() {
                return;
            }
        }
    });
    events
}

struct Session<'a> {
    source: &'a dyn SnapshotSource,
    commands: &'a Sender<Command>,
    options: &'a ScreenOptions<'a>,
    bindings: Bindings,
    looks: Looks,
    app: App,
}

impl Session<'_> {
    fn run(mut self, screen: &mut Screen) -> Result<Leave, TuiError> {
        let keys = terminal_events();
        let mut stale = true;
        loop {
            stale |= self.app.take(self.source.latest());
            if screen.is_lost() {
                return Err(TuiError::Lost);
            }
            if stale {
                self.draw(screen)?;
                stale = false;
            }
            match keys.recv_timeout(TICK) {
                Ok(event) => {
                    stale = true;
                    for event in std::iter::once(event).chain(keys.try_iter()) {
                        if let Some(leave) = self.take_in(&event) {
                            return Ok(leave);
                        }
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                // The terminal itself has gone.
                Err(RecvTimeoutError::Disconnected) => return Ok(Leave::BySignal),
            }
            if screen.was_told_to_end() {
                return Ok(Leave::BySignal);
            }
        }
    }

    /// What a key asks for; only leaving ends the loop.
    fn take_in(&mut self, event: &Event) -> Option<Leave> {
        let Event::Key(key) = event else { return None };
        let wish = self.app.press(KeyPress::of(key)?, &self.bindings)?;
        self.grant(wish)
    }

    fn draw(&mut self, screen: &mut Screen) -> Result<(), TuiError> {
        let mut reach = self.app.scrolled();
        screen.terminal.draw(|frame| {
            let area = frame.area();
            reach = view::draw(frame.buffer_mut(), area, &self.app, &self.looks, &self.bindings);
        })?;
        self.app.set_reach(reach);
        Ok(())
    }

    fn grant(&mut self, wish: Wish) -> Option<Leave> {
        match wish {
            Wish::Leave => return Some(Leave::ByOperator),
            Wish::Send(command) => {
                if self.commands.send(command).is_err() {
                    self.app.notice = Some("The campaign has ended.".to_owned());
                }
            }
            Wish::WriteReport => {
                self.app.notice = Some(match self.options.report.map(|write| write(self.app.shown())) {
                    Some(Ok(path)) => format!("Report written to {}", path.display()),
                    Some(Err(reason)) => format!("The report could not be written: {reason}"),
                    None => "No report can be written here.".to_owned(),
                });
            }
        }
        None
    }
}
