//! A plant whose analysers speak Modbus TCP: the registers of `deploy/examples/modbus/simulated-cems.toml`, served as a
//! device does. Written by the protocol's text and not with plume's client, so that the two check each other.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use plume_schemas::reading::Flag;
use plume_schemas::time::{Clock, Time};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::codes;
use crate::plant::{Plant, Sample};

/// Input registers: two for each value, as floats with the low word first.
const VALUES: [&str; 9] = [
    codes::SO2,
    codes::NOX,
    codes::OXYGEN,
    codes::PM,
    codes::VELOCITY,
    codes::TEMPERATURE,
    codes::PRESSURE,
    codes::MOISTURE,
    codes::FLOW,
];
/// Input register of the status word: bit 0 calibration, 1 maintenance, 2 fault, 3 over range.
const STATUS: usize = 20;
/// Input registers of the device's clock: year, month, day, hour, minute, second.
const CLOCK: usize = 30;
/// Input registers there are.
const COUNT: usize = 36;
/// Connections at a time; a real one takes one to four.
const MAX_LINKS: usize = 4;
/// Words of one answer.
const MAX_WORDS: usize = 125;

/// Exception codes (Modbus application protocol V1.1b3, 7).
const ILLEGAL_FUNCTION: u8 = 1;
const ILLEGAL_ADDRESS: u8 = 2;
const ILLEGAL_VALUE: u8 = 3;

/// A plant and the clock it lives on.
#[derive(Debug)]
pub struct Station {
    plant: Mutex<Plant>,
    clock: Clock,
}

impl Station {
    /// A station at a plant.
    pub fn new(plant: Plant, clock: Clock) -> Self {
        Self {
            plant: Mutex::new(plant),
            clock,
        }
    }

    /// Its input registers now.
    fn registers(&self) -> [u16; COUNT] {
        let now = self.clock.now();
        let mut plant = self.plant.lock().unwrap_or_else(PoisonError::into_inner);
        registers(plant.at(now), now)
    }
}

/// The input registers of a sample.
fn registers(sample: &Sample, now: Time) -> [u16; COUNT] {
    let mut words = [0; COUNT];
    let mut put = |address: usize, word: u16| {
        if let Some(place) = words.get_mut(address) {
            *place = word;
        }
    };
    let mut status = 0;
    for (i, code) in VALUES.iter().enumerate() {
        let channel = sample.channels.iter().find(|channel| channel.factor.as_str() == *code);
        #[expect(
            clippy::cast_possible_truncation,
            reason = "an analyser's register is a 32-bit float"
        )]
        let bits = channel
            .map_or(f32::NAN, |channel| channel.value.to_f64() as f32)
            .to_bits();
        put(2 * i, u16::try_from(bits & 0xFFFF).unwrap_or(0));
        put(2 * i + 1, u16::try_from(bits >> 16).unwrap_or(0));
        status |= match channel.map_or(Flag::Fault, |channel| channel.flag) {
            Flag::Normal => 0,
            Flag::Calibration => 1,
            Flag::Maintenance => 2,
            Flag::OverRange => 8,
            _ => 4,
        };
    }
    put(STATUS, status);
    let c = now.civil();
    let clock = [
        u16::try_from(c.year).unwrap_or(0),
        c.month.into(),
        c.day.into(),
        c.hour.into(),
        c.minute.into(),
        c.second.into(),
    ];
    for (i, word) in clock.into_iter().enumerate() {
        put(CLOCK + i, word);
    }
    words
}

/// The answer to a request, both without their headers: function 4 and its exceptions.
fn answer(request: &[u8], registers: &[u16]) -> Vec<u8> {
    let function = request.first().copied().unwrap_or(0);
    let no = |code: u8| vec![function | 0x80, code];
    let &[4, address_high, address_low, count_high, count_low] = request else {
        return no(if function == 4 { ILLEGAL_VALUE } else { ILLEGAL_FUNCTION });
    };
    let address = usize::from(u16::from_be_bytes([address_high, address_low]));
    let count = usize::from(u16::from_be_bytes([count_high, count_low]));
    if count == 0 || count > MAX_WORDS {
        return no(ILLEGAL_VALUE);
    }
    let Some(words) = registers.get(address..address + count) else {
        return no(ILLEGAL_ADDRESS);
    };
    let mut bytes = vec![4, u8::try_from(2 * count).unwrap_or(u8::MAX)];
    bytes.extend(words.iter().flat_map(|word| word.to_be_bytes()));
    bytes
}

/// Serves a station until `stop` becomes true.
pub async fn serve(listener: TcpListener, station: Arc<Station>, mut stop: watch::Receiver<bool>) {
    let mut links = JoinSet::new();
    loop {
        tokio::select! {
            _ = stop.wait_for(|stopping| *stopping) => return,
            accepted = listener.accept(), if links.len() < MAX_LINKS => match accepted {
                Ok((stream, _)) => {
                    let station = Arc::clone(&station);
                    links.spawn(async move {
                        // A master that hangs up in the middle of a request is no event for a device.
                        drop(talk(stream, &station).await);
                    });
                }
                Err(error) => tracing::debug!(%error, "a simulated station cannot accept"),
            },
            Some(_) = links.join_next() => {}
        }
    }
}

/// Answers requests as they come: transaction, protocol 0, length, unit, then the request.
async fn talk(mut stream: TcpStream, station: &Station) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut header = [0; 7];
    let mut request = Vec::new();
    loop {
        stream.read_exact(&mut header).await?;
        let [transaction_high, transaction_low, _, _, length_high, length_low, unit] = header;
        let length = usize::from(u16::from_be_bytes([length_high, length_low]));
        if !(2..=254).contains(&length) {
            return Err(io::Error::from(io::ErrorKind::InvalidData));
        }
        request.resize(length - 1, 0);
        stream.read_exact(&mut request).await?;
        let body = answer(&request, &station.registers());
        let mut frame = vec![transaction_high, transaction_low, 0, 0];
        frame.extend(u16::try_from(body.len() + 1).unwrap_or(0).to_be_bytes());
        frame.push(unit);
        frame.extend(body);
        stream.write_all(&frame).await?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_and_refusals() {
        let registers: Vec<u16> = (0..36).collect();
        assert_eq!(answer(&[4, 0, 1, 0, 2], &registers), [4, 4, 0, 1, 0, 2]);
        assert_eq!(answer(&[4, 0, 35, 0, 2], &registers), [0x84, ILLEGAL_ADDRESS]);
        assert_eq!(answer(&[4, 0, 0, 0, 126], &registers), [0x84, ILLEGAL_VALUE]);
        assert_eq!(answer(&[6, 0, 1, 0, 2], &registers), [0x86, ILLEGAL_FUNCTION]);
    }
}
