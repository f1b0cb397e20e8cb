//! The table of `triage --score`: every report, then the figures with their intervals.

use std::io::{self, Write};

use super::console::Console;
use crate::investigation::score::{Figures, Scored, Share};

pub fn write(scored: &[Scored], console: &mut Console) -> io::Result<()> {
    let figures = Figures::of(scored);
    let out = &mut console.out;
    for one in scored {
        let mark = match () {
            () if one.confidently_wrong => "WRONG",
            () if one.first => "ok",
            () if one.negative => "MISS",
            () if one.among_three => "top3",
            () => "-",
        };
        let counted = if one.counts { '*' } else { ' ' };
        let told: Vec<_> = one.families.iter().take(3).map(|(family, p)| format!("{family} {p:.2}")).collect();
        writeln!(out, "{mark:5}{counted} {:44} {:30} {}", one.name, one.confirmed, told.join(", "))?;
    }
    writeln!(out, "\nfamily                          first  95 %            among three  95 %")?;
    for (family, (first, three)) in &figures.by_family {
        writeln!(out, "{family:30} {} {}", short(*first), short(*three))?;
    }
    writeln!(out)?;
    for (what, share) in [
        ("first, confirmed with evidence (*)", figures.first),
        ("among three, confirmed with evidence (*)", figures.among_three),
        ("first, every known cause", figures.first_of_all),
        ("negatives clean", figures.negatives_clean),
        ("confident and wrong", figures.confidently_wrong),
    ] {
        writeln!(out, "{what:42} {}", told(share))?;
    }
    out.flush()
}

fn told(share: Share) -> String {
    let (low, high) = share.interval();
    format!("{:3}/{:<3} = {:.3}  (95 % {low:.2} to {high:.2})", share.hits, share.of, share.value())
}

fn short(share: Share) -> String {
    let (low, high) = share.interval();
    format!("{:>3}/{:<3} {low:.2} to {high:.2}    ", share.hits, share.of)
}
