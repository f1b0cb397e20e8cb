//! Findings on the time a board takes to come onto the bus: scattered, or late by always the same time.
//!
//! A ROM that does not see its crystal resets and tries again, so one plug-in can hold many ROM boots; a ROM that waits
//! for something first comes late and on time. A board that was not there in one cycle and is in the next took that much longer.
//! A cold boot takes another time than a reset and one port than another, so boots are judged among their like only.

use super::arms::Arms;
use super::boot_log::{Arrival, BootLog};
use super::finding::{Finding, Unit};
use super::multiplicity::Candidate;
use super::survival::{LogRank, Survival, Wait, log_rank};
use super::weight;
use crate::observation::boot::BootKind;
use crate::observation::units::Micros;

/// Fewer boots give no quartiles worth the name.
const LEAST_BOOTS: usize = 6;

/// Hubs report a new device every 32 to 256 ms, so this much scatter is no news.
const SCATTER_OF_A_HOST: Micros = Micros::from_millis(100);

/// Hosts need some 0.1 to 0.5 s for debouncing, reset and address; ROMs start within 0.1 s unless they wait.
const LATE: Micros = Micros::from_millis(1_000);

pub fn findings(log: &BootLog) -> Vec<Finding> {
    let (waits, at) = most_alike(log);
    // Scatter is judged among those that came: boots that never come are another finding, and no scatter by themselves.
    let came: Vec<Wait> = waits.iter().copied().filter(|wait| wait.happened).collect();
    if came.len() < LEAST_BOOTS {
        return Vec::new();
    }
    let curve = Survival::of(&came);
    let [Some(early), Some(median), Some(late)] = [0.25, 0.5, 0.75].map(|q| curve.quantile(q)) else {
        return Vec::new();
    };
    let scatter = late - early;
    let at = || at.iter().copied();
    let boots = waits.len() as u64;
    if scatter > ms(SCATTER_OF_A_HOST).max(0.1 * median) {
        let longest = came.iter().map(|wait| wait.time).fold(0.0, f64::max);
        let [early_ends, late_ends] = [0.25, 0.75].map(|q| curve.quantile_interval(q));
        let least = late_ends.0.unwrap_or(late) - early_ends.1.unwrap_or(longest);
        let most = late_ends.1.unwrap_or(longest) - early_ends.0.unwrap_or(early);
        let weight = weight::of_sightings(came.len() as u64) * if least > 0.0 { 1.0 } else { 0.5 };
        let half = Survival::of(&waits)
            .quantile(0.5)
            .map_or("not come by the deadline".to_owned(), |half| format!("come after {half:.0} ms"));
        let absent = match waits.len() - came.len() {
            0 => "all came in the end".to_owned(),
            absent => format!("{absent} of {boots} never came"),
        };
        let text = format!(
            "The time to enumerate is scattered over boots: the middle half of those that came took {early:.0} to {late:.0} ms, the longest {longest:.0} ms; {absent}, and half of all had {half}."
        );
        return vec![
            Finding::new("enumerate-scattered", text, boots, Unit::Boot)
                .of_size(scatter, Some((least.max(0.0), most.max(scatter))), "ms between the quartiles")
                .by(
                    "quartiles, from the ends of their intervals after Brookmeyer and Crowley; Kaplan-Meier median",
                    weight,
                )
                .seen_at(at()),
        ];
    }
    if median > ms(LATE) {
        let (low, high) = curve.quantile_interval(0.5);
        let text = format!(
            "The board comes onto the bus late and always after about the same time: median {median:.0} ms, middle half {early:.0} to {late:.0} ms."
        );
        return vec![
            Finding::new("enumerate-late-constant", text, boots, Unit::Boot)
                .of_size(median, Some((low.unwrap_or(early), high.unwrap_or(late))), "ms")
                .by("median, interval after Brookmeyer and Crowley", weight::of_sightings(came.len() as u64))
                .seen_at(at()),
        ];
    }
    let absent = waits.len() - came.len();
    if absent == 0 {
        return Vec::new();
    }
    let (low, high) = curve.quantile_interval(0.5);
    let text = format!(
        "The board comes at once or not at all: {} of {boots} boots took {early:.0} to {late:.0} ms (middle half), and {absent} never came, though they were waited for.",
        came.len()
    );
    vec![
        Finding::new("enumerate-at-once-or-never", text, boots, Unit::Boot)
            .of_size(median, Some((low.unwrap_or(early), high.unwrap_or(late))), "ms")
            .by(
                "median of the time to enumerate, interval after Brookmeyer and Crowley",
                weight::of_sightings(absent.min(came.len()) as u64),
            )
            .seen_at(at()),
    ]
}

/// The waits of those boots, of one campaign, kind and arm, of which most came, and the cycles at which they began.
fn most_alike(log: &BootLog) -> (Vec<Wait>, Vec<u32>) {
    let known = log.strata().into_values().map(|boots| {
        let known = boots.into_iter().filter(|boot| boot.kind != BootKind::Unknown);
        known.filter_map(|boot| Some((wait(boot.arrival?), boot.begins_at))).unzip()
    });
    let came = |(waits, _): &(Vec<Wait>, Vec<u32>)| waits.iter().filter(|wait| wait.happened).count();
    known.max_by_key(came).unwrap_or_default()
}

/// The waits of boots under one level of a factor.
struct Level<'a> {
    name: &'a str,
    waits: Vec<Wait>,
    /// The first cycles of these boots.
    at: Vec<u32>,
}

impl<'a> Level<'a> {
    fn of(arms: &Arms, log: &BootLog, factor: &str, name: &'a str) -> Self {
        let under = log.boots().filter(|boot| boot.arm.and_then(|arm| arms.level(arm, factor)) == Some(name));
        let known = under.filter(|boot| boot.kind != BootKind::Unknown);
        let (waits, at) = known.filter_map(|boot| Some((wait(boot.arrival?), boot.begins_at))).unzip();
        Self { name, waits, at }
    }
}

/// Factors of two levels under which the board may take longer to come, each boot being of one level.
pub fn by_factor<'a>(arms: &'a Arms, log: &BootLog) -> Vec<Candidate<'a>> {
    let mut candidates = Vec::new();
    for (factor, levels) in arms.factors() {
        let [one, other] = levels[..] else { continue };
        let pair = [one, other].map(|level| Level::of(arms, log, factor, level));
        if pair.iter().all(|level| level.waits.len() >= LEAST_BOOTS) {
            let test = log_rank(&pair[1].waits, &pair[0].waits);
            candidates.push(Candidate::new(test.p(), move |p| slower(factor, &pair, &test, p).into_iter().collect()));
        }
    }
    candidates
}

fn slower(factor: &str, [one, other]: &[Level<'_>; 2], test: &LogRank, p: f64) -> Option<Finding> {
    let (first, second) = (Survival::of(&one.waits).quantile(0.5)?, Survival::of(&other.waits).quantile(0.5)?);
    if p >= weight::REPORTED_BELOW || (first - second).abs() < ms(SCATTER_OF_A_HOST) {
        return None;
    }
    let text = format!(
        "The time to enumerate depends on {factor}: median {first:.0} ms with {}, {second:.0} ms with {}.",
        one.name, other.name
    );
    let (ratio, interval) = test.hazard_ratio();
    let boots = (one.waits.len() + other.waits.len()) as u64;
    let unit = format!("ratio of the rates at which boards come, {} to {}", other.name, one.name);
    let method = format!("log-rank test, p = {p:.2e} after Benjamini-Hochberg; ratio and interval after Peto");
    let finding = Finding::new("factor-matters", text, boots, Unit::Boot).of_size(ratio, Some(interval), &unit);
    Some(
        finding
            .by(method, weight::of_p_value(p))
            .seen_at([one, other].iter().flat_map(|level| level.at.iter().copied())),
    )
}

fn wait(arrival: Arrival) -> Wait {
    match arrival {
        Arrival::After(time) => Wait { time: ms(time), happened: true },
        Arrival::NotWithin(time) => Wait { time: ms(time), happened: false },
    }
}

fn ms(span: Micros) -> f64 {
    span.as_millis_f64()
}

#[cfg(test)]
mod tests {
    use crate::evidence::campaign_evidence::CampaignEvidence;
    use crate::evidence::chance::Chance;
    use crate::evidence::synthetic::{campaign, cold_boot, cycle, failing, start};
    use crate::observation::boot::{Boot, BootKind};
    use crate::observation::event::{Event, EventKind};
    use crate::observation::failure::FailureClass;
    use crate::observation::step::{Outcome, Phase};
    use crate::observation::units::Micros;

    /// The ids found when boots arrive after these times; `None` never comes within 15 s.
    fn found(times: impl Fn(u32) -> Option<u64>) -> Vec<String> {
        let evidence = campaign(20, 2, |number, boot| {
            let mut cycle = match times(boot) {
                Some(_) => cycle(number, boot),
                None => failing(number, boot, FailureClass::NotEnumerated, Phase::Enumerate),
            };
            let time = Micros::from_millis(if number % 2 == 1 { times(boot).unwrap_or(15_000) } else { 1 });
            cycle.steps[0].elapsed = Some(time);
            if let Outcome::Failed(failure) = &mut cycle.steps[0].outcome {
                failure.elapsed = Some(time);
            }
            cycle
        });
        let ids = evidence.verdict_findings().into_iter().map(|finding| finding.id);
        ids.filter(|id| id.starts_with("enumerate-")).collect()
    }

    #[test]
    fn a_host_that_polls_its_hub_is_no_finding() {
        assert!(found(|boot| Some(300 + u64::from(boot * 7 % 100))).is_empty());
    }

    #[test]
    fn retries_of_the_rom_scatter_the_time_and_some_never_come() {
        let mut chance = Chance::seeded(6);
        let times: Vec<_> = (0..=20).map(|_| (200.0 - 900.0 * chance.fraction().ln()) as u64).collect();
        let ids = found(|boot| if boot == 9 { None } else { Some(times[boot as usize]) });
        assert_eq!(ids, ["enumerate-fails-some-boots", "enumerate-scattered"]);
    }

    #[test]
    fn boots_that_never_come_are_no_scatter_by_themselves() {
        let ids = found(|boot| if boot % 2 == 0 { None } else { Some(400 + u64::from(boot)) });
        assert_eq!(ids, ["enumerate-fails-some-boots", "enumerate-at-once-or-never"]);
    }

    #[test]
    fn a_port_on_which_it_takes_longer_is_named() {
        let evidence = campaign(40, 1, |number, boot| {
            let mut cycle = cycle(number, boot);
            let slow = boot % 2 == 0;
            cycle.steps[0].elapsed = Some(Micros::from_millis(if slow { 900 } else { 400 } + u64::from(boot % 7) * 10));
            cycle.levels = [("port".to_owned(), if slow { "1-4" } else { "3-1" }.to_owned())].into();
            cycle
        });
        let found = evidence.verdict_findings();
        let slower = found.iter().find(|finding| finding.id == "factor-matters").unwrap();
        assert_eq!(slower.text, "The time to enumerate depends on port: median 430 ms with 3-1, 930 ms with 1-4.");
    }

    /// Two kinds of boot, each on time: three quarters of a second and a quarter of one.
    #[test]
    fn kinds_of_boot_that_differ_are_no_scatter() {
        let mut evidence = CampaignEvidence::default();
        let mut absorb = |kind| {
            evidence.absorb(&Event { seq: 1, at: None, kind });
        };
        absorb(EventKind::CampaignStarted(start(20, 1)));
        for boot in 1..=20 {
            let boot_of_kind =
                if boot <= 10 { cold_boot(boot) } else { Boot { kind: BootKind::Nrst, ..cold_boot(boot) } };
            absorb(EventKind::BootStarted(boot_of_kind));
            let mut cycle = cycle(boot, boot);
            cycle.steps[0].elapsed = Some(Micros::from_millis(if boot <= 10 { 900 } else { 300 }));
            absorb(EventKind::CycleFinished(cycle));
        }
        assert!(evidence.verdict_findings().iter().all(|finding| !finding.id.starts_with("enumerate-")));
    }

    #[test]
    fn a_timer_is_late_and_constant() {
        assert_eq!(found(|boot| Some(2_560 + u64::from(boot % 5) * 20)), ["enumerate-late-constant"]);
    }
}
