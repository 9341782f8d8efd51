//! The corruption table: what, where, what happened. `docs/corruption.md` is made here, so it says what the log does.

use std::fmt::Write;
use std::path::Path;

use plume_bus::BusOptions;
use plume_bus::fs::SimFs;

use crate::damage::{BATCHES, content, keep, log, set_aside};
use crate::support::{REPORTS, open_sim, segments};

/// The segment files of a log, oldest first, and how long its last batch and its closing mark are.
struct Files {
    bytes: Vec<Option<Vec<u8>>>,
    batch: usize,
    mark: usize,
}

impl Files {
    fn newest(&mut self) -> &mut Vec<u8> {
        self.bytes.last_mut().unwrap().as_mut().unwrap()
    }

    fn sealed(&mut self) -> &mut Vec<u8> {
        self.bytes[1].as_mut().unwrap()
    }

    /// Flips a bit so many bytes before the end of the newest segment's batches.
    fn flip_before_end(&mut self, back: usize) {
        let at = self.newest().len() - self.mark - back;
        self.newest()[at] ^= 4;
    }
}

struct Case {
    what: &'static str,
    close: bool,
    change: fn(&mut Files),
}

fn cases() -> Vec<Case> {
    let case = |what, close, change| Case { what, close, change };
    vec![
        case("nothing", true, |_| ()),
        case("last batch half written", false, |f| {
            let half = f.newest().len() - f.batch / 2;
            f.newest().truncate(half);
        }),
        case("last batch only a length, no content", false, |f| {
            let start = f.newest().len() - f.batch;
            f.newest()[start..].fill(0);
        }),
        case("one bit in the last batch", false, |f| f.flip_before_end(20)),
        case("one bit in the last batch", true, |f| f.flip_before_end(20)),
        case("one bit in an earlier batch of the newest segment", false, |f| {
            f.flip_before_end(f.batch + 20);
        }),
        case("one bit in the closing mark", true, |f| {
            let at = f.newest().len() - 10;
            f.newest()[at] ^= 4;
        }),
        case("one bit in the newest header", true, |f| f.newest()[30] ^= 4),
        case("one bit in a batch of a sealed segment", true, |f| f.sealed()[700] ^= 4),
        case("one bit in the header of a sealed segment", true, |f| {
            f.sealed()[30] ^= 4;
        }),
        case("one bit in the oldest header", true, |f| {
            f.bytes[0].as_mut().unwrap()[30] ^= 4;
        }),
        case("a sealed segment cut short", true, |f| f.sealed().truncate(600)),
        case("a sealed segment missing", true, |f| f.bytes[1] = None),
        case("another format version", true, |f| {
            for file in f.bytes.iter_mut().flatten() {
                let length = u32::from_le_bytes(file[12..16].try_into().unwrap()) as usize;
                file[8] = 9;
                let crc = crc32fast::hash(&file[..length - 4]);
                file[length - 4..length].copy_from_slice(&crc.to_le_bytes());
            }
        }),
    ]
}

async fn under(fs: &SimFs, options: BusOptions) -> String {
    let bus = match open_sim(fs, options).await {
        Ok(bus) => bus,
        Err(error) => return format!("refuses to open: {error}. Remedy: {}", error.hint()),
    };
    let read = match content(&bus, REPORTS).await {
        Ok(all) => format!("opens with {} of 14 reports", all.len()),
        Err(error) => format!("opens; reading refuses: {error}. Remedy: {}", error.hint()),
    };
    let findings = bus.findings().iter().map(|f| {
        let lost: Vec<_> = f
            .lost
            .iter()
            .map(|(at, r)| format!("{at} {}..{}", r.start, r.end))
            .collect();
        let lost = if lost.is_empty() {
            "nothing known lost".to_owned()
        } else {
            format!("lost {}", lost.join(", "))
        };
        let skipped = f.skipped.iter().map(|(_, r)| r.end - r.start).max().unwrap_or(0);
        let skipped = if skipped > 0 {
            format!(", up to {skipped} offsets of each line skipped")
        } else {
            String::new()
        };
        let kept = if f.kept_in.is_some() { "kept aside" } else { "not kept" };
        let place = format!("{} at {}", f.file.display(), f.offset);
        format!("{place}: {}, {} bytes, {kept}, {lost}{skipped}", f.kind, f.bytes)
    });
    [read].into_iter().chain(findings).collect::<Vec<_>>().join("<br>")
}

const HEAD: &str = "\
# What a damaged log does

The log of 14 reports in four small segments is damaged in one place, then opened again and read to its end, with
`[bus] recovery = \"refuse\"` (the default) and with `\"set_aside\"`. *closed*: plume had stopped in order; *killed*: it
had not, so the last batch may be one that nobody was told of.

This page is made by `cargo test -p plume-bus --test it corruption_table`, which fails where it is stale. The same test
suite cuts the log at every byte and flips bits all over it (`schemas/bus/tests/it/damage.rs`); the layout of the files
is drawn at the top of `schemas/bus/src/embedded/mod.rs`.

When damage is noticed: headers of all segments and every frame of the newest one when the log is opened; the frames of
an older (sealed) segment when it is first read, before anything of it is handed out. Opening therefore takes the time
of one segment, whatever the log's size, and a damaged record is never passed on. Judge and archive read every record
within seconds of its writing, so what is damaged later is almost always in files that only wait for their retention.

| what | | `refuse` | `set_aside` |
|---|---|---|---|
";

/// One row: the same damage under both options.
async fn row(case: &Case, batch: usize, killed_bytes: usize) -> String {
    let Case { what, change, close } = case;
    let pristine = log(BATCHES, *close).await;
    let paths = segments(&pristine);
    let mut files = Files {
        bytes: paths.iter().map(|path| pristine.content(path)).collect(),
        batch,
        mark: newest_bytes(&pristine) - killed_bytes,
    };
    change(&mut files);
    let mut row = format!("| {what} | {} |", if *close { "closed" } else { "killed" });
    for options in [keep(), set_aside()] {
        let fs = SimFs::new();
        for (path, file) in paths.iter().zip(&files.bytes) {
            if let Some(bytes) = file {
                fs.replace(path, bytes.clone());
            }
        }
        write!(row, " {} |", under(&fs, options).await).unwrap();
    }
    row
}

fn newest_bytes(fs: &SimFs) -> usize {
    fs.content(segments(fs).last().unwrap()).unwrap().len()
}

#[tokio::test]
async fn corruption_table() {
    let (one_less, killed) = (log(BATCHES - 1, false).await, log(BATCHES, false).await);
    let killed_bytes = newest_bytes(&killed);
    let batch = killed_bytes - newest_bytes(&one_less);
    let mut page = HEAD.to_owned();
    for case in cases() {
        writeln!(page, "{}", row(&case, batch, killed_bytes).await).unwrap();
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/corruption.md");
    if std::fs::read_to_string(&path).unwrap_or_default() != page {
        std::fs::write(&path, page).unwrap();
        panic!("docs/corruption.md was stale and has been written anew: look at it and commit it");
    }
}
