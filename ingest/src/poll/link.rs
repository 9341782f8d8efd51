//! A connection to a bus. Only requests to read can be made of a [`Read`], so nothing else is ever sent.

use std::fmt;
use std::io;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio_modbus::client::{Client as _, Context, rtu, tcp};
use tokio_modbus::slave::{Slave, SlaveContext as _};
use tokio_modbus::{Error, Request, Response};
use tokio_serial::{ClearBuffer, SerialPort as _, SerialPortBuilderExt as _};

use crate::modbus::map::{Connect, Parity};
use crate::modbus::read::{Miss, Read, Table};

/// A bus cannot be reached.
#[derive(Debug, thiserror::Error)]
#[error("cannot open {bus}")]
pub struct OpenError {
    /// Which.
    pub bus: String,
    /// The system's answer.
    pub source: io::Error,
}

impl OpenError {
    /// What to try.
    pub fn hint(&self) -> String {
        match self.source.kind() {
            io::ErrorKind::PermissionDenied => "may plume open the port? add its user to the group dialout".to_owned(),
            io::ErrorKind::NotFound => "check the name of the serial port, or of the host".to_owned(),
            io::ErrorKind::TimedOut => "is the device on, and the address right? ping it".to_owned(),
            _ => "check address and port, and whether another master holds the only connection".to_owned(),
        }
    }
}

/// An open connection.
pub struct Link(Context);

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Link(..)")
    }
}

impl Link {
    /// Opens a bus.
    pub async fn open(connect: &Connect, limit: Duration) -> Result<Self, OpenError> {
        let opened = match connect {
            Connect::Tcp(address) => dial(address, limit).await.map(tcp::attach),
            Connect::RtuOverTcp(address) => dial(address, limit).await.map(rtu::attach),
            Connect::Serial {
                path,
                baud,
                parity,
                stop_bits,
            } => serial(path, *baud, *parity, *stop_bits),
        };
        let context = opened.map_err(|source| OpenError {
            bus: connect.to_string(),
            source,
        })?;
        Ok(Self(context))
    }

    /// Asks a unit; bits come as words of 0 and 1. After a miss that [`Miss::spoils_link`] this connection must not
    /// be used again.
    pub async fn ask(&mut self, unit: u8, read: Read, limit: Duration) -> Result<Vec<u16>, Miss> {
        self.0.set_slave(Slave(unit));
        let called = tokio::time::timeout(limit, self.0.call(request(read))).await;
        let response = match called {
            Err(_) => return Err(Miss::Timeout),
            Ok(Err(Error::Transport(error))) if error.kind() == io::ErrorKind::InvalidData => {
                return Err(Miss::Mismatch);
            }
            Ok(Err(Error::Transport(_))) => return Err(Miss::Broken),
            Ok(Err(Error::Protocol(_))) => return Err(Miss::Mismatch),
            Ok(Ok(Err(exception))) => return Err(Miss::Exception(exception.into())),
            Ok(Ok(Ok(response))) => response,
        };
        words(read, response)
    }
}

/// The one place where a request is made.
fn request(read: Read) -> Request<'static> {
    match read.table {
        Table::Coil => Request::ReadCoils(read.address, read.count),
        Table::Discrete => Request::ReadDiscreteInputs(read.address, read.count),
        Table::Holding => Request::ReadHoldingRegisters(read.address, read.count),
        Table::Input => Request::ReadInputRegisters(read.address, read.count),
    }
}

/// The words of an answer. The client library checks its length by assertions only, and not in a release build.
fn words(read: Read, response: Response) -> Result<Vec<u16>, Miss> {
    let count = usize::from(read.count);
    let words = match (read.table, response) {
        (Table::Coil, Response::ReadCoils(bits)) | (Table::Discrete, Response::ReadDiscreteInputs(bits)) => {
            // Bits come in whole bytes.
            if bits.len() < count || bits.len() >= count + 8 {
                return Err(Miss::Mismatch);
            }
            bits.into_iter().take(count).map(u16::from).collect()
        }
        (Table::Holding, Response::ReadHoldingRegisters(words))
        | (Table::Input, Response::ReadInputRegisters(words)) => words,
        _ => return Err(Miss::Mismatch),
    };
    if words.len() == count {
        Ok(words)
    } else {
        Err(Miss::Mismatch)
    }
}

async fn dial(address: &str, limit: Duration) -> io::Result<TcpStream> {
    let stream = tokio::time::timeout(limit, TcpStream::connect(address)).await;
    let stream = stream.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    stream.set_nodelay(true)?;
    Ok(stream)
}

fn serial(path: &str, baud: u32, parity: Parity, stop_bits: u8) -> io::Result<Context> {
    let port = tokio_serial::new(path, baud)
        .parity(match parity {
            Parity::None => tokio_serial::Parity::None,
            Parity::Even => tokio_serial::Parity::Even,
            Parity::Odd => tokio_serial::Parity::Odd,
        })
        .stop_bits(if stop_bits == 2 {
            tokio_serial::StopBits::Two
        } else {
            tokio_serial::StopBits::One
        })
        .open_native_async()?;
    // An answer to a request of before the port was opened again is nobody's answer.
    port.clear(ClearBuffer::All)?;
    Ok(rtu::attach(port))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Whatever is asked for goes out as one of the four reading functions.
        #[test]
        fn only_reading_functions_can_be_sent(table in 0_usize..4, address: u16, count: u16) {
            let read = Read { table: Table::ALL[table], address, count };
            let code = request(read).function_code().value();
            prop_assert!((1..=4).contains(&code));
            prop_assert_eq!(code, read.table.function());
        }
    }

    #[test]
    fn an_answer_of_another_length_is_no_answer() {
        let read = |table, count| Read {
            table,
            address: 0,
            count,
        };
        let holding = |words: Vec<u16>| words_of(read(Table::Holding, 2), Response::ReadHoldingRegisters(words));
        assert_eq!(holding(vec![1, 2]), Ok(vec![1, 2]));
        assert_eq!(holding(vec![1]), Err(Miss::Mismatch));
        assert_eq!(holding(vec![1, 2, 3]), Err(Miss::Mismatch));
        let other = Response::ReadInputRegisters(vec![1, 2]);
        assert_eq!(words_of(read(Table::Holding, 2), other), Err(Miss::Mismatch));
        let coils = |count, bits: usize| words_of(read(Table::Coil, count), Response::ReadCoils(vec![true; bits]));
        assert_eq!(coils(3, 8), Ok(vec![1, 1, 1]));
        assert_eq!(coils(9, 8), Err(Miss::Mismatch));
        assert_eq!(coils(3, 16), Err(Miss::Mismatch));
    }

    fn words_of(read: Read, response: Response) -> Result<Vec<u16>, Miss> {
        words(read, response)
    }
}
