//! The debug probes that probe-rs finds, each with the port it is plugged into.

use probe_rs::probe::DebugProbeInfo;
use probe_rs::probe::cmsisdap::CmsisDapFactory;
use probe_rs::probe::jlink::JLinkFactory;
use probe_rs::probe::list::{Accessibility, Lister};
use probe_rs::probe::stlink::StLinkFactory;

use crate::host::devices::HostDevice;
use crate::host::sys_root::SysRoot;
use crate::observation::board::BoardIdentity;
use crate::observation::field_text::FieldText;
use crate::swd::stlink_probe;

use super::plug_in::driver;
use crate::link::board_selector::BoardSelector;
use crate::link::swd_probe::{ProbeError, ProbeErrorKind, ProbeIdentity};

/// A probe that could be opened.
#[derive(Clone, Debug)]
pub struct FoundProbe {
    info: DebugProbeInfo,
    pub identity: ProbeIdentity,
    /// The device on the bus; absent where the kernel does not tell, or where several look the same.
    pub device: Option<HostDevice>,
    pub accessible: bool,
    /// Others with the same IDs and serial number: probe-rs would open any of them.
    pub doubles: usize,
}

/// Every debug probe for ARM cores that probe-rs knows how to open.
pub fn probes(root: &SysRoot) -> Vec<FoundProbe> {
    let devices = root.devices();
    let listed = Lister::new().list_all_with_access();
    let infos: Vec<_> = listed.iter().map(|item| item.info.clone()).collect();
    listed
        .into_iter()
        .map(|item| {
            let same = |info: &&DebugProbeInfo| is_alike(info, &item.info);
            let doubles = infos.iter().filter(same).count() - 1;
            let fitting: Vec<_> = devices.iter().filter(|device| is_device(device, &item.info)).collect();
            let device = if let [only] = fitting.as_slice() { Some((*only).clone()) } else { None };
            let accessible = item.accessibility == Accessibility::Accessible;
            FoundProbe {
                identity: identity_of(&item.info, device.as_ref()),
                info: item.info,
                device,
                accessible,
                doubles,
            }
        })
        .collect()
}

/// The one probe that is meant; without a selector the only one there is.
pub fn choose(probes: Vec<FoundProbe>, selector: Option<&BoardSelector>) -> Result<FoundProbe, ProbeError> {
    let mut fitting: Vec<_> = probes.into_iter().filter(|probe| probe.is_meant(selector)).collect();
    let meant = selector.map_or_else(String::new, |selector| format!(" that fits {selector}"));
    match (fitting.pop(), fitting.len()) {
        (None, _) => Err(ProbeError::new(ProbeErrorKind::NoProbe, format!("no debug probe{meant} is on the bus"))),
        (Some(only), 0) if only.doubles == 0 => Ok(only),
        (Some(only), 0) => {
            let code = format!("{} has {} doubles with the same serial number", only.handle(), only.doubles);
            Err(ProbeError::new(ProbeErrorKind::NoProbe, code))
        }
        (Some(last), _) => {
            fitting.push(last);
            let handles: Vec<_> = fitting.iter().map(FoundProbe::handle).collect();
            let code = format!("several probes{meant}: {}", handles.join(", "));
            Err(ProbeError::new(ProbeErrorKind::NoProbe, code))
        }
    }
}

impl FoundProbe {
    pub fn info(&self) -> &DebugProbeInfo {
        &self.info
    }

    pub fn is_st_link(&self) -> bool {
        self.info.is_probe_type::<StLinkFactory>()
    }

    pub fn is_cmsis_dap(&self) -> bool {
        self.info.is_probe_type::<CmsisDapFactory>()
    }

    fn is_usual(&self) -> bool {
        self.is_st_link()
            || self.is_cmsis_dap()
            || self.info.is_probe_type::<JLinkFactory>()
            || driver::is_ours(&self.info)
    }

    /// What names it for a person and for its lock: port, else serial number, else its IDs.
    pub fn handle(&self) -> String {
        let port = self.identity.port.as_ref().map(ToString::to_string);
        let serial = self.identity.serial.as_ref().map(FieldText::for_terminal);
        port.or(serial).unwrap_or_else(|| format!("{:04x}:{:04x}", self.info.vendor_id, self.info.product_id))
    }

    fn is_meant(&self, selector: Option<&BoardSelector>) -> bool {
        match selector {
            // Adapters that are no probes by themselves, an FTDI cable for one, have to be meant.
            None => self.is_usual(),
            Some(BoardSelector::Serial(serial)) => {
                let raw = self.device.as_ref().and_then(|device| device.serial.as_ref()).map(FieldText::raw);
                let listed = self.info.serial_number.as_deref();
                raw.into_iter()
                    .chain(listed)
                    .any(|known| stlink_probe::serial_forms(known).iter().any(|form| form == serial))
            }
            Some(selector) => selector.matches(&BoardIdentity {
                port: self.identity.port.clone(),
                vendor_id: Some(self.info.vendor_id),
                product_id: Some(self.info.product_id),
                ..BoardIdentity::default()
            }),
        }
    }
}

fn is_alike(one: &DebugProbeInfo, other: &DebugProbeInfo) -> bool {
    (one.vendor_id, one.product_id, &one.serial_number, one.interface)
        == (other.vendor_id, other.product_id, &other.serial_number, other.interface)
}

/// probe-rs tells no port, and writes a short serial number of an ST-Link in hexadecimal.
fn is_device(device: &HostDevice, info: &DebugProbeInfo) -> bool {
    let raw = device.serial.as_ref().map(FieldText::raw);
    let serial_fits = match (raw, info.serial_number.as_deref()) {
        (Some(raw), Some(listed)) => stlink_probe::serial_forms(raw).iter().any(|form| form == listed),
        (None, None) => true,
        (Some(raw), None) => raw.is_empty(),
        (None, Some(listed)) => listed.is_empty(),
    };
    (device.vendor_id, device.product_id) == (info.vendor_id, info.product_id) && serial_fits
}

fn identity_of(info: &DebugProbeInfo, device: Option<&HostDevice>) -> ProbeIdentity {
    let name = if info.is_probe_type::<StLinkFactory>() {
        stlink_probe::of_usb_ids(info.vendor_id, info.product_id).map_or("ST-LINK", |kind| kind.name).to_owned()
    } else if info.is_probe_type::<JLinkFactory>() {
        format!("J-Link {}", info.identifier)
    } else if info.is_hid_interface {
        format!("CMSIS-DAP v1 {}", info.identifier)
    } else if info.is_probe_type::<CmsisDapFactory>() {
        format!("CMSIS-DAP v2 {}", info.identifier)
    } else {
        info.identifier.clone()
    };
    ProbeIdentity {
        name: FieldText::new(name),
        serial: info.serial_number.clone().map(FieldText::new),
        firmware: None,
        port: device.map(|device| device.port.clone()),
        vendor_id: Some(info.vendor_id),
        product_id: Some(info.product_id),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::fake_host::FakeHost;

    fn info(serial: &str) -> DebugProbeInfo {
        DebugProbeInfo::new("STLink V2-1", 0x0483, 0x374B, Some(serial.to_owned()), &StLinkFactory, None, false)
    }

    fn found(serial: &str, port: Option<&str>, doubles: usize) -> FoundProbe {
        let info = info(serial);
        let identity = ProbeIdentity { port: port.map(|port| port.parse().unwrap()), ..identity_of(&info, None) };
        FoundProbe { info, identity, device: None, accessible: true, doubles }
    }

    fn selector(text: &str) -> BoardSelector {
        text.parse().unwrap()
    }

    #[test]
    fn a_probe_is_chosen_by_serial_by_port_and_by_ids() {
        let all = || vec![found("066DFF505051897267233656", Some("1-4.2"), 0), found("AB", Some("1-1"), 0)];
        for (text, handle) in [("066DFF505051897267233656", "1-4.2"), ("1-1", "1-1")] {
            assert_eq!(choose(all(), Some(&selector(text))).unwrap().handle(), handle);
        }
        let refusal = choose(all(), Some(&selector("0483:374b"))).unwrap_err();
        assert_eq!(refusal.kind, ProbeErrorKind::NoProbe);
        assert!(refusal.code.contains("1-4.2, 1-1"), "{}", refusal.code);
        assert!(choose(all(), None).unwrap_err().code.starts_with("several probes"));
        assert_eq!(choose(vec![found("AB", None, 0)], None).unwrap().handle(), "AB");
    }

    #[test]
    fn a_probe_that_is_not_there_is_no_probe() {
        let refusal = choose(Vec::new(), Some(&selector("1-1"))).unwrap_err();
        assert_eq!(refusal.code, "no debug probe that fits 1-1 is on the bus");
    }

    #[test]
    fn doubles_are_refused_because_any_of_them_would_be_opened() {
        assert!(choose(vec![found("AB", None, 1)], None).unwrap_err().code.contains("doubles"));
    }

    #[test]
    fn a_device_is_found_by_the_serial_however_it_is_written() {
        let host = FakeHost::new();
        host.device("1-2", "0483", "374b", "12", &[("serial", "Q\u{ff}g")]);
        let device = host.root().device(&"1-2".parse().unwrap()).unwrap();
        for listed in ["Q\u{ff}g", "51C3BF67", "51FF67"] {
            assert!(is_device(&device, &info(listed)), "{listed}");
        }
        assert!(!is_device(&device, &info("5167")));
    }

    #[test]
    fn listing_without_probes_is_no_error() {
        assert!(probes(&SysRoot::at("/nonexistent")).iter().all(|probe| probe.device.is_none()));
    }
}
