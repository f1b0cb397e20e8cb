//! What an altering recipe works with: the image to install, the scratch range that the user named.

use rand::{Rng, SeedableRng};
use rand_pcg::Pcg64Mcg;

use crate::observation::alteration::{Alteration, Payload, Place};
use crate::observation::step::Step;
use crate::observation::units::Address;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Materials {
    pub image: Option<Image>,
    pub scratch: Option<Scratch>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    pub address: Address,
    pub data: Payload,
}

/// Whole sectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scratch {
    pub address: Address,
    pub length_bytes: u32,
    /// Of the pattern that is written.
    pub seed: u64,
}

/// What a recipe needs and was not given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Lacking {
    #[error("it needs an image: --image FILE with --image-address ADDRESS, or with --release R and --part PART")]
    Image,
    #[error("it needs a sector that may be erased and written: --scratch ADDRESS or --scratch ADDRESS:LENGTH")]
    Scratch,
}

impl Materials {
    /// Some of everything, for reading a recipe that will not be run.
    pub fn any() -> Self {
        let address = Address(0x0800_4000);
        let image = Some(Image { address, data: Payload::new(vec![0; 64]) });
        Self { image, scratch: Some(Scratch { address, length_bytes: 0x4000, seed: 0 }) }
    }

    pub fn image(&self) -> Result<&Image, Lacking> {
        self.image.as_ref().ok_or(Lacking::Image)
    }

    pub fn scratch(&self) -> Result<Scratch, Lacking> {
        self.scratch.ok_or(Lacking::Scratch)
    }
}

impl Image {
    pub fn erase(&self) -> Step {
        let (address, length_bytes) = (self.address, self.data.len_bytes());
        Step::Alter(Alteration::Erase { place: Place::Image, address, length_bytes })
    }

    pub fn write(&self) -> Step {
        Step::Alter(Alteration::Write { place: Place::Image, address: self.address, data: self.data.clone() })
    }

    pub fn verify(&self) -> Step {
        Step::Verify { address: self.address, data: self.data.clone() }
    }
}

impl Scratch {
    pub fn save(self) -> Step {
        Step::Save { address: self.address, length_bytes: self.length_bytes }
    }

    pub fn erase(self) -> Step {
        let Self { address, length_bytes, .. } = self;
        Step::Alter(Alteration::Erase { place: Place::Scratch, address, length_bytes })
    }

    pub fn verify_erased(self) -> Step {
        Step::Verify { address: self.address, data: Payload::new(vec![0xff; self.length_bytes as usize]) }
    }

    pub fn write(self) -> Step {
        Step::Alter(Alteration::Write { place: Place::Scratch, address: self.address, data: self.pattern() })
    }

    pub fn verify(self) -> Step {
        Step::Verify { address: self.address, data: self.pattern() }
    }

    /// The runner fills in what the case has saved.
    pub fn restore(self) -> Step {
        Step::Alter(Alteration::Restore { address: self.address, data: Payload::new(Vec::new()) })
    }

    /// Bytes without a pattern, so that a stuck bit or a swapped line shows.
    fn pattern(self) -> Payload {
        let mut bytes = vec![0; self.length_bytes as usize];
        Pcg64Mcg::seed_from_u64(self.seed).fill(bytes.as_mut_slice());
        Payload::new(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_what_is_verified() {
        let scratch = Scratch { address: Address(0x0800_4000), length_bytes: 2048, seed: 7 };
        let (Step::Alter(Alteration::Write { data, .. }), Step::Verify { data: expected, .. }) =
            (scratch.write(), scratch.verify())
        else {
            panic!("the two steps are a write and a verify");
        };
        assert_eq!(data, expected);
        assert!((1..=255).filter(|byte| data.bytes().contains(byte)).count() > 200);
    }

    #[test]
    fn what_is_lacking_is_told_with_its_option() {
        let nothing = Materials::default();
        assert!(nothing.image().unwrap_err().to_string().contains("--image FILE"));
        assert!(nothing.scratch().unwrap_err().to_string().contains("--scratch ADDRESS"));
    }
}
