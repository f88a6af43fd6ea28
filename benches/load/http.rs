//! A blocking HTTP/1.1 client of one kept-alive connection: rooms are made with it, metrics read.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use crate::error::{Doing, LoadError};

/// One connection to one server.
pub struct Http {
    stream: BufReader<TcpStream>,
    address: SocketAddr,
}

impl Http {
    pub fn connect(address: SocketAddr) -> Result<Self, LoadError> {
        let stream = TcpStream::connect(address).doing("connecting over HTTP")?;
        stream.set_nodelay(true).doing("setting TCP_NODELAY")?;
        stream.set_read_timeout(Some(Duration::from_secs(20))).doing("setting a timeout")?;
        Ok(Self { stream: BufReader::new(stream), address })
    }

    /// The body of a 2xx answer; any other status is an error.
    pub fn request(
        &mut self,
        method: &str,
        path: &str,
        token: Option<&str>,
        json: Option<&str>,
    ) -> Result<String, LoadError> {
        let body = json.unwrap_or_default();
        let authorization = token.map_or_else(String::new, |token| format!("Authorization: Bearer {token}\r\n"));
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\n{authorization}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        );
        self.stream.get_mut().write_all(head.as_bytes()).doing("sending a request")?;
        let (status, body) = self.response().doing("reading a response")?;
        if (200..300).contains(&status) {
            return Ok(body);
        }
        Err(LoadError::Http { request: format!("{method} {path}"), status, body })
    }

    fn response(&mut self) -> std::io::Result<(u16, String)> {
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        let status = line.split_whitespace().nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        let (mut length, mut chunked) = (0, false);
        loop {
            line.clear();
            self.stream.read_line(&mut line)?;
            let header = line.trim_end().to_ascii_lowercase();
            if header.is_empty() {
                break;
            }
            if let Some(value) = header.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or(0);
            }
            chunked |= header.starts_with("transfer-encoding:") && header.ends_with("chunked");
        }
        let mut body = Vec::new();
        if chunked {
            while let size @ 1.. = self.chunk_size()? {
                self.take(size, &mut body)?;
                self.chunk_end()?;
            }
            self.chunk_end()?;
        } else {
            self.take(length, &mut body)?;
        }
        Ok((status, String::from_utf8_lossy(&body).into_owned()))
    }

    fn take(&mut self, size: u64, body: &mut Vec<u8>) -> std::io::Result<()> {
        (&mut self.stream).take(size).read_to_end(body).map(drop)
    }

    fn chunk_size(&mut self) -> std::io::Result<u64> {
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        Ok(u64::from_str_radix(line.trim(), 16).unwrap_or(0))
    }

    fn chunk_end(&mut self) -> std::io::Result<()> {
        self.stream.read_line(&mut String::new()).map(drop)
    }
}
