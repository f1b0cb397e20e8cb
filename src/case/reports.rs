//! Imported reports in a case: each once, known by the digest of its bytes, with the events that its text was read to.

use rusqlite::params;

use super::file::{Case, CaseError};
use crate::observation::event::EventKind;
use crate::observation::field_text::FieldText;

/// A report as it was read; the verdict is drawn anew, with today's knowledge, whenever the case is opened.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredReport {
    /// The path or archive entry it came from.
    pub name: FieldText,
    /// Of its bytes, in hexadecimal.
    pub digest: String,
    pub lines: u32,
    pub events: Vec<EventKind>,
}

const TABLE: &str = "CREATE TABLE IF NOT EXISTS report (
    number INTEGER PRIMARY KEY, digest TEXT NOT NULL UNIQUE, name TEXT NOT NULL, lines INTEGER NOT NULL, events TEXT NOT NULL
) STRICT";

impl Case {
    pub fn has_report(&self, digest: &str) -> Result<bool, CaseError> {
        if !self.has_report_table()? {
            return Ok(false);
        }
        self.database()
            .prepare_cached("SELECT 1 FROM report WHERE digest = ?1")
            .and_then(|mut select| select.exists([digest]))
            .map_err(|source| self.unreadable(source))
    }

    pub fn report_count(&self) -> Result<u64, CaseError> {
        if !self.has_report_table()? {
            return Ok(0);
        }
        let count = self.database().query_row("SELECT count(*) FROM report", [], |row| row.get::<_, i64>(0));
        count.map(i64::unsigned_abs).map_err(|source| self.unreadable(source))
    }

    /// Adds a report unless the case holds it already; whether it was added. When this returns, it is durable.
    pub fn add_report(&mut self, report: &StoredReport) -> Result<bool, CaseError> {
        let events = serde_json::to_string(&report.events)
            .expect("every event can be written as JSON: its maps have string keys");
        self.database()
            .execute_batch(TABLE)
            .and_then(|()| {
                self.database().prepare_cached(
                    "INSERT OR IGNORE INTO report (digest, name, lines, events) VALUES (?1, ?2, ?3, ?4)",
                )
            })
            .and_then(|mut insert| insert.execute(params![report.digest, report.name.raw(), report.lines, events]))
            .map(|added| added > 0)
            .map_err(|source| CaseError::Write { path: self.path().to_owned(), source })
    }

    /// Hands every report to `visit`, in the order in which they were added, without holding them all in memory.
    pub fn for_each_report(&self, mut visit: impl FnMut(StoredReport)) -> Result<(), CaseError> {
        if !self.has_report_table()? {
            return Ok(());
        }
        let unreadable = |source| self.unreadable(source);
        let mut select = self
            .database()
            .prepare("SELECT number, digest, name, lines, events FROM report ORDER BY number")
            .map_err(unreadable)?;
        let mut rows = select.query([]).map_err(unreadable)?;
        while let Some(row) = rows.next().map_err(unreadable)? {
            let number = row.get::<_, i64>(0).map_err(unreadable)?.unsigned_abs();
            let events: String = row.get(4).map_err(unreadable)?;
            let events = serde_json::from_str(&events).map_err(|error| CaseError::BadEvent {
                path: self.path().to_owned(),
                seq: number,
                reason: error.to_string(),
            })?;
            visit(StoredReport {
                digest: row.get(1).map_err(unreadable)?,
                name: FieldText::new(row.get::<_, String>(2).map_err(unreadable)?),
                lines: row.get(3).map_err(unreadable)?,
                events,
            });
        }
        Ok(())
    }

    /// Cases of campaigns alone have none.
    fn has_report_table(&self) -> Result<bool, CaseError> {
        self.database()
            .prepare_cached("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'report'")
            .and_then(|mut select| select.exists([]))
            .map_err(|source| self.unreadable(source))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::file::Durability;

    fn report(digest: &str) -> StoredReport {
        let note = EventKind::Note(FieldText::new("seen"));
        StoredReport { name: FieldText::new("a.txt"), digest: digest.to_owned(), lines: 3, events: vec![note] }
    }

    #[test]
    fn a_report_is_kept_once_and_comes_back_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("reports.case");
        let mut case = Case::open_or_create(&path, Durability::Crash).unwrap();
        assert!(!case.has_report("aa").unwrap());
        assert!(case.add_report(&report("aa")).unwrap());
        assert!(case.add_report(&report("bb")).unwrap());
        assert!(!case.add_report(&report("aa")).unwrap());
        drop(case);
        let mut found = Vec::new();
        Case::open(&path).unwrap().for_each_report(|stored| found.push(stored)).unwrap();
        assert_eq!(found, [report("aa"), report("bb")]);
    }

    #[test]
    fn a_case_without_reports_has_none() {
        let folder = tempfile::tempdir().unwrap();
        let case = Case::open_or_create(&folder.path().join("empty.case"), Durability::Crash).unwrap();
        case.for_each_report(|_| panic!("there is none")).unwrap();
    }
}
