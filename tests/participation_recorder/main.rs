//! The recorder's promises: nobody waits for it, what was acknowledged is kept, and what is lost is counted.

mod sink;

use std::{sync::Arc, time::Duration};

use downbeat::{
    participation::{Event, Feed, Kind, NotRecorded, Outcome, QUEUED_MAX, Receipt, Recorder, SessionId},
    room::RoomKey,
    telemetry::Metrics,
};
use sink::{Answer, Shelf};
use tokio::time::Instant;

const ACME: &str = "acme";

struct Desk {
    recorder: Arc<Recorder>,
    metrics: Arc<Metrics>,
    shelf: Arc<Shelf>,
}

impl Desk {
    /// A recorder for the tenants `acme` and `zeta` whose feed runs.
    fn open() -> Self {
        let desk = Self::without_feed();
        tokio::spawn(Feed::new(desk.recorder.clone(), desk.shelf.clone()).run());
        desk
    }

    fn without_feed() -> Self {
        let metrics = Arc::new(Metrics::new());
        let is_recorded = Box::new(|tenant: &str| tenant == ACME || tenant == "zeta");
        let recorder = Arc::new(Recorder::new(is_recorded, 7, metrics.clone()));
        Self { recorder, metrics, shelf: Arc::new(Shelf::default()) }
    }

    fn event(&self, tenant: &str, code: &str) -> Event {
        let room = RoomKey { tenant: tenant.into(), code: code.parse().expect("a code") };
        Event {
            id: self.recorder.number(5_000_000),
            session: SessionId::of(&room, 1_000_000),
            kind: Kind::HAND_RAISED,
            student: Some("ada".into()),
            actor: None,
            at_us: 5_000_000,
            run: 0,
            beat_ub: None,
            note: None,
            details: None,
        }
    }

    /// An event of acme's of which somebody must know.
    fn submit(&self, code: &str) -> Result<Outcome, NotRecorded> {
        self.recorder.submit(&ACME.into(), self.event(ACME, code))
    }

    fn record(&self, tenant: &str) -> Receipt {
        self.recorder.record(&tenant.into(), self.event(tenant, "MUSIC-1234"))
    }

    fn counted(&self, kind: &str) -> u64 {
        let line = format!("downbeat_participation_recorded_total{{kind=\"{kind}\"}} ");
        let text = self.metrics.exposition();
        text.lines().find_map(|text| text.strip_prefix(&line)?.parse().ok()).unwrap_or(0)
    }
}

#[tokio::test(start_paused = true)]
async fn what_gathers_in_a_hundredth_of_a_second_is_kept_together_by_tenant_and_in_order() {
    let desk = Desk::open();
    let receipts: Vec<Receipt> = ["acme", "zeta", "acme"].map(|tenant| desk.record(tenant)).into();
    assert!(receipts.iter().all(|receipt| !receipt.is_settled()));
    let began = Instant::now();
    for receipt in receipts {
        receipt.settled().await;
    }
    let waited = Duration::from_millis(10)..=Duration::from_millis(11);
    assert!(waited.contains(&began.elapsed()), "one pause, to the timer's next millisecond: {:?}", began.elapsed());
    let kept = desk.shelf.batches();
    assert_eq!(
        kept.iter().map(|batch| (&*batch.tenant, batch.events.len())).collect::<Vec<_>>(),
        [("acme", 2), ("zeta", 1)]
    );
    assert!(kept[0].events.is_sorted_by_key(|event| event.id));
    assert_eq!(desk.counted("kept"), 3);
}

#[tokio::test(start_paused = true)]
async fn a_tenant_that_wants_no_records_has_none_and_nobody_waits() {
    let desk = Desk::open();
    assert!(desk.record("other").is_settled());
    let refused = desk.recorder.submit(&"other".into(), desk.event("other", "MUSIC-1234"));
    assert_eq!(refused.err(), Some(NotRecorded::Off));
    desk.record(ACME).settled().await;
    assert_eq!(desk.shelf.events(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_is_out_is_offered_the_same_events_again_and_nobody_waits_meanwhile() {
    let desk = Desk::open();
    desk.shelf.answers(Answer::Unavailable);
    let began = Instant::now();
    desk.record(ACME).settled().await;
    assert!(began.elapsed() < Duration::from_millis(250), "{:?}", began.elapsed());
    assert!(desk.record(ACME).is_settled(), "a sink that is known to be out holds nobody up");
    assert_eq!(desk.shelf.events(), 0);
    desk.shelf.answers(Answer::Ok);
    desk.recorder.emptied(Duration::from_secs(5)).await;
    let receipt = desk.record(ACME);
    assert!(!receipt.is_settled(), "receipts count again");
    receipt.settled().await;
    assert_eq!(desk.shelf.events(), 3, "each exactly once, as it was offered with its own number");
    assert_eq!((desk.counted("kept"), desk.counted("lost")), (3, 0));
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_longer_than_a_quarter_of_a_second_for_a_sink_that_does_not_answer() {
    let desk = Desk::open();
    desk.shelf.answers(Answer::Never);
    let began = Instant::now();
    desk.record(ACME).settled().await;
    assert!(began.elapsed() <= Duration::from_millis(265), "{:?}", began.elapsed());
    // Who must know waits longer, and is told in time that nobody does.
    let (began, outcome) = (Instant::now(), desk.submit("MUSIC-1234").expect("there is space"));
    assert_eq!(outcome.known().await, Err(NotRecorded::Unknown));
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_full_sink_loses_the_newest_and_each_session_is_told_how_many_it_lacks() {
    let desk = Desk::open();
    desk.record(ACME).settled().await;
    desk.shelf.answers(Answer::Full);
    for code in ["MUSIC-0001", "MUSIC-0001", "MUSIC-0002"] {
        desk.recorder.record(&ACME.into(), desk.event(ACME, code)).settled().await;
    }
    let refused = desk.submit("MUSIC-0002").expect("there is space").known().await;
    assert_eq!(refused, Err(NotRecorded::Lost), "who must know is told, and may send it again: that is no loss");
    assert_eq!(desk.counted("lost"), 3);
    // While it stays full, what is to be told of the losses is refused too, and counts no loss itself.
    tokio::time::advance(Duration::from_secs(30)).await;
    assert_eq!(desk.counted("lost"), 3);
    desk.shelf.answers(Answer::Ok);
    tokio::time::advance(Duration::from_secs(3)).await;
    let mut told: Vec<(String, u64)> = desk.shelf.missing();
    told.sort();
    assert_eq!(told, [("MUSIC-0001.f4240".to_owned(), 2), ("MUSIC-0002.f4240".to_owned(), 1)]);
    tokio::time::advance(Duration::from_secs(60)).await;
    assert_eq!(desk.shelf.missing().len(), 2, "it is told once");
}

#[tokio::test(start_paused = true)]
async fn the_queue_is_bounded_and_what_does_not_fit_is_counted() {
    let desk = Desk::without_feed();
    for _ in 0..QUEUED_MAX {
        assert!(!desk.record(ACME).is_settled());
    }
    for _ in 0..5 {
        assert!(desk.record(ACME).is_settled(), "nobody waits for what is lost");
    }
    assert_eq!(desk.submit("MUSIC-1234").err(), Some(NotRecorded::Lost));
    tokio::spawn(Feed::new(desk.recorder.clone(), desk.shelf.clone()).run());
    desk.recorder.emptied(Duration::from_secs(60)).await;
    assert_eq!(desk.shelf.missing(), [("MUSIC-1234.f4240".to_owned(), 5)]);
    assert_eq!(desk.shelf.events(), QUEUED_MAX + 1);
    assert!(desk.shelf.batches().iter().all(|batch| batch.events.len() <= 500));
}

#[tokio::test(start_paused = true)]
async fn long_things_that_somebody_waits_for_are_few_in_the_queue() {
    let desk = Desk::without_feed();
    let kept = (0..2_000).filter(|_| desk.submit("MUSIC-1234").is_ok()).count();
    assert_eq!(kept, 1_000);
    assert!(!desk.record(ACME).is_settled(), "notes have the space that is left");
}

#[tokio::test(start_paused = true)]
async fn a_tenant_whose_events_are_stuck_is_in_no_other_tenant_s_way() {
    let desk = Desk::open();
    desk.shelf.answers_to("zeta", Answer::Unavailable);
    desk.record("zeta").settled().await;
    for _ in 0..3 {
        desk.record(ACME).settled().await;
        tokio::time::advance(Duration::from_millis(20)).await;
    }
    assert_eq!(desk.counted("kept"), 3, "acme's are kept meanwhile");
    desk.record("zeta").settled().await;
    desk.shelf.answers_to("zeta", Answer::Ok);
    desk.recorder.emptied(Duration::from_secs(5)).await;
    let of_zeta: Vec<_> = desk
        .shelf
        .batches()
        .into_iter()
        .filter(|batch| &*batch.tenant == "zeta")
        .flat_map(|batch| batch.events)
        .collect();
    assert_eq!(of_zeta.len(), 2);
    assert!(of_zeta.is_sorted_by_key(|event| event.id), "in their order");
}

#[tokio::test(start_paused = true)]
async fn a_node_that_goes_tells_what_was_lost_and_how_much_only_it_holds() {
    let desk = Desk::open();
    desk.shelf.answers(Answer::Full);
    desk.record(ACME).settled().await;
    desk.shelf.answers(Answer::Ok);
    assert_eq!(desk.recorder.emptied(Duration::from_millis(900)).await, 0);
    assert_eq!(desk.shelf.missing(), [("MUSIC-1234.f4240".to_owned(), 1)], "now or never");
    desk.shelf.answers(Answer::Unavailable);
    desk.record(ACME).settled().await;
    assert_eq!(desk.recorder.emptied(Duration::from_secs(2)).await, 1);
}

#[tokio::test(start_paused = true)]
async fn a_feed_that_fails_costs_what_it_holds_and_goes_on() {
    let desk = Desk::open();
    desk.shelf.answers(Answer::Panic);
    desk.record(ACME).settled().await;
    desk.shelf.answers(Answer::Ok);
    desk.record(ACME).settled().await;
    assert_eq!(desk.shelf.events(), 1);
    assert!(desk.metrics.exposition().contains("downbeat_panics_total{kind=\"feed\"} 1"));
}

#[tokio::test(start_paused = true)]
async fn what_one_tenant_loses_costs_no_other_tenant_anything() {
    let desk = Desk::open();
    desk.shelf.answers_to("zeta", Answer::Full);
    let (lost, kept) = (desk.record("zeta"), desk.record(ACME));
    lost.settled().await;
    kept.settled().await;
    assert_eq!((desk.counted("kept"), desk.counted("lost")), (1, 1));
}

#[test]
fn every_event_has_a_number_of_its_own() {
    let desk = Desk::without_feed();
    let mut numbers: Vec<_> = (0..1_000).map(|_| desk.recorder.number(5_000_000)).collect();
    numbers.dedup();
    assert_eq!(numbers.len(), 1_000);
    assert!(numbers.is_sorted());
}
