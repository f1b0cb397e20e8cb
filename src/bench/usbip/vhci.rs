//! Plugs a virtual board into this computer's own kernel: one end of a socket pair goes to the vhci driver, no network is involved.

use std::fs;
use std::io;
use std::net::Shutdown;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::Path;

use super::message::FULL_SPEED;
use super::session::{self, Ended};
use crate::bench::board::VirtualBoard;
use crate::observation::units::Micros;
use crate::timebase::{HostTime, Timebase};

/// The controller of the vhci driver.
const CONTROLLER: &str = "/sys/devices/platform/vhci_hcd.0";
/// How often a port that was just left is looked at until the kernel has let go of it.
const POLL: Micros = Micros::from_millis(20);
const POLLS: u32 = 150;
/// Ports 0 to 7 of the first controller are its USB 2 half.
const PORTS: u32 = 8;

/// Serves one board on one vhci port until the host detaches it; the board comes back on the same port whenever it does on its bus.
pub fn plug(board: &mut VirtualBoard, time: &mut HostTime, port: u32) -> io::Result<()> {
    if port >= PORTS {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("vhci has ports 0 to {}", PORTS - 1)));
    }
    board.power_on(time.now());
    loop {
        if !wait_until_attached(board, time) {
            return Ok(());
        }
        let (mut ours, kernels) = UnixStream::pair()?;
        attach(time, port, &kernels)?;
        // The kernel holds its own reference.
        drop(kernels);
        let incoming = ours.try_clone()?;
        let ended = session::serve(board, time, incoming, &mut ours);
        // Ends the reader, and tells the kernel where it was the board that left.
        let _ = ours.shutdown(Shutdown::Both);
        match ended {
            Ended::BoardLeft => {}
            Ended::ByHost => return Ok(()),
            Ended::Broken(error) => return Err(io::Error::other(error)),
        }
    }
}

/// False where the board will never be on the bus again by itself.
fn wait_until_attached(board: &mut VirtualBoard, time: &mut HostTime) -> bool {
    while !board.is_attached(time.now()) {
        let Some(next) = board.next_change() else { return false };
        let span = next - time.now();
        time.wait(span);
    }
    true
}

fn attach(time: &mut HostTime, port: u32, kernels: &UnixStream) -> io::Result<()> {
    let device = 1 << 16 | (port + 2);
    let line = format!("{port} {} {device} {FULL_SPEED}", kernels.as_raw_fd());
    let file = Path::new(CONTROLLER).join("attach");
    let mut polls = 0;
    loop {
        match fs::write(&file, &line) {
            Ok(()) => return Ok(()),
            // The port is still busy with the board that left it.
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy && polls < POLLS => time.wait(POLL),
            Err(error) if error.kind() == io::ErrorKind::InvalidInput && polls > 0 && polls < POLLS => time.wait(POLL),
            Err(error) => {
                let why =
                    format!("{}: {error}; the vhci-hcd module must be loaded and the file writable", file.display());
                return Err(io::Error::new(error.kind(), why));
            }
        }
        polls += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_vhci_does_not_have_is_refused() {
        let mut board = VirtualBoard::by_name("healthy-f407", 1).unwrap();
        let error = plug(&mut board, &mut HostTime::new(), 8).unwrap_err();
        assert_eq!(error.to_string(), "vhci has ports 0 to 7");
    }

    #[test]
    fn a_board_that_never_comes_up_needs_no_port() {
        let mut board = VirtualBoard::by_name("healthy-f407", 1).unwrap();
        assert!(!wait_until_attached(&mut board, &mut HostTime::new()));
    }
}
