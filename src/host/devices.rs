//! USB devices as the kernel lists them in sysfs: where, how fast, under which hubs and controller, with which drivers.

use std::fs;
use std::path::Path;

use serde::Serialize;

use crate::observation::board::{BoardIdentity, PortPath, UsbSpeed};
use crate::observation::field_text::FieldText;

use super::sys_root::{SysRoot, attribute, link_name, names_in};

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct HostDevice {
    pub port: PortPath,
    pub bus_number: u8,
    pub device_number: u8,
    pub vendor_id: u16,
    pub product_id: u16,
    pub bcd_device: Option<u16>,
    pub speed: Option<UsbSpeed>,
    pub manufacturer: Option<FieldText>,
    pub product: Option<FieldText>,
    pub serial: Option<FieldText>,
    /// The driver bound to each interface, where there is one.
    pub drivers: Vec<String>,
    /// The interface strings of the current alternate settings; on an STM32 ROM a layout string.
    pub interface_strings: Vec<FieldText>,
    /// From the root port down.
    pub hubs: Vec<Hub>,
    /// The address of the host controller, for example `0000:00:14.0`, and its driver.
    pub controller: Option<String>,
    /// bDeviceClass 9.
    pub is_hub: bool,
    /// Has an interface of the DFU class, in DFU or in run-time mode.
    pub is_dfu: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Hub {
    pub port: PortPath,
    pub product: Option<FieldText>,
    pub speed: Option<UsbSpeed>,
}

impl From<HostDevice> for BoardIdentity {
    fn from(device: HostDevice) -> Self {
        Self {
            port: Some(device.port),
            serial: device.serial,
            product: device.product,
            vendor_id: Some(device.vendor_id),
            product_id: Some(device.product_id),
            bcd_device: device.bcd_device,
            speed: device.speed,
            ..Self::default()
        }
    }
}

impl SysRoot {
    /// Whether the kernel has USB at all.
    pub fn has_usb(&self) -> bool {
        self.usb_devices().is_dir()
    }

    /// Every device on the bus except root hubs, by port path.
    pub fn devices(&self) -> Vec<HostDevice> {
        let names = names_in(&self.usb_devices());
        let mut devices: Vec<_> =
            names.iter().filter_map(|name| name.parse().ok()).filter_map(|port| self.device(&port)).collect();
        devices.sort_by(|a, b| a.port.cmp(&b.port));
        devices
    }

    /// The device on a port; absent if the kernel has none there.
    pub fn device(&self, port: &PortPath) -> Option<HostDevice> {
        let folder = self.usb_devices().join(port.to_string());
        let interfaces: Vec<_> = interfaces_of(&folder, port);
        Some(HostDevice {
            port: port.clone(),
            bus_number: attribute(&folder, "busnum")?.parse().ok()?,
            device_number: attribute(&folder, "devnum")?.parse().ok()?,
            vendor_id: hex(&folder, "idVendor")?,
            product_id: hex(&folder, "idProduct")?,
            bcd_device: hex(&folder, "bcdDevice"),
            speed: speed_of(&folder),
            manufacturer: attribute(&folder, "manufacturer").map(FieldText::new),
            product: attribute(&folder, "product").map(FieldText::new),
            serial: attribute(&folder, "serial").map(FieldText::new),
            drivers: interfaces.iter().filter_map(|name| link_name(&folder.join(name), "driver")).collect(),
            interface_strings: interfaces
                .iter()
                .filter_map(|name| attribute(&folder.join(name), "interface"))
                .map(FieldText::new)
                .collect(),
            hubs: self.hubs_above(port),
            controller: self.controller_of(port.bus),
            is_hub: attribute(&folder, "bDeviceClass").as_deref() == Some("09"),
            is_dfu: interfaces.iter().any(|name| is_dfu_interface(&folder.join(name))),
        })
    }

    fn hubs_above(&self, port: &PortPath) -> Vec<Hub> {
        let parents =
            (1..port.ports.len()).map(|depth| PortPath { bus: port.bus, ports: port.ports[..depth].to_vec() });
        let describe = |port: PortPath| {
            let folder = self.usb_devices().join(port.to_string());
            Hub { product: attribute(&folder, "product").map(FieldText::new), speed: speed_of(&folder), port }
        };
        parents.map(describe).collect()
    }

    /// The root hub's folder is a link into the device tree; its parent is the controller.
    fn controller_of(&self, bus: u8) -> Option<String> {
        let root_hub = fs::canonicalize(self.usb_devices().join(format!("usb{bus}"))).ok()?;
        let controller = root_hub.parent()?;
        let address = controller.file_name()?.to_string_lossy().into_owned();
        Some(match link_name(controller, "driver") {
            Some(driver) => format!("{address} ({driver})"),
            None => address,
        })
    }
}

/// `1-4:1.0`, `1-4:1.1`: the interfaces lie in the device's own folder.
fn interfaces_of(folder: &Path, port: &PortPath) -> Vec<String> {
    let prefix = format!("{port}:");
    names_in(folder).into_iter().filter(|name| name.starts_with(&prefix)).collect()
}

/// Application class, DFU subclass.
fn is_dfu_interface(folder: &Path) -> bool {
    hex(folder, "bInterfaceClass") == Some(0xfe) && hex(folder, "bInterfaceSubClass") == Some(1)
}

fn hex(folder: &Path, name: &str) -> Option<u16> {
    u16::from_str_radix(&attribute(folder, name)?, 16).ok()
}

fn speed_of(folder: &Path) -> Option<UsbSpeed> {
    match attribute(folder, "speed")?.as_str() {
        "1.5" => Some(UsbSpeed::Low),
        "12" => Some(UsbSpeed::Full),
        "480" => Some(UsbSpeed::High),
        text => text.parse::<u32>().is_ok_and(|mbit| mbit >= 5_000).then_some(UsbSpeed::Super),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::fake_host::FakeHost;

    #[test]
    fn a_board_behind_a_hub_is_found_with_everything_above_it() {
        let host = FakeHost::new();
        host.rom("1-4.2", "357236543131");
        let board = host.root().device(&"1-4.2".parse().unwrap()).unwrap();
        assert_eq!((board.vendor_id, board.product_id, board.bcd_device), (0x0483, 0xdf11, Some(0x2200)));
        assert_eq!(board.speed, Some(UsbSpeed::Full));
        assert_eq!(board.hubs.len(), 1);
        assert_eq!(board.hubs[0].product.as_ref().unwrap().raw(), "USB2.0 Hub");
        assert_eq!(board.controller.as_deref(), Some("0000:00:14.0 (xhci_hcd)"));
        assert!(board.interface_strings[0].raw().starts_with("@Internal Flash"));
        assert_eq!(board.drivers, [""; 0]);
    }

    #[test]
    fn the_driver_of_an_interface_is_named() {
        let host = FakeHost::new();
        host.rom("1-1", "A");
        host.link("sys/bus/usb/devices/1-1/1-1:1.0/driver", "sys/bus/usb/drivers/usbfs");
        assert_eq!(host.root().device(&"1-1".parse().unwrap()).unwrap().drivers, ["usbfs"]);
    }

    #[test]
    fn devices_are_listed_by_port_and_root_hubs_left_out() {
        let host = FakeHost::new();
        host.rom("1-4.2", "A");
        host.rom("1-1", "B");
        let ports: Vec<_> = host.root().devices().iter().map(|device| device.port.to_string()).collect();
        assert_eq!(ports, ["1-1", "1-4", "1-4.2"]);
    }

    #[test]
    fn a_computer_without_usb_has_no_devices() {
        assert_eq!(SysRoot::at("/nonexistent").devices(), []);
    }
}
