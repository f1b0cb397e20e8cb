//! `flakescope bench`: the virtual boards.

use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::Arc;

use clap::{Args, Subcommand};

use super::console::Console;
use super::evaluate::{self, EvaluateArgs};
use super::exit::ExitCode;
use crate::bench::board::VirtualBoard;
use crate::bench::timeline;
use crate::bench::usbip::export::{DEFAULT_PORT, Export};
use crate::observation::units::Hertz;

/// The virtual boards: list them, look at one, show them to any program over USB/IP
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  flakescope bench list\n  flakescope bench show f746-25mhz-warm-hsi\n  flakescope bench serve healthy-f407 f407-noisy-pair\n  usbip attach -r 127.0.0.1 -b 1-1"
)]
pub struct BenchArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// One line per virtual board
    List,
    /// A board in words, with the boots it goes through
    Show {
        /// A name from the list, or a TOML file of your own
        name: String,
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Judge the diagnosis over scenario files: virtual campaigns whose truth is known
    Evaluate(EvaluateArgs),
    /// Serve boards over USB/IP, or plug one into this computer's own kernel
    Serve {
        /// Names from the list, or TOML files of your own
        #[arg(required = true)]
        names: Vec<String>,
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// The address to listen on; anyone who can reach it can attach the boards
        #[arg(long, default_value = "127.0.0.1")]
        listen: IpAddr,
        #[arg(long, default_value_t = DEFAULT_PORT)]
        port: u16,
        /// Attach to the vhci driver of this computer instead (needs the module vhci-hcd and root)
        #[arg(long)]
        vhci: bool,
        /// The port of the vhci driver for the first board
        #[arg(long, default_value_t = 0, requires = "vhci")]
        vhci_port: u32,
    },
}

pub fn run(args: &BenchArgs, console: &mut Console) -> ExitCode {
    match &args.action {
        Action::List => list(console),
        Action::Evaluate(args) => evaluate::run(args, console),
        Action::Show { name, seed } => show(name, *seed, console),
        Action::Serve { names, seed, listen, port, vhci, vhci_port } => {
            let Some(boards) = boards(names, *seed, console) else { return ExitCode::UnreadableInput };
            if *vhci {
                plug(boards, *vhci_port, console)
            } else {
                export(boards, SocketAddr::new(*listen, *port), console)
            }
        }
    }
}

fn boards(names: &[String], seed: u64, console: &mut Console) -> Option<Vec<VirtualBoard>> {
    let read = names.iter().zip(seed..).map(|(name, seed)| VirtualBoard::by_name(name, seed)).collect();
    match read {
        Ok(boards) => Some(boards),
        Err(error) => {
            console.error(&error.to_string());
            None
        }
    }
}

fn list(console: &mut Console) -> ExitCode {
    let names = match VirtualBoard::names() {
        Ok(names) => names,
        Err(error) => {
            console.error(&error.to_string());
            return ExitCode::UnreadableInput;
        }
    };
    let width = names.iter().map(String::len).max().unwrap_or(0);
    let Some(boards) = boards(&names, 1, console) else { return ExitCode::UnreadableInput };
    let lines = boards.iter().map(|board| format!("{:width$}  {}", board.name, board.blueprint().text));
    finish(&lines.collect::<Vec<_>>().join("\n"), console)
}

fn show(name: &str, seed: u64, console: &mut Console) -> ExitCode {
    let names = [name.to_owned()];
    let Some(mut boards) = boards(&names, seed, console) else { return ExitCode::UnreadableInput };
    let text = boards.first_mut().map(|board| page(board, seed)).unwrap_or_default();
    finish(&text, console)
}

/// The board in words.
fn page(board: &mut VirtualBoard, seed: u64) -> String {
    let (blueprint, rom) = (board.blueprint().clone(), board.rom().clone());
    let mut lines = vec![board.name.clone(), blueprint.text.clone(), String::new()];
    let generation = rom.generation.as_deref().map(|it| format!(", {it}")).unwrap_or_default();
    lines.push(format!("part      {} ({}, ROM id 0x{:02X}{generation})", blueprint.part, rom.device, rom.sheet.rom_id));
    if let Some(mhz) = blueprint.crystal_mhz {
        lines.push(format!("crystal   {}", Hertz::from_mhz(mhz)));
    }
    lines.push(format!("serial    {}", rom.serial.serial(blueprint.uid, 1)));
    lines.extend(rom.sheet.alternates.iter().map(|layout| format!("layout    {layout}")));
    let host = &blueprint.host;
    lines.push(format!("host      {} transactions of a control transfer in a frame", host.transactions_per_frame));
    lines.push(String::new());
    let mechanisms = blueprint.mechanism.describe();
    lines.push(if mechanisms.is_empty() { "Nothing troubles it.".to_owned() } else { mechanisms.join("\n") });
    lines.push(String::new());
    lines.push(format!("What a host sees in {} boots of 3 s with 1 s off between, seed {seed}:", timeline::BOOTS));
    lines.extend(timeline::boots(board));
    lines.join("\n")
}

fn finish(text: &str, console: &mut Console) -> ExitCode {
    match writeln!(console.out, "{text}") {
        Ok(()) => ExitCode::Clean,
        Err(error) => {
            console.error(&format!("standard output cannot be written: {error}"));
            ExitCode::UnreadableInput
        }
    }
}

fn export(boards: Vec<VirtualBoard>, address: SocketAddr, console: &mut Console) -> ExitCode {
    let listener = match TcpListener::bind(address) {
        Ok(listener) => listener,
        Err(error) => {
            console.error(&format!("cannot listen on {address}: {error}; --port takes another port"));
            return ExitCode::UnreadableInput;
        }
    };
    if !address.ip().is_loopback() {
        console.note("warning: anyone who can reach this address can attach these boards; USB/IP knows no passwords");
    }
    let export = Arc::new(Export::new(boards));
    let shown = listener.local_addr().unwrap_or(address);
    for (bus_id, name) in export.listing() {
        console.note(&format!("{bus_id}  {name}"));
    }
    console.note(&format!(
        "serving on {shown}; attach with: usbip --tcp-port {} attach -r {} -b 1-1",
        shown.port(),
        shown.ip()
    ));
    // What clients do is told from their own threads; a closed standard error leaves nobody to tell.
    let quiet = console.quiet;
    let log = move |text: &str| {
        if !quiet {
            let _ = writeln!(io::stderr(), "{text}");
        }
    };
    let error = export.run(&listener, &log);
    console.error(&format!("the listener failed: {error}"));
    ExitCode::UnreadableInput
}

#[cfg(unix)]
fn plug(boards: Vec<VirtualBoard>, first_port: u32, console: &mut Console) -> ExitCode {
    use crate::bench::usbip::vhci;
    use crate::timebase::HostTime;

    let plugged: Vec<_> = boards
        .into_iter()
        .zip(first_port..)
        .map(|(mut board, port)| {
            console.note(&format!("{} on vhci port {port}", board.name));
            std::thread::spawn(move || vhci::plug(&mut board, &mut HostTime::new(), port))
        })
        .collect();
    let mut code = ExitCode::Clean;
    for thread in plugged {
        if let Ok(Err(error)) = thread.join() {
            console.error(&error.to_string());
            code = ExitCode::UnreadableInput;
        }
    }
    code
}

#[cfg(not(unix))]
fn plug(_boards: Vec<VirtualBoard>, _first_port: u32, console: &mut Console) -> ExitCode {
    console.error("--vhci needs the vhci driver of Linux");
    ExitCode::Usage
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_board_is_told_in_words() {
        let mut board = VirtualBoard::by_name("f746-25mhz-warm-hsi", 1).unwrap();
        insta::assert_snapshot!(page(&mut board, 1));
    }
}
