//! Quantities that a person at the bench can measure, with their usual bands (`profiles/measurements`).

use serde::Deserialize;

use super::board::PassBand;
use super::loader::{self, ProfileError};
use super::shelf::{self, Sheet};

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Quantity {
    /// `vdd-minimum`; a board profile names the same.
    pub id: String,
    /// What one says to the person at the bench.
    pub name: String,
    /// Without a prefix: `V`, `Hz`.
    pub unit: String,
    pub low: f64,
    pub high: f64,
    /// When or how to measure.
    pub when: Option<String>,
    pub source: String,
    /// The band has not been compared with the document.
    #[serde(default)]
    pub unverified: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct QuantitySheet {
    #[serde(rename = "quantity")]
    quantities: Vec<Quantity>,
}

/// Everything that can be asked for, with the bands of the board where its profile gives some.
#[derive(Clone, Debug, Default)]
pub struct Quantities(Vec<Quantity>);

impl Quantities {
    pub fn load() -> Result<Self, ProfileError> {
        Self::from_sheets(&shelf::sheets("measurements")?)
    }

    pub fn from_sheets(sheets: &[Sheet]) -> Result<Self, ProfileError> {
        let mut all: Vec<Quantity> = Vec::new();
        for sheet in sheets {
            for quantity in parse(sheet)? {
                all.retain(|known| known.id != quantity.id);
                all.push(quantity);
            }
        }
        Ok(Self(all))
    }

    /// What somebody said of this very board replaces what is usual.
    #[must_use]
    pub fn on_board(mut self, bands: &[PassBand]) -> Self {
        for band in bands {
            let known = self.0.iter_mut().find(|quantity| quantity.id == band.quantity && quantity.unit == band.unit);
            if let Some(quantity) = known {
                (quantity.low, quantity.high) = (band.low, band.high);
                quantity.when = band.when.clone().or_else(|| quantity.when.take());
                "board profile".clone_into(&mut quantity.source);
                quantity.unverified = false;
            }
        }
        self
    }

    pub fn get(&self, id: &str) -> Option<&Quantity> {
        self.0.iter().find(|quantity| quantity.id == id)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Quantity> {
        self.0.iter()
    }
}

impl Quantity {
    pub fn passes(&self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }

    /// `3 to 3.6 V`.
    pub fn band(&self) -> String {
        format!("{} to {} {}", self.low, self.high, self.unit)
    }
}

/// Reads one sheet and refuses bands that nothing can pass.
pub fn parse(sheet: &Sheet) -> Result<Vec<Quantity>, ProfileError> {
    let read: QuantitySheet = loader::parse(&sheet.file, &sheet.text)?;
    for quantity in &read.quantities {
        if quantity.low > quantity.high {
            let message = format!("nothing can pass the band of `{}`: low is above high", quantity.id);
            let needle = format!("\"{}\"", quantity.id);
            return Err(loader::refuse(&sheet.file, &sheet.text, &needle, message, None));
        }
    }
    Ok(read.quantities)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn built_in() -> Quantities {
        Quantities::from_sheets(&shelf::built_in("measurements")).unwrap()
    }

    #[test]
    fn the_band_of_a_board_replaces_the_usual_one() {
        let own = PassBand { quantity: "vdd-minimum".into(), unit: "V".into(), low: 1.7, high: 1.9, when: None };
        let quantities = built_in().on_board(&[own]);
        let vdd = quantities.get("vdd-minimum").unwrap();
        assert!(vdd.passes(1.8) && !vdd.passes(3.3) && vdd.when.is_some());
        assert!(built_in().get("vdd-minimum").unwrap().passes(3.3));
    }

    #[test]
    fn a_band_upside_down_is_refused_with_its_line() {
        let text = "[[quantity]]\nid = \"x\"\nname = \"X\"\nunit = \"V\"\nlow = 2.0\nhigh = 1.0\nsource = \"-\"\n";
        let sheet = Sheet { name: "q".into(), file: "q.toml".into(), text: text.into() };
        assert!(parse(&sheet).unwrap_err().to_string().starts_with("q.toml:2: nothing can pass the band of `x`"));
    }
}
