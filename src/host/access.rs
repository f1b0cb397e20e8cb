//! Whether this user may open a device, and which programs hold it.

use std::fs;
use std::io;
use std::path::PathBuf;

use serde::Serialize;

use crate::observation::field_text::FieldText;

use super::devices::HostDevice;
use super::sys_root::{SysRoot, attribute, names_in};

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    Granted,
    Denied {
        /// The permission bits of the device node, for example 0o664.
        mode: Option<u32>,
    },
    /// There is no device node to ask.
    Unknown,
}

/// A program that has the device open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Holder {
    pub pid: u32,
    pub name: FieldText,
}

impl SysRoot {
    /// The usbfs node of a device.
    pub fn node(&self, device: &HostDevice) -> PathBuf {
        self.path(format!("dev/bus/usb/{:03}/{:03}", device.bus_number, device.device_number))
    }

    /// Opening the node does not touch the device.
    pub fn access(&self, device: &HostDevice) -> Access {
        let node = self.node(device);
        match fs::OpenOptions::new().read(true).write(true).open(&node) {
            Ok(_) => Access::Granted,
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Access::Denied { mode: mode_of(&node) },
            Err(_) => Access::Unknown,
        }
    }

    /// The nodes of its HID interfaces, `/dev/hidraw3`.
    pub fn hid_nodes(&self, device: &HostDevice) -> Vec<PathBuf> {
        let folder = self.usb_devices().join(device.port.to_string());
        let interfaces = names_in(&folder).into_iter().filter(|name| name.starts_with(&format!("{}:", device.port)));
        let below = |folder: PathBuf| names_in(&folder).into_iter().map(move |name| folder.join(name));
        let drivers = interfaces.flat_map(|interface| below(folder.join(interface)));
        let nodes = drivers.flat_map(|driver| names_in(&driver.join("hidraw")));
        nodes.map(|node| self.path("dev").join(node)).collect()
    }

    /// Whether this user may not open the node.
    pub fn is_denied(&self, node: &std::path::Path) -> bool {
        let opened = fs::OpenOptions::new().read(true).write(true).open(node);
        opened.is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied)
    }

    /// Programs that have the device open, as far as this user may look into them; our own process is left out.
    pub fn holders(&self, device: &HostDevice) -> Vec<Holder> {
        let node = self.node(device);
        let processes = names_in(&self.path("proc")).into_iter().filter_map(|name| name.parse().ok());
        let others = processes.filter(|pid| *pid != std::process::id());
        others.filter(|pid| self.has_open(*pid, &node)).map(|pid| self.holder(pid)).collect()
    }

    fn has_open(&self, pid: u32, node: &PathBuf) -> bool {
        let descriptors = self.path(format!("proc/{pid}/fd"));
        names_in(&descriptors)
            .iter()
            .any(|name| fs::read_link(descriptors.join(name)).is_ok_and(|target| target == *node))
    }

    fn holder(&self, pid: u32) -> Holder {
        let name = attribute(&self.path(format!("proc/{pid}")), "comm").unwrap_or_else(|| "unknown".to_owned());
        Holder { pid, name: FieldText::new(name) }
    }
}

#[cfg(unix)]
fn mode_of(node: &std::path::Path) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt;
    Some(fs::metadata(node).ok()?.permissions().mode() & 0o777)
}

#[cfg(not(unix))]
fn mode_of(_node: &std::path::Path) -> Option<u32> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::fake_host::FakeHost;

    fn board(host: &FakeHost) -> HostDevice {
        host.rom("1-1", "A");
        host.root().device(&"1-1".parse().unwrap()).unwrap()
    }

    #[test]
    fn the_program_that_has_the_node_open_is_named() {
        let host = FakeHost::new();
        let board = board(&host);
        host.write("dev/bus/usb/001/007", "");
        host.write("proc/4242/comm", "STM32_Programme");
        host.link("proc/4242/fd/9", "dev/bus/usb/001/007");
        host.write("proc/4243/comm", "bash");
        host.link("proc/4243/fd/0", "dev/null");
        let holders = host.root().holders(&board);
        assert_eq!(holders, [Holder { pid: 4242, name: FieldText::from("STM32_Programme") }]);
    }

    #[test]
    fn the_hid_nodes_of_a_device_are_found() {
        let host = FakeHost::new();
        let board = board(&host);
        host.write("sys/bus/usb/devices/1-1/1-1:1.3/0003:0D28:0204.0007/hidraw/hidraw3/dev", "240:3");
        assert_eq!(host.root().hid_nodes(&board), [host.root().path("dev/hidraw3")]);
        assert!(!host.root().is_denied(&host.root().path("dev/hidraw3")));
    }

    #[test]
    fn access_is_tried_and_not_guessed() {
        let host = FakeHost::new();
        let board = board(&host);
        assert_eq!(host.root().access(&board), Access::Unknown);
        host.write("dev/bus/usb/001/007", "");
        assert_eq!(host.root().access(&board), Access::Granted);
    }
}
