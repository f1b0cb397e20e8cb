//! A computer made of files, for the tests of this room.

use std::fs;
use std::os::unix::fs::symlink;

use tempfile::TempDir;

use super::sys_root::SysRoot;

const WRITABLE: &str = "the folder for temporary files can be written";

/// A computer with one hub on port 1-4 and boards below it.
pub struct FakeHost {
    folder: TempDir,
}

impl FakeHost {
    pub fn new() -> Self {
        let host = Self { folder: tempfile::tempdir().expect(WRITABLE) };
        host.write("sys/devices/pci0/0000:00:14.0/usb1/busnum", "1");
        fs::create_dir_all(host.folder.path().join("sys/bus/pci/drivers/xhci_hcd")).expect(WRITABLE);
        host.link("sys/devices/pci0/0000:00:14.0/driver", "sys/bus/pci/drivers/xhci_hcd");
        host.link("sys/bus/usb/devices/usb1", "sys/devices/pci0/0000:00:14.0/usb1");
        host.device("1-4", "05e3", "0608", "480", &[("product", "USB2.0 Hub"), ("bDeviceClass", "09")]);
        host
    }

    pub fn root(&self) -> SysRoot {
        SysRoot::at(self.folder.path())
    }

    pub fn write(&self, place: &str, text: &str) {
        let path = self.folder.path().join(place);
        fs::create_dir_all(path.parent().expect("a place lies in a folder")).expect(WRITABLE);
        fs::write(path, format!("{text}\n")).expect(WRITABLE);
    }

    pub fn link(&self, place: &str, target: &str) {
        let path = self.folder.path().join(place);
        fs::create_dir_all(path.parent().expect("a place lies in a folder")).expect(WRITABLE);
        symlink(self.folder.path().join(target), path).expect(WRITABLE);
    }

    pub fn device(&self, port: &str, vendor: &str, product: &str, speed: &str, more: &[(&str, &str)]) {
        let fixed = [("busnum", "1"), ("devnum", "7"), ("idVendor", vendor), ("idProduct", product), ("speed", speed)];
        for (name, value) in fixed.iter().chain(more) {
            self.write(&format!("sys/bus/usb/devices/{port}/{name}"), value);
        }
    }

    pub fn rom(&self, port: &str, serial: &str) {
        self.device(port, "0483", "df11", "12", &[("bcdDevice", "2200"), ("serial", serial)]);
        let layout = "@Internal Flash  /0x08000000/04*016Kg,01*064Kg,07*128Kg";
        for (name, value) in [("interface", layout), ("bInterfaceClass", "fe"), ("bInterfaceSubClass", "01")] {
            self.write(&format!("sys/bus/usb/devices/{port}/{port}:1.0/{name}"), value);
        }
    }
}
