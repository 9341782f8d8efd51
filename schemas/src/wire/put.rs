//! Protobuf fields put straight at the end of a buffer, in the canonical form that prost writes: in the order of their
//! tags, without what proto3 leaves out. A report is written this way for every packet, without a copy of its texts.

use prost::encoding::WireType;

/// Bytes of a length below 128, and of one below 16,384.
pub(super) const SHORT: usize = 1;
pub(super) const LONG: usize = 2;

/// The end of a buffer.
pub(super) struct Put<'a>(pub(super) &'a mut Vec<u8>);

impl Put<'_> {
    fn varint(&mut self, mut value: u64) {
        loop {
            let [low, ..] = value.to_le_bytes();
            value >>= 7;
            if value == 0 {
                return self.0.push(low & 0x7F);
            }
            self.0.push(low | 0x80);
        }
    }

    fn key(&mut self, tag: u32, kind: WireType) {
        self.varint(u64::from(tag << 3) | kind as u64);
    }

    /// Left out where it is zero.
    pub(super) fn uint(&mut self, tag: u32, value: impl Into<u64>) {
        let value = value.into();
        if value != 0 {
            self.key(tag, WireType::Varint);
            self.varint(value);
        }
    }

    /// Left out where it is zero.
    pub(super) fn sint(&mut self, tag: u32, value: i64) {
        if value != 0 {
            self.sint_there(tag, value);
        }
    }

    /// Written whatever it is.
    pub(super) fn sint_there(&mut self, tag: u32, value: i64) {
        self.key(tag, WireType::Varint);
        self.varint(((value << 1) ^ (value >> 63)).cast_unsigned());
    }

    /// Written whatever it is.
    pub(super) fn double_there(&mut self, tag: u32, value: f64) {
        self.key(tag, WireType::SixtyFourBit);
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    /// Left out where it is empty.
    pub(super) fn bytes(&mut self, tag: u32, value: &[u8]) {
        if !value.is_empty() {
            self.bytes_there(tag, value);
        }
    }

    /// Written whatever it is.
    pub(super) fn bytes_there(&mut self, tag: u32, value: &[u8]) {
        self.key(tag, WireType::LengthDelimited);
        self.varint(value.len() as u64);
        self.0.extend_from_slice(value);
    }

    /// A message within, whose length most likely takes `room` bytes; any other is right too, and moves what was
    /// written.
    pub(super) fn message(&mut self, tag: u32, room: usize, write: impl FnOnce(&mut Put<'_>)) {
        self.key(tag, WireType::LengthDelimited);
        let at = self.0.len();
        self.0.resize(at + room, 0);
        write(&mut Put(self.0));
        let length = self.0.len() - at - room;
        let mut prefix = Vec::new();
        match (room, u8::try_from(length)) {
            (SHORT, Ok(short)) if short < 0x80 => {
                if let Some(byte) = self.0.get_mut(at) {
                    *byte = short;
                }
                return;
            }
            _ => Put(&mut prefix).varint(length as u64),
        }
        self.0.splice(at..at + room, prefix);
    }
}
