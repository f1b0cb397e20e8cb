//! The driver that probe-rs lists and opens: every seat is a probe plugged into this process.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::str::FromStr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, Once, PoisonError};

use probe_rs::plugin::{Plugin, register_plugin};
use probe_rs::probe::list::ProbeListItem;
use probe_rs::probe::stlink::StlinkError;
use probe_rs::probe::{
    DebugProbe, DebugProbeError, DebugProbeInfo, DebugProbeSelector, ProbeCreationError, ProbeFactory,
};

use super::bits::BitProbe;
use super::transactions::TransactionProbe;
use super::wires::{Grip, Opening, SharedWires};

/// Where probe-rs meets the virtual target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    Transactions,
    Bits,
}

impl FromStr for Level {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "transactions" => Ok(Self::Transactions),
            "bits" => Ok(Self::Bits),
            _ => Err("expected transactions or bits".to_owned()),
        }
    }
}

/// IDs that no probe has: a block for tests.
const VENDOR_ID: u16 = 0x1209;
const PRODUCT_ID: u16 = 0x0001;

/// A probe that stays plugged in as long as this lives.
#[derive(Debug)]
pub struct Seat {
    serial: String,
    counts: Arc<Counts>,
    grip: Grip,
}

/// What probe-rs asked of the probe.
#[derive(Debug, Default)]
pub struct Counts {
    pub openings: AtomicU32,
    pub names: AtomicU32,
    /// Probes that are open now.
    pub open: AtomicU32,
}

struct Occupied {
    grip: Grip,
    level: Level,
    counts: Arc<Counts>,
}

static SEATS: LazyLock<Mutex<BTreeMap<String, Occupied>>> = LazyLock::new(Mutex::default);
static DRIVER: Driver = Driver;

fn seats() -> MutexGuard<'static, BTreeMap<String, Occupied>> {
    SEATS.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Seat {
    /// Plugs a probe with this serial number in; it takes the place of an earlier one of the same number.
    pub fn take(serial: &str, wires: SharedWires, level: Level) -> Self {
        static REGISTERED: Once = Once::new();
        REGISTERED.call_once(|| register_plugin(Plugin { probe_drivers: &[&DRIVER], ..Plugin::default() }));
        let counts = Arc::<Counts>::default();
        let grip = Grip::new(wires);
        seats().insert(serial.to_owned(), Occupied { grip: grip.clone(), level, counts: Arc::clone(&counts) });
        Self { serial: serial.to_owned(), counts, grip }
    }

    pub fn serial(&self) -> &str {
        &self.serial
    }

    /// The supply of the target behind the probe is switched.
    pub fn power(&self, on: bool) {
        self.grip.with(|wires, now| wires.power(now, on));
    }

    pub fn counts(&self) -> &Counts {
        &self.counts
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut seats = seats();
        // A later probe of the same number stays.
        if seats.get(&self.serial).is_some_and(|seat| Arc::ptr_eq(&seat.counts, &self.counts)) {
            seats.remove(&self.serial);
        }
    }
}

/// Kept by an open probe; tells its seat when it is closed.
#[derive(Debug)]
pub(super) struct Held(pub(super) Arc<Counts>);

impl Held {
    fn of(counts: &Arc<Counts>) -> Self {
        counts.open.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(counts))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Whether this probe is one of ours.
pub fn is_ours(info: &DebugProbeInfo) -> bool {
    info.is_probe_type::<Driver>()
}

#[derive(Debug)]
struct Driver;

impl fmt::Display for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("virtual probe")
    }
}

impl ProbeFactory for Driver {
    fn open(&self, selector: &DebugProbeSelector) -> Result<Box<dyn DebugProbe>, DebugProbeError> {
        let not_created = |why| Err(DebugProbeError::ProbeCouldNotBeCreated(why));
        let meant = (selector.vendor_id, selector.product_id) == (VENDOR_ID, PRODUCT_ID);
        let seats = seats();
        let seat = seats.get(selector.serial_number.as_deref().unwrap_or_default()).filter(|_| meant);
        let Some(seat) = seat else { return not_created(ProbeCreationError::NotFound) };
        seat.counts.openings.fetch_add(1, Ordering::Relaxed);
        let grip = seat.grip.clone();
        match grip.with(|wires, now| wires.opening(now)) {
            _ if seat.counts.open.load(Ordering::Relaxed) > 0 => return not_created(busy()),
            Opening::Opens => {}
            Opening::Busy => return not_created(busy()),
            Opening::Denied => {
                let denied = io::Error::new(io::ErrorKind::PermissionDenied, "not permitted");
                return not_created(ProbeCreationError::Usb(denied));
            }
            Opening::Gone => return not_created(ProbeCreationError::NotFound),
            Opening::OldFirmware => return Err(StlinkError::ProbeFirmwareOutdated(26).into()),
        }
        let held = Held::of(&seat.counts);
        Ok(match seat.level {
            Level::Transactions => Box::new(TransactionProbe::new(grip, held)),
            Level::Bits => Box::new(BitProbe::new(grip, held)),
        })
    }

    fn list_probes(&self) -> Vec<ProbeListItem> {
        let info = |serial: &String| {
            DebugProbeInfo::new("virtual probe", VENDOR_ID, PRODUCT_ID, Some(serial.clone()), &DRIVER, None, false)
        };
        let seats = seats();
        let present = seats.iter().filter(|(_, seat)| seat.grip.with(|wires, now| wires.is_present(now)));
        present.map(|(serial, _)| ProbeListItem::accessible(info(serial))).collect()
    }
}

/// As the USB library below probe-rs words it.
fn busy() -> ProbeCreationError {
    ProbeCreationError::Usb(io::Error::other("interface is busy (errno 16)"))
}
