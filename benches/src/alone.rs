//! Ingest and log alone: sessions, registry, durable answers, and nobody who reads what they write. What `plume run`
//! costs above this is the judge, the archive and the desk, which share its process.

use std::path::Path;
use std::sync::Arc;

use plume_bus::{Bus, BusConfig, BusUrl, ClockKind};
use plume_ingest::Ingest;
use plume_ingest::config::IngestConfig;
use plume_schemas::factors::Catalogue;
use plume_schemas::registry::RegistryIndex;
use plume_schemas::time::Clock;
use tokio::sync::watch;

use crate::report::say;
use plume_benches::error::LoadError;
use plume_benches::packets;

/// Every option and its default, as `plume run` has them.
const DEFAULTS: &str = include_str!("../../deploy/default.toml");

/// Serves the devices of a load of `connections` until killed; the log lies in `directory`.
pub(crate) async fn serve(directory: &Path, connections: usize, clock: Clock) -> Result<(), LoadError> {
    let broken = |error: &dyn std::fmt::Display| LoadError::Server(error.to_string());
    let defaults: toml::Table = DEFAULTS.parse().map_err(|error| broken(&error))?;
    let section = |name: &str| {
        let table = defaults.get(name).cloned();
        table.ok_or_else(|| LoadError::Server(format!("no section [{name}] among the defaults")))
    };
    let mut config: IngestConfig = section("ingest")?.try_into().map_err(|error| broken(&error))?;
    "127.0.0.1:0".clone_into(&mut config.listen);
    config.max_connections = config.max_connections.max(connections);
    config.max_connections_per_ip = config.max_connections;
    let bus: BusConfig = section("bus")?.try_into().map_err(|error| broken(&error))?;
    let (_, options) = bus
        .resolve(ClockKind::System, Vec::new())
        .map_err(|error| broken(&error))?;
    let bus = Bus::open(&BusUrl::File(directory.to_path_buf()), options)
        .await
        .map_err(|error| broken(&error))?;
    let (_tell, registry) = watch::channel(Arc::new(RegistryIndex::new(packets::devices(connections)?)));
    let catalogue = Arc::new(Catalogue::embedded().map_err(|error| broken(&error))?);
    let metrics = prometheus::Registry::new();
    let ingest = Ingest::start(
        config,
        bus,
        clock,
        registry,
        catalogue,
        &metrics,
        std::future::pending::<()>(),
    )
    .await
    .map_err(|error| broken(&error))?;
    say(&format!("{}\n", ingest.local_addr))?;
    ingest.join.await?;
    Ok(())
}
