//! One run: what happens, a plain model of who is there, and the comparison once all is quiet.

use std::sync::Arc;

use downbeat::channels::Answer;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::{
    rng::Rng,
    town::{Client, Node, Pace, World, is_ok, nodes, pass, pass_in_steps, settle},
};

const TOPICS: [&str; 2] = ["one", "two"];
const NAMES: [&str; 3] = ["a", "b", "c"];
const KEYS: [&str; 4] = ["ada", "bob", "cleo", "dan"];
/// How long the storm lasts, in steps of [`STEP_MS`].
const STEPS: usize = 240;
const STEP_MS: i64 = 50;
/// The periodic read, the retries of the store, burials and what they take to be told.
const DUST_MS: i64 = 40_000;

/// How much happened.
#[derive(Clone, Copy, Debug, Default)]
pub struct Told {
    pub deaths: u64,
    pub freezes: u64,
    pub losses: u64,
    pub cuts: u64,
    pub checked: u64,
}

impl Told {
    pub fn add(&mut self, other: &Self) {
        self.deaths += other.deaths;
        self.freezes += other.freezes;
        self.losses += other.losses;
        self.cuts += other.cuts;
        self.checked += other.checked;
    }
}

/// A client, and what the model knows of it.
struct Person {
    client: Client,
    node: usize,
    topic: usize,
    key: &'static str,
    /// What it shows, as its last answered wish has it.
    shows: Option<Value>,
    /// A wish that is not answered yet: the gateway lets a channel do one thing after the other.
    wish: Option<(JoinHandle<Answer>, Option<Value>)>,
}

pub struct Story {
    rng: Rng,
    is_told: bool,
    told: Told,
    world: Arc<World>,
    nodes: Vec<Node>,
    /// Until which step each is frozen.
    frozen: [usize; 3],
    /// Until which step each has no store.
    cut: [usize; 3],
    people: Vec<Person>,
    /// Joins under way, and on which node.
    joins: Vec<(usize, JoinHandle<Option<Person>>)>,
    /// Clients and nodes that died: they say no goodbye.
    graves: Vec<(Node, Vec<Client>)>,
}

impl Story {
    pub fn new(seed: u64, is_told: bool) -> Self {
        Self {
            rng: Rng::seeded(seed),
            is_told,
            told: Told::default(),
            world: World::new(),
            nodes: Vec::new(),
            frozen: [0; 3],
            cut: [0; 3],
            people: Vec::new(),
            joins: Vec::new(),
            graves: Vec::new(),
        }
    }

    pub async fn run(mut self) -> Told {
        self.nodes = nodes::<3>(&self.world).await.into();
        for node in 0..3 {
            self.make_weather(node);
        }
        for step in 0..STEPS {
            self.answer().await;
            self.act(step).await;
            self.pass(STEP_MS).await;
        }
        self.calm().await;
        self.compare().await;
        self.told
    }

    fn tell(&self, what: impl FnOnce() -> String) {
        if self.is_told {
            let ms = (downbeat::time::Clock::now_us(&*self.world.clock) - super::town::START_US) / 1_000;
            eprintln!("{ms:>6} ms  {}", what());
        }
    }

    async fn pass(&self, ms: i64) {
        pass(&self.nodes.iter().collect::<Vec<_>>(), ms).await;
    }

    /// How this node's messages and its calls to the store fare, in this run.
    fn make_weather(&mut self, node: usize) {
        let (mut rng, lost, late) =
            (Rng::seeded(self.rng.next()), self.rng.within(0..1_500) as u64, self.rng.within(0..3_000) as u64);
        self.nodes[node].wire.rule(move |_| match (rng.chance(lost), rng.chance(late)) {
            (true, _) => None,
            (false, true) => Some(rng.within(50..1_500)),
            (false, false) => Some(0),
        });
        let (mut rng, slow) = (Rng::seeded(self.rng.next()), self.rng.within(0..3_000) as u64);
        let mut ms = move || if rng.chance(slow) { rng.within(10..1_500) as u64 } else { 0 };
        self.nodes[node].link.pace(move || Pace { there_ms: ms(), back_ms: ms() });
    }

    async fn act(&mut self, step: usize) {
        for (at, node) in self.nodes.iter().enumerate() {
            if self.frozen[at] == step && node.is_frozen() {
                self.tell(|| format!("{} thaws", NAMES[at]));
                node.thaw();
            }
            if self.cut[at] == step {
                node.link.mend();
            }
        }
        let node = self.rng.index(3);
        match self.rng.within(0..1_000) {
            0..4 => self.kill(node).await,
            4..12 => {
                self.told.freezes += 1;
                self.nodes[node].freeze();
                self.frozen[node] = step + self.rng.within(5..160) as usize;
                self.tell(|| format!("{} freezes", NAMES[node]));
            }
            12..14 => {
                self.told.losses += 1;
                self.world.store.lose_everything();
                self.tell(|| "the store loses everything".to_owned());
            }
            14..24 => {
                self.told.cuts += 1;
                self.nodes[node].link.cut();
                self.cut[node] = step + self.rng.within(5..100) as usize;
                self.tell(|| format!("{} has no store", NAMES[node]));
            }
            24..27 => self.nodes[node].realtime.note_gap(None),
            100..300 => self.join(node).await,
            300..360 => self.leave(),
            400..800 => self.wish(),
            _ => {}
        }
    }

    async fn join(&mut self, at: usize) {
        if self.nodes[at].is_frozen() || self.people.len() > 12 {
            return;
        }
        let (topic, key) = (self.rng.index(TOPICS.len()), KEYS[self.rng.index(KEYS.len())]);
        let config = json!({ "presence": { "key": key, "enabled": self.rng.chance(7_000) } });
        let joining = self.nodes[at].joining(TOPICS[topic], config);
        let joined = tokio::spawn(async move {
            let client = joining.await.ok()?;
            Some(Person { client, node: at, topic, key, shows: None, wish: None })
        });
        self.joins.push((at, joined));
        settle().await;
    }

    fn leave(&mut self) {
        let awake = |person: &Person| !self.nodes[person.node].is_frozen();
        let here: Vec<usize> = (0..self.people.len()).filter(|at| awake(&self.people[*at])).collect();
        if here.is_empty() {
            return;
        }
        let person = self.people.swap_remove(here[self.rng.index(here.len())]);
        self.tell(|| format!("{:x} leaves {}", person.client.connection, NAMES[person.node]));
        person.client.leave();
    }

    fn wish(&mut self) {
        if self.people.is_empty() {
            return;
        }
        let at = self.rng.index(self.people.len());
        let number = self.rng.index(5);
        let is_untrack = self.rng.chance(2_500);
        let person = &mut self.people[at];
        if person.wish.is_some() || self.nodes[person.node].is_frozen() {
            return;
        }
        let (asked, shows) = if is_untrack {
            (json!({ "event": "untrack" }), None)
        } else {
            let fields = json!({ "at": number });
            (json!({ "event": "track", "payload": fields }), Some(fields))
        };
        person.wish = Some((person.client.begin("presence", asked), shows.clone()));
        let (connection, node) = (person.client.connection, person.node);
        self.tell(|| format!("{connection:x} on {} shows {shows:?}", NAMES[node]));
    }

    /// Takes in what has been answered.
    async fn answer(&mut self) {
        for person in &mut self.people {
            if let Some((wish, shows)) = person.wish.take_if(|(wish, _)| wish.is_finished())
                && is_ok(&wish.await.expect("answered"))
            {
                person.shows = shows;
            }
        }
        for at in (0..self.joins.len()).rev() {
            if self.joins[at].1.is_finished()
                && let Some(person) = self.joins.swap_remove(at).1.await.expect("joined")
            {
                let (connection, node, topic) = (person.client.connection, person.node, person.topic);
                self.tell(|| format!("{connection:x} joins {} on {}", TOPICS[topic], NAMES[node]));
                self.people.push(person);
            }
        }
    }

    /// The process is gone with all its connections; another one starts under its name.
    async fn kill(&mut self, at: usize) {
        self.told.deaths += 1;
        self.tell(|| format!("{} dies", NAMES[at]));
        self.nodes[at].die();
        let new = Node::start(&self.world, NAMES[at]).await;
        let old = std::mem::replace(&mut self.nodes[at], new);
        let (dead, living) = std::mem::take(&mut self.people).into_iter().partition(|person| person.node == at);
        self.people = living;
        let dead: Vec<Person> = dead;
        self.graves.push((old, dead.into_iter().map(|person| person.client).collect()));
        // Who was joining there never gets an answer.
        self.joins.retain(|(node, _)| *node != at);
        self.frozen[at] = 0;
        self.cut[at] = 0;
        self.make_weather(at);
    }

    async fn calm(&mut self) {
        for node in &self.nodes {
            node.thaw();
            node.wire.heal();
            node.link.mend();
            node.link.pace(Pace::default);
        }
        self.tell(|| "calm".to_owned());
        self.pass(5_000).await;
        self.answer().await;
        let nodes: Vec<&Node> = self.nodes.iter().collect();
        pass_in_steps(&nodes, DUST_MS - 5_000, 5 * STEP_MS).await;
    }

    async fn compare(&mut self) {
        for (topic, name) in TOPICS.iter().enumerate() {
            let there = self.people.iter().filter(|person| person.topic == topic);
            let shown = there.filter_map(|person| Some((person.key.to_owned(), person.shows.clone()?)));
            let mut model: Vec<(String, Value)> = shown.collect();
            model.sort_by_key(|(key, meta)| (key.clone(), meta.to_string()));
            for node in &self.nodes {
                let newcomer = node.join(name, json!({})).await.expect("let in");
                assert_eq!(newcomer.ear.people(), model, "a newcomer to {name} on {}", node.name);
                self.told.checked += 1;
                newcomer.leave();
            }
            for person in self.people.iter().filter(|person| person.topic == topic) {
                if person.client.hears_presence() || person.shows.is_some() {
                    let (connection, on) = (person.client.connection, NAMES[person.node]);
                    assert_eq!(person.client.ear.people(), model, "{connection:x} of {name} on {on}");
                    self.told.checked += 1;
                }
            }
            // What the newcomers' nodes have found there that is not so is written after a moment.
            self.pass(100).await;
            let key = downbeat::protocol::TopicKey { tenant: "acme".into(), name: (*name).into(), private: false };
            assert_eq!(self.nodes[0].stored(&key).await, model.len(), "the store about {name}");
        }
    }
}
