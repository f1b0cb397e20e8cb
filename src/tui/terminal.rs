//! The terminal while the screen is up: raw mode and the alternate screen, given back however the program ends.

use std::io::{self, BufWriter, IsTerminal, Write};
use std::panic;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Once};

use crossterm::cursor::Show;
use crossterm::execute;
use crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;

/// Whether the terminal is ours at this moment; the panic hook and the guard both look.
static TAKEN: AtomicBool = AtomicBool::new(false);
/// A thread panicked while the screen was up, so the terminal was given back under the screen's feet.
static LOST: AtomicBool = AtomicBool::new(false);
static HOOK: Once = Once::new();

/// The screen's terminal; dropping it gives the terminal back.
pub struct Screen {
    pub terminal: Terminal<CrosstermBackend<Output>>,
    signals: Signals,
}

type Output = BufWriter<Box<dyn Write + Send>>;

impl Screen {
    /// Whether there is a terminal to draw on and to read keys from.
    pub fn is_possible() -> bool {
        io::stdin().is_terminal() && stream().is_some()
    }

    pub fn take() -> io::Result<Self> {
        let Some(stream) = stream() else {
            return Err(io::Error::new(io::ErrorKind::Unsupported, "neither stdout nor stderr is a terminal"));
        };
        let signals = Signals::watch()?;
        install_hook();
        enable_raw_mode()?;
        TAKEN.store(true, Ordering::SeqCst);
        LOST.store(false, Ordering::SeqCst);
        let mut output: Output = BufWriter::new(stream);
        let begun = execute!(output, EnterAlternateScreen).and_then(|()| Terminal::new(CrosstermBackend::new(output)));
        match begun {
            Ok(terminal) => Ok(Self { terminal, signals }),
            Err(error) => {
                give_back();
                Err(error)
            }
        }
    }

    /// SIGTERM, SIGHUP or SIGINT arrived.
    pub fn was_told_to_end(&self) -> bool {
        self.signals.arrived.load(Ordering::Relaxed)
    }

    /// Another thread panicked; its message is on the ordinary screen and must stay there.
    pub fn is_lost(&self) -> bool {
        LOST.load(Ordering::SeqCst)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
    }
}

/// Stdout where it is a terminal, so that results can be piped; else stderr.
fn stream() -> Option<Box<dyn Write + Send>> {
    if io::stdout().is_terminal() {
        Some(Box::new(io::stdout()))
    } else if io::stderr().is_terminal() {
        Some(Box::new(io::stderr()))
    } else {
        None
    }
}

/// Does its work once per taking, whoever comes first. The terminal may be gone already; then there is nothing to mend.
fn give_back() {
    if !TAKEN.swap(false, Ordering::SeqCst) {
        return;
    }
    if let Some(mut stream) = stream() {
        let _ = execute!(stream, LeaveAlternateScreen, Show);
    }
    let _ = disable_raw_mode();
}

/// A panic message must be readable: the terminal is given back before it is printed.
fn install_hook() {
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if TAKEN.load(Ordering::SeqCst) {
                LOST.store(true, Ordering::SeqCst);
                give_back();
            }
            before(info);
        }));
    });
}

/// Signals become a flag that the loop looks at; what they did before is restored afterwards.
struct Signals {
    arrived: Arc<AtomicBool>,
    registered: Vec<signal_hook::SigId>,
}

impl Signals {
    fn watch() -> io::Result<Self> {
        let mut signals = Self { arrived: Arc::default(), registered: Vec::new() };
        for signal in ENDING {
            let id = signal_hook::flag::register(*signal, Arc::clone(&signals.arrived))?;
            signals.registered.push(id);
        }
        Ok(signals)
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        for id in self.registered.drain(..) {
            signal_hook::low_level::unregister(id);
        }
    }
}

#[cfg(unix)]
const ENDING: &[std::ffi::c_int] =
    &[signal_hook::consts::SIGTERM, signal_hook::consts::SIGHUP, signal_hook::consts::SIGINT];
#[cfg(not(unix))]
const ENDING: &[std::ffi::c_int] = &[signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT];

impl std::fmt::Debug for Screen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Screen").finish_non_exhaustive()
    }
}
