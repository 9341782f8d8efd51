//! `plume verify`: whether the archive is what its manifest says, byte by byte.

use std::process::ExitCode;

use super::view::{self, Ticker, hinted};
use crate::cli::archive::VerifyArgs;
use crate::{out, roles};

/// Reads everything and prints what is wrong; fails where something is.
pub(crate) fn run(args: &VerifyArgs) -> anyhow::Result<ExitCode> {
    let reader = roles::archive::reader(&view::find(&args.place)?.archive)?;
    let mut ticker = Ticker::new(args.progress);
    let report = reader
        .verify_watched(&mut |done, total| ticker.tick(|| format!("… {done}/{total} 个文件 / files")))
        .map_err(hinted)?;
    let chained = match &args.head {
        Some(head) => reader.has_head(head).map_err(hinted)?,
        None => true,
    };
    let sound = report.problems.is_empty() && chained;
    if args.json {
        let mut value = serde_json::to_value(&report)?;
        if let Some(object) = value.as_object_mut() {
            object.insert("sound".to_owned(), sound.into());
            object.insert("head_known".to_owned(), args.head.is_some().then_some(chained).into());
        }
        out::line(value);
    } else {
        for problem in &report.problems {
            out::line(format_args!("{problem}\n  → {}", problem.hint()));
        }
        if !chained {
            out::line(
                "给定的哈希不在清单链上，清单可能被替换 / the given hash is not in the chain: the manifest was replaced",
            );
        }
        let (files, rows, bytes) = (report.files, report.rows, report.bytes);
        out::line(format_args!(
            "{files} 个文件，{rows} 行，{bytes} 字节 / {files} files, {rows} rows, {bytes} bytes"
        ));
        out::line(format_args!("清单末尾哈希 / head of the manifest: {}", report.head));
        out::line(if sound {
            "完好 / sound"
        } else {
            "有问题，见上 / not sound: see above"
        });
    }
    Ok(if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
