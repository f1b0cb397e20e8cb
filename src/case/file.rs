//! The case file: events are appended, never changed; what is acknowledged survives a kill, a full disk and a power loss.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, params};

use super::claim::Claim;
use crate::observation::event::{Event, EventKind};
use crate::observation::units::Micros;

/// Marks the file as ours (`flks` in ASCII).
const APPLICATION_ID: i32 = 0x666c_6b73;
const FORMAT_VERSION: i32 = 1;
/// Whoever reads, or takes in the log of a run that was killed, lets go within this time.
const LOCK_WAIT: Duration = Duration::from_millis(500);

/// How much an acknowledged event can take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Survives a power loss; for real boards.
    PowerLoss,
    /// Survives the death of the program; for virtual boards.
    Crash,
}

/// An open case.
#[derive(Debug)]
pub struct Case {
    path: PathBuf,
    database: Connection,
    last_seq: u64,
    /// Of who appends; let go after the database was closed.
    _claim: Option<Claim>,
}

#[derive(Debug, thiserror::Error)]
pub enum CaseError {
    #[error("there is no case file {}", .path.display())]
    Missing { path: PathBuf },
    #[error("{} is not a flakescope case{}", .path.display(), if *.damaged { ", or it is damaged: its contents cannot be read as one" } else { "; the log of another tool is for `flakescope triage`" })]
    NotACase { path: PathBuf, damaged: bool },
    #[error("{} was written by a newer flakescope (case format {found}, this program knows {FORMAT_VERSION})", .path.display())]
    Newer { path: PathBuf, found: i32 },
    #[error("the case {} is being written by another flakescope; it can be read meanwhile", .path.display())]
    InUse { path: PathBuf },
    #[error("the case {} cannot be kept from other writers: {source}", .path.display())]
    Claim { path: PathBuf, source: std::io::Error },
    #[error("event {seq} of the case {} cannot be read: {reason}; the events before it are intact", .path.display())]
    BadEvent { path: PathBuf, seq: u64, reason: String },
    #[error("the case {} cannot be written: {source}; what was finished before is intact", .path.display())]
    Write { path: PathBuf, source: rusqlite::Error },
    #[error("the case {} cannot be read: {source}", .path.display())]
    Read { path: PathBuf, source: rusqlite::Error },
    #[error("the case {0} cannot be read where it is: its last events are still in {0}-wal, and taking them in needs a place that can be written and has room; copy both files to one", .path.display())]
    Unfolded { path: PathBuf },
    #[error("the folder of the case {} cannot be made: {source}", .path.display())]
    Folder { path: PathBuf, source: std::io::Error },
}

impl Case {
    /// Opens a case for appending, or makes a new one where there is none.
    pub fn open_or_create(path: &Path, durability: Durability) -> Result<Self, CaseError> {
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder).map_err(|source| CaseError::Folder { path: path.to_owned(), source })?;
        }
        let claim = match Claim::take(path) {
            Ok(Some(claim)) => claim,
            Ok(None) => return Err(CaseError::InUse { path: path.to_owned() }),
            Err(source) => return Err(CaseError::Claim { path: path.to_owned(), source }),
        };
        let opened = if path.exists() && !is_unborn(path) {
            Self::open_with(path, OpenFlags::SQLITE_OPEN_READ_WRITE, Some(durability))
        } else {
            Self::create(path, durability)
        };
        match opened {
            Ok(case) => Ok(Self { _claim: Some(claim), ..case }),
            Err(CaseError::Read { path, source }) => Err(CaseError::Write { path, source }),
            Err(other) => Err(other),
        }
    }

    fn create(path: &Path, durability: Durability) -> Result<Self, CaseError> {
        let database = Connection::open(path).map_err(|source| refused(path, source))?;
        let case = Self { path: path.to_owned(), database, last_seq: 0, _claim: None };
        case.prepare(durability).map_err(|source| refused(path, source))?;
        case.database
            .execute_batch(&format!(
                "BEGIN;
                 PRAGMA application_id = {APPLICATION_ID};
                 PRAGMA user_version = {FORMAT_VERSION};
                 CREATE TABLE event (seq INTEGER PRIMARY KEY, at_us INTEGER, kind TEXT NOT NULL) STRICT;
                 COMMIT;"
            ))
            .map_err(|source| refused(path, source))?;
        Ok(case)
    }

    /// Opens a case for reading.
    pub fn open(path: &Path) -> Result<Self, CaseError> {
        if !path.exists() {
            return Err(CaseError::Missing { path: path.to_owned() });
        }
        // Read-write where possible, so that a write-ahead log left by a crash is folded in.
        match Self::open_with(path, OpenFlags::SQLITE_OPEN_READ_WRITE, None) {
            Err(CaseError::Read { .. }) => Self::open_unwritable(path),
            result => result,
        }
    }

    /// A case on media that cannot be written, or on a full disk: SQLite opens none with a write-ahead log there, unless it is told that
    /// nobody changes the file.
    fn open_unwritable(path: &Path) -> Result<Self, CaseError> {
        let mut log = path.as_os_str().to_owned();
        log.push("-wal");
        if std::fs::metadata(&log).is_ok_and(|log| log.len() > 0) {
            return Err(CaseError::Unfolded { path: path.to_owned() });
        }
        let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
        let database = Connection::open_with_flags(unchanging(&absolute), flags | OpenFlags::SQLITE_OPEN_NO_MUTEX);
        Self::of_database(path, database.map_err(|source| unreadable(path, source))?)
    }

    fn open_with(path: &Path, flags: OpenFlags, append: Option<Durability>) -> Result<Self, CaseError> {
        let database = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)
            .map_err(|source| unreadable(path, source))?;
        let case = Self::of_database(path, database)?;
        if let Some(durability) = append {
            case.prepare(durability).map_err(|source| refused(path, source))?;
        }
        Ok(case)
    }

    fn of_database(path: &Path, database: Connection) -> Result<Self, CaseError> {
        database.busy_timeout(LOCK_WAIT).map_err(|source| unreadable(path, source))?;
        let not_ours = |damaged| CaseError::NotACase { path: path.to_owned(), damaged };
        let pragma = |name| database.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, i32>(0));
        if pragma("application_id").map_err(|source| unreadable(path, source))? != APPLICATION_ID {
            return Err(not_ours(false));
        }
        let found = pragma("user_version").map_err(|source| unreadable(path, source))?;
        if found > FORMAT_VERSION {
            return Err(CaseError::Newer { path: path.to_owned(), found });
        }
        let last_seq = database
            .query_row("SELECT max(seq) FROM event", [], |row| row.get::<_, Option<i64>>(0))
            .optional()
            .map_err(|source| match unreadable(path, source) {
                CaseError::Read { source, .. } if source.sqlite_error_code() == Some(ErrorCode::Unknown) => {
                    not_ours(true)
                }
                other => other,
            })?
            .flatten()
            .unwrap_or(0);
        Ok(Self { path: path.to_owned(), database, last_seq: last_seq.unsigned_abs(), _claim: None })
    }

    /// Makes appending leave readers alone, and sets how hard a commit is pushed to the disk.
    fn prepare(&self, durability: Durability) -> rusqlite::Result<()> {
        let synchronous = match durability {
            Durability::PowerLoss => "FULL",
            Durability::Crash => "NORMAL",
        };
        self.database.execute_batch(&format!(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = {synchronous};
             BEGIN IMMEDIATE; COMMIT;"
        ))
    }

    pub(super) fn database(&self) -> &Connection {
        &self.database
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends one event and returns it numbered. When this returns, the event is durable.
    pub fn append(&mut self, at: Option<Micros>, kind: EventKind) -> Result<Event, CaseError> {
        let seq = self.last_seq + 1;
        let text = serde_json::to_string(&kind).expect("every event can be written as JSON: its maps have string keys");
        self.database
            .prepare_cached("INSERT INTO event (seq, at_us, kind) VALUES (?1, ?2, ?3)")
            .and_then(|mut insert| insert.execute(params![stored(seq), at.map(|at| stored(at.0)), text]))
            .map_err(|source| CaseError::Write { path: self.path.clone(), source })?;
        self.last_seq = seq;
        Ok(Event { seq, at, kind })
    }

    /// Does all of `work` in one transaction, which is durable at its end; after an error the case is as it was before.
    pub(super) fn all_or_nothing(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<(), CaseError>,
    ) -> Result<(), CaseError> {
        let before = self.last_seq;
        self.execute("BEGIN IMMEDIATE")?;
        let done = work(self).and_then(|()| self.execute("COMMIT"));
        if done.is_err() {
            // What went wrong first is what counts; a full disk has ended the transaction already.
            let _ = self.execute("ROLLBACK");
            self.last_seq = before;
        }
        done
    }

    fn execute(&self, statement: &str) -> Result<(), CaseError> {
        self.database.execute_batch(statement).map_err(|source| CaseError::Write { path: self.path.clone(), source })
    }

    /// Takes the file away: of a case that was to be made and came to nothing.
    pub(super) fn discard(self) {
        let Self { path, database, _claim, .. } = self;
        drop(database);
        // Where that fails, an empty case stays behind.
        let _ = std::fs::remove_file(path);
    }

    /// Hands every event to `fold`, oldest first, without holding them all in memory.
    pub fn for_each(&self, mut fold: impl FnMut(Event)) -> Result<(), CaseError> {
        let unreadable = |source| self.unreadable(source);
        let mut select =
            self.database.prepare("SELECT seq, at_us, kind FROM event ORDER BY seq").map_err(unreadable)?;
        let mut rows = select.query([]).map_err(unreadable)?;
        while let Some(row) = rows.next().map_err(unreadable)? {
            let seq = row.get::<_, i64>(0).map_err(unreadable)?.unsigned_abs();
            let at = row.get::<_, Option<i64>>(1).map_err(unreadable)?.map(|at| Micros(at.unsigned_abs()));
            let text: String = row.get(2).map_err(unreadable)?;
            let kind = serde_json::from_str(&text).map_err(|error| CaseError::BadEvent {
                path: self.path.clone(),
                seq,
                reason: error.to_string(),
            })?;
            fold(Event { seq, at, kind });
        }
        Ok(())
    }

    /// What the database says of a reading that failed.
    pub(super) fn unreadable(&self, source: rusqlite::Error) -> CaseError {
        unreadable(&self.path, source)
    }

    pub fn is_empty(&self) -> bool {
        self.last_seq == 0
    }
}

/// A program that was killed as it made the case leaves a file without a mark and without a table: nothing is in it yet.
fn is_unborn(path: &Path) -> bool {
    let Ok(database) = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE) else { return false };
    let number = |question: &str| database.query_row(question, [], |row| row.get::<_, i64>(0));
    matches!((number("PRAGMA application_id"), number("SELECT count(*) FROM sqlite_master")), (Ok(0), Ok(0)))
}

/// SQLite has signed integers only; our counters stay far below half of the range.
fn stored(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// `file:` with everything escaped that means something in such a name.
fn unchanging(path: &Path) -> String {
    let escaped = path.as_os_str().as_encoded_bytes().iter().map(|byte| match byte {
        b'/' | b'.' | b'-' | b'_' => char::from(*byte).to_string(),
        byte if byte.is_ascii_alphanumeric() => char::from(*byte).to_string(),
        byte => format!("%{byte:02X}"),
    });
    format!("file:{}?immutable=1", escaped.collect::<String>())
}

fn unreadable(path: &Path, source: rusqlite::Error) -> CaseError {
    match refused(path, source) {
        CaseError::Write { path, source } => CaseError::Read { path, source },
        other => other,
    }
}

fn refused(path: &Path, source: rusqlite::Error) -> CaseError {
    let path = path.to_owned();
    match source.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => CaseError::InUse { path },
        Some(ErrorCode::NotADatabase) => CaseError::NotACase { path, damaged: false },
        Some(ErrorCode::DatabaseCorrupt) => CaseError::NotACase { path, damaged: true },
        _ => CaseError::Write { path, source },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::field_text::FieldText;

    fn note(text: &str) -> EventKind {
        EventKind::Note(FieldText::from(text))
    }

    fn events(case: &Case) -> Vec<Event> {
        let mut events = Vec::new();
        case.for_each(|event| events.push(event)).unwrap();
        events
    }

    #[test]
    fn what_is_appended_is_read_back_and_numbering_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/board.case");
        let mut case = Case::open_or_create(&path, Durability::PowerLoss).unwrap();
        let first = case.append(Some(Micros(5)), note("first")).unwrap();
        drop(case);
        let mut case = Case::open_or_create(&path, Durability::Crash).unwrap();
        let second = case.append(None, note("second")).unwrap();
        assert_eq!((first.seq, second.seq), (1, 2));
        drop(case);
        assert_eq!(events(&Case::open(&path).unwrap()), [first, second]);
    }

    #[test]
    fn a_second_writer_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("board.case");
        let _first = Case::open_or_create(&path, Durability::Crash).unwrap();
        assert!(matches!(Case::open_or_create(&path, Durability::Crash), Err(CaseError::InUse { .. })));
    }

    #[test]
    fn a_case_is_read_while_another_writes_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("board.case");
        let mut writer = Case::open_or_create(&path, Durability::PowerLoss).unwrap();
        let first = writer.append(None, note("first")).unwrap();
        let reader = Case::open(&path).unwrap();
        let second = writer.append(None, note("second")).unwrap();
        assert_eq!(events(&reader), [first.clone(), second.clone()]);
        drop(reader);
        let third = writer.append(None, note("third")).unwrap();
        drop(writer);
        assert_eq!(events(&Case::open(&path).unwrap()), [first, second, third]);
        assert!(!folder.path().join("board.case-wal").exists());
    }

    #[test]
    fn a_case_whose_making_was_cut_off_is_made() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.case");
        std::fs::write(&path, b"").unwrap();
        let mut case = Case::open_or_create(&path, Durability::Crash).unwrap();
        case.append(None, note("first")).unwrap();
        drop(case);
        assert_eq!(events(&Case::open(&path).unwrap()).len(), 1);
    }

    #[test]
    fn what_is_no_case_is_called_so() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.case");
        assert!(matches!(Case::open(&path), Err(CaseError::Missing { .. })));
        std::fs::write(&path, b"\x00\xffgarbage that is no database").unwrap();
        assert!(matches!(Case::open(&path), Err(CaseError::NotACase { .. })));
        std::fs::write(&path, b"").unwrap();
        assert!(matches!(Case::open(&path), Err(CaseError::NotACase { .. })));
    }

    #[test]
    fn a_case_where_nothing_can_be_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("what? a #1 board.case");
        let mut case = Case::open_or_create(&path, Durability::Crash).unwrap();
        let event = case.append(None, note("kept")).unwrap();
        drop(case);
        assert_eq!(events(&Case::open_unwritable(&path).unwrap()), [event]);
        std::fs::write(folder.path().join("what? a #1 board.case-wal"), "events of a run that was killed").unwrap();
        let error = Case::open_unwritable(&path).unwrap_err();
        assert!(matches!(error, CaseError::Unfolded { .. }) && !error.to_string().contains("written:"), "{error}");
    }

    #[test]
    fn a_transaction_that_fails_leaves_the_case_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.case");
        let mut case = Case::open_or_create(&path, Durability::Crash).unwrap();
        let first = case.append(None, note("first")).unwrap();
        let failed = case.all_or_nothing(|case| {
            case.append(None, note("lost"))?;
            Err(CaseError::Missing { path: path.clone() })
        });
        assert!(matches!(failed, Err(CaseError::Missing { .. })));
        let mut second = None;
        case.all_or_nothing(|case| case.append(None, note("second")).map(|event| second = Some(event))).unwrap();
        drop(case);
        assert_eq!(events(&Case::open(&path).unwrap()), [first, second.unwrap()]);
    }

    #[test]
    fn a_damaged_event_is_named_and_those_before_it_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.case");
        let mut case = Case::open_or_create(&path, Durability::Crash).unwrap();
        case.append(None, note("kept")).unwrap();
        case.append(None, note("damaged")).unwrap();
        case.database.execute("UPDATE event SET kind = '{' WHERE seq = 2", []).unwrap();
        let mut kept = 0;
        let error = case.for_each(|_| kept += 1).unwrap_err();
        assert!(matches!(error, CaseError::BadEvent { seq: 2, .. }));
        assert_eq!(kept, 1);
    }
}
