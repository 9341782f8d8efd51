//! The tests of ingest against its public face, in one binary.

#[cfg(test)]
mod frames;
#[cfg(test)]
mod vectors;
