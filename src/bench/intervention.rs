//! What can be done at the bench: each intervention changes the board or what is around it, and knows nothing of why.

use super::blueprint::{Blueprint, Host};
use super::mechanism::Mechanisms;
use super::mechanism::die_temperature::DieTemperature;
use super::place::Place;
use super::rom::sheet::{RomModel, UsbClock};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Intervention {
    /// Another board of the same part, on which everything is in order, at the same port and cable.
    GoldenBoard,
    SwapCable,
    OtherPort,
    /// A powered USB 2.0 hub in between: another path, another source of VBUS, another cable.
    Usb2Hub,
    OtherHost,
    /// A bench supply at the board; the USB data lines stay.
    ExternalSupply,
    /// A clock fed into the input of the crystal.
    SubstitutedClock,
    /// The air at the board held at a steady temperature, far from what it was.
    Temperature,
    /// Another program does the same.
    SecondClient,
    /// The receive pins of the ROM's other interfaces tied to a level.
    QuietPins,
    /// The ROM entered by its boot pin and a reset, not by what is programmed.
    EnterByBoot0,
    /// Other programs that hold the device closed.
    Holders,
    /// Rights given.
    Permission,
    /// A debug probe on the debug pins, which does nothing.
    AttachProbe,
}

impl Intervention {
    pub const ALL: [Self; 14] = [
        Self::GoldenBoard,
        Self::SwapCable,
        Self::OtherPort,
        Self::Usb2Hub,
        Self::OtherHost,
        Self::ExternalSupply,
        Self::SubstitutedClock,
        Self::Temperature,
        Self::SecondClient,
        Self::QuietPins,
        Self::EnterByBoot0,
        Self::Holders,
        Self::Permission,
        Self::AttachProbe,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::GoldenBoard => "golden-board",
            Self::SwapCable => "swap-cable",
            Self::OtherPort => "other-port",
            Self::Usb2Hub => "usb2-hub",
            Self::OtherHost => "other-host",
            Self::ExternalSupply => "external-supply",
            Self::SubstitutedClock => "substituted-clock",
            Self::Temperature => "temperature",
            Self::SecondClient => "second-client",
            Self::QuietPins => "quiet-pins",
            Self::EnterByBoot0 => "enter-by-boot0",
            Self::Holders => "holders",
            Self::Permission => "permission",
            Self::AttachProbe => "attach-probe",
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|intervention| intervention.name() == name)
    }

    /// What then stands on the bench.
    pub fn applied(self, found: &Blueprint, rom: &RomModel) -> Blueprint {
        let mut changed = found.clone();
        match self {
            Self::GoldenBoard => put_golden_board(&mut changed, rom),
            Self::SwapCable => changed.clear(Place::Cable),
            Self::OtherPort => {
                changed.clear(Place::Port);
                changed.mechanism.hub_port = None;
                changed.mechanism.idle_suspend = None;
            }
            Self::Usb2Hub => {
                changed.clear(Place::Port);
                changed.clear(Place::Cable);
                // A hub stretches the gaps between packets and answers for the device while it is given its address.
                changed.mechanism.packet_gap = None;
                changed.mechanism.hub_port = None;
                changed.mechanism.controller = None;
                changed.mechanism.idle_suspend = None;
            }
            Self::OtherHost => {
                changed.clear(Place::Port);
                changed.host = Host::default();
                changed.mechanism.hub_port = None;
                changed.mechanism.packet_gap = None;
                changed.mechanism.controller = None;
                changed.mechanism.idle_suspend = None;
                changed.mechanism.other_program = None;
            }
            Self::ExternalSupply => {
                changed.mechanism.supply = None;
                changed.mechanism.rail_level = None;
            }
            Self::SubstitutedClock => {
                changed.crystal_mhz = changed.crystal_mhz.and(Some(EVERY_ROM_MHZ));
                changed.mechanism.crystal_start = None;
                changed.mechanism.crystal_dropout = None;
            }
            Self::Temperature => hold_temperature(&mut changed.mechanism),
            Self::SecondClient => {}
            Self::QuietPins => changed.mechanism.interface_race = None,
            Self::EnterByBoot0 => {
                changed.mechanism.software_jump = None;
                changed.mechanism.application_loader = None;
            }
            Self::Holders => {
                changed.host.interface_held = false;
                changed.mechanism.other_program = None;
            }
            Self::Permission => changed.host.node_closed = false,
            Self::AttachProbe => changed.swd.attached = true,
        }
        changed
    }
}

/// The one frequency that every ROM with a crystal accepts (AN2606).
const EVERY_ROM_MHZ: f64 = 8.0;

impl Blueprint {
    fn clear(&mut self, place: Place) {
        self.place.clear(place, &mut self.mechanism);
    }
}

/// Same part and ROM, so what lies in the silicon stays; so do cable, port, host and air.
fn put_golden_board(blueprint: &mut Blueprint, rom: &RomModel) {
    let found = blueprint.mechanism.clone();
    let mut golden = Mechanisms {
        die_temperature: found.die_temperature,
        packet_gap: found.packet_gap,
        hub_port: found.hub_port,
        idle_suspend: found.idle_suspend,
        controller: found.controller,
        other_program: found.other_program,
        ..Mechanisms::default()
    };
    let places = blueprint.place;
    if places.bit_errors != Place::Board {
        golden.bit_errors = found.bit_errors;
    }
    if places.bursts != Place::Board {
        golden.bursts = found.bursts;
    }
    if places.supply != Place::Board {
        golden.supply = found.supply;
    }
    blueprint.mechanism = golden;
    blueprint.uid[2] ^= 0x0001_0101;
    blueprint.read_out_protected = false;
    blueprint.closed_for_ever = false;
    blueprint.write_protected.clear();
    blueprint.execute_only.clear();
    blueprint.alternates = None;
    if matches!(rom.clock, UsbClock::HseMeasured { .. } | UsbClock::HseListed { .. }) {
        blueprint.crystal_mhz = Some(EVERY_ROM_MHZ);
    }
}

/// A warm board is cooled to 25 C and a cool one warmed to 60 C.
fn hold_temperature(mechanism: &mut Mechanisms) {
    if let Some(air) = &mut mechanism.die_temperature {
        let warm = air.ambient_celsius + air.self_heating_kelvin > 30.0;
        let held = if warm { 25.0 - air.self_heating_kelvin } else { 60.0 };
        *air = DieTemperature { ambient_celsius: held, wander_kelvin: 0.0, ..*air };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(intervention: Intervention, text: &str) -> Blueprint {
        let head = "text = \"A board.\"\npart = \"STM32F407VG\"\nrom = \"f40x-v9\"\ncrystal-mhz = 25.0\n";
        let (found, rom) = Blueprint::parse("b.toml", &format!("{head}{text}")).unwrap();
        intervention.applied(&found, &rom)
    }

    const BITS: &str =
        "[mechanism.bit-errors]\nto-host-per-bit = 1e-4\nto-device-per-bit = 1e-4\nfactor-per-run-bit = 1.2\n";

    #[test]
    fn what_sits_in_the_cable_goes_with_the_cable_and_nothing_else_does() {
        let in_cable = format!("{BITS}[place]\nbit-errors = \"cable\"\n");
        for (intervention, on_board, of_cable) in [
            (Intervention::SwapCable, true, false),
            (Intervention::Usb2Hub, true, false),
            (Intervention::GoldenBoard, false, true),
            (Intervention::OtherPort, true, true),
            (Intervention::ExternalSupply, true, true),
        ] {
            assert_eq!(after(intervention, BITS).mechanism.bit_errors.is_some(), on_board, "{intervention:?}");
            assert_eq!(after(intervention, &in_cable).mechanism.bit_errors.is_some(), of_cable, "{intervention:?}");
        }
    }

    #[test]
    fn what_sits_in_the_host_stays_with_the_host() {
        let hub = "[mechanism.hub-port]\nevery-s = 0.3\nback-after-ms = 100\n";
        for (intervention, stays) in [
            (Intervention::GoldenBoard, true),
            (Intervention::SwapCable, true),
            (Intervention::OtherPort, false),
            (Intervention::OtherHost, false),
        ] {
            assert_eq!(after(intervention, hub).mechanism.hub_port.is_some(), stays, "{intervention:?}");
        }
    }

    #[test]
    fn a_golden_board_has_another_identity_and_a_crystal_that_works() {
        let golden = after(Intervention::GoldenBoard, "read-out-protected = true\n");
        assert_eq!((golden.crystal_mhz, golden.read_out_protected), (Some(8.0), false));
        assert_ne!(golden.uid, after(Intervention::SwapCable, "").uid);
    }

    #[test]
    fn a_place_without_its_mechanism_is_refused() {
        let text = "text = \"A board.\"\npart = \"STM32F407VG\"\nrom = \"f40x-v9\"\ncrystal-mhz = 8.0\n[place]\nsupply = \"port\"\n";
        let error = Blueprint::parse("b.toml", text).unwrap_err().to_string();
        assert!(error.contains("`supply` has a place, and the board has no such mechanism"), "{error}");
    }

    #[test]
    fn every_name_leads_back() {
        for intervention in Intervention::ALL {
            assert_eq!(Intervention::named(intervention.name()), Some(intervention));
        }
        assert_eq!(Intervention::named("prayer"), None);
    }
}
