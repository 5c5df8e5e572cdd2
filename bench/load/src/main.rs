//! Load over HTTP/1.1: at a constant rate whatever the server does (open loop), or as fast as it answers (closed loop).
//!
//!     load --to 127.0.0.1:8080,127.0.0.1:8081 --path /page --seconds 10 --rate 5000 --connections 8000
//!     load --to 127.0.0.1:8080 --path /page --seconds 10 --connections 64
//!     … --keys 1000 --header x-caller        each request has the header with one of so many values, in turn
//!
//! In an open loop a request is due at its time, takes a connection that is free or makes one, and its latency counts from
//! when it was due; beyond `--connections` it waits here, and that counts, too. One line of JSON comes out: times in
//! milliseconds, and of each status how many there were.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How long after the end answers are waited for.
const PATIENCE: Duration = Duration::from_secs(10);

struct Options {
    to: Vec<String>,
    path: String,
    seconds: f64,
    /// Requests a second; closed loop without.
    rate: Option<f64>,
    connections: usize,
    keys: usize,
    header: String,
}

/// A request that is due.
struct Job {
    due: Instant,
    number: usize,
}

/// What came of the requests with one key.
#[derive(Clone, Default)]
struct Key {
    admitted: u64,
    first: Option<Instant>,
    last: Option<Instant>,
}

#[derive(Default)]
struct Seen {
    /// Microseconds, by status; 0 is no answer.
    took: BTreeMap<u16, Vec<u32>>,
    /// Of answers that came before the end.
    in_time: BTreeMap<u16, u64>,
    keys: Vec<Key>,
}

struct Load {
    options: Options,
    end: Instant,
    idle: RefCell<Vec<oneshot::Sender<Job>>>,
    waiting: RefCell<VecDeque<Job>>,
    open: Cell<usize>,
    /// Connections that were made.
    made: Cell<usize>,
    under_way: Cell<usize>,
    most: Cell<usize>,
    issued: Cell<usize>,
    seen: RefCell<Seen>,
}

impl Load {
    fn job(&self, due: Instant) -> Job {
        let number = self.issued.get();
        self.issued.set(number + 1);
        Job { due, number }
    }

    /// Hands a request to whoever is free.
    fn hand(self: &Rc<Self>, mut job: Job) {
        while let Some(free) = self.idle.borrow_mut().pop() {
            match free.send(job) {
                Ok(()) => return,
                Err(back) => job = back,
            }
        }
        if self.open.get() < self.options.connections {
            self.open.set(self.open.get() + 1);
            tokio::task::spawn_local(self.clone().connection(job));
        } else {
            self.waiting.borrow_mut().push_back(job);
        }
    }

    /// The next request of a connection; `None` when there are no more.
    async fn next(&self) -> Option<Job> {
        if self.options.rate.is_none() {
            let now = Instant::now();
            return (now < self.end).then(|| self.job(now));
        }
        if let Some(job) = self.waiting.borrow_mut().pop_front() {
            return Some(job);
        }
        let (sender, receiver) = oneshot::channel();
        self.idle.borrow_mut().push(sender);
        receiver.await.ok()
    }

    async fn connection(self: Rc<Self>, job: Job) {
        let mut job = Some(job);
        while let Some(next) = job.take() {
            let to = &self.options.to[self.made.get() % self.options.to.len()];
            self.made.set(self.made.get() + 1);
            let mut stream = match TcpStream::connect(to).await {
                Ok(stream) => stream,
                Err(_) => {
                    self.ended(&next, 0);
                    job = self.next().await;
                    continue;
                }
            };
            let _small_frames = stream.set_nodelay(true);
            let mut buffer = Vec::with_capacity(16 << 10);
            job = Some(next);
            while let Some(it) = job.take() {
                self.under_way.set(self.under_way.get() + 1);
                self.most.set(self.most.get().max(self.under_way.get()));
                let status = exchange(&mut stream, &mut buffer, &self.request(&it)).await;
                self.under_way.set(self.under_way.get() - 1);
                self.ended(&it, status.map_or(0, |it| it.0));
                job = self.next().await;
                if status.is_none_or(|it| it.1) {
                    break;
                }
            }
        }
        self.open.set(self.open.get() - 1);
    }

    fn request(&self, job: &Job) -> Vec<u8> {
        let Options { path, keys, header, .. } = &self.options;
        let mut text = format!("GET {path} HTTP/1.1\r\nhost: load\r\n");
        if *keys > 0 {
            text.push_str(&format!("{header}: key-{}\r\n", job.number % keys));
        }
        text.push_str("\r\n");
        text.into_bytes()
    }

    fn ended(&self, job: &Job, status: u16) {
        let now = Instant::now();
        let mut seen = self.seen.borrow_mut();
        let micros = u32::try_from(now.duration_since(job.due).as_micros()).unwrap_or(u32::MAX);
        seen.took.entry(status).or_default().push(micros);
        if now <= self.end {
            *seen.in_time.entry(status).or_default() += 1;
        }
        if self.options.keys > 0 {
            let key = &mut seen.keys[job.number % self.options.keys];
            key.admitted += u64::from(status == 200);
            key.first = Some(key.first.map_or(job.due, |it| it.min(job.due)));
            key.last = Some(key.last.map_or(job.due, |it| it.max(job.due)));
        }
    }

    /// Offers all that is due.
    async fn offer(self: &Rc<Self>, begun: Instant, rate: f64) -> u32 {
        let (mut tick, mut latest) = (tokio::time::interval(Duration::from_millis(1)), 0_u32);
        loop {
            tick.tick().await;
            let now = Instant::now().min(self.end);
            let due = ((now - begun).as_secs_f64() * rate) as usize;
            while self.issued.get() < due {
                let at = begun + Duration::from_secs_f64(self.issued.get() as f64 / rate);
                latest = latest.max(u32::try_from(now.duration_since(at).as_micros()).unwrap_or(u32::MAX));
                let job = self.job(at);
                self.hand(job);
            }
            if now >= self.end {
                return latest;
            }
        }
    }
}

/// One request and its answer: the status, and whether the connection ends with it; `None` where it ended before.
async fn exchange(stream: &mut TcpStream, buffer: &mut Vec<u8>, request: &[u8]) -> Option<(u16, bool)> {
    stream.write_all(request).await.ok()?;
    buffer.clear();
    let end = loop {
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
        if let Some(at) = buffer.windows(4).position(|it| it == b"\r\n\r\n") {
            break at + 4;
        }
    };
    let head = std::str::from_utf8(&buffer[..end]).ok()?.to_ascii_lowercase();
    let status = head.get(9..12)?.parse().ok()?;
    let length = head.lines().find_map(|it| it.strip_prefix("content-length: "));
    let length: usize = length.map_or(Some(0), |it| it.trim().parse().ok())?;
    while buffer.len() < end + length {
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
    Some((status, head.contains("connection: close")))
}

fn options() -> Result<Options, String> {
    let mut options = Options {
        to: Vec::new(),
        path: "/".to_owned(),
        seconds: 10.0,
        rate: None,
        connections: 64,
        keys: 0,
        header: "x-caller".to_owned(),
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{name} needs a value"))?;
        let number = || value.parse::<f64>().map_err(|_| format!("{name} is a number, not `{value}`"));
        match name.as_str() {
            "--to" => options.to = value.split(',').map(str::to_owned).collect(),
            "--path" => options.path = value,
            "--header" => options.header = value,
            "--seconds" => options.seconds = number()?,
            "--rate" => options.rate = Some(number()?),
            "--connections" => options.connections = number()? as usize,
            "--keys" => options.keys = number()? as usize,
            _ => return Err(format!("{name} is unknown")),
        }
    }
    if options.to.is_empty() {
        return Err("--to names one or more addresses".to_owned());
    }
    Ok(options)
}

fn percentile(sorted: &[u32], of: f64) -> f64 {
    let at = (sorted.len() as f64 * of) as usize;
    f64::from(sorted.get(at.min(sorted.len().saturating_sub(1))).copied().unwrap_or_default()) / 1000.0
}

fn report(load: &Load, latest: u32, hung: usize) -> Value {
    let mut seen = load.seen.borrow_mut();
    let mut statuses = serde_json::Map::new();
    let Seen { took, in_time, keys } = &mut *seen;
    for (status, took) in took.iter_mut() {
        took.sort_unstable();
        let of = json!({
            "count": took.len(),
            "in_time": in_time.get(status).copied().unwrap_or_default(),
            "p50": percentile(took, 0.5),
            "p99": percentile(took, 0.99),
            "p999": percentile(took, 0.999),
            "max": percentile(took, 1.0),
        });
        statuses.insert(status.to_string(), of);
    }
    let keys: Vec<Value> = keys
        .iter()
        .filter_map(|it| Some((it.admitted, it.last?.duration_since(it.first?).as_secs_f64())))
        .map(|(admitted, seconds)| json!([admitted, seconds]))
        .collect();
    json!({
        "issued": load.issued.get(),
        "seconds": load.options.seconds,
        "statuses": statuses,
        "unanswered": hung,
        "most_under_way": load.most.get(),
        "connections": load.made.get(),
        "latest_ms": f64::from(latest) / 1000.0,
        "keys": keys,
    })
}

fn main() -> Result<(), String> {
    let options = options()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let local = tokio::task::LocalSet::new();
    let report = local.block_on(&runtime, async {
        let begun = Instant::now();
        let load = Rc::new(Load {
            end: begun + Duration::from_secs_f64(options.seconds),
            idle: RefCell::default(),
            waiting: RefCell::default(),
            open: Cell::new(0),
            made: Cell::new(0),
            under_way: Cell::new(0),
            most: Cell::new(0),
            issued: Cell::new(0),
            seen: RefCell::new(Seen {
                keys: vec![Key::default(); options.keys],
                ..Seen::default()
            }),
            options,
        });
        let latest = match load.options.rate {
            Some(rate) => load.offer(begun, rate).await,
            None => {
                for _ in 0..load.options.connections {
                    load.open.set(load.open.get() + 1);
                    tokio::task::spawn_local(load.clone().connection(load.job(Instant::now())));
                }
                tokio::time::sleep(load.end.saturating_duration_since(Instant::now())).await;
                0
            }
        };
        let answered = || load.seen.borrow().took.values().map(Vec::len).sum::<usize>();
        let give_up = Instant::now() + PATIENCE;
        while answered() < load.issued.get() && Instant::now() < give_up {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        report(&load, latest, load.issued.get() - answered())
    });
    println!("{report}");
    Ok(())
}
