//! The state of the screen: what is shown and how keys change it. Nothing here draws, reads a clock or talks to the campaign.

use std::sync::Arc;

use crossterm::event::KeyCode;

use super::bindings::{Action, Bindings, KeyPress};
use super::pace::Pace;
use crate::campaign::question::{Question, Wanted};
use crate::diagnosis::verdict::RankedCause;
use crate::investigation::commands::Command;
use crate::investigation::snapshot::{RunState, Snapshot};

/// Everything that the view draws.
#[derive(Clone, Debug)]
pub struct App {
    latest: Arc<Snapshot>,
    /// The picture that is kept while the campaign goes on.
    frozen: Option<Arc<Snapshot>>,
    pub focus: Pane,
    pub zoomed: bool,
    pub help: bool,
    pub evidence: bool,
    /// The id of the selected cause; the leading one where nothing was selected, so that the screen follows the ranks.
    selected: Option<String>,
    scrolled: Scrolled,
    reach: Scrolled,
    /// A line that is being typed.
    pub input: Option<Input>,
    /// Only events that contain this text are shown.
    pub filter: String,
    /// Where time can be paced: on a virtual board and in a replay.
    pub pace: Option<Pace>,
    /// A case is played; nothing that happens on the screen changes it.
    pub replay: bool,
    /// The answer to the last key, until the next one.
    pub notice: Option<String>,
}

/// What the arrow keys move in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pane {
    Causes,
    Evidence,
    Cycles,
    Rates,
    Steps,
    Next,
    Events,
}

impl Pane {
    const ORDER: [Self; 7] =
        [Self::Causes, Self::Evidence, Self::Cycles, Self::Rates, Self::Steps, Self::Next, Self::Events];
}

/// How far each pane is scrolled from its usual place, in lines; also how far it could be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scrolled {
    /// Upwards from the newest.
    pub cycles: usize,
    pub evidence: usize,
    pub steps: usize,
    pub rates: usize,
    pub next: usize,
    /// Upwards from the newest.
    pub events: usize,
    pub help: usize,
}

/// A line that is being typed, and what for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    pub purpose: Purpose,
    pub text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    Filter,
    Answer,
}

/// What a key asks of the world outside.
#[derive(Clone, Debug, PartialEq)]
pub enum Wish {
    Send(Command),
    WriteReport,
    Leave,
}

const PAGE_LINES: isize = 10;
const LONGEST_INPUT_CHARS: usize = 400;

impl App {
    pub fn new(first: Arc<Snapshot>, pace: Option<Pace>, replay: bool) -> Self {
        Self {
            latest: first,
            frozen: None,
            focus: Pane::Causes,
            zoomed: false,
            help: false,
            evidence: false,
            selected: None,
            scrolled: Scrolled::default(),
            reach: Scrolled::default(),
            input: None,
            filter: String::new(),
            pace,
            replay,
            notice: None,
        }
    }

    /// Takes the newest picture; says whether it is another one.
    pub fn take(&mut self, latest: Arc<Snapshot>) -> bool {
        if Arc::ptr_eq(&latest, &self.latest) {
            return false;
        }
        self.latest = latest;
        true
    }

    /// What is shown: the frozen picture, or the newest.
    pub fn shown(&self) -> &Snapshot {
        self.frozen.as_deref().unwrap_or(&self.latest)
    }

    pub fn latest(&self) -> &Snapshot {
        &self.latest
    }

    pub fn is_frozen(&self) -> bool {
        self.frozen.is_some()
    }

    pub fn scrolled(&self) -> Scrolled {
        self.scrolled
    }

    /// After drawing, the view tells how far each pane can be scrolled.
    pub fn set_reach(&mut self, reach: Scrolled) {
        self.reach = reach;
    }

    /// The place of the selected cause in the ranking.
    pub fn selected_index(&self) -> usize {
        let selected = self.selected.as_deref();
        self.causes().iter().position(|cause| Some(cause.id.as_str()) == selected).unwrap_or(0)
    }

    pub fn selected_cause(&self) -> Option<&RankedCause> {
        self.causes().get(self.selected_index())
    }

    /// What the operator is asked to do, whether or not the screen is frozen.
    pub fn asked(&self) -> Option<&Question> {
        match &self.latest.state {
            RunState::Waiting(request) => Some(request),
            _ => None,
        }
    }

    /// A key was pressed: it goes to the line that is being typed, or does what it is bound to.
    pub fn press(&mut self, key: KeyPress, bindings: &Bindings) -> Option<Wish> {
        self.notice = None;
        if self.input.is_some() && !(key.control && key.code == KeyCode::Char('c')) {
            return self.type_key(key);
        }
        bindings.action(key).and_then(|action| self.update(action))
    }

    pub fn update(&mut self, action: Action) -> Option<Wish> {
        match action {
            Action::Leave => return Some(Wish::Leave),
            Action::Back => return self.back(),
            Action::Help => {
                self.help = !self.help;
                self.scrolled.help = 0;
            }
            Action::Freeze => self.frozen = if self.is_frozen() { None } else { Some(Arc::clone(&self.latest)) },
            Action::Slower => return self.change_pace(Pace::slower),
            Action::Faster => return self.change_pace(Pace::faster),
            Action::Up => self.step(-1),
            Action::Down => self.step(1),
            Action::PageUp => self.step(-PAGE_LINES),
            Action::PageDown => self.step(PAGE_LINES),
            Action::First => self.step(isize::MIN / 2),
            Action::Last => self.step(isize::MAX / 2),
            Action::Evidence => self.toggle_evidence(),
            Action::NextPane => self.turn(1),
            Action::PreviousPane => self.turn(-1),
            Action::Zoom => self.zoomed = !self.zoomed,
            Action::Report => return Some(Wish::WriteReport),
            Action::Filter => {
                self.input = Some(Input { purpose: Purpose::Filter, text: self.filter.clone() });
            }
            Action::Done => return self.done(),
            Action::Answer => self.begin_answer(),
        }
        None
    }

    /// Closes one thing at a time; with nothing open, leaves.
    fn back(&mut self) -> Option<Wish> {
        if self.help {
            self.help = false;
        } else if self.zoomed {
            self.zoomed = false;
        } else if self.evidence {
            self.toggle_evidence();
        } else if !self.filter.is_empty() {
            self.filter.clear();
        } else if self.is_frozen() {
            self.frozen = None;
        } else {
            return Some(Wish::Leave);
        }
        None
    }

    fn change_pace(&mut self, change: impl Fn(Pace) -> Pace) -> Option<Wish> {
        let Some(pace) = self.pace else {
            self.notice = Some("Only a virtual board has a speed; a real one takes the time it takes.".to_owned());
            return None;
        };
        let pace = change(pace);
        self.pace = Some(pace);
        Some(Wish::Send(Command::SetPace(pace.simulated_per_second())))
    }

    fn toggle_evidence(&mut self) {
        self.evidence = !self.evidence;
        self.scrolled.evidence = 0;
        if !self.evidence && self.focus == Pane::Evidence {
            self.focus = Pane::Causes;
        }
    }

    fn turn(&mut self, by: isize) {
        let panes: Vec<_> = Pane::ORDER.into_iter().filter(|pane| *pane != Pane::Evidence || self.evidence).collect();
        let here = panes.iter().position(|pane| *pane == self.focus).unwrap_or(0);
        let there = (here as isize + by).rem_euclid(panes.len() as isize);
        self.focus = panes[there as usize];
    }

    /// Moves by lines in whatever has the focus; the newest is at the bottom of cycles and events.
    fn step(&mut self, lines: isize) {
        let (place, reach, from_bottom) = if self.help {
            (&mut self.scrolled.help, self.reach.help, false)
        } else {
            match self.focus {
                Pane::Causes => return self.select(lines),
                Pane::Evidence => (&mut self.scrolled.evidence, self.reach.evidence, false),
                Pane::Cycles => (&mut self.scrolled.cycles, self.reach.cycles, true),
                Pane::Rates => (&mut self.scrolled.rates, self.reach.rates, false),
                Pane::Steps => (&mut self.scrolled.steps, self.reach.steps, false),
                Pane::Next => (&mut self.scrolled.next, self.reach.next, false),
                Pane::Events => (&mut self.scrolled.events, self.reach.events, true),
            }
        };
        let lines = if from_bottom { -lines } else { lines };
        *place = (*place).min(reach).saturating_add_signed(lines).min(reach);
    }

    fn select(&mut self, by: isize) {
        let last = self.causes().len().saturating_sub(1);
        let there = self.selected_index().saturating_add_signed(by).min(last);
        self.selected = self.causes().get(there).map(|cause| cause.id.clone());
        self.scrolled.evidence = 0;
    }

    fn causes(&self) -> &[RankedCause] {
        &self.shown().verdict.causes
    }

    /// Where a value or a yes is wanted, that has to be typed.
    fn done(&mut self) -> Option<Wish> {
        match self.asked().map(|question| &question.wanted) {
            Some(Wanted::YesOrNo | Wanted::Quantity(_)) => {
                self.begin_answer();
                None
            }
            _ => self.answer(String::new()),
        }
    }

    fn begin_answer(&mut self) {
        if self.asked().is_some() {
            self.input = Some(Input { purpose: Purpose::Answer, text: String::new() });
        } else {
            self.notice = Some("Nothing was asked.".to_owned());
        }
    }

    fn answer(&mut self, text: String) -> Option<Wish> {
        if self.asked().is_none() {
            self.notice = Some("Nothing was asked.".to_owned());
            return None;
        }
        Some(Wish::Send(Command::Answer(text)))
    }

    fn type_key(&mut self, key: KeyPress) -> Option<Wish> {
        let input = self.input.as_mut()?;
        match key.code {
            KeyCode::Char(c) if !key.control && !key.alt && input.text.chars().count() < LONGEST_INPUT_CHARS => {
                input.text.push(c);
            }
            KeyCode::Backspace => {
                input.text.pop();
            }
            KeyCode::Esc => self.input = None,
            KeyCode::Enter => {
                let input = self.input.take()?;
                match input.purpose {
                    Purpose::Answer => return self.answer(input.text),
                    Purpose::Filter => {
                        self.filter = input.text;
                        self.scrolled.events = 0;
                    }
                }
            }
            _ => {}
        }
        None
    }
}
