//! A small log behind its routes, which lies in whatever way a test wants.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};

use audit_log::event::{EventId, Field, Timestamp};
use audit_log::tree::tile::{encode_entries, encode_hashes};
use audit_log::tree::{Content, Entry, Hash, Note, Tile, TileKind, merkle};
use audit_log_cli::log::service::List;
use audit_log_cli::log::{Log, Service};
use audit_log_cli::serve::log_key::LogKey;
use audit_log_client::Auth;
use axum::extract::{Request, State};
use axum::http::{Response, StatusCode, header};
use axum::{Router, body::Body};
use serde_json::json;
use tokio::net::TcpListener;

/// When the first event of a log was recorded.
pub const START: u64 = 1_700_000_000_000;
/// The clock of an audit, an hour later.
pub const NOW: u64 = START + 3_600_000;

/// An event as the table has it.
#[derive(Clone, Debug)]
pub struct Event {
    pub at: u64,
    pub by: Option<String>,
    pub from: Option<String>,
    pub salt: Option<String>,
    pub document: String,
    /// The attributes of the indexes.
    pub values: [Option<String>; 3],
}

/// A change of what a log serves.
pub type Change = Box<dyn FnOnce(&mut Contents) + Send>;

/// What the log has, and the lies about it.
pub struct Contents {
    pub key: LogKey,
    /// By the bits of their ids.
    pub events: BTreeMap<u128, Event>,
    pub entries: Vec<Entry>,
    pub note: Option<String>,
    /// Not shown in these lists.
    pub hidden: HashSet<(List, EventId)>,
    /// Shown in these lists, too.
    pub planted: HashSet<(List, EventId)>,
    /// Totals that are not the number of events.
    pub totals: HashMap<List, (u64, bool)>,
    /// Tiles that are not those of the entries.
    pub tiles: HashMap<String, Option<Vec<u8>>>,
    /// Fields by which there are no lists.
    pub unfiltered: HashSet<Field>,
    /// How many requests get this status first.
    pub failures: (u32, u16),
    /// What happens once a path is asked for.
    pub then: Option<(String, Change)>,
    /// The paths that were asked for.
    pub requests: Vec<String>,
    next: u64,
}

/// A log that runs.
#[derive(Clone)]
pub struct FakeLog {
    content: Arc<Mutex<Contents>>,
    pub url: String,
}

impl FakeLog {
    /// A log without events.
    pub async fn start() -> FakeLog {
        let content = Contents {
            key: LogKey::generate().unwrap(),
            events: BTreeMap::new(),
            entries: Vec::new(),
            note: None,
            hidden: HashSet::new(),
            planted: HashSet::new(),
            totals: HashMap::new(),
            tiles: HashMap::new(),
            unfiltered: HashSet::new(),
            failures: (0, 503),
            then: None,
            requests: Vec::new(),
            next: 0,
        };
        let content = Arc::new(Mutex::new(content));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(content.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        FakeLog { content, url }
    }

    /// A log with as many events, all of them sealed.
    pub async fn with(events: u64) -> FakeLog {
        let log = FakeLog::start().await;
        for _ in 0..events {
            log.content().record();
        }
        log.content().seal();
        log
    }

    pub fn content(&self) -> MutexGuard<'_, Contents> {
        self.content.lock().unwrap()
    }

    /// A reader of the log.
    pub async fn reader(&self) -> Log {
        Log::from(self.service())
    }

    /// The service of the log.
    pub fn service(&self) -> Service {
        Service::new(audit_log_client::Log::new(&self.url, Auth::None).unwrap())
    }
}

impl Contents {
    /// Records an event of one of three users, a second after the one before.
    pub fn record(&mut self) -> EventId {
        let at = START + self.next * 1000 % 3_000_000;
        self.record_at(at)
    }

    /// Records an event at this time.
    pub fn record_at(&mut self, at: u64) -> EventId {
        let number = self.next;
        self.next += 1;
        // Each tenth has no user.
        let user = (!number.is_multiple_of(10)).then(|| format!("user-{}", number % 3));
        let event_type = format!("type-{}", number % 2);
        let document = document(user.as_deref(), &event_type, number);
        let random = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let id = EventId::new(Timestamp::from_millis(at), random, 4);
        let event = Event {
            at,
            by: number
                .is_multiple_of(2)
                .then(|| "arn:aws:iam::1:user/ä".to_owned()),
            from: Some("127.0.0.1".to_owned()),
            salt: number
                .is_multiple_of(5)
                .then(|| "AAECAwQFBgcICQoLDA0ODw".to_owned()),
            document,
            values: [user, Some(event_type), Some("service".to_owned())],
        };
        self.events.insert(id.to_bits(), event);
        id
    }

    /// Seals each event that is not in the log yet, in the order of ids, and signs the log.
    pub fn seal(&mut self) {
        let sealed: HashSet<Entry> = self.entries.iter().copied().collect();
        let mut new = Vec::new();
        for (bits, event) in &self.events {
            let entry = event.entry(EventId::from_bits(*bits).unwrap());
            if !sealed.contains(&entry) {
                new.push(entry);
            }
        }
        self.entries.extend(new);
        self.sign(self.entries.len() as u64);
    }

    /// Signs the first entries.
    pub fn sign(&mut self, size: u64) {
        let root = self.hash(&(0..size));
        self.sign_as(size, root);
    }

    /// Signs anything.
    pub fn sign_as(&mut self, size: u64, root: Hash) {
        let text = format!("{}\n{size}\n{root}\n", self.key.name());
        let key = self.key.clone();
        let name = key.name().clone();
        let note = futures_util::future::FutureExt::now_or_never(Note::sign(text, &name, &key));
        self.note = Some(note.unwrap().unwrap().to_string());
    }

    /// The id of the n-th event.
    pub fn id(&self, n: usize) -> EventId {
        EventId::from_bits(*self.events.keys().nth(n).unwrap()).unwrap()
    }

    /// The n-th event.
    pub fn event(&mut self, n: usize) -> &mut Event {
        self.events.values_mut().nth(n).unwrap()
    }

    fn hash(&self, range: &std::ops::Range<u64>) -> Hash {
        let leaves: Vec<Hash> = self.entries[range.start as usize..range.end as usize]
            .iter()
            .map(Entry::leaf)
            .collect();
        tree_hash(&leaves)
    }

    fn tile(&self, tile: Tile) -> Option<Vec<u8>> {
        if let Some(wrong) = self.tiles.get(&tile.to_string()) {
            return wrong.clone();
        }
        let size = self.entries.len() as u64;
        if !tile.is_in(size) {
            return None;
        }
        let first = tile.index * 256;
        let nodes = first..first + tile.width;
        match tile.kind {
            TileKind::Entries => {
                let nodes = nodes.start as usize..nodes.end as usize;
                Some(encode_entries(&self.entries[nodes]))
            }
            TileKind::Hashes(level) => {
                let width = 256_u64.pow(level.into());
                let hashes: Vec<Hash> = nodes
                    .map(|node| self.hash(&(node * width..(node + 1) * width)))
                    .collect();
                Some(encode_hashes(&hashes))
            }
        }
    }

    /// The events of a list, as the log shows it.
    fn listed(&self, list: &List) -> Vec<u128> {
        let belongs = |event: &Event| match list {
            List::All => true,
            List::With(field, value) => event.values[*field as usize].as_ref() == Some(value),
        };
        let mut listed = Vec::new();
        for (bits, event) in &self.events {
            let key = (list.clone(), EventId::from_bits(*bits).unwrap());
            let is_shown = belongs(event) && !self.hidden.contains(&key);
            if is_shown || self.planted.contains(&key) {
                listed.push(*bits);
            }
        }
        listed
    }

    fn total(&self, list: &List) -> (u64, bool) {
        let counted = self.listed(list).len() as u64;
        self.totals.get(list).copied().unwrap_or((counted, true))
    }

    fn raw(&self, bits: u128) -> Option<String> {
        let event = self.events.get(&bits)?;
        let id = EventId::from_bits(bits)?;
        let recorded = json!({
            "at": event.time(), "by": event.by, "from": event.from, "salt": event.salt,
        });
        let members = event.document.strip_prefix('{')?;
        Some(format!(r#"{{"id":"{id}","recorded":{recorded},{members}"#))
    }

    fn page(&self, query: &HashMap<String, String>) -> String {
        let list = list_of(query);
        let per_page: usize = query["per_page"].parse().unwrap();
        let after = query
            .get("cursor")
            .map_or(0, |id| EventId::parse(id).unwrap().to_bits());
        let listed = self.listed(&list);
        let behind: Vec<u128> = listed.into_iter().filter(|bits| *bits > after).collect();
        let shown: Vec<u128> = behind.iter().copied().take(per_page).collect();
        let has_more = behind.len() > shown.len();
        let next = shown.last().filter(|_| has_more);
        let next = next.map(|bits| EventId::from_bits(*bits).unwrap().to_string());
        let events: Vec<String> = shown.iter().filter_map(|bits| self.raw(*bits)).collect();
        let is_counted = query.get("total").is_none_or(|total| total == "true");
        let total = is_counted.then(|| self.total(&list));
        let members = json!({
            "total": total.map(|(total, _)| total),
            "total_exact": total.map(|(_, is_exact)| is_exact),
            "next_cursor": next,
        });
        let members = members.to_string();
        let members = members.strip_prefix('{').unwrap();
        format!(r#"{{"events":[{}],{members}"#, events.join(","))
    }

    fn answer(&mut self, path: &str, query: &HashMap<String, String>) -> (u16, Vec<u8>) {
        if self.failures.0 > 0 {
            self.failures.0 -= 1;
            return (self.failures.1, b"{}".to_vec());
        }
        if path == "/log/checkpoint" {
            return match &self.note {
                Some(note) => (200, note.clone().into_bytes()),
                None => (404, br#"{"code":"not_sealed"}"#.to_vec()),
            };
        }
        if let Some(tile) = path.strip_prefix("/log/") {
            let tile = Tile::parse(tile).unwrap();
            return match self.tile(tile) {
                Some(bytes) => (200, bytes),
                None => (404, br#"{"code":"not_found"}"#.to_vec()),
            };
        }
        if path == "/events" {
            if self
                .unfiltered
                .iter()
                .any(|field| query.contains_key(field.name()))
            {
                return (400, br#"{"code":"invalid_parameter"}"#.to_vec());
            }
            return (200, self.page(query).into_bytes());
        }
        let id = path
            .strip_prefix("/events/")
            .and_then(EventId::parse)
            .unwrap();
        match self.raw(id.to_bits()) {
            Some(raw) => (200, raw.into_bytes()),
            None => (404, br#"{"code":"not_found"}"#.to_vec()),
        }
    }
}

impl Event {
    pub fn entry(&self, id: EventId) -> Entry {
        let content = Content {
            salt: self.salt.as_deref(),
            at: &self.time(),
            by: self.by.as_deref(),
            from: self.from.as_deref(),
            document: &self.document,
        };
        Entry::new(id, &content)
    }

    fn time(&self) -> String {
        Timestamp::from_millis(self.at).to_string()
    }
}

/// The text of a document. It has a line feed, as some have.
pub fn document(user: Option<&str>, event_type: &str, number: u64) -> String {
    let user = json!(user);
    format!(
        "{{\"user_id\": {user},\n \"event_type\": \"{event_type}\", \"timestamp\": \
         \"2023-11-14T22:13:20Z\", \"src_service\": \"service\", \"invariant_data\": {number}.0, \
         \"app_data\": null}}"
    )
}

async fn answer(State(content): State<Arc<Mutex<Contents>>>, request: Request) -> Response<Body> {
    let uri = request.uri();
    let path = uri.path().to_owned();
    let url: reqwest::Url = format!("http://log{uri}").parse().unwrap();
    let query = url.query_pairs().into_owned().collect();
    let mut content = content.lock().unwrap();
    content.requests.push(path.clone());
    let (status, body) = content.answer(&path, &query);
    if content
        .then
        .as_ref()
        .is_some_and(|(trigger, _)| *trigger == path)
        && let Some((_, change)) = content.then.take()
    {
        change(&mut content);
    }
    Response::builder()
        .status(StatusCode::from_u16(status).unwrap())
        .header(header::CONTENT_TYPE, "application/octet-stream")
        .header(header::RETRY_AFTER, "0")
        .body(Body::from(body))
        .unwrap()
}

fn list_of(query: &HashMap<String, String>) -> List {
    for field in Field::ALL {
        if let Some(value) = query.get(field.name()) {
            return List::With(field, value.clone());
        }
    }
    List::All
}

fn tree_hash(leaves: &[Hash]) -> Hash {
    let row: Vec<Hash> = merkle::subtrees(&(0..leaves.len() as u64))
        .iter()
        .map(|subtree| {
            let first = (subtree.index << subtree.level) as usize;
            let mut row = leaves[first..first + (1 << subtree.level)].to_vec();
            while row.len() > 1 {
                row = row.chunks(2).map(merkle::join).collect();
            }
            row[0]
        })
        .collect();
    merkle::join(&row)
}

impl Contents {
    /// The bytes of a tile as it is now.
    pub fn tile_bytes(&self, path: &str) -> Option<Vec<u8>> {
        self.tile(Tile::parse(path).unwrap())
    }
}
