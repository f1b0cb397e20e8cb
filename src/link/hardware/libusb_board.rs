//! A real board through libusb. Blocking; it lives in a worker process.

use std::sync::{Arc, Mutex, PoisonError};

use memchr::memmem;
use rusb::{Context, Device, DeviceHandle, LogCallbackMode, LogLevel, UsbContext};

use crate::dfu::request::{ControlRequest, DataStage, UsbError, UsbErrorKind};
use crate::host::sys_root::SysRoot;
use crate::observation::board::{BoardIdentity, PortPath, UsbSpeed};
use crate::observation::boot::{BootKind, BootProof};
use crate::observation::units::Micros;
use crate::timebase::{HostTime, Timebase, to_duration};

use crate::link::board_selector::BoardSelector;
use crate::link::usb_board::UsbBoard;

pub struct LibusbBoard {
    selector: BoardSelector,
    time: HostTime,
    handle: Option<DeviceHandle<Context>>,
    claimed: Option<u8>,
    bus_errors: BusErrors,
    /// Until then a refused open may only mean that the system has not set the permissions yet.
    settling_until: Micros,
}

impl LibusbBoard {
    /// How often the bus is listed while waiting. A long-lived context misses devices where no udev daemon runs.
    const LISTING_PERIOD: Micros = Micros::from_millis(20);
    const SETTLING: Micros = Micros::from_secs(1);

    pub fn new(selector: BoardSelector) -> Self {
        Self {
            selector,
            time: HostTime::new(),
            handle: None,
            claimed: None,
            bus_errors: BusErrors::default(),
            settling_until: Micros::ZERO,
        }
    }

    /// The board as far as it can be known without opening it. Where there is sysfs it is asked, because libusb's listing waits for
    /// a hub that is busy with a device that does not enumerate, and that is when the answer matters.
    fn find(&self) -> Result<Option<BoardIdentity>, UsbError> {
        let host = SysRoot::default();
        let listed = match &self.selector {
            BoardSelector::Port(port) if host.has_usb() => host.device(port).into_iter().map(Into::into).collect(),
            _ if host.has_usb() => host.devices().into_iter().map(Into::into).collect(),
            _ => boards()?,
        };
        Ok(listed.into_iter().find(|identity| self.selector.matches(identity)))
    }

    fn handle(&self) -> Result<&DeviceHandle<Context>, UsbError> {
        self.handle.as_ref().ok_or_else(|| UsbError { kind: UsbErrorKind::Other, code: "not open".to_owned() })
    }

    fn try_open(&self) -> Result<DeviceHandle<Context>, UsbError> {
        let context = self.bus_errors.listening_context().map_err(|error| self.bus_errors.explain(error))?;
        let found = devices(&context).map_err(|error| self.bus_errors.explain(error))?;
        let (_, device) = found
            .into_iter()
            .find(|(identity, _)| self.selector.matches(identity))
            .ok_or_else(|| self.bus_errors.explain(rusb::Error::NoDevice))?;
        device.open().map_err(|error| self.bus_errors.explain(error))
    }
}

/// Every USB device on this computer except root hubs, with what can be known without opening it.
pub fn boards() -> Result<Vec<BoardIdentity>, UsbError> {
    let errors = BusErrors::default();
    let context = Context::new().map_err(|error| errors.explain(error))?;
    let found = devices(&context).map_err(|error| errors.explain(error))?;
    Ok(found.into_iter().map(|(identity, _)| identity).collect())
}

fn devices(context: &Context) -> rusb::Result<Vec<(BoardIdentity, Device<Context>)>> {
    let host = SysRoot::default();
    let describe = |device: Device<Context>| {
        let descriptor = device.device_descriptor().ok()?;
        let ports = device.port_numbers().ok().filter(|ports| !ports.is_empty())?;
        let port = PortPath { bus: device.bus_number(), ports };
        let known = host.device(&port);
        let version = descriptor.device_version();
        let identity = BoardIdentity {
            serial: known.as_ref().and_then(|known| known.serial.clone()),
            product: known.as_ref().and_then(|known| known.product.clone()),
            vendor_id: Some(descriptor.vendor_id()),
            product_id: Some(descriptor.product_id()),
            bcd_device: Some(u16::from_be_bytes([version.0, version.1 << 4 | version.2])),
            speed: speed(device.speed()),
            port: Some(port),
            ..BoardIdentity::default()
        };
        Some((identity, device))
    };
    Ok(context.devices()?.iter().filter_map(describe).collect())
}

fn speed(speed: rusb::Speed) -> Option<UsbSpeed> {
    match speed {
        rusb::Speed::Low => Some(UsbSpeed::Low),
        rusb::Speed::Full => Some(UsbSpeed::Full),
        rusb::Speed::High => Some(UsbSpeed::High),
        rusb::Speed::Super | rusb::Speed::SuperPlus => Some(UsbSpeed::Super),
        _ => None,
    }
}

impl UsbBoard for LibusbBoard {
    fn now(&self) -> Micros {
        self.time.now()
    }

    fn wait(&mut self, span: Micros) {
        self.time.wait(span);
    }

    fn arrive(&mut self, deadline: Micros) -> Result<BoardIdentity, UsbError> {
        let until = self.now() + deadline;
        let mut waited = false;
        loop {
            if let Some(identity) = self.find()? {
                if waited {
                    self.settling_until = self.now() + Self::SETTLING;
                }
                // Addresses and serial numbers may change from here on; the port does not.
                self.selector = identity.port.clone().map_or_else(|| self.selector.clone(), BoardSelector::Port);
                return Ok(identity);
            }
            if self.now() >= until {
                let code = format!("no device matches {} on the bus", self.selector);
                return Err(UsbError { kind: UsbErrorKind::NotFound, code });
            }
            waited = true;
            self.wait(Self::LISTING_PERIOD);
        }
    }

    fn is_present(&mut self) -> bool {
        matches!(self.find(), Ok(Some(_)))
    }

    fn neighbours(&mut self) -> Result<Vec<BoardIdentity>, UsbError> {
        boards()
    }

    fn open(&mut self) -> Result<(), UsbError> {
        loop {
            match self.try_open() {
                Ok(handle) => {
                    // Not every system has kernel drivers to detach.
                    let _ = handle.set_auto_detach_kernel_driver(true);
                    self.handle = Some(handle);
                    return Ok(());
                }
                Err(error) if error.kind == UsbErrorKind::Access && self.now() < self.settling_until => {
                    self.wait(Self::LISTING_PERIOD);
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn claim(&mut self, interface: u8) -> Result<(), UsbError> {
        self.bus_errors.forget();
        self.handle()?.claim_interface(interface).map_err(|error| self.bus_errors.explain(error))?;
        self.claimed = Some(interface);
        Ok(())
    }

    fn set_alternate(&mut self, interface: u8, alternate: u8) -> Result<(), UsbError> {
        self.bus_errors.forget();
        self.handle()?.set_alternate_setting(interface, alternate).map_err(|error| self.bus_errors.explain(error))
    }

    fn control(&mut self, request: &ControlRequest, timeout: Micros) -> Result<Vec<u8>, UsbError> {
        // libusb takes whole milliseconds, and none of them as "for ever".
        let timeout = to_duration(timeout.max(Micros::from_millis(1)));
        self.bus_errors.forget();
        let handle = self.handle()?;
        let ControlRequest { request_type, request: number, value, index, .. } = *request;
        match &request.data {
            DataStage::In(length) => {
                let mut buffer = vec![0; usize::from(*length)];
                let got = handle
                    .read_control(request_type, number, value, index, &mut buffer, timeout)
                    .map_err(|error| self.bus_errors.explain(error))?;
                buffer.truncate(got);
                Ok(buffer)
            }
            DataStage::Out(data) => {
                let sent = handle
                    .write_control(request_type, number, value, index, data, timeout)
                    .map_err(|error| self.bus_errors.explain(error))?;
                if sent == data.len() {
                    return Ok(Vec::new());
                }
                let code = format!("{sent} of {} B sent", data.len());
                Err(UsbError { kind: UsbErrorKind::Timeout, code })
            }
        }
    }

    fn close(&mut self) {
        if let (Some(handle), Some(interface)) = (&self.handle, self.claimed.take()) {
            // The device may have gone; closing ends the claim either way.
            let _ = handle.release_interface(interface);
        }
        self.handle = None;
    }

    fn power_cycle(&mut self, _off_time: Micros) -> Option<(BootKind, BootProof)> {
        None
    }
}

impl std::fmt::Debug for LibusbBoard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LibusbBoard").field("selector", &self.selector).field("open", &self.handle.is_some()).finish()
    }
}

/// The kernel's code of the last failed transfer. libusb folds several into one error and names it only in its log.
#[derive(Clone, Debug, Default)]
struct BusErrors {
    last: Arc<Mutex<Option<i32>>>,
}

impl BusErrors {
    /// A context whose log goes nowhere but here.
    fn listening_context(&self) -> rusb::Result<Context> {
        let mut context = Context::new()?;
        // Without this libusb writes every line to standard error as well.
        context.set_log_callback(Box::new(|_, _| {}), LogCallbackMode::Global);
        let last = Arc::clone(&self.last);
        let listen = move |_: LogLevel, line: String| {
            if let Some(errno) = errno_in(&line) {
                *last.lock().unwrap_or_else(PoisonError::into_inner) = Some(errno);
            }
        };
        context.set_log_callback(Box::new(listen), LogCallbackMode::Context);
        context.set_log_level(LogLevel::Debug);
        Ok(context)
    }

    fn forget(&self) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn explain(&self, error: rusb::Error) -> UsbError {
        let (kind, name) = classify(error);
        let errno = self.last.lock().unwrap_or_else(PoisonError::into_inner).take();
        match errno {
            Some(errno) if kind == UsbErrorKind::BusError => UsbError { kind, code: format!("{name} ({errno})") },
            // What a reset in the middle of SET_INTERFACE gives, for one.
            Some(errno) if kind == UsbErrorKind::Other => {
                UsbError { kind: kind_of(errno).unwrap_or(kind), code: format!("{name} ({errno})") }
            }
            _ => UsbError { kind, code: name.to_owned() },
        }
    }
}

/// The number in libusb's `low-level bus error -71` and `set interface failed, errno=71`, as the kernel signs it. There are a
/// dozen lines for each transfer, so this has to be quick.
fn errno_in(line: &str) -> Option<i32> {
    const MARKS: [(&str, i32); 2] = [("low-level bus error ", 1), (" failed, errno=", -1)];
    MARKS.into_iter().find_map(|(mark, sign)| {
        let at = memmem::find(line.as_bytes(), mark.as_bytes())?;
        let number: i32 = line[at + mark.len()..].split_whitespace().next()?.parse().ok()?;
        Some(sign * number)
    })
}

/// What the kernel's code means where libusb has no name for it.
const fn kind_of(errno: i32) -> Option<UsbErrorKind> {
    const ENODEV: i32 = -19;
    const EPIPE: i32 = -32;
    const ETIME: i32 = -62;
    const EPROTO: i32 = -71;
    const EILSEQ: i32 = -84;
    const ESHUTDOWN: i32 = -108;
    const ETIMEDOUT: i32 = -110;
    Some(match errno {
        ENODEV | ESHUTDOWN => UsbErrorKind::Disconnected,
        EPROTO | EILSEQ | ETIME => UsbErrorKind::BusError,
        EPIPE => UsbErrorKind::Stall,
        ETIMEDOUT => UsbErrorKind::Timeout,
        _ => return None,
    })
}

const fn classify(error: rusb::Error) -> (UsbErrorKind, &'static str) {
    match error {
        rusb::Error::Io => (UsbErrorKind::BusError, "LIBUSB_ERROR_IO"),
        rusb::Error::InvalidParam => (UsbErrorKind::Other, "LIBUSB_ERROR_INVALID_PARAM"),
        rusb::Error::Access => (UsbErrorKind::Access, "LIBUSB_ERROR_ACCESS"),
        rusb::Error::NoDevice => (UsbErrorKind::Disconnected, "LIBUSB_ERROR_NO_DEVICE"),
        rusb::Error::NotFound => (UsbErrorKind::NotFound, "LIBUSB_ERROR_NOT_FOUND"),
        rusb::Error::Busy => (UsbErrorKind::Busy, "LIBUSB_ERROR_BUSY"),
        rusb::Error::Timeout => (UsbErrorKind::Timeout, "LIBUSB_ERROR_TIMEOUT"),
        rusb::Error::Overflow => (UsbErrorKind::Overflow, "LIBUSB_ERROR_OVERFLOW"),
        rusb::Error::Pipe => (UsbErrorKind::Stall, "LIBUSB_ERROR_PIPE"),
        rusb::Error::Interrupted => (UsbErrorKind::Other, "LIBUSB_ERROR_INTERRUPTED"),
        rusb::Error::NoMem => (UsbErrorKind::Other, "LIBUSB_ERROR_NO_MEM"),
        rusb::Error::NotSupported => (UsbErrorKind::Other, "LIBUSB_ERROR_NOT_SUPPORTED"),
        rusb::Error::BadDescriptor => (UsbErrorKind::Other, "LIBUSB_ERROR_BAD_DESCRIPTOR"),
        rusb::Error::Other => (UsbErrorKind::Other, "LIBUSB_ERROR_OTHER"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_code_is_found_in_the_log() {
        let line = "[timestamp] [threadID] libusb: debug [handle_control_completion] low-level bus error -71\n";
        assert_eq!(errno_in(line), Some(-71));
        assert_eq!(errno_in("libusb: error [op_set_interface] set interface failed, errno=108\n"), Some(-108));
        assert_eq!(errno_in("libusb: debug [libusb_init] created default context"), None);
    }

    #[test]
    fn an_error_keeps_both_codes_where_libusb_folds_them() {
        let errors = BusErrors::default();
        *errors.last.lock().unwrap() = Some(-84);
        let error = errors.explain(rusb::Error::Io);
        assert_eq!((error.kind, error.code.as_str()), (UsbErrorKind::BusError, "LIBUSB_ERROR_IO (-84)"));
        assert_eq!(errors.explain(rusb::Error::Pipe).code, "LIBUSB_ERROR_PIPE");
        for (errno, kind) in
            [(-108, UsbErrorKind::Disconnected), (-71, UsbErrorKind::BusError), (-12, UsbErrorKind::Other)]
        {
            *errors.last.lock().unwrap() = Some(errno);
            let error = errors.explain(rusb::Error::Other);
            assert_eq!((error.kind, error.code), (kind, format!("LIBUSB_ERROR_OTHER ({errno})")));
        }
    }
}
