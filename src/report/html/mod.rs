//! A report as one file of HTML: no script, nothing loaded from elsewhere, readable in the dark, on paper and on a phone.

pub mod causes;
pub mod collection;
pub mod figures;
pub mod tables;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::wording;
use crate::diagnosis::verdict::{Verdict, VerdictKind};
use crate::investigation::snapshot::Snapshot;
use crate::observation::field_text::FieldText;
use crate::readers::not_text::PAGE_MARK;

const STYLE: &str = include_str!("style.css");

/// The page of a verdict; with the snapshot of its campaign, charts, findings and limits too.
pub fn page(verdict: &Verdict, snapshot: Option<&Snapshot>) -> String {
    let subject = safe(&wording::subject(verdict, snapshot));
    document(
        &format!("{}: {subject}", wording::verdict_word(verdict.verdict)),
        &html! {
            (header(verdict, &subject))
            @if let Some(snapshot) = snapshot { (figures::tiles(snapshot)) }
            (causes::causes(verdict, snapshot.is_some()))
            (causes::next(verdict))
            @if let Some(snapshot) = snapshot { (figures::charts(snapshot)) }
            (tables::failures(verdict))
            @if let Some(snapshot) = snapshot {
                (tables::altered(snapshot))
                    (tables::says(snapshot))
                (tables::findings(&snapshot.findings))
                (tables::limits(snapshot))
                (tables::set_up(snapshot))
            }
        },
        &html! { " from " (verdict.source.for_html()) },
    )
}

fn document(title: &str, body: &Markup, origin: &Markup) -> String {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'";
                meta name="generator" content={ (PAGE_MARK) " " (env!("CARGO_PKG_VERSION")) };
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                main { (body) }
                footer { p { "Made by flakescope " (env!("CARGO_PKG_VERSION")) (origin) "." } }
            }
        }
    }
    .into_string()
}

fn header(verdict: &Verdict, subject: &str) -> Markup {
    html! {
        header {
            p.kicker { "flakescope report" }
            h1 { (subject) }
            div.verdict.(verdict_class(verdict.verdict)) {
                (sign(verdict.verdict))
                div {
                    strong { (wording::verdict_word(verdict.verdict)) }
                    p { (safe(&wording::headline(verdict))) }
                }
            }
        }
    }
}

/// A shape for each verdict, for those who do not see its colour.
fn sign(kind: VerdictKind) -> Markup {
    html! {
        svg.sign width="40" height="40" viewBox="0 0 40 40" aria-hidden="true" {
            @match kind {
                VerdictKind::Fault => {
                    path d="M13 3h14l10 10v14l-10 10h-14l-10-10v-14z" {}
                    path.mark d="M20 11v12M20 28v2" {}
                }
                VerdictKind::Clean => {
                    circle cx="20" cy="20" r="17" {}
                    path.mark d="M12 21l6 6 11-13" {}
                }
                VerdictKind::Inconclusive => {
                    path d="M20 2l18 18-18 18-18-18z" {}
                    path.mark d="M15 16c0-7 10-7 10 0 0 4-5 4-5 8M20 28v2" {}
                }
            }
        }
    }
}

const fn verdict_class(kind: VerdictKind) -> &'static str {
    match kind {
        VerdictKind::Fault => "fault",
        VerdictKind::Clean => "clean",
        VerdictKind::Inconclusive => "inconclusive",
    }
}

/// Everything that is not a word of ours goes through here; maud escapes the markup.
fn safe(text: &str) -> String {
    FieldText::from(text).for_html()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::field_text::is_unsafe_to_show;
    use crate::report::sample;

    #[test]
    fn a_page_is_known_as_ours_when_it_is_taken_for_a_report() {
        let page = campaign_page(&sample::hostile_campaign());
        let head = &page.as_bytes()[..crate::readers::not_text::LOOK_BYTES];
        assert!(crate::readers::not_text::refusal("x.html", head).is_some());
    }

    fn campaign_page(snapshot: &Snapshot) -> String {
        page(&snapshot.verdict, Some(snapshot))
    }

    #[test]
    fn the_body_of_a_campaigns_page() {
        let page = campaign_page(&sample::campaign());
        let body = page.split_once("<body>").unwrap().1;
        insta::assert_snapshot!(body.replace("><", ">\n<"));
    }

    #[test]
    fn the_page_loads_nothing_and_runs_nothing() {
        let page = campaign_page(&sample::campaign());
        for word in ["http://", "https://", "src=", "<script", "<link", "@import", "url("] {
            assert!(!page.contains(word), "{word}");
        }
    }

    #[test]
    fn nothing_hostile_gets_through() {
        let page = campaign_page(&sample::hostile_campaign());
        assert!(!page.contains("<script"), "{page}");
        assert!(page.contains("&lt;script&gt;"));
        for line in page.lines() {
            assert!(!line.contains(is_unsafe_to_show), "{line}");
        }
    }

    #[test]
    fn a_verdict_without_a_campaign_has_no_charts() {
        let page = page(&sample::campaign().verdict, None);
        assert!(page.contains("Likely causes"));
        assert!(!page.contains("class=\"strip\""));
    }

    #[test]
    fn every_link_to_a_cycle_has_its_target() {
        let page = campaign_page(&sample::campaign());
        let links: Vec<_> = page.split("href=\"#").skip(1).map(|rest| rest.split_once('"').unwrap().0).collect();
        assert!(!links.is_empty());
        for link in links {
            assert!(page.contains(&format!("id=\"{link}\"")), "{link}");
        }
    }
}
