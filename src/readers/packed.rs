//! Tells an archive that is cut off from one that is damaged, under its own name.

use std::cell::Cell;
use std::io::{self, Read};

use super::archive::InputError;

/// Passes an archive on and notes whether it was read to its end.
pub struct Watched<'a> {
    pub source: &'a mut dyn Read,
    pub ended: &'a Cell<bool>,
}

impl Read for Watched<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(out)?;
        self.ended.set(self.ended.get() || count == 0 && !out.is_empty());
        Ok(count)
    }
}

/// What is packed, and why it could not be unpacked to its end.
pub struct Packed<R> {
    pub inner: R,
    pub failed: Option<String>,
}

impl<R: Read> Read for Packed<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let result = self.inner.read(out);
        if let Err(error) = &result
            && error.kind() != io::ErrorKind::Interrupted
        {
            self.failed = Some(error.to_string());
        }
        result
    }
}

/// An archive that fails where there is nothing more of it is cut off, whatever its decoder calls that.
pub fn spoilt(name: &str, ended: &Cell<bool>, reason: impl std::fmt::Display) -> InputError {
    if ended.get() {
        InputError::new(
            name,
            "the archive is cut off, as by a transfer that broke off or is still under way; get it again",
        )
    } else {
        InputError::new(name, format!("the archive is damaged: {reason}"))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use crate::readers::archive;

    /// No letter repeats soon, so that it cannot be packed to nothing.
    fn log() -> Vec<u8> {
        (0..20_000_u32).map(|n| b'a' + (n.wrapping_mul(2_654_435_761) >> 27) as u8 % 26).collect()
    }

    fn gzip() -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(&log()).unwrap();
        encoder.finish().unwrap()
    }

    fn zip(method: zip::CompressionMethod) -> Vec<u8> {
        let mut writer = zip::ZipWriter::new(io::Cursor::new(Vec::new()));
        writer.start_file("a.txt", zip::write::SimpleFileOptions::default().compression_method(method)).unwrap();
        writer.write_all(&log()).unwrap();
        writer.finish().unwrap().into_inner()
    }

    use std::io;

    fn errors(bytes: &[u8]) -> Vec<String> {
        let errors = archive::each_in_stream("bad.gz", &mut &bytes[..], &mut |_, source| {
            io::copy(source, &mut io::sink()).map(drop)
        });
        errors.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn an_archive_that_is_cut_off_says_so_once_and_under_its_own_name() {
        let tar = {
            let mut builder = tar::Builder::new(Vec::new());
            let mut header = tar::Header::new_ustar();
            header.set_size(20_000);
            header.set_cksum();
            builder.append_data(&mut header, "a.txt", &log()[..]).unwrap();
            builder.into_inner().unwrap()
        };
        for archive in [gzip(), zip(zip::CompressionMethod::Deflated), zip(zip::CompressionMethod::Stored), tar] {
            assert_eq!(errors(&archive), [""; 0]);
            for part in [2, 3] {
                let told = errors(&archive[..archive.len() / part]);
                assert_eq!(told.len(), 1, "{told:?}");
                assert!(told[0].starts_with("bad.gz: the archive is cut off"), "{told:?}");
            }
        }
    }

    #[test]
    fn an_archive_that_is_damaged_is_not_called_cut_off() {
        let mut bytes = gzip();
        let middle = bytes.len() / 2;
        bytes[middle..middle + 40].fill(0xff);
        let told = errors(&bytes);
        assert!(told[0].starts_with("bad.gz: the archive is damaged: "), "{told:?}");
    }
}
