//! Programs of the user's: started by a shell, given a limited time, and never allowed to stop a campaign for good.

use std::io::Read;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use crate::observation::units::Micros;
use crate::timebase::{HostTime, Timebase};

#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    #[error("`{command}` could not be started: {source}")]
    NotStarted { command: String, source: std::io::Error },
    #[error("`{command}` ended with {status}")]
    Failed { command: String, status: ExitStatus },
    #[error("`{command}` was still running after {limit} and was ended")]
    TooLong { command: String, limit: Micros },
    #[error("`{command}` could not be waited for: {source}")]
    Lost { command: String, source: std::io::Error },
}

/// How often a running program is looked at.
const WATCH: Micros = Micros::from_millis(5);

/// More than this of what it prints is not of interest.
const MOST_BYTES: usize = 4_096;

/// So long after its end what it printed may still be on its way.
const LAST_WORDS: Micros = Micros::from_millis(500);

/// A program that is running.
#[derive(Debug)]
pub struct Program {
    command: String,
    child: Child,
    output: Output,
}

/// What a program prints, read while it runs.
#[derive(Debug)]
struct Output {
    kept: Arc<Mutex<Vec<u8>>>,
    reader: thread::JoinHandle<()>,
}

impl Output {
    /// What is too much is read and dropped, so that the program can go on; one whose output breaks off has said what it has said.
    fn of(mut from: ChildStdout) -> Self {
        let kept = Arc::new(Mutex::new(Vec::new()));
        let keep = Arc::clone(&kept);
        let reader = thread::spawn(move || {
            let mut piece = [0; 1024];
            while let Ok(count @ 1..) = from.read(&mut piece) {
                let mut kept = keep.lock().unwrap_or_else(PoisonError::into_inner);
                let room = MOST_BYTES - kept.len();
                kept.extend_from_slice(&piece[..count.min(room)]);
            }
        });
        Self { kept, reader }
    }

    /// All of it, once the program has ended; what it has left running may hold the pipe open for ever.
    fn text(&self, time: &mut HostTime) -> String {
        let patience = time.now() + LAST_WORDS;
        while !self.reader.is_finished() && time.now() < patience {
            time.wait(WATCH);
        }
        String::from_utf8_lossy(&self.kept.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }
}

impl Program {
    /// Standard input is empty; what it says on standard error is not ours to show.
    pub fn start(command: &str, variables: &[(&str, String)]) -> Result<Self, ProgramError> {
        let mut shell = if cfg!(windows) { Command::new("cmd") } else { Command::new("sh") };
        shell.arg(if cfg!(windows) { "/C" } else { "-c" }).arg(command);
        for (name, value) in variables {
            shell.env(name, value);
        }
        // Its own group, so that what the shell has started ends with it.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut shell, 0);
        let started = shell.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut child = started.map_err(|source| ProgramError::NotStarted { command: command.to_owned(), source })?;
        let stdout = child.stdout.take().expect("the output was piped");
        Ok(Self { command: command.to_owned(), child, output: Output::of(stdout) })
    }

    /// Waits for the end, asking `meanwhile` again and again; what it printed if it ended well.
    pub fn finish(mut self, limit: Micros, mut meanwhile: impl FnMut()) -> Result<String, ProgramError> {
        let mut time = HostTime::new();
        loop {
            meanwhile();
            match self.child.try_wait() {
                Ok(Some(status)) if status.success() => return Ok(self.output.text(&mut time)),
                Ok(Some(status)) => return Err(ProgramError::Failed { command: self.command, status }),
                Ok(None) if time.now() >= limit => {
                    self.end();
                    return Err(ProgramError::TooLong { command: self.command, limit });
                }
                Ok(None) => time.wait(WATCH),
                Err(source) => return Err(ProgramError::Lost { command: self.command, source }),
            }
        }
    }

    fn end(&mut self) {
        #[cfg(unix)]
        end_group(self.child.id());
        // It may have ended at this very moment.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The shell and all that it has started.
#[cfg(unix)]
fn end_group(leader: u32) {
    // A group that has ended by itself leaves nothing to do.
    let _ = Command::new("sh").arg("-c").arg(format!("kill -9 -{leader}")).stderr(Stdio::null()).status();
}

/// Runs a program to its end.
pub fn run(command: &str, variables: &[(&str, String)], limit: Micros) -> Result<String, ProgramError> {
    Program::start(command, variables)?.finish(limit, || ())
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;

    const PLENTY: Micros = Micros::from_secs(60);

    #[test]
    fn what_it_prints_comes_back_and_variables_go_in() {
        let said = run("echo $FLAKESCOPE_CYCLE degC", &[("FLAKESCOPE_CYCLE", "17".to_owned())], PLENTY);
        assert_eq!(said.unwrap().trim(), "17 degC");
    }

    #[test]
    fn one_that_prints_a_lot_goes_on_to_its_end() {
        let said = run("head -c 1000000 /dev/zero | tr '\\0' x && exit 0", &[], PLENTY).unwrap();
        assert_eq!(said.len(), MOST_BYTES);
    }

    #[test]
    fn what_it_leaves_running_is_not_waited_for() {
        let said = run("sleep 20 & echo started", &[], PLENTY);
        assert_eq!(said.unwrap().trim(), "started");
    }

    #[test]
    fn one_that_fails_or_hangs_is_an_error_that_names_it() {
        let failed = run("exit 3", &[], PLENTY).unwrap_err().to_string();
        assert!(failed.starts_with("`exit 3` ended with") && failed.contains('3'), "{failed}");
        let hung = run("sleep 1000", &[], Micros::from_millis(50)).unwrap_err().to_string();
        assert_eq!(hung, "`sleep 1000` was still running after 50.0 ms and was ended");
    }
}
