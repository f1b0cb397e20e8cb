//! What the host can tell of a port on which nothing enumerates: its state, its over-current count, and why something is not known.

use serde::Serialize;

use crate::observation::board::PortPath;

use super::sys_root::{SysRoot, attribute};

/// A hub port as the kernel sees it. What an older kernel does not tell is absent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct PortState {
    pub port: PortPath,
    /// `not attached`, `powered`, `default`, `configured`, ... (kernels from 6.6 on)
    pub state: Option<String>,
    pub over_current_count: Option<u32>,
    /// `hotplug`, `hardwired`, `not used`, `unknown`
    pub connect_type: Option<String>,
    pub disabled: Option<bool>,
    /// Whether the kernel has a device there.
    pub occupied: bool,
    /// What could not be read, and why.
    pub not_known: Vec<String>,
}

impl SysRoot {
    pub fn port_state(&self, port: &PortPath) -> PortState {
        let folder = self.port_folder(port);
        let mut state = PortState {
            port: port.clone(),
            state: attribute(&folder, "state"),
            over_current_count: attribute(&folder, "over_current_count").and_then(|count| count.parse().ok()),
            connect_type: attribute(&folder, "connect_type"),
            disabled: attribute(&folder, "disable").map(|value| value == "1"),
            occupied: self.usb_devices().join(port.to_string()).exists(),
            not_known: Vec::new(),
        };
        if !folder.exists() {
            state
                .not_known
                .push(format!("the kernel knows no port {port}: there is no such hub or it has fewer ports"));
        } else if state.state.is_none() {
            state
                .not_known
                .push("the state of the port: this kernel does not tell (Linux 6.6 and later do)".to_owned());
        }
        state
    }

    /// `usb1/1-0:1.0/usb1-port4` on a root hub, `1-4/1-4:1.0/1-4-port2` below.
    fn port_folder(&self, port: &PortPath) -> std::path::PathBuf {
        let place = match port.ports.split_last() {
            None => format!("usb{}", port.bus),
            Some((number, [])) => format!("usb{bus}/{bus}-0:1.0/usb{bus}-port{number}", bus = port.bus),
            Some((number, parents)) => {
                let hub = PortPath { bus: port.bus, ports: parents.to_vec() };
                format!("{hub}/{hub}:1.0/{hub}-port{number}")
            }
        };
        self.usb_devices().join(place)
    }
}

#[cfg(test)]
mod tests {
    use crate::host::fake_host::FakeHost;

    #[test]
    fn an_empty_port_of_a_hub_tells_its_state() {
        let host = FakeHost::new();
        let folder = "sys/bus/usb/devices/1-4/1-4:1.0/1-4-port2";
        host.write(&format!("{folder}/state"), "not attached");
        host.write(&format!("{folder}/over_current_count"), "3");
        let state = host.root().port_state(&"1-4.2".parse().unwrap());
        assert_eq!(state.state.as_deref(), Some("not attached"));
        assert_eq!((state.over_current_count, state.occupied), (Some(3), false));
        assert_eq!(state.not_known, [""; 0]);
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        let host = FakeHost::new();
        host.write("sys/bus/usb/devices/usb1/1-0:1.0/usb1-port4/connect_type", "hotplug");
        let older = host.root().port_state(&"1-4".parse().unwrap());
        assert!(older.occupied && older.not_known[0].contains("6.6"));
        let nowhere = host.root().port_state(&"9-1".parse().unwrap());
        assert!(nowhere.not_known[0].contains("no port 9-1"));
    }
}
