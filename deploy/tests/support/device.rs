//! A simulated device on the real clock, that obeys orders.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use plume_schemas::ids::Mn;
use plume_schemas::report::Dialect;
use plume_schemas::time::{MINUTE_MS, Time};
use plume_simulator::device::{Device, Moment, Output};
use plume_simulator::logger::{Logger, LoggerSpec};
use plume_simulator::plant::{Plant, PlantSpec};
use plume_simulator::sender::LinkSpec;

/// Between two looks at whether the device is still wanted.
const LOOK_EVERY: Duration = Duration::from_millis(20);

#[expect(clippy::disallowed_methods, reason = "the plume that runs goes by the real time")]
pub(crate) fn now() -> Time {
    let since = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    Time(i64::try_from(since.as_millis()).unwrap())
}

/// The device `mn` on the real clock, until told to stop.
pub(crate) fn play(mn: &str, to: SocketAddr, stop: &AtomicBool) {
    let since = now().plus(-10 * MINUTE_MS);
    let plant = Plant::new(PlantSpec::coal_boiler("1号炉", since), 4);
    let logger = Logger::new(LoggerSpec::usual(Dialect::Hj2017), plant, since);
    let link = LinkSpec::usual(Mn::new(mn).unwrap(), Dialect::Hj2017);
    let device = Mutex::new(Device::logger(link, logger, now().plus(-MINUTE_MS)));
    play_device(&device, to, stop);
}

/// A device on the real clock, on a new link, until told to stop; others may look at it meanwhile.
pub(crate) fn play_device(device: &Mutex<Device>, to: SocketAddr, stop: &AtomicBool) {
    let mut stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(LOOK_EVERY)).unwrap();
    device.lock().unwrap().link_up(Moment::real(now()));
    let mut buffer = [0; 4096];
    while !stop.load(Ordering::Relaxed) {
        loop {
            let output = device.lock().unwrap().poll_output(now());
            match output {
                Some(Output::Write(bytes)) => stream.write_all(&bytes).unwrap(),
                Some(_) => {}
                None => break,
            }
        }
        match stream.read(&mut buffer) {
            Ok(count) => device.lock().unwrap().handle(&buffer[..count], Moment::real(now())),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                device.lock().unwrap().handle_timeout(Moment::real(now()));
            }
            Err(error) => panic!("{error}"),
        }
    }
    device.lock().unwrap().link_down();
}
