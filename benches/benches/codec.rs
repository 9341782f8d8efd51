//! HJ 212 packets a second: framing with checksum alone, the full decode to typed readings, and all that a link does
//! with a packet up to the report to be stored and its answer, at two sizes, in the same run.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use plume_benches::packets::{Stamper, Template, registry};
use plume_ingest::config::IngestConfig;
use plume_ingest::hj212::complaints::Complaints;
use plume_ingest::hj212::frame::{Frame, Framer, Item};
use plume_ingest::hj212::headers::Headers;
use plume_ingest::hj212::intake::{Intake, Verdict};
use plume_ingest::hj212::{CheckKind, fields::FieldReader};
use plume_ingest::quarantine::Arrival;
use plume_schemas::factors::Catalogue;
use plume_schemas::ids::{IngestId, Inline};
use plume_schemas::registry::RegistryIndex;
use plume_schemas::time::Time;

/// Packets in one stretch of stream, as a busy link brings them; each with a QN of its own.
const PACKETS: usize = 256;
/// Longest data segment taken, as in the default configuration.
const MAX_SEGMENT_BYTES: usize = 8_192;
/// 2026-01-17 14:00 in Beijing.
const AT: Time = Time(1_768_629_600_000);

fn stream(bytes: usize) -> Vec<u8> {
    let mut out = Vec::new();
    let template = Template::new(bytes, "123456", AT);
    if let Ok(mut stamper) = template.and_then(|template| Stamper::new(&template, 1)) {
        for _ in 0..PACKETS {
            stamper.next(&mut out);
        }
    }
    assert_eq!(out.len(), PACKETS * bytes, "the stream holds every packet");
    out
}

/// Cuts a stream into frames and gives each with a right checksum to `each`; gives how many there were.
fn frames(framer: &mut Framer, stream: &[u8], mut each: impl FnMut(&Frame<'_>)) -> usize {
    let mut count = 0;
    framer.push(stream);
    while let Some(item) = framer.next_item() {
        if let Item::Frame(frame) = item
            && frame.check.kind != CheckKind::Wrong
        {
            each(&frame);
            count += 1;
        }
    }
    count
}

fn decode(c: &mut Criterion) {
    let Ok(catalogue) = Catalogue::embedded().map(Arc::new) else {
        return;
    };
    for bytes in [425, 700] {
        let stream = stream(bytes);
        let mut group = c.benchmark_group(format!("hj212/{bytes}"));
        group.throughput(Throughput::ElementsAndBytes {
            elements: PACKETS as u64,
            bytes: stream.len() as u64,
        });
        group.bench_function("frame_and_crc", |b| {
            let mut framer = Framer::new(MAX_SEGMENT_BYTES);
            b.iter(|| {
                let count = frames(&mut framer, black_box(&stream), |frame| {
                    black_box(frame.segment);
                });
                assert_eq!(count, PACKETS);
            });
        });
        group.bench_function("full_decode", |b| {
            let mut framer = Framer::new(MAX_SEGMENT_BYTES);
            let mut reader = FieldReader::new(Arc::clone(&catalogue));
            let mut headers = Headers::default();
            let mut complaints = Complaints::default();
            b.iter(|| {
                let count = frames(&mut framer, black_box(&stream), |frame| {
                    complaints.clear();
                    let packet = headers.parse(frame.segment, &mut complaints);
                    black_box(reader.read(&packet, &mut complaints));
                    assert!(complaints.list().is_empty(), "conformant packets are measured");
                });
                assert_eq!(count, PACKETS);
            });
        });
        group.bench_function("to_report_and_answer", |b| {
            let mut framer = Framer::new(MAX_SEGMENT_BYTES);
            let (mut intake, arrival, registry) = link(&catalogue);
            b.iter(|| {
                let count = frames(&mut framer, black_box(&stream), |frame| {
                    let taken = intake.take(frame, &arrival, &registry);
                    assert!(taken.verdict == Verdict::Accepted && taken.reply.is_some());
                    black_box(taken);
                });
                assert_eq!(count, PACKETS);
            });
        });
        group.finish();
    }
}

/// What decides about the packets of the one device of the stream, which is registered.
#[expect(clippy::unwrap_used, reason = "what the bench itself writes is well formed")]
fn link(catalogue: &Arc<Catalogue>) -> (Intake, Arrival, RegistryIndex) {
    let config: IngestConfig = toml::from_str(include_str!("../../ingest/tests/data/ingest.toml")).unwrap();
    let registry = RegistryIndex::new(toml::from_str(&registry(2).unwrap()).unwrap());
    let arrival = Arrival {
        received_at: AT,
        ingest: IngestId::new("bench").unwrap(),
        peer: Inline::new("192.0.2.1:40000").unwrap(),
        stream_offset: 0,
    };
    (Intake::new(Arc::new(config), Arc::clone(catalogue)), arrival, registry)
}

criterion_group!(benches, decode);
criterion_main!(benches);
