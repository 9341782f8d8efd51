//! The wire form of the log: one minute report of a usual stack, to bytes and back.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use plume_benches::reports::Stack;
use plume_schemas::wire::{decode_entry, encode_entry};

fn wire(c: &mut Criterion) {
    let Some(entry) = Stack::new(1).and_then(|stack| stack.minute(0).pop()) else {
        return;
    };
    let bytes = encode_entry(&entry);
    assert_eq!(
        decode_entry(&bytes).ok().as_ref(),
        Some(&entry),
        "what is measured is a round trip"
    );
    let mut group = c.benchmark_group("wire/minute_report");
    group.throughput(Throughput::Bytes(bytes.len() as u64));
    group.bench_function("encode", |b| b.iter(|| encode_entry(black_box(&entry))));
    group.bench_function("decode", |b| b.iter(|| decode_entry(black_box(&bytes))));
    group.finish();
}

criterion_group!(benches, wire);
criterion_main!(benches);
