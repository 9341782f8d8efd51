//! The packets of the standards' annexes, from `tests/data/vectors.jsonl`.

use serde_json::Value;

/// One row of the file.
pub(crate) struct Vector {
    /// Its line, from 0.
    pub(crate) row: usize,
    /// `2005`, `2017` or `2025`.
    pub(crate) version: String,
    /// The frame in clear, as text; none for rows that are no packets.
    pub(crate) packet: Option<String>,
    /// The frame as it is on the wire, where it is encrypted.
    pub(crate) wire: Option<Vec<u8>>,
    /// The cipher blocks and the key.
    pub(crate) cipher: Option<(Vec<u8>, Vec<u8>)>,
    /// The content of CP in clear, for rows with a cipher.
    pub(crate) plaintext: Option<String>,
    /// The printed, literal form of an encrypted segment.
    pub(crate) printed: Option<String>,
}

/// Every row.
pub(crate) fn all() -> Vec<Vector> {
    include_str!("../data/vectors.jsonl")
        .lines()
        .enumerate()
        .map(|(row, line)| read(row, &serde_json::from_str(line).unwrap()))
        .collect()
}

/// Every frame of the file as bytes with CR LF.
pub(crate) fn frames() -> Vec<Vec<u8>> {
    all()
        .iter()
        .filter_map(|v| v.packet.as_ref().map(|text| with_tail(text)))
        .collect()
}

/// The text's bytes, with CR LF at the end.
pub(crate) fn with_tail(text: &str) -> Vec<u8> {
    format!("{}\r\n", text.trim_end()).into_bytes()
}

/// Bytes from hex digits.
pub(crate) fn unhex(text: &str) -> Vec<u8> {
    text.as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

fn read(row: usize, line: &Value) -> Vector {
    let text = |name: &str| line.get(name).and_then(Value::as_str).map(str::to_owned);
    let bytes = |name: &str| text(name).map(|hex| unhex(&hex));
    Vector {
        row,
        version: text("version").unwrap(),
        packet: text("packet"),
        wire: bytes("wire_hex"),
        cipher: bytes("cipher_hex").zip(bytes("key_hex")),
        plaintext: text("plaintext"),
        printed: text("printed_form"),
    }
}
