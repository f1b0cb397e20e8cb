//! Many reports on one page: a table that leads to each.

use maud::{Markup, html};

use super::{causes, document, safe, tables, verdict_class};
use crate::diagnosis::verdict::{Verdict, VerdictKind};
use crate::observation::field_text::FieldText;
use crate::report::wording;

/// One page for one report or for a folder of them.
pub fn collection(verdicts: &[Verdict]) -> String {
    match verdicts {
        [one] => super::page(one, None),
        many => document(
            &wording::count(many.len() as u64, "report"),
            &html! {
                header {
                    p.kicker { "flakescope triage" }
                    h1 { (wording::count(many.len() as u64, "report")) }
                }
                (tally(many))
                (table(many))
                @for (number, verdict) in many.iter().enumerate() { (report(number, verdict)) }
            },
            &html! {},
        ),
    }
}

fn tally(verdicts: &[Verdict]) -> Markup {
    let kinds = [VerdictKind::Fault, VerdictKind::Clean, VerdictKind::Inconclusive];
    html! {
        div.tiles {
            @for kind in kinds {
                div.tile {
                    p.label { (wording::verdict_word(kind).to_lowercase()) }
                    p.value { (verdicts.iter().filter(|verdict| verdict.verdict == kind).count()) }
                }
            }
        }
    }
}

fn table(verdicts: &[Verdict]) -> Markup {
    html! {
        section {
            h2 { "Overview" }
            div.scroll {
                table {
                    thead {
                        tr {
                            th scope="col" { "verdict" }
                            th scope="col" { "report" }
                            th scope="col" { "device" }
                            th scope="col" { "leading cause" }
                        }
                    }
                    tbody {
                        @for (number, verdict) in verdicts.iter().enumerate() {
                            tr {
                                td { span.word.(verdict_class(verdict.verdict)) { (wording::verdict_word(verdict.verdict)) } }
                                td { a href=(format!("#report-{number}")) { (verdict.source.for_html()) } }
                                td { (verdict.device.as_deref().map_or("unknown".to_owned(), safe)) }
                                td { (leading(verdict)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn leading(verdict: &Verdict) -> Markup {
    html! {
        @if let Some(cause) = verdict.causes.first() {
            (wording::probability(cause.probability)) " " (safe(wording::cause_name(cause)))
        }
    }
}

fn report(number: usize, verdict: &Verdict) -> Markup {
    html! {
        article id=(format!("report-{number}")) {
            (super::header(verdict, &FieldText::for_html(&verdict.source)))
            p.note { (safe(&wording::subject(verdict, None))) }
            (causes::causes(verdict, false))
            (causes::next(verdict))
            (tables::failures(verdict))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn every_row_leads_to_its_report() {
        let verdicts = vec![sample::campaign().verdict, sample::hostile_campaign().verdict];
        let page = collection(&verdicts);
        for number in 0..2 {
            assert!(page.contains(&format!("href=\"#report-{number}\"")));
            assert!(page.contains(&format!("id=\"report-{number}\"")));
        }
        assert!(!page.contains("<script"));
        assert_eq!(page.matches("<html").count(), 1);
    }

    #[test]
    fn one_report_gets_the_page_of_one() {
        let verdict = sample::campaign().verdict;
        assert_eq!(collection(std::slice::from_ref(&verdict)), super::super::page(&verdict, None));
    }
}
