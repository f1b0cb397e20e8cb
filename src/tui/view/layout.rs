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
    pub limits: Rect,
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
    /// Rows of the strip when the campaign has run as planned.
    pub cycle_rows: u16,
    /// Lines of the banner; zero for none.
    pub banner: u16,
    /// Lines of what the campaign cannot tell.
    pub limits: u16,
    pub rate_lines: u16,
    pub step_lines: u16,
    pub cause_lines: u16,
    /// The campaign has ended: panes may go where there is room, for they stay there.
    pub settled: bool,
    pub evidence: bool,
    pub zoomed: Option<Pane>,
}

/// Between the left and the right side.
const GAP: u16 = 2;

fn left_width(body: u16) -> u16 {
    let percent = if body < 100 { 48 } else { 50 };
    body.saturating_sub(GAP) * percent / 100
}

/// Divides the screen.
pub fn arrange(screen: Rect, needs: &Needs) -> Panels {
    let mut panels = Panels::default();
    let mut rest = Rect { x: screen.x + 1, width: screen.width.saturating_sub(2), ..screen };
    panels.header = take_top(&mut rest, 2);
    panels.footer = take_bottom(&mut rest, 1);
    panels.banner = take_bottom(&mut rest, needs.banner);
    if let Some(pane) = needs.zoomed {
        if pane == Pane::Causes && needs.evidence {
            panels.causes = Rect { width: left_width(rest.width), ..rest };
            let taken = panels.causes.width + GAP;
            rest = Rect { x: rest.x + taken, width: rest.width.saturating_sub(taken), ..rest };
            panels.evidence = rest;
            return panels;
        }
        *place(&mut panels, pane) = rest;
        return panels;
    }
    let height = screen.height;
    panels.cycles = take_top(&mut rest, 2 + needs.cycle_rows.clamp(1, most_cycle_rows(height)));
    panels.limits = take_top(&mut rest, needs.limits.min(limit_rows(height)));
    panels.events = take_bottom(&mut rest, event_rows(height).saturating_sub(needs.banner));
    panels.next = take_bottom(&mut rest, 1 + next_rows(height));
    divide_body(rest, needs, &mut panels);
    panels
}

/// Rates over causes at the left; steps over evidence at the right. Opened evidence has the right side to itself.
fn divide_body(body: Rect, needs: &Needs, panels: &mut Panels) {
    let gap = GAP;
    let left = left_width(body.width);
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
    let beneath_steps = below(right_side, steps + 1);
    let causes = (1 + needs.cause_lines).min(left_side.height);
    let beneath_causes = below(left_side, causes + 1);
    let at_left = needs.settled && beneath_causes.height > beneath_steps.height;
    let evidence = if at_left { beneath_causes } else { beneath_steps };
    // Less than this is better left blank.
    if evidence.height >= 5 {
        panels.evidence = evidence;
        if at_left {
            panels.causes.height = causes;
        }
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

fn most_cycle_rows(height: u16) -> u16 {
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

/// One row has no title of its own.
fn event_rows(height: u16) -> u16 {
    match height {
        0..20 => 0,
        20..28 => 1,
        28..32 => 4,
        32..50 => 7,
        _ => 11,
    }
}

fn limit_rows(height: u16) -> u16 {
    match height {
        0..20 => 0,
        20..28 => 1,
        28..32 => 2,
        _ => 4,
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
            cycle_rows in 0u16..20,
            width in SMALLEST.0..250, height in SMALLEST.1..90, banner in 0u16..3, limits in 0u16..6, rate_lines in 0u16..8,
            step_lines in 0u16..14, cause_lines in 1u16..20, settled in any::<bool>(),
            evidence in any::<bool>(),
        ) {
            let screen = Rect::new(0, 0, width, height);
            let panels = arrange(screen, &Needs { cycle_rows, banner, limits, rate_lines, step_lines, cause_lines, settled, evidence, zoomed: None });
            let all = [panels.header, panels.cycles, panels.limits, panels.rates, panels.causes, panels.steps, panels.evidence,
                panels.next, panels.events, panels.banner, panels.footer];
            for (index, a) in all.iter().enumerate() {
                prop_assert!(a.is_empty() || screen.union(*a) == screen);
                for b in &all[index + 1..] {
                    prop_assert!(!a.intersects(*b) || a.is_empty() || b.is_empty(), "{a} {b}");
                }
            }
            prop_assert!(panels.causes.height >= 2 && panels.header.height == 2 && panels.footer.height == 1);
        }
    }

    #[test]
    fn a_zoomed_pane_has_everything_between_header_and_footer() {
        let needs = Needs {
            cycle_rows: 3,
            banner: 1,
            limits: 2,
            rate_lines: 2,
            step_lines: 10,
            cause_lines: 3,
            settled: false,
            evidence: false,
            zoomed: Some(Pane::Events),
        };
        let panels = arrange(Rect::new(0, 0, 80, 24), &needs);
        assert_eq!(panels.events, Rect::new(1, 2, 78, 20));
        assert!(panels.causes.is_empty());
    }
}
