//! Standard output and error of the process: data on one, everything else on the other.

use std::io::{self, IsTerminal, Write};

use clap::ValueEnum;

use super::GlobalArgs;
use super::exit::ExitCode;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ColorChoice {
    Auto,
    Always,
    Never,
}

/// Where a command writes, and how.
pub struct Console {
    pub out: Out,
    pub err: Out,
    pub color: ColorChoice,
    pub quiet: bool,
    pub verbose: u8,
}

impl Console {
    pub fn of_process(global: GlobalArgs) -> Self {
        Self {
            out: Out::new(Box::new(io::stdout()), io::stdout().is_terminal()),
            err: Out::new(Box::new(io::stderr()), io::stderr().is_terminal()),
            color: global.color,
            quiet: global.quiet,
            verbose: global.verbose,
        }
    }

    /// Whether standard output gets colour.
    pub fn colors_out(&self) -> bool {
        self.colors(&self.out)
    }

    fn colors(&self, stream: &Out) -> bool {
        match self.color {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => stream.terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
        }
    }

    /// What a command has to say, and how it ends: with `result`, unless it cannot be written.
    pub fn deliver(&mut self, text: impl AsRef<[u8]>, result: ExitCode) -> ExitCode {
        let written = self.out.write_all(text.as_ref());
        self.end(written, result)
    }

    /// How a command ends that has written what it has to say.
    pub fn end(&mut self, written: io::Result<()>, result: ExitCode) -> ExitCode {
        match written.and_then(|()| self.out.flush()) {
            Ok(()) => result,
            Err(error) => {
                self.error(&format!("standard output cannot be written: {error}"));
                ExitCode::UnreadableInput
            }
        }
    }

    /// Something for the person at the terminal, unless they asked for quiet.
    pub fn note(&mut self, text: &str) {
        if !self.quiet {
            // A closed standard error leaves nobody to tell.
            let _ = writeln!(self.err, "{text}");
        }
    }

    /// An error: what failed, why most likely, what to do.
    pub fn error(&mut self, text: &str) {
        // A closed standard error leaves nobody to tell.
        let _ = writeln!(self.err, "error: {text}");
    }
}

/// A standard stream. When its reader has gone, what is written is dropped quietly: `flakescope ... | head` is no failure.
pub struct Out {
    stream: Box<dyn Write>,
    terminal: bool,
    closed: bool,
}

impl Out {
    pub fn new(stream: Box<dyn Write>, terminal: bool) -> Self {
        Self { stream, terminal, closed: false }
    }

    pub fn is_terminal(&self) -> bool {
        self.terminal
    }

    fn forgive<T>(&mut self, result: io::Result<T>, instead: T) -> io::Result<T> {
        match result {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.closed = true;
                Ok(instead)
            }
            result => result,
        }
    }
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.closed {
            return Ok(bytes.len());
        }
        let result = self.stream.write(bytes);
        self.forgive(result, bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.closed {
            return Ok(());
        }
        let result = self.stream.flush();
        self.forgive(result, ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Closed;

    impl Write for Closed {
        fn write(&mut self, _bytes: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
    }

    #[test]
    fn a_reader_that_has_gone_is_no_failure() {
        let mut out = Out::new(Box::new(Closed), false);
        assert!(writeln!(out, "more").is_ok());
        assert!(out.flush().is_ok());
    }
}
