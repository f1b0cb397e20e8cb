//! The case behind `triage --case`: reports that it holds are known by their digest and not read again.

use std::collections::VecDeque;
use std::io::{self, Read, Seek};
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::case::file::{Case, CaseError, Durability};
use crate::case::reports::StoredReport;
use crate::investigation::collection::{Collection, Summary};
use crate::investigation::triage::{Triage, Triaged};
use crate::observation::field_text::FieldText;
use crate::readers::reading::Reading;

/// Up to this a report is digested in memory; a longer one is put aside in a temporary file first.
const IN_MEMORY: u64 = 1024 * 1024;

/// An open case with what was found in it and added to it.
pub struct Archive {
    case: Case,
    pub added: usize,
    pub known: usize,
    /// Digests of reports that are being read, in the order of their answers.
    expected: VecDeque<String>,
}

impl Archive {
    pub fn open(path: &Path) -> Result<Self, CaseError> {
        let case = Case::open_or_create(path, Durability::Crash)?;
        Ok(Self { case, added: 0, known: 0, expected: VecDeque::new() })
    }

    /// The bytes of a report that the case does not hold yet; bytes that differ by one bit are another report.
    pub fn new_bytes(&mut self, source: &mut dyn Read) -> io::Result<Option<Box<dyn Read>>> {
        let mut digest = Sha256::new();
        let mut head = Vec::new();
        (&mut *source).take(IN_MEMORY).read_to_end(&mut head)?;
        digest.update(&head);
        let mut rest = None;
        if head.len() as u64 == IN_MEMORY {
            let mut spool = tempfile::tempfile()?;
            io::copy(&mut Tee { source, digest: &mut digest }, &mut spool)?;
            spool.rewind()?;
            rest = Some(spool);
        }
        let digest = hexadecimal(&digest.finalize());
        if self.expected.contains(&digest) || self.case.has_report(&digest).map_err(io::Error::other)? {
            self.known += 1;
            return Ok(None);
        }
        self.expected.push_back(digest);
        let head = io::Cursor::new(head);
        Ok(Some(match rest {
            Some(rest) => Box::new(head.chain(rest)),
            None => Box::new(head),
        }))
    }

    /// Keeps the report that was answered; answers come in the order in which the reports were handed out.
    pub fn keep(&mut self, triaged: &Triaged, reading: Reading) -> io::Result<()> {
        let digest = self.expected.pop_front().expect("every answer belongs to a report that was handed out");
        let report = StoredReport {
            name: FieldText::new(triaged.verdict.source.raw()),
            digest,
            lines: reading.lines,
            events: reading.events,
        };
        self.added += usize::from(self.case.add_report(&report).map_err(io::Error::other)?);
        Ok(())
    }

    /// Everything that the case holds, concluded with today's knowledge.
    pub fn each(&self, triage: &Triage, mut visit: impl FnMut(Triaged)) -> Result<Collection, CaseError> {
        let mut all = Collection::default();
        self.case.for_each_report(|stored| {
            let reading = Reading { events: stored.events, lines: stored.lines };
            let triaged = triage.verdict_of(stored.name.raw(), reading);
            all.add(Summary::of(&triaged));
            visit(triaged);
        })?;
        Ok(all)
    }
}

/// Digests what passes through.
struct Tee<'a> {
    source: &'a mut dyn Read,
    digest: &'a mut Sha256,
}

impl Read for Tee<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(out)?;
        self.digest.update(&out[..count]);
        Ok(count)
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
