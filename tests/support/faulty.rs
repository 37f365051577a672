//! A DynamoDB that fails on purpose: it stands between the SDK and an engine, and a seed decides what the n-th request
//! meets. The engine's streams, and the calls that make tables, pass unharmed.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use audit_log_cli::serve::engine::Address;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{Notify, watch};

/// What can become of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// Nothing is done, and an error says so.
    Error(u16, &'static str),
    /// It is done, and an error is answered.
    DoneAndError(u16, &'static str),
    /// Nothing is done; the connection is reset.
    Reset,
    /// Nothing is done; the connection is reset, and for a moment no other is accepted.
    Refused,
    /// It is done; the connection is reset before the answer.
    Lost,
    /// It is done, and answered after the client has given the attempt up.
    SlowAnswer,
    /// It is done, too, only after the client has given the attempt up.
    SlowWrite,
    /// It is done; the connection ends within the answer.
    Truncated,
    /// It is done; the answer has lost its end, or all of itself, and is whole as far as HTTP can tell.
    Shortened,
    /// Of the keys of a BatchGetItem some, or all, are left unprocessed.
    Partial,
    /// A transaction is cancelled, because another one has the item at this position.
    Conflict(usize),
    /// It is never answered.
    Silent,
}

/// The errors with which DynamoDB refuses for load.
pub const THROTTLES: [Fault; 4] = [
    Fault::Error(400, "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException"),
    Fault::Error(400, "com.amazonaws.dynamodb.v20120810#RequestLimitExceeded"),
    Fault::Error(400, "com.amazon.coral.availability#ThrottlingException"),
    Fault::Error(400, "com.amazon.coral.service#ThrottlingError"),
];
pub const SERVER_ERRORS: [Fault; 4] = [
    Fault::Error(500, "com.amazonaws.dynamodb.v20120810#InternalServerError"),
    Fault::Error(503, "com.amazon.coral.availability#ServiceUnavailableException"),
    Fault::DoneAndError(500, "com.amazonaws.dynamodb.v20120810#InternalServerError"),
    Fault::DoneAndError(503, "com.amazon.coral.availability#ServiceUnavailableException"),
];
pub const REFUSALS: [Fault; 2] = [
    Fault::Error(400, "com.amazon.coral.service#ExpiredTokenException"),
    // A permission that was taken away, or the table's key.
    Fault::Error(400, "com.amazon.coral.service#AccessDeniedException"),
];

/// What a transaction meets that others race with. The engine runs them one after another, so it has none.
pub const CONFLICTS: [Fault; 2] = [Fault::Conflict(0), Fault::Conflict(1)];

/// Longer than an attempt of the functions' client may take.
const SLOW: Duration = Duration::from_millis(2200);
/// How long no connection is accepted. A client's first retry can come within it.
const CLOSED: Duration = Duration::from_millis(60);
/// The calls that the functions make, and so those that fail.
const OPERATIONS: [&str; 6] = ["PutItem", "TransactWriteItems", "DeleteItem", "GetItem", "BatchGetItem", "Query"];

/// What is to fail.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    pub faults: Vec<Fault>,
    /// Which part of the puts and transactions meets one of them. Only of many does one fail so often that the client gives it up.
    pub puts: f64,
    /// Which part of all other requests does. A list takes a dozen, so of many hardly one comes through.
    pub others: f64,
    /// Whose requests; without one, those of all tables.
    pub table: Option<&'static str>,
}

/// A running endpoint. It does as the engine does until it is told a [`Plan`].
pub struct Faulty {
    pub address: Address,
    shared: Arc<Shared>,
}

struct Shared {
    engine: String,
    http: reqwest::Client,
    schedule: Mutex<Schedule>,
    close: Notify,
    /// How many writes are still held back.
    held: watch::Sender<usize>,
}

struct Schedule {
    rng: StdRng,
    plan: Plan,
    met: BTreeMap<Fault, usize>,
}

impl Faulty {
    pub async fn start(engine: &Address, seed: u64) -> Faulty {
        let schedule = Schedule { rng: StdRng::seed_from_u64(seed), plan: Plan::default(), met: BTreeMap::new() };
        let shared = Arc::new(Shared {
            engine: engine.url.clone(),
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
            schedule: Mutex::new(schedule),
            close: Notify::new(),
            held: watch::channel(0).0,
        });
        // Bound and never listening: while there is no listener either, the port stays ours and refuses.
        let reserved = socket((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let address = reserved.local_addr().unwrap();
        let listener = listen(address).unwrap();
        tokio::spawn(accept(shared.clone(), reserved, listener));
        let address = Address { url: format!("http://{address}"), access_key_id: engine.access_key_id.clone() };
        Faulty { address, shared }
    }

    /// From now on requests fail by this plan.
    pub fn fail(&self, plan: Plan) {
        self.shared.schedule.lock().unwrap().plan = plan;
    }

    /// Ends all faults. Every write that was held back has then been done.
    pub async fn calm(&self) {
        self.fail(Plan::default());
        self.shared.held.subscribe().wait_for(|held| *held == 0).await.unwrap();
    }

    /// How often each fault was met.
    pub fn met(&self) -> BTreeMap<Fault, usize> {
        self.shared.schedule.lock().unwrap().met.clone()
    }
}

fn socket(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseport(true)?;
    socket.bind(address)?;
    Ok(socket)
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    socket(address)?.listen(1024)
}

async fn accept(shared: Arc<Shared>, reserved: TcpSocket, mut listener: TcpListener) {
    let address = reserved.local_addr().unwrap();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                tokio::spawn(converse(accepted.unwrap().0, shared.clone()));
            }
            () = shared.close.notified() => {
                drop(listener);
                tokio::time::sleep(CLOSED).await;
                listener = listen(address).unwrap();
            }
        }
    }
}

/// A request of the DynamoDB API, and what the schedule has for it.
struct Call {
    /// Its lines, without the empty one.
    head: Vec<(String, String)>,
    body: Vec<u8>,
}

/// An answer of the engine's.
struct Reply {
    status: u16,
    crc32: Option<String>,
    body: Vec<u8>,
}

async fn converse(stream: TcpStream, shared: Arc<Shared>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(stream);
    while let Some(call) = Call::read(&mut stream).await? {
        let drawn = shared.schedule.lock().unwrap().draw(&call);
        let Some((fault, chance)) = drawn else {
            let reply = shared.forward(&call).await;
            reply.write(&mut stream, reply.body.len()).await?;
            continue;
        };
        match fault {
            Fault::Error(status, code) => Reply::error(status, code).write_whole(&mut stream).await?,
            Fault::DoneAndError(status, code) => {
                shared.forward(&call).await;
                Reply::error(status, code).write_whole(&mut stream).await?;
            }
            Fault::Reset => return reset(&stream),
            Fault::Refused => {
                shared.close.notify_one();
                return reset(&stream);
            }
            Fault::Lost => {
                shared.forward(&call).await;
                return reset(&stream);
            }
            Fault::SlowAnswer => {
                let reply = shared.forward(&call).await;
                tokio::time::sleep(SLOW).await;
                reply.write_whole(&mut stream).await?;
            }
            Fault::SlowWrite => {
                shared.held.send_modify(|held| *held += 1);
                tokio::time::sleep(SLOW).await;
                let reply = shared.forward(&call).await;
                shared.held.send_modify(|held| *held -= 1);
                reply.write_whole(&mut stream).await?;
            }
            Fault::Truncated => {
                let mut reply = shared.forward(&call).await;
                let length = reply.body.len();
                reply.shorten(chance);
                reply.write(&mut stream, length).await?;
                return stream.shutdown().await;
            }
            Fault::Shortened => {
                let mut reply = shared.forward(&call).await;
                reply.shorten(chance);
                reply.write_whole(&mut stream).await?;
            }
            Fault::Partial => shared.partly(&call, chance).await.write_whole(&mut stream).await?,
            Fault::Conflict(position) => Reply::conflict(position).write_whole(&mut stream).await?,
            Fault::Silent => std::future::pending().await,
        }
    }
    Ok(())
}

/// What is not yet read or sent is thrown away, and the other side hears of it.
fn reset(stream: &BufReader<TcpStream>) -> io::Result<()> {
    stream.get_ref().set_zero_linger()
}

impl Schedule {
    /// The fault that this request meets, and a number of its own from 0 to 1.
    fn draw(&mut self, call: &Call) -> Option<(Fault, f64)> {
        if call.header("x-amz-target").is_empty() {
            // What only opens a connection: out of the order of all others.
            return self.plan.faults.contains(&Fault::Silent).then_some((Fault::Silent, 0.0));
        }
        if !OPERATIONS.contains(&call.operation()) {
            return None;
        }
        // Drawn for every request, so that it is the seed alone that says what the n-th meets.
        let (meets, which, chance): (f64, f64, f64) = (self.rng.random(), self.rng.random(), self.rng.random());
        let Plan { faults, puts, others, table } = &self.plan;
        let rate = if matches!(call.operation(), "PutItem" | "TransactWriteItems") { *puts } else { *others };
        let concerned = table.is_none_or(|table| String::from_utf8_lossy(&call.body).contains(table));
        let applies = |fault: &&Fault| match fault {
            Fault::Partial => call.operation() == "BatchGetItem",
            Fault::Conflict(_) => call.operation() == "TransactWriteItems",
            _ => true,
        };
        let faults: Vec<&Fault> = faults.iter().filter(applies).collect();
        if faults.is_empty() || meets >= rate || !concerned {
            return None;
        }
        let fault = *faults[(which * faults.len() as f64) as usize];
        *self.met.entry(fault).or_default() += 1;
        Some((fault, chance))
    }
}

impl Shared {
    async fn forward(&self, call: &Call) -> Reply {
        let request = self.http.post(&self.engine).body(call.body.clone());
        // The rest of the head is about the connection.
        let passed = ["x-amz-target", "authorization", "x-amz-date", "content-type"];
        let head = call.head.iter().filter(|(name, _)| passed.contains(&name.as_str()));
        let response = head.fold(request, |request, (name, value)| request.header(name, value)).send().await.unwrap();
        let crc32 = response.headers().get("x-amz-crc32").map(|value| value.to_str().unwrap().to_owned());
        Reply { status: response.status().as_u16(), crc32, body: response.bytes().await.unwrap().into() }
    }

    /// Has a BatchGetItem done for some of its keys, from none up to all but one.
    async fn partly(&self, call: &Call, chance: f64) -> Reply {
        let mut request: Value = serde_json::from_slice(&call.body).unwrap();
        let tables = request["RequestItems"].as_object_mut().unwrap();
        let (table, items) = tables.iter_mut().next().unwrap();
        let (table, all) = (table.clone(), items["Keys"].as_array().unwrap().clone());
        let (now, later) = all.split_at((chance * all.len() as f64) as usize);
        let mut reply = json!({ "Responses": { &table: [] } });
        if !now.is_empty() {
            items["Keys"] = json!(now);
            let call = Call { head: call.head.clone(), body: request.to_string().into() };
            reply = serde_json::from_slice(&self.forward(&call).await.body).unwrap();
        }
        reply["UnprocessedKeys"] = json!({ &table: { "Keys": later, "ConsistentRead": true } });
        Reply { status: 200, crc32: None, body: reply.to_string().into() }
    }
}

impl Call {
    /// The next request on a connection, or `None` when the client has closed it.
    async fn read(stream: &mut BufReader<TcpStream>) -> io::Result<Option<Call>> {
        let mut head = Vec::new();
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await? == 0 {
                return Ok(None);
            }
            let line = line.trim_end();
            if line.is_empty() {
                break;
            }
            if let Some((name, value)) = line.split_once(": ") {
                head.push((name.to_ascii_lowercase(), value.to_owned()));
            }
        }
        let mut call = Call { head, body: Vec::new() };
        // What only opens a connection has no body.
        call.body.resize(call.header("content-length").parse().unwrap_or(0), 0);
        stream.read_exact(&mut call.body).await?;
        Ok(Some(call))
    }

    fn header(&self, name: &str) -> &str {
        self.head.iter().find(|(found, _)| found == name).map_or("", |(_, value)| value)
    }

    /// Such as `PutItem`; empty for a stream's.
    fn operation(&self) -> &str {
        self.header("x-amz-target").strip_prefix("DynamoDB_20120810.").unwrap_or_default()
    }
}

impl Reply {
    fn error(status: u16, code: &str) -> Reply {
        Reply { status, crc32: None, body: json!({"__type": code, "message": "injected"}).to_string().into() }
    }

    /// A transaction is cancelled for a conflict over the item at `position`, of two.
    fn conflict(position: usize) -> Reply {
        let mut reasons = [json!({"Code": "None"}), json!({"Code": "None"})];
        reasons[position] = json!({"Code": "TransactionConflict", "Message": "injected"});
        let body = json!({
            "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
            "Message": "injected",
            "CancellationReasons": reasons,
        });
        Reply { status: 400, crc32: None, body: body.to_string().into() }
    }

    /// Takes away the end, and in one case of four everything.
    fn shorten(&mut self, chance: f64) {
        let left = ((chance - 0.25).max(0.0) / 0.75 * self.body.len() as f64) as usize;
        self.body.truncate(left);
    }

    async fn write_whole(&self, stream: &mut BufReader<TcpStream>) -> io::Result<()> {
        self.write(stream, self.body.len()).await
    }

    /// Sends it as if it had a body of `length` bytes.
    async fn write(&self, stream: &mut BufReader<TcpStream>, length: usize) -> io::Result<()> {
        let crc32 = self.crc32.iter().map(|crc32| format!("x-amz-crc32: {crc32}\r\n")).collect::<String>();
        let head = format!(
            "HTTP/1.1 {} -\r\ncontent-type: application/x-amz-json-1.0\r\n{crc32}content-length: {length}\r\n\r\n",
            self.status
        );
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(&self.body).await?;
        stream.flush().await
    }
}
