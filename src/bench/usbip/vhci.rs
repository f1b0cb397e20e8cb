//! Plugs virtual devices into this computer's own kernel: one end of a socket pair goes to the vhci driver, no network is involved.

use std::fs;
use std::io;
use std::net::Shutdown;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::Path;

use super::place::Place;
use super::session::{self, Ended};
use crate::observation::units::Micros;
use crate::timebase::{HostTime, Timebase};

/// The controller of the vhci driver.
const CONTROLLER: &str = "/sys/devices/platform/vhci_hcd.0";
/// How often a port that was just left is looked at until the kernel has let go of it.
const POLL: Micros = Micros::from_millis(20);
const POLLS: u32 = 150;
/// Ports 0 to 7 of the first controller are its USB 2 half.
const PORTS: u32 = 8;

/// Refuses a port that vhci does not have.
pub fn check_port(port: u32) -> io::Result<()> {
    if port < PORTS {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, format!("vhci has ports 0 to {}", PORTS - 1)))
}

/// Serves one device on one vhci port until the host detaches it; it comes back on the same port whenever it does on its bus.
/// One that somebody can switch is waited for even if it does not come of itself.
pub fn plug(place: &Place, time: &mut HostTime, port: u32, switched_by_hand: bool) -> io::Result<()> {
    check_port(port)?;
    while place.wait_until_attached(time, switched_by_hand) {
        let Some(mut loan) = place.lend(time.now()) else { continue };
        let (mut ours, kernels) = UnixStream::pair()?;
        attach(time, port, place.identity.speed.number(), &kernels)?;
        // The kernel holds its own reference.
        drop(kernels);
        let incoming = ours.try_clone()?;
        let ended = session::serve(&mut loan, time, incoming, &mut ours);
        place.take_back(time.now(), loan);
        // Ends the reader, and tells the kernel where it was the device that left.
        let _ = ours.shutdown(Shutdown::Both);
        match ended {
            Ended::DeviceLeft => {}
            Ended::ByHost => return Ok(()),
            Ended::Broken(error) => return Err(io::Error::other(error)),
        }
    }
    Ok(())
}

fn attach(time: &mut HostTime, port: u32, speed: u32, kernels: &UnixStream) -> io::Result<()> {
    let device = 1 << 16 | (port + 2);
    let line = format!("{port} {} {device} {speed}", kernels.as_raw_fd());
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
    use crate::bench::board::VirtualBoard;

    #[test]
    fn a_port_that_vhci_does_not_have_is_refused() {
        let time = &mut HostTime::new();
        let board = VirtualBoard::by_name("healthy-f407", 1).unwrap();
        let place = Place::new("1-9".to_owned(), Box::new(board), time.now());
        let error = plug(&place, time, 8, false).unwrap_err();
        assert_eq!(error.to_string(), "vhci has ports 0 to 7");
    }
}
