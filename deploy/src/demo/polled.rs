//! The demo's plant without a logger: a station of Modbus registers on loopback, polled like a real one.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::anyhow;
use plume_ingest::modbus::map::load_site;
use plume_ingest::poll::Pace;
use plume_schemas::factors::Catalogue;
use plume_simulator::modbus::{Station, serve};
use plume_simulator::story::{self, Part};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::clock::VirtualClock;
use crate::polling::Polling;

/// The map of the station, as in the examples.
const MAP: &str = include_str!("../../examples/modbus/simulated-cems.toml");

/// Starts the station, which ends with `stop`, and says how to poll it.
pub(super) async fn station(time: &VirtualClock, seed: u64, stop: watch::Receiver<bool>) -> anyhow::Result<Polling> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let plant = Part::Ding.plant(story::start(), seed);
    tokio::spawn(serve(listener, Arc::new(Station::new(plant, time.clock())), stop));
    let site = format!(
        "[[bus]]\nname = \"{}\"\nconnect = \"tcp://{address}\"\n\
         [[bus.unit]]\nunit = 1\nmn = \"{}\"\nuse = \"simulated-cems\"\n",
        Part::Ding.name(),
        Part::Ding.mn()
    );
    let models = BTreeMap::from([("simulated-cems".to_owned(), MAP.to_owned())]);
    let site = load_site(&site, &models, &Catalogue::embedded()?).map_err(|found| anyhow!("{found:?}"))?;
    let pace = time.clone();
    Ok(Polling {
        site,
        pace: Pace::new(move |at| pace.real_time_until(at)),
    })
}
