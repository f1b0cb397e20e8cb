//! What this computer needs for the work, checked one by one, with the mend for what is missing.

use std::fs;
use std::io;

use serde::Serialize;

use super::kernel_log;
use super::sys_root::{SysRoot, attribute};

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Check {
    pub name: &'static str,
    pub state: CheckState,
    pub text: String,
    pub mend: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CheckState {
    Good,
    /// Worth knowing; nothing is missing.
    Note,
    /// Something will not work.
    Missing,
}

impl Check {
    pub fn good(name: &'static str, text: impl Into<String>) -> Self {
        Self { name, state: CheckState::Good, text: text.into(), mend: None }
    }

    pub fn note(name: &'static str, text: impl Into<String>) -> Self {
        Self { name, state: CheckState::Note, text: text.into(), mend: None }
    }

    pub fn missing(name: &'static str, text: impl Into<String>) -> Self {
        Self { name, state: CheckState::Missing, text: text.into(), mend: None }
    }

    #[must_use]
    pub fn mended_by(mut self, mend: impl Into<String>) -> Self {
        self.mend = Some(mend.into());
        self
    }
}

/// The checks that need nothing but files.
pub fn of(root: &SysRoot) -> Vec<Check> {
    vec![usb(root), device_nodes(root), udev(root), kernel_messages(root), machine(root)]
}

fn usb(root: &SysRoot) -> Check {
    if !root.has_usb() {
        return Check::missing("usb", "this computer's kernel has no USB, or this is a container without it")
            .mended_by("run flakescope where the board is plugged in; virtual boards (--virtual NAME) need no USB");
    }
    let devices = root.devices();
    Check::good("usb", format!("{} devices on the bus, {} of them hubs", devices.len(), hubs_among(&devices)))
}

fn hubs_among(devices: &[super::devices::HostDevice]) -> usize {
    devices.iter().filter(|device| device.is_hub).count()
}

fn device_nodes(root: &SysRoot) -> Check {
    if root.path("dev/bus/usb").is_dir() {
        return Check::good("device-nodes", "/dev/bus/usb is there");
    }
    Check::missing("device-nodes", "/dev/bus/usb is not there, so that no program can open a USB device")
        .mended_by("in a container, pass it in (docker run --device /dev/bus/usb)")
}

fn udev(root: &SysRoot) -> Check {
    if root.path("run/udev/control").exists() {
        return Check::good("udev", "the udev daemon runs; rules for permissions take effect");
    }
    Check::note("udev", "no udev daemon runs here: permissions of new devices stay as the kernel makes them")
}

fn kernel_messages(root: &SysRoot) -> Check {
    match kernel_log::remembered(root) {
        Ok(messages) => {
            let failing = messages.iter().filter(|message| tells_of_trouble(message.text.raw())).count();
            let text = format!("readable; {} USB messages remembered, {failing} of them of trouble", messages.len());
            Check::good("kernel-messages", text)
        }
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            Check::note("kernel-messages", "not readable for you, so that failed enumerations cannot be explained")
                .mended_by("sudo sysctl kernel.dmesg_restrict=0, or run flakescope as a member of group adm")
        }
        Err(error) => Check::note("kernel-messages", format!("not readable: {error}")),
    }
}

fn tells_of_trouble(text: &str) -> bool {
    ["error -", "unable to enumerate", "not accepting address", "over-current", "disabled by hub", "Cannot enable"]
        .iter()
        .any(|sign| text.contains(sign))
}

/// A virtual machine passes USB through and adds its own failures.
fn machine(root: &SysRoot) -> Check {
    let identity = root.path("sys/class/dmi/id");
    let words = ["sys_vendor", "product_name"].map(|name| attribute(&identity, name).unwrap_or_default()).join(" ");
    let hypervisor = fs::read_to_string(root.path("proc/cpuinfo")).is_ok_and(|text| text.contains(" hypervisor"));
    let known = ["QEMU", "VMware", "VirtualBox", "Virtual Machine", "KVM", "Parallels", "Xen"];
    if hypervisor || known.iter().any(|name| words.contains(name)) {
        let name = if words.trim().is_empty() { "unknown" } else { words.trim() };
        return Check::note(
            "machine",
            format!("a virtual machine ({name}): USB passed through adds delays and lost re-enumerations"),
        )
        .mended_by("repeat on the machine itself before blaming the board");
    }
    Check::good("machine", "no sign of a virtual machine")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::fake_host::FakeHost;

    fn state_of(root: &SysRoot, name: &str) -> CheckState {
        of(root).into_iter().find(|check| check.name == name).unwrap().state
    }

    #[test]
    fn a_bare_container_is_told_what_is_missing() {
        let root = SysRoot::at("/nonexistent");
        assert_eq!(state_of(&root, "usb"), CheckState::Missing);
        assert_eq!(state_of(&root, "device-nodes"), CheckState::Missing);
    }

    #[test]
    fn a_whole_computer_is_good() {
        let host = FakeHost::new();
        host.write("dev/bus/usb/001/001", "");
        host.write("run/udev/control", "");
        host.write("dev/kmsg", "6,1,1,-;usb 1-4: device descriptor read/64, error -71");
        for check in of(&host.root()) {
            assert_eq!(check.state, CheckState::Good, "{check:?}");
        }
    }

    #[test]
    fn a_virtual_machine_is_noticed() {
        let host = FakeHost::new();
        host.write("sys/class/dmi/id/sys_vendor", "VMware, Inc.");
        assert_eq!(state_of(&host.root(), "machine"), CheckState::Note);
    }
}
