//! The clock enables of RCC as the running program left them: what the ROM listens on, or the one interface that it serves.

use crate::bench::surroundings::Runs;
use crate::observation::units::Address;
use crate::swd::rom_interfaces::{Enable, InterfaceClocks};

/// An enable register; `None` where the address is none. An application is assumed to have none of the ROM's interfaces on.
pub fn register(clocks: &InterfaceClocks, runs: Runs, address: Address) -> Option<u32> {
    clocks.registers.iter().find(|(_, register)| *register == address)?;
    let is_on = |enable: &Enable, is_usb: bool| match runs {
        Runs::UsbBootloader | Runs::ServesNobody { .. } => true,
        Runs::OtherInterface { interface, pull_up } => {
            if is_usb {
                pull_up
            } else {
                enable.interface == interface
            }
        }
        Runs::SomethingElse | Runs::Restarts | Runs::LosesPower { .. } => false,
    };
    let usb = clocks.usb.iter().filter(|enable| is_on(enable, true));
    let on = usb.chain(clocks.others.iter().filter(|enable| is_on(enable, false)));
    Some(on.filter(|enable| enable.register == address).fold(0, |word, enable| word | 1 << enable.bit))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::swd::rom_interfaces::Served;

    fn served(runs: Runs) -> Option<Served> {
        let clocks = InterfaceClocks::of("STM32F4", 0x413)?;
        clocks.served(|address| register(clocks, runs, address))
    }

    #[test]
    fn what_the_rom_serves_reads_back_from_its_registers() {
        assert_eq!(served(Runs::UsbBootloader), Some(Served::Usb));
        assert_eq!(served(Runs::ServesNobody { pull_up: false }), Some(Served::Usb));
        for pull_up in [false, true] {
            let runs = Runs::OtherInterface { interface: "USART1", pull_up };
            assert_eq!(served(runs), Some(Served::Other("USART1")));
        }
        assert_eq!(served(Runs::SomethingElse), Some(Served::Open));
    }
}
