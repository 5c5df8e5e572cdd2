//! An HTTP backend with canned answers, for commands that ask real ones.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

/// A server on loopback; it lasts as long as the test's process.
pub(crate) struct Backend {
    address: SocketAddr,
}

impl Backend {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                std::thread::spawn(move || serve(stream));
            }
        });
        Self { address }
    }

    /// `127.0.0.1:40123`.
    pub(crate) fn address(&self) -> String {
        self.address.to_string()
    }
}

fn serve(mut stream: TcpStream) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    loop {
        let mut first = String::new();
        if reader.read_line(&mut first).ok()? == 0 {
            return None;
        }
        let mut length = 0;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok()?;
            let line = line.trim().to_ascii_lowercase();
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().ok()?;
            }
            if line.is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        let mut words = first.split(' ');
        let (method, target) = (words.next()?, words.next()?);
        let (status, body) = answer(method, target, &String::from_utf8_lossy(&body));
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all((head + &body).as_bytes()).ok()?;
    }
}

fn answer(method: &str, target: &str, body: &str) -> (&'static str, String) {
    let path = target.split('?').next().unwrap_or(target);
    match (method, path) {
        ("GET", "/products/42") => ("200 OK", r#"{"id":"42","name":"Mug","price":12}"#.to_owned()),
        ("GET", "/products/42/reviews") => ("200 OK", r#"{"total":2,"items":[{"stars":5},{"stars":4}]}"#.to_owned()),
        ("GET", "/products/42/stock") => ("503 Service Unavailable", "{}".to_owned()),
        ("POST", "/orders") => ("201 Created", format!(r#"{{"id":"o-1","order":{body}}}"#)),
        _ => ("404 Not Found", "{}".to_owned()),
    }
}
