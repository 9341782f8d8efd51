//! A device's conformance report from what is archived of it.

use std::sync::Arc;

use anyhow::Context as _;
use plume_archive::Reader;
use plume_ingest::hj212::conformance::{Conformance, Heard, Inspector, Setup};
use plume_schemas::factors::Catalogue;
use plume_schemas::ids::Mn;
use plume_schemas::registry::RegistryIndex;
use plume_schemas::report::QuarantineReason;
use plume_schemas::time::Span;

use crate::commands::view::hinted;

/// The report on the packets that came in a span.
pub(crate) fn of_archive(
    reader: &Reader,
    registry: &RegistryIndex,
    mn: Mn,
    span: Span,
    expect_encryption: bool,
) -> anyhow::Result<Conformance> {
    let setup = Setup::of(mn, registry, span.end, expect_encryption);
    let catalogue = Catalogue::embedded().context("the catalogue of factors")?;
    let mut inspector = Inspector::new(setup, Arc::new(catalogue));
    for packet in reader.of_device(mn, span).map_err(hinted)? {
        let set_aside = packet.set_aside.as_deref();
        inspector.hear(Heard {
            raw: &packet.raw,
            received_at: packet.received_at,
            encrypted: packet.encrypted,
            set_aside: set_aside.and_then(QuarantineReason::from_code),
        });
    }
    Ok(inspector.report(span.end))
}
