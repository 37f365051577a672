//! A DynamoDB that fails on purpose.
//!
//! It stands between the SDK and an engine, and a seed decides what the n-th request meets. The
//! engine's streams, and the calls that make tables, pass unharmed.

mod schedule;
mod wire;

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use audit_log_cli::serve::engine::Address;
use serde_json::{Value, json};
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{Notify, watch};

pub use schedule::{CONFLICTS, Fault, Plan, REFUSALS, SERVER_ERRORS, THROTTLES};
use schedule::{Drawn, Schedule};
use wire::{Call, Reply};

/// Longer than an attempt of the functions' client may take.
const SLOW: Duration = Duration::from_millis(2200);
/// How long no connection is accepted. A client's first retry can come within it.
const CLOSED: Duration = Duration::from_millis(60);

/// A running endpoint. It does as the engine does until it gets a [`Plan`].
pub struct Faulty {
    /// Where it listens.
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

impl Faulty {
    /// An endpoint before an engine.
    pub async fn start(engine: &Address, seed: u64) -> Faulty {
        let shared = Arc::new(Shared {
            engine: engine.url.clone(),
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
            schedule: Mutex::new(Schedule::new(seed)),
            close: Notify::new(),
            held: watch::channel(0).0,
        });
        // Bound and never listening: while there is no listener either, the port stays ours and
        // refuses connections.
        let reserved = socket((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let address = reserved.local_addr().unwrap();
        let listener = listen(address).unwrap();
        tokio::spawn(accept(shared.clone(), reserved, listener));
        let address = Address {
            url: format!("http://{address}"),
            ..engine.clone()
        };
        Faulty { address, shared }
    }

    /// From now on requests fail by this plan.
    pub fn fail(&self, plan: Plan) {
        self.shared.schedule.lock().unwrap().plan = plan;
    }

    /// Ends all faults. Every write that was held back has then been done.
    pub async fn calm(&self) {
        self.fail(Plan::default());
        let mut held = self.shared.held.subscribe();
        held.wait_for(|held| *held == 0).await.unwrap();
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
                let (stream, _) = accepted.unwrap();
                tokio::spawn(converse(stream, shared.clone()));
            }
            () = shared.close.notified() => {
                drop(listener);
                tokio::time::sleep(CLOSED).await;
                listener = listen(address).unwrap();
            }
        }
    }
}

/// What becomes of a connection after a request.
enum Next {
    Continue,
    /// What is not yet read or sent is thrown away, and the other side is told so.
    Reset,
    End,
}

async fn converse(stream: TcpStream, shared: Arc<Shared>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(stream);
    while let Some(call) = Call::read(&mut stream).await? {
        match shared.respond(&call, &mut stream).await? {
            Next::Continue => {}
            Next::Reset => return stream.get_ref().set_zero_linger(),
            Next::End => return stream.shutdown().await,
        }
    }
    Ok(())
}

impl Shared {
    /// Responds to a request as the schedule says.
    async fn respond(&self, call: &Call, stream: &mut BufReader<TcpStream>) -> io::Result<Next> {
        let drawn = self.schedule.lock().unwrap().draw(call);
        let Some(Drawn { fault, share }) = drawn else {
            self.forward(call).await.write(stream).await?;
            return Ok(Next::Continue);
        };
        let reply = match fault {
            Fault::Error(status, code) => Reply::error(status, code),
            Fault::DoneAndError(status, code) => {
                self.forward(call).await;
                Reply::error(status, code)
            }
            Fault::Reset => return Ok(Next::Reset),
            Fault::Refused => {
                self.close.notify_one();
                return Ok(Next::Reset);
            }
            Fault::Lost => {
                self.forward(call).await;
                return Ok(Next::Reset);
            }
            Fault::SlowAnswer => {
                let reply = self.forward(call).await;
                tokio::time::sleep(SLOW).await;
                reply
            }
            Fault::SlowWrite => {
                self.held.send_modify(|held| *held += 1);
                tokio::time::sleep(SLOW).await;
                let reply = self.forward(call).await;
                self.held.send_modify(|held| *held -= 1);
                reply
            }
            Fault::Truncated => {
                let mut reply = self.forward(call).await;
                let length = reply.body.len();
                reply.shorten(share);
                reply.write_as(stream, length).await?;
                return Ok(Next::End);
            }
            Fault::Shortened => {
                let mut reply = self.forward(call).await;
                reply.shorten(share);
                reply
            }
            Fault::Partial => self.forward_some(call, share).await,
            Fault::Conflict(position) => Reply::conflict(position),
            Fault::Silent => std::future::pending().await,
        };
        reply.write(stream).await?;
        Ok(Next::Continue)
    }

    /// Has the engine do it.
    async fn forward(&self, call: &Call) -> Reply {
        let mut request = self.http.post(&self.engine).body(call.body.clone());
        // The rest of the head is about the connection.
        for name in [
            "x-amz-target",
            "authorization",
            "x-amz-date",
            "content-type",
        ] {
            let value = call.header(name);
            if !value.is_empty() {
                request = request.header(name, value);
            }
        }
        let response = request.send().await.unwrap();
        let crc32 = response.headers().get("x-amz-crc32");
        Reply {
            status: response.status().as_u16(),
            crc32: crc32.map(|value| value.to_str().unwrap().to_owned()),
            body: response.bytes().await.unwrap().into(),
        }
    }

    /// Has a BatchGetItem done for a share of its keys, from none up to all but one.
    async fn forward_some(&self, call: &Call, share: f64) -> Reply {
        let mut request: Value = serde_json::from_slice(&call.body).unwrap();
        let tables = request["RequestItems"].as_object_mut().unwrap();
        let (table, items) = tables.iter_mut().next().unwrap();
        let table = table.clone();
        let keys = items["Keys"].as_array().unwrap().clone();
        let (now, later) = keys.split_at((share * keys.len() as f64) as usize);
        let mut reply = json!({ "Responses": { &table: [] } });
        if !now.is_empty() {
            items["Keys"] = json!(now);
            let call = Call {
                head: call.head.clone(),
                body: request.to_string().into(),
            };
            reply = serde_json::from_slice(&self.forward(&call).await.body).unwrap();
        }
        reply["UnprocessedKeys"] = json!({ &table: { "Keys": later, "ConsistentRead": true } });
        Reply {
            status: 200,
            crc32: None,
            body: reply.to_string().into(),
        }
    }
}
