//! `flakescope bench`: the virtual boards.

use std::io::{self, BufRead, Write};
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::Arc;

use clap::{Args, Subcommand};

use super::bench_image;
use super::bench_show;
use super::console::Console;
use super::evaluate::{self, EvaluateArgs};
use super::exit::ExitCode;
use crate::bench::board::VirtualBoard;
use crate::bench::probe::beside::both_sides;
use crate::bench::probe::kind::ProbeKind;
use crate::bench::probe::served::ServedProbe;
use crate::bench::usbip::device::Device;
use crate::bench::usbip::export::{DEFAULT_PORT, Export};
use crate::bench::usbip::place::HandAt;

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
    #[command(after_help = "Example:\n  flakescope bench list")]
    List,
    /// A board in words, with the boots it goes through
    #[command(
        after_help = "Examples:\n  flakescope bench show f746-25mhz-warm-hsi\n  flakescope bench show mine.toml --seed 7"
    )]
    Show {
        /// A name from the list, or a TOML file of your own
        name: String,
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Make a coprocessor image that virtual STM32WB boards install
    #[command(
        after_help = "Example:\n  flakescope bench image --address 0x080C7000 --out stm32wb5x_BLE_Stack_full_fw.bin"
    )]
    Image(bench_image::ImageArgs),
    /// Judge the diagnosis over scenario files: virtual campaigns whose truth is known
    #[command(
        after_help = "Examples:\n  flakescope bench evaluate tests/evaluation/quick.toml\n  flakescope bench evaluate mine.toml --draws 20 --strategies"
    )]
    Evaluate(EvaluateArgs),
    /// Serve boards over USB/IP, or plug one into this computer's own kernel
    #[command(
        after_help = "Examples:\n  flakescope bench serve healthy-f407 f407-noisy-pair\n  flakescope bench serve mine.toml --as stlink-v3"
    )]
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
        /// Take lines from standard input that unplug boards and plug them in again: `off 1-1`, `on 1-1`, `cycle 1-1 MILLISECONDS`
        #[arg(long)]
        control: bool,
        /// Show a debug probe with the board on its wires instead of the board's own USB: stlink-v2-1, stlink-v3, cmsis-dap
        #[arg(long = "as", value_name = "PROBE")]
        probe: Option<ProbeKind>,
        /// Show a debug probe on the wires of each board beside the board's own USB: the board at 1-1, its probe at 1-2, and so on
        #[arg(long, value_name = "PROBE", conflicts_with = "probe")]
        beside: Option<ProbeKind>,
    },
}

pub fn run(args: &BenchArgs, console: &mut Console) -> ExitCode {
    match &args.action {
        Action::List => list(console),
        Action::Evaluate(args) => evaluate::run(args, console),
        Action::Image(args) => bench_image::run(args, console),
        Action::Show { name, seed } => show(name, *seed, console),
        Action::Serve { names, seed, listen, port, vhci, vhci_port, control, probe, beside } => {
            let Some(boards) = boards(names, *seed, console) else { return ExitCode::UnreadableInput };
            let devices = boards.into_iter().flat_map(|board| devices(board, *probe, *beside)).collect();
            if *vhci {
                plug(devices, *vhci_port, *control, console)
            } else {
                export(devices, SocketAddr::new(*listen, *port), *control, console)
            }
        }
    }
}

/// What is shown of a board: its own USB, a probe in its place, or a probe beside it.
fn devices(board: VirtualBoard, instead: Option<ProbeKind>, beside: Option<ProbeKind>) -> Vec<Box<dyn Device>> {
    match (instead, beside) {
        (Some(kind), _) => vec![Box::new(ServedProbe::new(kind, board))],
        (None, Some(kind)) => {
            let (own, probe) = both_sides(kind, board);
            vec![Box::new(own), Box::new(probe)]
        }
        (None, None) => vec![Box::new(board)],
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
    // One to look at from outside, and one of the same seed to draw.
    let both = VirtualBoard::by_name(name, seed).and_then(|board| Ok((board, VirtualBoard::by_name(name, seed)?)));
    let (mut board, fresh) = match both {
        Ok(both) => both,
        Err(error) => {
            console.error(&error.to_string());
            return ExitCode::UnreadableInput;
        }
    };
    match bench_show::page(&mut board, fresh, seed) {
        Ok(text) => finish(&text, console),
        Err(error) => {
            console.error(&error.to_string());
            ExitCode::UnreadableInput
        }
    }
}

fn finish(text: &str, console: &mut Console) -> ExitCode {
    console.deliver(format!("{text}\n"), ExitCode::Clean)
}

fn export(devices: Vec<Box<dyn Device>>, address: SocketAddr, control: bool, console: &mut Console) -> ExitCode {
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
    let export = Arc::new(Export::new(devices));
    let shown = listener.local_addr().unwrap_or(address);
    for place in export.places() {
        console.note(&format!("{}  {}", place.bus_id, place.name));
    }
    console.note(&format!(
        "serving on {shown}; attach with: usbip --tcp-port {} attach -r {} -b 1-1",
        shown.port(),
        shown.ip()
    ));
    let log = teller(console.quiet);
    if control {
        let export = Arc::clone(&export);
        take_lines(log.clone(), move |HandAt { hand, bus_id }| export.take_in_hand(bus_id, *hand));
    }
    let error = export.run(&listener, &log);
    console.error(&format!("the listener failed: {error}"));
    ExitCode::UnreadableInput
}

/// For what happens on other threads; a closed standard error leaves nobody to tell.
fn teller(quiet: bool) -> impl Fn(&str) + Clone + Send + 'static {
    move |text: &str| {
        if !quiet {
            let _ = writeln!(io::stderr(), "{text}");
        }
    }
}

/// Reads standard input beside the server, to its end. `apply` says whether there is such a board.
fn take_lines(log: impl Fn(&str) + Send + 'static, apply: impl Fn(&HandAt) -> bool + Send + 'static) {
    std::thread::spawn(move || {
        for line in io::stdin().lock().lines().map_while(Result::ok).filter(|line| !line.trim().is_empty()) {
            match line.parse::<HandAt>() {
                Ok(at) if apply(&at) => log(line.trim()),
                Ok(at) => log(&format!("there is no board at {}", at.bus_id)),
                Err(why) => log(&why),
            }
        }
    });
}

#[cfg(unix)]
fn plug(devices: Vec<Box<dyn Device>>, first_port: u32, control: bool, console: &mut Console) -> ExitCode {
    use crate::bench::usbip::{place::Place, vhci};
    use crate::timebase::{HostTime, Timebase};

    let last_port = first_port.saturating_add(u32::try_from(devices.len()).unwrap_or(u32::MAX)).saturating_sub(1);
    if let Err(error) = vhci::check_port(last_port) {
        console.error(&error.to_string());
        return ExitCode::Usage;
    }
    // One clock for all, so that a hand on the switch and the board agree on the time.
    let time = HostTime::new();
    let now = time.now();
    let place = |(port, device)| Place::new(format!("1-{}", port + 1), device, now);
    let places: Arc<Vec<Place>> = Arc::new((first_port..).zip(devices).map(place).collect());
    if control {
        let places = Arc::clone(&places);
        let time = time.clone();
        take_lines(teller(console.quiet), move |HandAt { hand, bus_id }| {
            let place = places.iter().find(|place| place.bus_id == *bus_id);
            place.map(|place| place.take_in_hand(time.now(), *hand)).is_some()
        });
    }
    let plugged: Vec<_> = (first_port..)
        .zip(0..places.len())
        .map(|(port, number)| {
            console.note(&format!("{} on vhci port {port}", places[number].name));
            let (places, mut time) = (Arc::clone(&places), time.clone());
            std::thread::spawn(move || vhci::plug(&places[number], &mut time, port, control))
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
fn plug(_devices: Vec<Box<dyn Device>>, _first_port: u32, _control: bool, console: &mut Console) -> ExitCode {
    console.error("--vhci needs the vhci driver of Linux");
    ExitCode::Usage
}
