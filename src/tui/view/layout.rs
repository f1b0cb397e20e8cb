//! Where everything goes: the same panes from 60x16 upwards, with more lines in each where there is room.

use ratatui::layout::Rect;

use super::pen::below;
use crate::tui::state::Pane;

/// The least that the screen can be drawn in.
pub const SMALLEST: (u16, u16) = (60, 16);

/// The place of every pane; empty where there is no room for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Panels {
    pub header: Rect,
    pub cycles: Rect,
    pub rates: Rect,
    pub causes: Rect,
    pub steps: Rect,
    pub evidence: Rect,
    pub next: Rect,
    pub events: Rect,
    pub banner: Rect,
    pub footer: Rect,
}

/// What the content asks for.
#[derive(Clone, Copy, Debug)]
pub struct Needs {
    /// Lines of the banner; zero for none.
    pub banner: u16,
    pub rate_lines: u16,
    pub step_lines: u16,
    pub evidence: bool,
    pub zoomed: Option<Pane>,
}

/// Divides the screen.
pub fn arrange(screen: Rect, needs: &Needs) -> Panels {
    let mut panels = Panels::default();
    let mut rest = Rect { x: screen.x + 1, width: screen.width.saturating_sub(2), ..screen };
    panels.header = take_top(&mut rest, 2);
    panels.footer = take_bottom(&mut rest, 1);
    panels.banner = take_bottom(&mut rest, needs.banner);
    if let Some(pane) = needs.zoomed {
        *place(&mut panels, pane) = rest;
        return panels;
    }
    let height = screen.height;
    panels.cycles = take_top(&mut rest, 2 + cycle_rows(height));
    let events = event_rows(height).saturating_sub(needs.banner);
    panels.events = take_bottom(&mut rest, if events == 0 { 0 } else { 1 + events });
    panels.next = take_bottom(&mut rest, 1 + next_rows(height));
    divide_body(rest, needs, &mut panels);
    panels
}

/// Rates over causes at the left; steps over evidence at the right. Opened evidence has the right side to itself.
fn divide_body(body: Rect, needs: &Needs, panels: &mut Panels) {
    let gap = 2;
    let left = body.width.saturating_sub(gap) * 47 / 100;
    let mut left_side = Rect { width: left, ..body };
    let right_side = Rect { x: body.x + left + gap, width: body.width.saturating_sub(left + gap), ..body };
    let fewest_causes = 4;
    let rates = (1 + needs.rate_lines).min(left_side.height.saturating_sub(fewest_causes));
    panels.rates = take_top(&mut left_side, rates);
    panels.causes = left_side;
    if needs.evidence {
        panels.evidence = right_side;
        return;
    }
    let steps = (1 + needs.step_lines).min(right_side.height);
    panels.steps = Rect { height: steps, ..right_side };
    let beneath = below(right_side, steps + 1);
    // Less than this is better left blank.
    if beneath.height >= 5 {
        panels.evidence = beneath;
    }
}

fn place(panels: &mut Panels, pane: Pane) -> &mut Rect {
    match pane {
        Pane::Causes => &mut panels.causes,
        Pane::Evidence => &mut panels.evidence,
        Pane::Cycles => &mut panels.cycles,
        Pane::Rates => &mut panels.rates,
        Pane::Steps => &mut panels.steps,
        Pane::Next => &mut panels.next,
        Pane::Events => &mut panels.events,
    }
}

fn cycle_rows(height: u16) -> u16 {
    match height {
        0..20 => 1,
        20..24 => 2,
        24..32 => 3,
        32..50 => 5,
        _ => 8,
    }
}

fn next_rows(height: u16) -> u16 {
    match height {
        0..24 => 1,
        24..32 => 2,
        32..50 => 4,
        _ => 6,
    }
}

fn event_rows(height: u16) -> u16 {
    match height {
        0..20 => 0,
        20..28 => 1,
        28..32 => 3,
        32..50 => 6,
        _ => 10,
    }
}

fn take_top(rest: &mut Rect, rows: u16) -> Rect {
    let rows = rows.min(rest.height);
    let top = Rect { height: rows, ..*rest };
    *rest = below(*rest, rows);
    top
}

fn take_bottom(rest: &mut Rect, rows: u16) -> Rect {
    let rows = rows.min(rest.height);
    rest.height -= rows;
    Rect { y: rest.y + rest.height, height: rows, ..*rest }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn panes_lie_on_the_screen_and_do_not_overlap(
            width in SMALLEST.0..250, height in SMALLEST.1..90, banner in 0u16..3, rate_lines in 0u16..8, step_lines in 0u16..14,
            evidence in any::<bool>(),
        ) {
            let screen = Rect::new(0, 0, width, height);
            let panels = arrange(screen, &Needs { banner, rate_lines, step_lines, evidence, zoomed: None });
            let all = [panels.header, panels.cycles, panels.rates, panels.causes, panels.steps, panels.evidence,
                panels.next, panels.events, panels.banner, panels.footer];
            for (index, a) in all.iter().enumerate() {
                prop_assert!(a.is_empty() || screen.union(*a) == screen);
                for b in &all[index + 1..] {
                    prop_assert!(!a.intersects(*b) || a.is_empty() || b.is_empty(), "{a} {b}");
                }
            }
            prop_assert!(panels.causes.height >= 3 && panels.header.height == 2 && panels.footer.height == 1);
        }
    }

    #[test]
    fn a_zoomed_pane_has_everything_between_header_and_footer() {
        let needs = Needs { banner: 1, rate_lines: 2, step_lines: 10, evidence: false, zoomed: Some(Pane::Events) };
        let panels = arrange(Rect::new(0, 0, 80, 24), &needs);
        assert_eq!(panels.events, Rect::new(1, 2, 78, 20));
        assert!(panels.causes.is_empty());
    }
}
