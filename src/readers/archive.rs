//! Where reports come from: files, folders, standard input, and gzip, zip or tar around them.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;

use super::not_text;
use super::packed::{Packed, Watched, spoilt};

/// An input that could not be read; the others are.
#[derive(Debug, thiserror::Error)]
#[error("{name}: {reason}")]
pub struct InputError {
    pub name: String,
    pub reason: String,
}

impl InputError {
    pub(super) fn new(name: &str, reason: impl std::fmt::Display) -> Self {
        Self { name: name.to_owned(), reason: reason.to_string() }
    }
}

/// What is done with each report: its name and its bytes.
pub type Visit<'a> = dyn FnMut(&str, &mut dyn Read) -> io::Result<()> + 'a;

/// Archives within archives are opened to this depth.
const DEPTH: u32 = 3;

/// Visits every report below a path. A folder is walked in the order of its names; what cannot be read is returned.
pub fn each_report(path: &Path, visit: &mut Visit<'_>) -> Vec<InputError> {
    let mut errors = Vec::new();
    if path.is_dir() {
        for file in files_below(path, &mut errors) {
            each_in_file(&file, visit, &mut errors);
        }
    } else {
        each_in_file(path, visit, &mut errors);
    }
    errors
}

/// Visits what a stream holds, for example standard input.
pub fn each_in_stream(name: &str, source: &mut dyn Read, visit: &mut Visit<'_>) -> Vec<InputError> {
    let mut errors = Vec::new();
    unpack(name, source, visit, &mut errors, DEPTH);
    errors
}

/// Labels, images and the case that keeps them lie beside reports in folders and archives of reports.
const NOT_REPORTS: [&str; 15] = [
    "json", "toml", "png", "jpg", "jpeg", "gif", "pdf", "bin", "hex", "elf", "dfu", "sqlite", "case", "case-wal",
    "case-shm",
];

fn lies_beside(path: &Path) -> bool {
    path.extension().is_some_and(|extension| NOT_REPORTS.iter().any(|kind| extension.eq_ignore_ascii_case(kind)))
}

fn files_below(folder: &Path, errors: &mut Vec<InputError>) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) => {
                errors.push(InputError::new(&folder.display().to_string(), error));
                continue;
            }
        };
        for path in entries.filter_map(|entry| entry.ok().map(|entry| entry.path())) {
            let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
            if path.is_dir() && !path.is_symlink() && !hidden {
                folders.push(path);
            } else if path.is_file() && !hidden && !lies_beside(&path) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn each_in_file(path: &Path, visit: &mut Visit<'_>, errors: &mut Vec<InputError>) {
    let name = path.display().to_string();
    match File::open(path) {
        Ok(file) => unpack(&name, &mut BufReader::with_capacity(64 * 1024, file), visit, errors, DEPTH),
        Err(error) => errors.push(InputError::new(&name, error)),
    }
}

fn unpack(name: &str, source: &mut dyn Read, visit: &mut Visit<'_>, errors: &mut Vec<InputError>, depth: u32) {
    let mut head = [0; not_text::LOOK_BYTES];
    let filled = match super::sieve::fill(source, &mut head) {
        Ok(filled) => filled,
        Err(error) => return errors.push(InputError::new(name, error)),
    };
    let head = &head[..filled];
    let mut whole = head.chain(source);
    if depth > 0 && head.starts_with(&[0x1f, 0x8b]) {
        unpack_gz(name, &mut whole, visit, errors, depth - 1);
    } else if depth > 0 && head.starts_with(b"PK\x03\x04") {
        unpack_zip(name, &mut whole, visit, errors, depth - 1);
    } else if depth > 0 && head.get(257..262) == Some(b"ustar") {
        unpack_tar(name, &mut whole, visit, errors, depth - 1);
    } else if let Some(refusal) = not_text::refusal(name, head) {
        errors.push(InputError::new(name, refusal));
    } else if let Err(error) = visit(name, &mut whole) {
        errors.push(InputError::new(name, error));
    }
}

fn unpack_gz(name: &str, source: &mut dyn Read, visit: &mut Visit<'_>, errors: &mut Vec<InputError>, depth: u32) {
    let ended = Cell::new(false);
    let mut packed = Packed { inner: MultiGzDecoder::new(Watched { source, ended: &ended }), failed: None };
    unpack(name.trim_end_matches(".gz"), &mut packed, visit, errors, depth);
    if let Some(reason) = packed.failed {
        // What was packed has told it under its own name.
        errors.pop();
        errors.push(spoilt(name, &ended, reason));
    }
}

fn unpack_zip(name: &str, source: &mut dyn Read, visit: &mut Visit<'_>, errors: &mut Vec<InputError>, depth: u32) {
    let ended = Cell::new(false);
    let mut source = Watched { source, ended: &ended };
    loop {
        match zip::read::read_zipfile_from_stream(&mut source) {
            Ok(Some(mut entry)) => {
                let inner = format!("{name}/{}", entry.name());
                if !entry.is_file() || lies_beside(Path::new(entry.name())) {
                    continue;
                }
                let mut packed = Packed { inner: &mut entry, failed: None };
                unpack(&inner, &mut packed, visit, errors, depth);
                if let Some(reason) = packed.failed {
                    errors.pop();
                    return errors.push(spoilt(name, &ended, reason));
                }
            }
            Ok(None) => return,
            Err(error) => return errors.push(spoilt(name, &ended, error)),
        }
    }
}

fn unpack_tar(name: &str, source: &mut dyn Read, visit: &mut Visit<'_>, errors: &mut Vec<InputError>, depth: u32) {
    let ended = Cell::new(false);
    let mut archive = tar::Archive::new(Watched { source, ended: &ended });
    let entries = match archive.entries() {
        Ok(entries) => entries,
        Err(error) => return errors.push(spoilt(name, &ended, error)),
    };
    for entry in entries {
        match entry {
            Ok(mut entry) if entry.header().entry_type().is_file() => {
                let inner = entry.path().map(|path| path.display().to_string()).unwrap_or_default();
                if !lies_beside(Path::new(&inner)) {
                    unpack(&format!("{name}/{inner}"), &mut entry, visit, errors, depth);
                }
            }
            Ok(_) => {}
            Err(error) => return errors.push(spoilt(name, &ended, error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn read_all(bytes: &[u8]) -> (Vec<(String, String)>, Vec<InputError>) {
        let mut found = Vec::new();
        let errors = each_in_stream("report", &mut &bytes[..], &mut |name, source| {
            let mut text = String::new();
            source.read_to_string(&mut text)?;
            found.push((name.to_owned(), text));
            Ok(())
        });
        (found, errors)
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn tar_of(name: &str, bytes: &[u8]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        builder.append_data(&mut header, name, bytes).unwrap();
        builder.into_inner().unwrap()
    }

    #[test]
    fn what_is_packed_is_unpacked() {
        let (found, errors) = read_all(&gzip(&tar_of("log.txt", b"a log")));
        assert_eq!(found, [("report/log.txt".to_owned(), "a log".to_owned())]);
        assert!(errors.is_empty());
        assert_eq!(read_all(b"plain").0, [("report".to_owned(), "plain".to_owned())]);
    }

    #[test]
    fn a_zip_is_read_as_a_stream() {
        let mut writer = zip::ZipWriter::new(io::Cursor::new(Vec::new()));
        let options = zip::write::SimpleFileOptions::default();
        writer.start_file("a/log.txt", options).unwrap();
        writer.write_all(b"a log").unwrap();
        let bytes = writer.finish().unwrap().into_inner();
        assert_eq!(read_all(&bytes).0, [("report/a/log.txt".to_owned(), "a log".to_owned())]);
    }

    #[test]
    fn what_is_no_report_is_refused_and_what_lies_beside_reports_is_passed_over() {
        let (found, errors) = read_all(&tar_of("fw.img", &[0xff; 900]));
        assert!(found.is_empty());
        assert!(errors[0].to_string().starts_with("report/fw.img: this is no text"), "{}", errors[0]);
        let (found, errors) = read_all(&tar_of("photo.PNG", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"));
        assert_eq!((found.len(), errors.len()), (0, 0));
    }

    #[test]
    fn a_path_that_is_not_there_is_an_error() {
        let errors = each_report(Path::new("/nonexistent/report.txt"), &mut |_, _| Ok(()));
        assert_eq!(errors.len(), 1);
    }
}
