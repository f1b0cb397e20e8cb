//! Which of its interfaces the ROM serves, from the clock enables of RCC over SWD, which reading does not touch.
//!
//! While it waits, a ROM has the clocks of all its interfaces on. When one of the others than USB has spoken, the flow charts of AN2606
//! turn the clocks of the rest off; so a single one that is on has won. USB is served by interrupts, and what becomes of the others
//! then is not told. Unverified: the charts are quoted from memory, and that the ROMs keep to them was not tried on hardware. Bits as the
//! reference manuals and ST's CMSIS headers have them. Other families, and H7A3 whose enables lie elsewhere, are left out.

use crate::observation::units::Address;

/// One bit of an enable register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Enable {
    pub interface: &'static str,
    pub register: Address,
    pub bit: u8,
}

/// The clock enables of everything that a ROM of one family may listen on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InterfaceClocks {
    /// Name and address, in the order in which they are read.
    pub registers: &'static [(&'static str, Address)],
    pub usb: &'static [Enable],
    pub others: &'static [Enable],
}

/// What the enables say of a ROM that is known to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Served {
    /// This one has spoken first, and the others are off.
    Other(&'static str),
    /// USB is on, and no other has won.
    Usb,
    /// Nothing follows: none is on, or several without USB.
    Open,
}

const fn on(interface: &'static str, register: u32, bit: u8) -> Enable {
    Enable { interface, register: Address(register), bit }
}

const F4: InterfaceClocks = InterfaceClocks {
    registers: &[
        ("RCC_AHB2ENR", Address(0x4002_3834)),
        ("RCC_APB1ENR", Address(0x4002_3840)),
        ("RCC_APB2ENR", Address(0x4002_3844)),
    ],
    usb: &[on("USB", 0x4002_3834, 7)],
    others: &[
        on("SPI2", 0x4002_3840, 14),
        on("SPI3", 0x4002_3840, 15),
        on("USART2", 0x4002_3840, 17),
        on("USART3", 0x4002_3840, 18),
        on("I2C1", 0x4002_3840, 21),
        on("I2C2", 0x4002_3840, 22),
        on("I2C3", 0x4002_3840, 23),
        // CAN2 needs the clock of CAN1 too, so CAN1 is not counted.
        on("CAN2", 0x4002_3840, 26),
        on("USART1", 0x4002_3844, 4),
        on("SPI1", 0x4002_3844, 12),
        on("SPI4", 0x4002_3844, 13),
    ],
};

const F105: InterfaceClocks = InterfaceClocks {
    registers: &[
        ("RCC_AHBENR", Address(0x4002_1014)),
        ("RCC_APB2ENR", Address(0x4002_1018)),
        ("RCC_APB1ENR", Address(0x4002_101C)),
    ],
    usb: &[on("USB", 0x4002_1014, 12)],
    others: &[on("USART1", 0x4002_1018, 14), on("USART2", 0x4002_101C, 17), on("CAN2", 0x4002_101C, 26)],
};

/// F0 and F3.
const F0: InterfaceClocks = InterfaceClocks {
    registers: &[("RCC_APB2ENR", Address(0x4002_1018)), ("RCC_APB1ENR", Address(0x4002_101C))],
    usb: &[on("USB", 0x4002_101C, 23)],
    others: &[
        on("SPI1", 0x4002_1018, 12),
        on("USART1", 0x4002_1018, 14),
        on("SPI2", 0x4002_101C, 14),
        on("USART2", 0x4002_101C, 17),
        on("I2C1", 0x4002_101C, 21),
    ],
};

const L4: InterfaceClocks = InterfaceClocks {
    registers: &[
        ("RCC_AHB2ENR", Address(0x4002_104C)),
        ("RCC_APB1ENR1", Address(0x4002_1058)),
        ("RCC_APB2ENR", Address(0x4002_1060)),
    ],
    // OTG_FS of the larger parts, the device of the smaller ones.
    usb: &[on("USB", 0x4002_104C, 12), on("USB", 0x4002_1058, 26)],
    others: &[
        on("SPI2", 0x4002_1058, 14),
        on("SPI3", 0x4002_1058, 15),
        on("USART2", 0x4002_1058, 17),
        on("USART3", 0x4002_1058, 18),
        on("I2C1", 0x4002_1058, 21),
        on("I2C2", 0x4002_1058, 22),
        on("I2C3", 0x4002_1058, 23),
        on("CAN1", 0x4002_1058, 25),
        on("SPI1", 0x4002_1060, 12),
        on("USART1", 0x4002_1060, 14),
    ],
};

const G4: InterfaceClocks = InterfaceClocks {
    registers: &[("RCC_APB1ENR1", Address(0x4002_1058)), ("RCC_APB2ENR", Address(0x4002_1060))],
    usb: &[on("USB", 0x4002_1058, 23)],
    others: &[
        on("SPI2", 0x4002_1058, 14),
        on("SPI3", 0x4002_1058, 15),
        on("USART2", 0x4002_1058, 17),
        on("USART3", 0x4002_1058, 18),
        on("I2C1", 0x4002_1058, 21),
        on("I2C2", 0x4002_1058, 22),
        on("FDCAN", 0x4002_1058, 25),
        on("I2C3", 0x4002_1058, 30),
        on("SPI1", 0x4002_1060, 12),
        on("USART1", 0x4002_1060, 14),
    ],
};

const WB: InterfaceClocks = InterfaceClocks {
    registers: &[("RCC_APB1ENR1", Address(0x5800_0058)), ("RCC_APB2ENR", Address(0x5800_0060))],
    usb: &[on("USB", 0x5800_0058, 26)],
    others: &[
        on("SPI2", 0x5800_0058, 14),
        on("I2C1", 0x5800_0058, 21),
        on("I2C3", 0x5800_0058, 23),
        on("SPI1", 0x5800_0060, 12),
        on("USART1", 0x5800_0060, 14),
    ],
};

const H7: InterfaceClocks = InterfaceClocks {
    registers: &[
        ("RCC_AHB1ENR", Address(0x5802_44D8)),
        ("RCC_APB1LENR", Address(0x5802_44E8)),
        ("RCC_APB1HENR", Address(0x5802_44EC)),
        ("RCC_APB2ENR", Address(0x5802_44F0)),
    ],
    usb: &[on("USB", 0x5802_44D8, 25), on("USB", 0x5802_44D8, 27)],
    others: &[
        on("SPI2", 0x5802_44E8, 14),
        on("SPI3", 0x5802_44E8, 15),
        on("USART2", 0x5802_44E8, 17),
        on("USART3", 0x5802_44E8, 18),
        on("I2C1", 0x5802_44E8, 21),
        on("I2C2", 0x5802_44E8, 22),
        on("I2C3", 0x5802_44E8, 23),
        on("FDCAN", 0x5802_44EC, 8),
        on("USART1", 0x5802_44F0, 4),
        on("SPI1", 0x5802_44F0, 12),
        on("SPI4", 0x5802_44F0, 13),
    ],
};

impl InterfaceClocks {
    /// `None` where the enables of a part are not known.
    pub fn of(family: &str, dev_id: u16) -> Option<&'static Self> {
        const H7A3: u16 = 0x480;
        const F105_AND_F107: u16 = 0x418;
        match (family, dev_id) {
            ("STM32F2" | "STM32F4" | "STM32F7", _) => Some(&F4),
            ("STM32F1", F105_AND_F107) => Some(&F105),
            ("STM32F0" | "STM32F3", _) => Some(&F0),
            ("STM32L4" | "STM32L4+", _) => Some(&L4),
            ("STM32G4", _) => Some(&G4),
            ("STM32WB", _) => Some(&WB),
            ("STM32H7", H7A3) => None,
            ("STM32H7", _) => Some(&H7),
            _ => None,
        }
    }

    /// `None` where a register could not be read.
    pub fn served(&self, read: impl Fn(Address) -> Option<u32>) -> Option<Served> {
        let is_on = |enable: &Enable| Some(read(enable.register)? >> enable.bit & 1 == 1);
        let states = self.others.iter().map(|enable| Some((enable.interface, is_on(enable)?)));
        let others: Vec<_> = states.collect::<Option<Vec<_>>>()?.into_iter().filter(|(_, is_on)| *is_on).collect();
        let usb = self.usb.iter().map(is_on).collect::<Option<Vec<_>>>()?.contains(&true);
        Some(match others[..] {
            [(interface, _)] => Served::Other(interface),
            _ if usb => Served::Usb,
            _ => Served::Open,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An F4 with these words in AHB2ENR, APB1ENR and APB2ENR.
    fn f4(words: [u32; 3]) -> Option<Served> {
        let place = |address| F4.registers.iter().position(|(_, register)| *register == address);
        InterfaceClocks::of("STM32F4", 0x413)?.served(|address| Some(words[place(address)?]))
    }

    #[test]
    fn a_single_interface_that_is_on_has_won() {
        assert_eq!(f4([0, 0, 1 << 4]), Some(Served::Other("USART1")));
        assert_eq!(
            f4([1 << 7, 1 << 26 | 1 << 25, 0]),
            Some(Served::Other("CAN2")),
            "the pull-up may have been on already"
        );
    }

    #[test]
    fn a_rom_that_still_waits_has_all_on() {
        assert_eq!(f4([1 << 7, 1 << 18 | 1 << 26, 1 << 4]), Some(Served::Usb));
        assert_eq!(f4([1 << 7, 0, 0]), Some(Served::Usb));
        assert_eq!(f4([0, 1 << 18, 1 << 4]), Some(Served::Open));
        assert_eq!(f4([0, 0, 0]), Some(Served::Open));
    }

    #[test]
    fn a_register_that_was_not_read_leaves_the_question_open() {
        assert_eq!(F4.served(|address| (address.0 != 0x4002_3844).then_some(0)), None);
        assert_eq!(InterfaceClocks::of("STM32H7", 0x480), None);
        assert_eq!(InterfaceClocks::of("STM32U5", 0x482), None);
    }

    #[test]
    fn every_bit_lies_in_a_register_that_is_read() {
        for clocks in [F4, F105, F0, L4, G4, WB, H7] {
            for enable in clocks.usb.iter().chain(clocks.others) {
                assert!(clocks.registers.iter().any(|(_, address)| *address == enable.register), "{enable:?}");
                assert!(enable.bit < 32, "{enable:?}");
            }
        }
    }
}
