//! Setting damage aside ([`crate::Recovery::SetAside`]): reads every segment, keeps what is whole, copies what is not
//! to `.damaged` files, and says which offsets are gone.
//!
//! A damaged segment is replaced in one rename by a *repaired* one with its whole frames. What was missing between them
//! shows in the offsets that follow, which every frame and every later header carries. Behind the newest segment
//! nothing follows, so a new one is begun first whose header stands beyond every offset the damaged bytes can have
//! held: no offset is handed out twice. Opening then goes on as for any log, so that what repair leaves is checked by
//! the same code as everything else; a crash in between leaves damage that the next repair finds.

use std::io;
use std::ops::Range;
use std::path::Path;

use super::frame::{Head, Place, encode_moved};
use super::header::{Flaw, Header, HeaderError, Previous, io_error};
use super::recover::{GENERATION, check_identity, keep_aside, place_segment};
use super::segment::segment_path;
use super::survey::{Survey, Whole};
use super::walk::{Start, Window, walk};
use crate::BusError;
use crate::findings::{Finding, FindingKind};
use crate::fs::{Fs, FsFile, write_all_at};
use crate::ledger::Ledger;
use crate::options::BusOptions;
use crate::record::TopicPartition;

/// Repairs what needs it among the segments of `dir`.
pub(crate) fn repair(
    fs: &dyn Fs,
    dir: &Path,
    options: &BusOptions,
    sequences: &[u64],
) -> Result<Vec<Finding>, BusError> {
    let headers = read_headers(fs, dir, options, sequences)?;
    let mut repair = Repair {
        fs,
        dir,
        options,
        findings: Vec::new(),
        ledger: None,
        previous: None,
    };
    for (index, &sequence) in sequences.iter().enumerate() {
        let (seen, after) = headers.split_at(index + 1);
        repair.segment(sequence, seen.last().and_then(Option::as_ref), after)?;
    }
    Ok(repair.findings)
}

/// A header and its length, where it can be had.
type Read = Option<(Header, u64)>;

/// Every header that can be had; a log of another kind or version is refused before anything is touched.
fn read_headers(fs: &dyn Fs, dir: &Path, options: &BusOptions, sequences: &[u64]) -> Result<Vec<Read>, BusError> {
    let read = |&sequence: &u64| {
        let path = segment_path(dir, sequence);
        let file = fs.open(&path).map_err(|e| io_error("open", &path, e))?;
        match Header::read(&*file, &path) {
            Ok((header, bytes)) => {
                check_identity(&header, dir, options)?;
                Ok((header.first_sequence == sequence).then_some((header, bytes)))
            }
            Err(HeaderError::Flaw(Flaw::Damaged(_))) => Ok(None),
            Err(error) => Err(error.at(&path)),
        }
    };
    sequences.iter().map(read).collect()
}

#[derive(Debug)]
struct Repair<'a> {
    fs: &'a dyn Fs,
    dir: &'a Path,
    options: &'a BusOptions,
    findings: Vec<Finding>,
    /// Where everyone stands at the end of the segments seen so far.
    ledger: Option<Ledger>,
    previous: Option<Previous>,
}

impl Repair<'_> {
    /// Looks at one segment; `after` are the headers of those that follow.
    fn segment(&mut self, sequence: u64, read: Option<&(Header, u64)>, after: &[Read]) -> Result<(), BusError> {
        let path = segment_path(self.dir, sequence);
        let failed = |e| io_error("read", &path, e);
        let file = self.fs.open(&path).map_err(failed)?;
        let size = file.size().map_err(failed)?;
        let (header, from) = match read {
            Some((header, bytes)) => {
                self.stand_in(header)?;
                self.meet(&header.ledger);
                (header.clone(), *bytes)
            }
            None => (self.rebuilt_header(&path, &*file, size, sequence, after)?, 0),
        };
        let survey = Survey::of(&*file, size, sequence, from, header.ledger.clone()).map_err(failed)?;
        self.ledger = Some(survey.ledger.clone());
        let last = after.is_empty();
        let next = after.first().and_then(|next| next.as_ref()?.0.previous);
        let sealed = next.filter(|sealed| sealed.first_sequence == sequence && !header.repaired);
        let shortened = sealed.map_or(0, |sealed| sealed.bytes.saturating_sub(size));
        // Opening cuts off what an unclean end leaves.
        let fine = from > 0 && shortened == 0 && (survey.bad.is_empty() || last && survey.is_unclean_end());
        if !fine {
            self.report(&path, &survey, shortened);
            if last {
                self.begin_beyond(&header, &survey, size)?;
            }
            self.rewrite(&path, &*file, &header, &survey)?;
        }
        self.previous = Some(Previous {
            first_sequence: sequence,
            bytes: self.fs.open(&path).and_then(|file| file.size()).map_err(failed)?,
        });
        Ok(())
    }

    /// If the segment before `header` is missing, puts an empty one in its place.
    fn stand_in(&mut self, header: &Header) -> Result<(), BusError> {
        let (Some(missing), Some(before), Some(ledger)) = (header.previous, self.previous, &self.ledger) else {
            return Ok(());
        };
        if missing.first_sequence == before.first_sequence {
            return Ok(());
        }
        let stand_in = Header {
            first_sequence: missing.first_sequence,
            repaired: true,
            previous: Some(before),
            ledger: ledger.clone(),
            ..header.clone()
        };
        let path = segment_path(self.dir, missing.first_sequence);
        place_segment(self.fs, self.dir, &stand_in, |_, _| Ok(())).map_err(|e| io_error("stand in for", &path, e))?;
        self.found(&path, 0..missing.bytes, FindingKind::Missing);
        Ok(())
    }

    /// Takes a whole header's word for where everyone stands. What the segments before did not have is lost.
    fn meet(&mut self, ledger: &Ledger) {
        if let (Some(held), Some(finding)) = (self.ledger.replace(ledger.clone()), self.findings.last_mut()) {
            finding.lost.extend(behind(&held, ledger));
        }
    }

    /// A header in place of a damaged one: from the segments before, or for the oldest, from its frames and the next
    /// header.
    fn rebuilt_header(
        &self,
        path: &Path,
        file: &dyn FsFile,
        size: u64,
        sequence: u64,
        after: &[Read],
    ) -> Result<Header, BusError> {
        let ledger = match (&self.ledger, after.iter().flatten().next()) {
            (Some(ledger), _) => ledger.clone(),
            (None, Some((next, _))) => {
                let empty = Ledger::new(self.options.partitions);
                let survey = Survey::of(file, size, sequence, 0, empty).map_err(|e| io_error("read", path, e))?;
                next.ledger.lowered_to(&survey.first)
            }
            (None, None) => {
                return Err(BusError::Unrepairable {
                    file: path.to_owned(),
                    what: "no segment header is whole",
                });
            }
        };
        Ok(Header {
            clock: self.options.clock,
            partitions: self.options.partitions,
            generation: GENERATION,
            first_sequence: sequence,
            repaired: true,
            previous: self.previous,
            ledger,
        })
    }

    fn report(&mut self, path: &Path, survey: &Survey, shortened: u64) {
        for bad in &survey.bad {
            let what = if bad.from == 0 {
                "the segment header does not match its checksum"
            } else {
                bad.what
            };
            self.found(path, bad.from..bad.to, FindingKind::SetAside(what));
        }
        if survey.bad.is_empty() {
            let end = survey.whole.last().map_or(0, |whole| whole.to);
            let what = "the segment does not have the length it was sealed with";
            self.found(path, end..end + shortened, FindingKind::SetAside(what));
        }
        for (position, at, range) in &survey.gaps {
            let cause = self
                .findings
                .iter_mut()
                .rev()
                .find(|f| f.file != path || f.offset < *position);
            if let Some(cause) = cause {
                cause.lost.push((*at, range.clone()));
            }
        }
    }

    /// Begins a segment behind the newest, beyond all offsets its damaged bytes can have held.
    fn begin_beyond(&mut self, header: &Header, survey: &Survey, size: u64) -> Result<(), BusError> {
        let beyond = survey.beyond();
        // One past every sequence the damaged bytes can have held: frames are longer than one byte.
        let first_sequence = header.first_sequence + size;
        let next = Header {
            first_sequence,
            repaired: false,
            previous: Some(Previous {
                first_sequence: header.first_sequence,
                bytes: size,
            }),
            ledger: beyond.clone(),
            ..header.clone()
        };
        let path = segment_path(self.dir, first_sequence);
        place_segment(self.fs, self.dir, &next, |_, _| Ok(())).map_err(|e| io_error("begin", &path, e))?;
        if let Some(finding) = self.findings.last_mut() {
            finding.skipped.extend(behind(&survey.ledger, &beyond));
        }
        Ok(())
    }

    /// Copies the damaged parts aside, then replaces the segment by its whole frames.
    fn rewrite(&mut self, path: &Path, file: &dyn FsFile, header: &Header, survey: &Survey) -> Result<(), BusError> {
        for bad in &survey.bad {
            let kept = keep_aside(self.fs, self.dir, path, file, bad.from, bad.to)?;
            let finding = self
                .findings
                .iter_mut()
                .find(|f| f.file == path && f.offset == bad.from);
            if let Some(finding) = finding {
                finding.kept_in = Some(kept);
            }
        }
        let repaired = Header {
            repaired: true,
            ..header.clone()
        };
        let copied = place_segment(self.fs, self.dir, &repaired, |out, mut position| {
            for whole in &survey.whole {
                position = copy_frames(file, out, header.first_sequence, *whole, position)?;
            }
            Ok(())
        });
        copied.map_err(|e| io_error("rewrite", path, e))
    }

    fn found(&mut self, path: &Path, part: Range<u64>, kind: FindingKind) {
        self.findings.push(Finding {
            file: path.to_owned(),
            offset: part.start,
            bytes: part.end - part.start,
            kind,
            kept_in: None,
            lost: Vec::new(),
            skipped: Vec::new(),
        });
    }
}

/// What lies between two ledgers, line by line.
fn behind(held: &Ledger, next: &Ledger) -> Vec<(TopicPartition, Range<u64>)> {
    let lines = held.lines().zip(held.next()).zip(next.next());
    let behind = lines.filter(|((_, had), next)| had < next);
    behind.map(|((at, &had), &next)| (at, had..next)).collect()
}

/// Copies whole frames to another position of another file; returns where the next goes.
fn copy_frames(file: &dyn FsFile, out: &dyn FsFile, segment: u64, whole: Whole, mut position: u64) -> io::Result<u64> {
    let mut buffer = Vec::new();
    let mut written = Ok(());
    let start = Start {
        place: Place {
            segment,
            position: whole.from,
        },
        sequence: whole.sequence,
        gaps: true,
    };
    let mut visit = |_: u64, head: &Head, body: &[u8]| {
        buffer.clear();
        encode_moved(&mut buffer, Place { segment, position }, head, body);
        if written.is_ok() {
            written = write_all_at(out, &buffer, position);
        }
        position += head.frame_bytes();
        Some(())
    };
    walk(&mut Window::new(file, whole.to), start, &mut visit)?;
    written.map(|()| position)
}
