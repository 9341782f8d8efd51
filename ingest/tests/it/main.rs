//! The tests of ingest against its public face, in one binary.

#[cfg(test)]
mod bench;
#[cfg(test)]
mod bodies;
#[cfg(test)]
mod cases;
#[cfg(test)]
mod codes;
#[cfg(test)]
mod deviations;
#[cfg(test)]
mod every_cn;
#[cfg(test)]
mod exchange;
#[cfg(test)]
mod expected;
#[cfg(test)]
mod explain;
#[cfg(test)]
mod frames;
#[cfg(test)]
mod house;
#[cfg(test)]
mod modbus;
#[cfg(test)]
mod normalize;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod relay;
#[cfg(test)]
mod session;
#[cfg(test)]
mod session_fuzz;
#[cfg(test)]
mod sm4;
#[cfg(test)]
mod tcp;
#[cfg(test)]
mod tls;
#[cfg(test)]
mod vectors;
