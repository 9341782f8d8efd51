//! ZIP archives with stored entries (PKWARE APPNOTE 6.3.10, without ZIP64): what XLSX and evidence bundles are made of.
//!
//! Nothing is compressed and every entry bears the same date, so that the same content gives the same file.

use std::io::{self, Seek, SeekFrom, Write};

/// 1980-01-01, the first date the format knows.
const DATE: u16 = (1 << 5) | 1;
/// Version needed to extract: stored entries and folders.
const VERSION: u16 = 20;
/// The names are UTF-8.
const UTF8: u16 = 1 << 11;
/// Largest entry and archive: beyond, the format would need ZIP64, which some spreadsheets do not read.
pub(crate) const MAX_BYTES: u64 = u32::MAX as u64 - 1;

struct Entry {
    name: String,
    crc: u32,
    bytes: u32,
    at: u32,
}

/// Writes one entry after the other.
pub(crate) struct ZipWriter<W> {
    out: W,
    entries: Vec<Entry>,
    open: Option<(Entry, crc32fast::Hasher, u64)>,
}

fn too_large() -> io::Error {
    io::Error::new(io::ErrorKind::FileTooLarge, "a ZIP file holds at most 4 GiB")
}

impl<W: Write + Seek> ZipWriter<W> {
    pub(crate) fn new(out: W) -> Self {
        Self {
            out,
            entries: Vec::new(),
            open: None,
        }
    }

    /// Ends the entry before and begins another.
    pub(crate) fn begin(&mut self, name: &str) -> io::Result<()> {
        self.end()?;
        let at = u32::try_from(self.out.stream_position()?).map_err(|_| too_large())?;
        let entry = Entry {
            name: name.to_owned(),
            crc: 0,
            bytes: 0,
            at,
        };
        self.out.write_all(&local_header(&entry))?;
        self.open = Some((entry, crc32fast::Hasher::new(), 0));
        Ok(())
    }

    /// Adds to the entry that is open.
    pub(crate) fn write(&mut self, content: &[u8]) -> io::Result<()> {
        let Some((_, crc, bytes)) = &mut self.open else {
            return Err(io::Error::other("no entry of the ZIP file is open"));
        };
        crc.update(content);
        *bytes += content.len() as u64;
        if *bytes > MAX_BYTES {
            return Err(too_large());
        }
        self.out.write_all(content)
    }

    /// Goes back to the entry's header with what is known now.
    fn end(&mut self) -> io::Result<()> {
        let Some((mut entry, crc, bytes)) = self.open.take() else {
            return Ok(());
        };
        (entry.crc, entry.bytes) = (crc.finalize(), u32::try_from(bytes).map_err(|_| too_large())?);
        let end = self.out.stream_position()?;
        self.out.seek(SeekFrom::Start(u64::from(entry.at)))?;
        self.out.write_all(&local_header(&entry))?;
        self.out.seek(SeekFrom::Start(end))?;
        self.entries.push(entry);
        Ok(())
    }

    /// Writes the directory.
    pub(crate) fn finish(mut self) -> io::Result<W> {
        self.end()?;
        let start = u32::try_from(self.out.stream_position()?).map_err(|_| too_large())?;
        for entry in &self.entries {
            self.out.write_all(&directory_entry(entry))?;
        }
        let end = u32::try_from(self.out.stream_position()?).map_err(|_| too_large())?;
        let count = u16::try_from(self.entries.len()).map_err(|_| too_large())?;
        let mut last = b"PK\x05\x06\0\0\0\0".to_vec();
        last.extend(count.to_le_bytes());
        last.extend(count.to_le_bytes());
        last.extend((end - start).to_le_bytes());
        last.extend(start.to_le_bytes());
        last.extend([0, 0]);
        self.out.write_all(&last)?;
        self.out.flush()?;
        Ok(self.out)
    }
}

/// What a local header and an entry of the directory have in common, from version to the length of the name.
fn common(entry: &Entry) -> Vec<u8> {
    let mut bytes = Vec::new();
    for number in [VERSION, UTF8, 0, 0, DATE] {
        bytes.extend(number.to_le_bytes());
    }
    for number in [entry.crc, entry.bytes, entry.bytes] {
        bytes.extend(number.to_le_bytes());
    }
    let name = u16::try_from(entry.name.len()).unwrap_or(u16::MAX);
    bytes.extend(name.to_le_bytes());
    bytes.extend([0, 0]);
    bytes
}

fn local_header(entry: &Entry) -> Vec<u8> {
    [b"PK\x03\x04", common(entry).as_slice(), entry.name.as_bytes()].concat()
}

fn directory_entry(entry: &Entry) -> Vec<u8> {
    let mut bytes = b"PK\x01\x02".to_vec();
    bytes.extend(VERSION.to_le_bytes());
    bytes.extend(common(entry));
    // Comment, disk, attributes inside, attributes outside.
    bytes.extend([0; 10]);
    bytes.extend(entry.at.to_le_bytes());
    bytes.extend(entry.name.as_bytes());
    bytes
}

/// The entries of a ZIP file of stored entries: name and content, checksums compared. The error says what is wrong.
pub(crate) fn read(bytes: &[u8]) -> Result<Vec<(String, Vec<u8>)>, &'static str> {
    let cut = "it is cut off";
    let number2 = |at: usize| {
        bytes
            .get(at..at + 2)
            .and_then(|two| Some(u16::from_le_bytes(two.try_into().ok()?)))
    };
    let number4 = |at: usize| {
        bytes
            .get(at..at + 4)
            .and_then(|four| Some(u32::from_le_bytes(four.try_into().ok()?)))
    };
    let place = |at: usize| number4(at).and_then(|number| usize::try_from(number).ok());
    let end = bytes.len().checked_sub(22).ok_or(cut)?;
    if bytes.get(end..end + 4) != Some(b"PK\x05\x06") {
        return Err("it is no ZIP file as plume writes them");
    }
    let count = number2(end + 10).ok_or(cut)?;
    let mut at = place(end + 16).ok_or(cut)?;
    let mut entries = Vec::new();
    for _ in 0..count {
        if bytes.get(at..at + 4) != Some(b"PK\x01\x02") || number2(at + 10) != Some(0) {
            return Err("an entry is not as plume writes them");
        }
        let (crc, len) = number4(at + 16).zip(place(at + 20)).ok_or(cut)?;
        let name_len = usize::from(number2(at + 28).ok_or(cut)?);
        let name = bytes.get(at + 46..at + 46 + name_len).ok_or(cut)?;
        let header = place(at + 42).ok_or(cut)?;
        let skip = usize::from(number2(header + 26).ok_or(cut)?) + usize::from(number2(header + 28).ok_or(cut)?);
        let start = header + 30 + skip;
        let content = start
            .checked_add(len)
            .and_then(|end| bytes.get(start..end))
            .ok_or(cut)?;
        if crc32fast::hash(content) != crc {
            return Err("a checksum does not fit");
        }
        entries.push((String::from_utf8_lossy(name).into_owned(), content.to_vec()));
        at += 46 + name_len;
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    #[test]
    fn what_is_written_is_read_again_and_damage_is_seen() {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        zip.begin("a/说明.txt").unwrap();
        zip.write("一".as_bytes()).unwrap();
        zip.write(b"two").unwrap();
        zip.begin("empty").unwrap();
        let bytes = zip.finish().unwrap().into_inner();
        let expected = vec![
            ("a/说明.txt".to_owned(), "一two".as_bytes().to_vec()),
            ("empty".to_owned(), vec![]),
        ];
        assert_eq!(read(&bytes), Ok(expected.clone()));
        for content in ["一two".as_bytes(), b"a/"] {
            // The last place is the directory's: nobody reads the name beside the content.
            let at = bytes
                .windows(content.len())
                .rposition(|window| window == content)
                .unwrap();
            let mut bad = bytes.clone();
            bad[at] ^= 1;
            assert_ne!(read(&bad), Ok(expected.clone()));
        }
        for len in 0..bytes.len() {
            assert!(read(&bytes[..len]).is_err(), "cut at {len}");
        }
    }
}
