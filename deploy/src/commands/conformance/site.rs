//! The report on site: the device connects to this host. Each packet is written to a file before it is answered, so
//! that nothing a device believes delivered is lost; packets and answers are shown as they pass.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use plume_ingest::config::{IngestConfig, UnknownMn};
use plume_ingest::hj212::conformance::{Heard, Inspector, Setup};
use plume_ingest::hj212::intake::LogRecord;
use plume_ingest::hj212::session::{Link, Output, Session};
use plume_schemas::entry::EntryBody;
use plume_schemas::factors::Catalogue;
use plume_schemas::ids::{Inline, Mn};
use plume_schemas::mask::shown;
use plume_schemas::registry::RegistryIndex;
use plume_schemas::report::QuarantineReason;
use plume_schemas::time::Time;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::{code, print};
use crate::cli::conformance::ConformanceArgs;
use crate::commands::view;
use crate::{clock, out};

/// Devices reported on: a technician stands before one; a gateway may speak for some.
const MAX_DEVICES: usize = 64;
/// Bytes read at once.
const READ_BYTES: usize = 16 * 1024;

/// What came so far, of every device.
struct Board {
    keep: File,
    /// By device; what is of none stands under `None`.
    inspectors: BTreeMap<Option<Mn>, Inspector>,
    expect_encryption: bool,
    catalogue: Arc<Catalogue>,
    quiet: bool,
}

/// What the links share.
struct Site {
    config: Arc<IngestConfig>,
    catalogue: Arc<Catalogue>,
    registry: RegistryIndex,
    board: Mutex<Board>,
}

/// Listens until told to stop, then says what it found.
pub(super) async fn run(args: &ConformanceArgs, address: SocketAddr) -> anyhow::Result<ExitCode> {
    let config = view::config(args.place.config.as_deref())?.ingest;
    let catalogue = Arc::new(Catalogue::embedded()?);
    let mut options = File::options();
    let keep = options.create(true).append(true).mode(0o600).open(&args.keep);
    let board = Board {
        keep: keep.with_context(|| format!("keep packets in {}", args.keep.display()))?,
        inspectors: BTreeMap::new(),
        expect_encryption: config.expect_encryption_2025,
        catalogue: Arc::clone(&catalogue),
        quiet: args.json,
    };
    let config = IngestConfig {
        unknown_mn: UnknownMn::AcceptAndFlag,
        ..config
    };
    let site = Arc::new(Site {
        config: Arc::new(config),
        catalogue,
        registry: RegistryIndex::default(),
        board: Mutex::new(board),
    });
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("listen on {address}"))?;
    out::complain(format_args!(
        "监听 / listening on {}；报文存入 / packets are kept in {}；Ctrl-C 结束并给出报告 / ends with the report",
        listener.local_addr()?,
        args.keep.display()
    ));
    let until_told = async {
        if args.seconds > 0 {
            tokio::time::sleep(Duration::from_secs(args.seconds)).await;
        } else {
            // Without a signal to wait for it goes on until killed.
            drop(tokio::signal::ctrl_c().await);
        }
    };
    tokio::select! {
        accepted = accept(&listener, &site) => accepted?,
        () = until_told => {}
    }
    let board = site.board.lock().unwrap_or_else(PoisonError::into_inner);
    let now = clock::system().now();
    let mut fine = !board.inspectors.is_empty();
    for inspector in board.inspectors.values() {
        let report = inspector.report(now);
        fine &= report.is_fine();
        print(args, &report);
    }
    if board.inspectors.is_empty() {
        out::complain("没有设备发来报文 / no device sent a packet");
    }
    Ok(code(fine))
}

async fn accept(listener: &TcpListener, site: &Arc<Site>) -> anyhow::Result<()> {
    for epoch in 1.. {
        let (stream, peer) = listener.accept().await?;
        let site = Arc::clone(site);
        tokio::spawn(async move {
            if let Err(error) = serve(&site, stream, peer, epoch).await {
                out::complain(format_args!("{peer}: {error:#}"));
            }
        });
    }
    Ok(())
}

/// One link to its end.
async fn serve(site: &Site, mut stream: TcpStream, peer: SocketAddr, epoch: u64) -> anyhow::Result<()> {
    let clock = clock::system();
    let link = Link {
        peer: Inline::new(&peer.to_string()).unwrap_or_default(),
        epoch,
    };
    let mut session = Session::new(Arc::clone(&site.config), Arc::clone(&site.catalogue), link);
    let wait = Duration::from_millis(site.config.tail_wait_ms);
    let mut buffer = vec![0; READ_BYTES];
    let mut last = None;
    loop {
        let read = stream.read(&mut buffer);
        let count = if session.wants_quiet() {
            match tokio::time::timeout(wait, read).await {
                Ok(read) => Some(read?),
                Err(_) => None,
            }
        } else {
            Some(read.await?)
        };
        let now = clock.now();
        match count {
            None => session.handle_quiet(now, &site.registry),
            Some(0) => session.handle_end(now, &site.registry),
            Some(count) => session.handle_bytes(buffer.get(..count).unwrap_or_default(), now, &site.registry),
        }
        let mut closing = count == Some(0);
        while let Some(output) = session.poll_output() {
            match output {
                Output::Append { ticket, records } => {
                    site.keep(&records, &mut last)?;
                    session.handle_durable(ticket);
                }
                Output::Send(bytes) => {
                    site.say("→", &bytes);
                    stream.write_all(&bytes).await?;
                }
                Output::Close(_) => closing = true,
                Output::Note(_) => {}
            }
        }
        if closing {
            return Ok(());
        }
    }
}

/// A record as the inspector takes it.
struct Came<'a> {
    mn: Option<Mn>,
    raw: &'a [u8],
    at: Time,
    encrypted: bool,
    set_aside: Option<QuarantineReason>,
}

fn came(record: &LogRecord) -> Option<Came<'_>> {
    match record {
        LogRecord::Entry(EntryBody::Report(report)) if report.evidence.share.0 == 0 => Some(Came {
            mn: Some(report.origin.mn),
            raw: &report.evidence.raw,
            at: report.times.received_at,
            encrypted: report.evidence.key_id.is_some(),
            set_aside: None,
        }),
        LogRecord::Quarantined(record) => Some(Came {
            mn: record.mn,
            raw: &record.raw,
            at: record.received_at,
            encrypted: false,
            set_aside: Some(record.reason),
        }),
        LogRecord::Entry(_) => None,
    }
}

impl Site {
    /// Writes packets to the file, so that they may be answered, and looks at them. `last`: the device that spoke last
    /// on this link; bytes of nobody are taken for its own.
    fn keep(&self, records: &[LogRecord], last: &mut Option<Mn>) -> anyhow::Result<()> {
        let mut board = self.board.lock().unwrap_or_else(PoisonError::into_inner);
        let mut written = false;
        for came in records.iter().filter_map(came) {
            *last = came.mn.or(*last);
            board.keep.write_all(came.raw)?;
            if !came.raw.ends_with(b"\n") {
                board.keep.write_all(b"\r\n")?;
            }
            written = true;
            board.look(&came, *last);
        }
        if written {
            board.keep.sync_data().context("keep the packets")?;
        }
        Ok(())
    }

    fn say(&self, arrow: &str, bytes: &[u8]) {
        self.board
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .say(arrow, bytes);
    }
}

impl Board {
    fn look(&mut self, came: &Came<'_>, mn: Option<Mn>) {
        self.say("←", came.raw);
        if !self.inspectors.contains_key(&mn) && self.inspectors.len() >= MAX_DEVICES {
            return;
        }
        let (expect_encryption, catalogue) = (self.expect_encryption, Arc::clone(&self.catalogue));
        let inspector = self.inspectors.entry(mn).or_insert_with(|| {
            let setup = Setup {
                mn,
                expect_encryption,
                ..Setup::default()
            };
            Inspector::new(setup, catalogue)
        });
        inspector.hear(Heard {
            raw: came.raw,
            received_at: came.at,
            encrypted: came.encrypted,
            set_aside: came.set_aside,
        });
    }

    /// The live tail: packets in, our exact bytes out.
    fn say(&self, arrow: &str, bytes: &[u8]) {
        if !self.quiet {
            out::line(format_args!("{arrow} {}", shown(bytes)));
        }
    }
}
