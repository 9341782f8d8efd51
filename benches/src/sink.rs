//! The bare sink: the least a server can do and still be answered to. It cuts the stream at CR LF, puts the QN into a
//! ready 9014, makes its checksum, and keeps nothing. Whatever plume costs above this is parsing, durability and
//! judging.

use std::net::SocketAddr;

use plume_ingest::hj212::encode::frame;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::report::say;
use plume_benches::error::LoadError;
use plume_benches::packets::stamp;

/// Digits of a QN, and where they begin in a packet of plume-load.
const QN: std::ops::Range<usize> = 9..26;
/// A link that sends so much without a line end is no load of ours.
const MOST_UNREAD: usize = 1 << 20;

/// Serves until killed.
pub(crate) async fn serve(listen: SocketAddr) -> Result<(), LoadError> {
    let listener = TcpListener::bind(listen).await.map_err(LoadError::io("listening"))?;
    let address = listener.local_addr().map_err(LoadError::io("listening"))?;
    say(&format!("{address}\n"))?;
    loop {
        let (stream, _) = listener.accept().await.map_err(LoadError::io("accepting"))?;
        // A link that breaks ends its task and nothing else; the load notices by the answers it misses.
        tokio::spawn(link(stream));
    }
}

async fn link(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let (mut unread, mut out) = (Vec::new(), Vec::new());
    let mut answer = Vec::new();
    while stream.read_buf(&mut unread).await? > 0 && unread.len() < MOST_UNREAD {
        out.clear();
        let mut used = 0;
        while let Some(end) = line_end(unread.get(used..).unwrap_or_default()) {
            let packet = unread.get(used..used + end).unwrap_or_default();
            if answer.is_empty() {
                answer = answer_for(packet);
            }
            let mut qn = [b'0'; 17];
            if let Some(digits) = packet.get(QN) {
                qn.copy_from_slice(digits);
            }
            stamp(&mut answer, qn);
            out.extend_from_slice(&answer);
            used += end;
        }
        unread.drain(..used);
        stream.write_all(&out).await?;
    }
    Ok(())
}

/// Bytes up to and with the first CR LF.
fn line_end(bytes: &[u8]) -> Option<usize> {
    bytes.windows(2).position(|pair| pair == b"\r\n").map(|at| at + 2)
}

/// The answer to every packet of the link of this one, but for its QN.
fn answer_for(packet: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(packet);
    let field = |key: &str| {
        let behind = text.split_once(key).map_or("", |(_, behind)| behind);
        behind.split(';').next().unwrap_or_default().to_owned()
    };
    let (pw, mn) = (field(";PW="), field(";MN="));
    frame(format!("QN=00000000000000000;ST=91;CN=9014;PW={pw};MN={mn};Flag=4;CP=&&&&").as_bytes())
}
