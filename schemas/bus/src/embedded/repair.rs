//! Setting damage aside ([`crate::Recovery::SetAside`]): reads every segment, keeps what is whole, copies what is not to
//! `.damaged` files, and says which offsets are gone.
//!
//! A damaged segment is replaced in one rename by a *repaired* one with its whole frames. What was missing between them shows
//! in the offsets that follow, which every frame and every later header carries. Opening then goes on as for any log, so
//! that what repair leaves is checked by the same code as everything else.

use std::io;
use std::path::Path;

use super::frame::{Head, Place, encode_moved};
use super::header::{Flaw, Header, HeaderError, Previous, io_error};
use super::recover::{GENERATION, check_identity, keep_aside, place_segment};
use super::segment::{advance, segment_path};
use super::walk::{Start, Stop, Window, walk};
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
    for (index, (&sequence, header)) in sequences.iter().zip(&headers).enumerate() {
        let next = headers.get(index + 1);
        let sealed_bytes = next
            .and_then(|next| next.as_ref()?.0.previous)
            .map(|previous| previous.bytes);
        repair.segment(sequence, header.as_ref(), next.is_none(), sealed_bytes)?;
    }
    Ok(repair.findings)
}

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
    /// Where everyone stands at the end of the segments seen so far; none before the first whole header.
    ledger: Option<Ledger>,
    previous: Option<Previous>,
}

/// What one segment is found to be.
#[derive(Debug)]
struct Survey {
    /// Positions of whole frames.
    whole: Vec<(u64, u64, u64)>,
    /// Damaged parts, with what is wrong.
    bad: Vec<(u64, u64, &'static str)>,
}

impl Repair<'_> {
    /// Looks at one segment; `sealed_bytes` is the length its successor remembers.
    fn segment(
        &mut self,
        sequence: u64,
        header: Option<&(Header, u64)>,
        last: bool,
        sealed_bytes: Option<u64>,
    ) -> Result<(), BusError> {
        let path = segment_path(self.dir, sequence);
        let failed = |e| io_error("read", &path, e);
        let file = self.fs.open(&path).map_err(failed)?;
        let size = file.size().map_err(failed)?;
        let (header, from) = match header {
            Some((header, bytes)) => {
                self.stand_in(header)?;
                self.meet(&header.ledger, &path);
                (header.clone(), *bytes)
            }
            None => match self.rebuilt_header(sequence) {
                Some(header) => (header, 0),
                None if last => {
                    let what = "the header of the only segment is damaged";
                    return Err(BusError::Unrepairable { file: path, what });
                }
                None => return self.set_whole_aside(&path, &*file, size),
            },
        };
        let survey = self.survey(&path, &*file, size, &header, from, last)?;
        let resized = sealed_bytes.is_some_and(|bytes| bytes != size) && !header.repaired;
        if from == 0 && survey.bad.is_empty() {
            self.found(&path, 0, size, FindingKind::SetAside("the segment header is damaged"));
        } else if resized && survey.bad.is_empty() {
            let missing = sealed_bytes.unwrap_or_default().saturating_sub(size);
            let what = "the segment does not have the length it was sealed with";
            self.found(&path, size, missing, FindingKind::SetAside(what));
        }
        if resized || from == 0 || !survey.bad.is_empty() {
            self.rewrite(&path, &*file, &header, &survey)?;
        }
        let bytes = self.fs.open(&path).and_then(|file| file.size()).map_err(failed)?;
        self.previous = Some(Previous {
            first_sequence: sequence,
            bytes,
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
        self.found(&path, 0, missing.bytes, FindingKind::Missing);
        Ok(())
    }

    /// Takes a whole header's word for where everyone stands, reporting what the segments before did not have.
    fn meet(&mut self, ledger: &Ledger, path: &Path) {
        if let Some(held) = self.ledger.replace(ledger.clone()) {
            for ((at, &had), &next) in held.lines().zip(held.next()).zip(ledger.next()) {
                if had < next {
                    if self.findings.is_empty() {
                        self.found(path, 0, 0, FindingKind::Missing);
                    }
                    lose(&mut self.findings, at, had, next);
                }
            }
        }
    }

    fn rebuilt_header(&self, sequence: u64) -> Option<Header> {
        Some(Header {
            clock: self.options.clock,
            partitions: self.options.partitions,
            generation: GENERATION,
            first_sequence: sequence,
            repaired: true,
            previous: Some(self.previous?),
            ledger: self.ledger.clone()?,
        })
    }

    /// The oldest segment without its header: the log begins with the next one instead.
    fn set_whole_aside(&mut self, path: &Path, file: &dyn FsFile, size: u64) -> Result<(), BusError> {
        let kept = keep_aside(self.fs, self.dir, path, file, 0, size)?;
        let removed = self.fs.remove(path).and_then(|()| self.fs.sync_dir(self.dir));
        removed.map_err(|e| io_error("remove", path, e))?;
        let what = "the header of the oldest segment is damaged";
        self.found(path, 0, size, FindingKind::SetAside(what));
        if let Some(finding) = self.findings.last_mut() {
            finding.kept_in = Some(kept);
        }
        Ok(())
    }

    /// Reads a segment to its end, over every damaged part.
    fn survey(
        &mut self,
        path: &Path,
        file: &dyn FsFile,
        size: u64,
        header: &Header,
        from: u64,
        last: bool,
    ) -> Result<Survey, BusError> {
        let mut window = Window::new(file, size);
        let mut ledger = header.ledger.clone();
        let mut survey = Survey {
            whole: Vec::new(),
            bad: Vec::new(),
        };
        let mut position = from;
        // A rebuilt header is in front of the first frame, which then has to be found.
        let mut sequence = if from == 0 {
            header.first_sequence - 1
        } else {
            header.first_sequence
        };
        loop {
            let findings = &mut self.findings;
            let mut visit = |_: u64, _: &Head, body: &[u8]| {
                advance(&mut ledger, body, |seen| {
                    if seen.offset > seen.expected {
                        lose(findings, seen.at, seen.expected, seen.offset);
                    }
                })
            };
            let place = Place {
                segment: header.first_sequence,
                position,
            };
            let start = Start {
                place,
                sequence,
                gaps: true,
            };
            let walk = walk(&mut window, start, &mut visit).map_err(|e| io_error("read", path, e))?;
            survey.whole.push((position, walk.end, sequence));
            let (what, resumes) = match walk.stop {
                Stop::End => break,
                Stop::Torn => ("the segment ends within a frame", None),
                Stop::Bad { what, resumes, .. } => (what, resumes),
            };
            let unfinished = matches!(walk.stop, Stop::Torn | Stop::Bad { was_durable: false, .. });
            if last && unfinished && from > 0 && survey.bad.is_empty() {
                break; // What an unclean end looks like: opening cuts it off.
            }
            let to = resumes.unwrap_or(size);
            self.found(path, walk.end, to - walk.end, FindingKind::SetAside(what));
            survey.bad.push((walk.end, to, what));
            if resumes.is_none() {
                break;
            }
            (position, sequence) = (to, walk.sequence);
        }
        self.ledger = Some(ledger);
        Ok(survey)
    }

    /// Copies the damaged parts aside, then replaces the segment by its whole frames.
    fn rewrite(&mut self, path: &Path, file: &dyn FsFile, header: &Header, survey: &Survey) -> Result<(), BusError> {
        for &(from, to, _) in &survey.bad {
            let kept = keep_aside(self.fs, self.dir, path, file, from, to)?;
            let finding = self.findings.iter_mut().find(|f| f.file == path && f.offset == from);
            if let Some(finding) = finding {
                finding.kept_in = Some(kept);
            }
        }
        let repaired = Header {
            repaired: true,
            ..header.clone()
        };
        let copied = place_segment(self.fs, self.dir, &repaired, |out, mut position| {
            for &(from, to, sequence) in &survey.whole {
                position = copy_frames(file, out, header.first_sequence, (from, to, sequence), position)?;
            }
            Ok(())
        });
        copied.map_err(|e| io_error("rewrite", path, e))
    }

    fn found(&mut self, path: &Path, offset: u64, bytes: u64, kind: FindingKind) {
        self.findings.push(Finding {
            file: path.to_owned(),
            offset,
            bytes,
            kind,
            kept_in: None,
            lost: Vec::new(),
        });
    }
}

/// Copies whole frames to another position of another file; returns where the next goes.
fn copy_frames(
    file: &dyn FsFile,
    out: &dyn FsFile,
    segment: u64,
    (from, to, sequence): (u64, u64, u64),
    mut position: u64,
) -> io::Result<u64> {
    let mut buffer = Vec::new();
    let mut written = Ok(());
    let start = Start {
        place: Place {
            segment,
            position: from,
        },
        sequence,
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
    walk(&mut Window::new(file, to), start, &mut visit)?;
    written.map(|()| position)
}

/// Adds lost offsets to the damage found last.
fn lose(findings: &mut [Finding], at: TopicPartition, from: u64, to: u64) {
    if let Some(finding) = findings.last_mut() {
        finding.lost.push((at, from..to));
    }
}
