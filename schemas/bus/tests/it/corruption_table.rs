//! The corruption table: what, where, what happened. The docs quote the snapshot.

use std::fmt::Write;

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
        Err(error) => return format!("refuses to open: {error}"),
    };
    let read = match content(&bus, REPORTS).await {
        Ok(all) => format!("opens with {} of 14 reports", all.len()),
        Err(error) => format!("opens; reading refuses: {error}"),
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
    [read]
        .into_iter()
        .chain(findings)
        .collect::<Vec<_>>()
        .join("\n             ")
}

#[tokio::test]
async fn corruption_table() {
    let mut table = String::new();
    let newest_bytes = |fs: &SimFs| fs.content(segments(fs).last().unwrap()).unwrap().len();
    let (one_less, killed) = (log(BATCHES - 1, false).await, log(BATCHES, false).await);
    let batch = newest_bytes(&killed) - newest_bytes(&one_less);
    for Case { what, change, close } in cases() {
        let pristine = log(BATCHES, close).await;
        let paths = segments(&pristine);
        let mut files = Files {
            bytes: paths.iter().map(|path| pristine.content(path)).collect(),
            batch,
            mark: newest_bytes(&pristine) - newest_bytes(&killed),
        };
        change(&mut files);
        writeln!(table, "{what} ({})", if close { "closed" } else { "killed" }).unwrap();
        for (name, options) in [("refuse", keep()), ("set_aside", set_aside())] {
            let fs = SimFs::new();
            for (path, file) in paths.iter().zip(&files.bytes) {
                if let Some(bytes) = file {
                    fs.replace(path, bytes.clone());
                }
            }
            writeln!(table, "  {name:10} {}", under(&fs, options).await).unwrap();
        }
    }
    insta::assert_snapshot!(table);
}
