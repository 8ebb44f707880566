//! As little of an HTTP/1.1 client as keeps a connection busy: the load comes from the machine that is measured,
//! so what the client spends the server lacks.

use std::fmt::Write as _;
use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const READ_BYTES: usize = 64 * 1_024;

/// Everything of a request but its length and body, put together once.
#[derive(Debug, Clone)]
pub(super) struct Head(Vec<u8>);

impl Head {
    /// `headers` are name and value.
    pub(super) fn new(method: &str, path: &str, headers: &[(&str, &str)]) -> Self {
        let mut text = format!("{method} {path} HTTP/1.1\r\nhost: bench\r\n");
        for (name, value) in headers {
            // writing to a String cannot fail
            let _ = write!(text, "{name}: {value}\r\n");
        }
        Self(text.into_bytes())
    }

    /// Writes a request without a body.
    pub(super) fn bare(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
        out.extend_from_slice(b"\r\n");
    }

    /// Writes a request with a JSON body.
    pub(super) fn with_json(&self, body: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
        out.extend_from_slice(b"content-type: application/json\r\ncontent-length: ");
        let mut length = String::new();
        let _ = write!(length, "{}", body.len());
        out.extend_from_slice(length.as_bytes());
        out.extend_from_slice(b"\r\n\r\n");
        out.extend_from_slice(body);
    }
}

/// A connection that is used again and again.
pub(super) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    pub(super) async fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(READ_BYTES) })
    }

    /// Sends a request and waits for the whole answer: its status and body.
    pub(super) async fn exchange(&mut self, request: &[u8]) -> io::Result<(u16, &[u8])> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        let mut scanned = 0;
        let (status, body, length) = loop {
            self.more().await?;
            if let Some(end) = end_of_head(&self.buffer, scanned) {
                let head = self.buffer.get(..end).unwrap_or_default();
                let (status, length) = parse_head(head)?;
                break (status, end, length);
            }
            scanned = self.buffer.len().saturating_sub(3);
        };
        while self.buffer.len() < body + length {
            self.buffer.reserve((body + length - self.buffer.len()).min(READ_BYTES * 16));
            self.more().await?;
        }
        Ok((status, self.buffer.get(body..body + length).unwrap_or_default()))
    }

    async fn more(&mut self) -> io::Result<()> {
        if self.buffer.capacity() == self.buffer.len() {
            self.buffer.reserve(READ_BYTES);
        }
        match self.stream.read_buf(&mut self.buffer).await? {
            0 => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the server closed the connection")),
            _ => Ok(()),
        }
    }
}

/// Where the body begins.
fn end_of_head(buffer: &[u8], from: usize) -> Option<usize> {
    let rest = buffer.get(from..)?;
    rest.windows(4).position(|four| four == b"\r\n\r\n").map(|at| from + at + 4)
}

fn parse_head(head: &[u8]) -> io::Result<(u16, usize)> {
    let bad = |what: &str| io::Error::new(io::ErrorKind::InvalidData, format!("answer without {what}"));
    let text = std::str::from_utf8(head).map_err(|_| bad("a readable head"))?;
    let status = text.get(9..12).and_then(|digits| digits.parse().ok()).ok_or_else(|| bad("a status"))?;
    let length = text
        .split("\r\n")
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, value)| value.trim().parse().ok())
        .ok_or_else(|| bad("a content-length"))?;
    Ok((status, length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_status_and_length() {
        let head = b"HTTP/1.1 402 Payment Required\r\nDate: x\r\nContent-Length: 17\r\n\r\n";
        assert_eq!(end_of_head(head, 0), Some(head.len()));
        assert_eq!(parse_head(head).unwrap(), (402, 17));
        assert!(parse_head(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").is_err());
    }

    #[test]
    fn finds_a_head_that_comes_in_pieces() {
        let whole = b"HTTP/1.1 200 OK\r\n\r\nrest";
        assert_eq!(end_of_head(&whole[..18], 0), None);
        assert_eq!(end_of_head(whole, 15), Some(19));
    }
}
