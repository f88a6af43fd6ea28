use downbeat::{conductor::ControlRefused, room::CreateRoom};

use super::{
    ears::{assert_no_gap_and_no_repeat, beats, names, of},
    house::{House, LEAD_US, START_US},
};

#[tokio::test(start_paused = true)]
async fn the_first_join_starts_the_clock_and_later_joins_do_not_disturb_it() {
    let house = House::new().await;
    let key = house.open_room().await;
    assert_eq!(house.record(&key).await.controls.timeline, None);

    let teacher = house.join(&key, "ms-ray", 1).await;
    let started = house.record(&key).await.controls;
    let timeline = started.timeline.clone().expect("the clock runs");
    assert!((START_US + LEAD_US..START_US + LEAD_US + 1_000).contains(&timeline.segments()[0].t0_us));

    house.pass(2_200).await;
    let ada = house.join(&key, "ada", 2).await;
    house.pass(1_000).await;
    ada.leave().await;
    house.pass(1_000).await;
    let ada = house.join(&key, "ada", 3).await;
    house.pass(1_000).await;

    let heard = house.heard();
    assert_eq!(of(&heard, "clock_started").count(), 0, "it started before anybody listened");
    assert_no_gap_and_no_repeat(&beats(&heard));
    assert_eq!(beats(&heard)[0], 0);
    assert_eq!(house.record(&key).await.controls, started, "run, timeline and rev");
    drop((teacher, ada));
}

#[tokio::test(start_paused = true)]
async fn who_comes_back_to_an_empty_room_finds_its_clock_where_it_would_be() {
    let house = House::new().await;
    let key = house.open_room().await;
    house.join(&key, "ms-ray", 1).await.leave().await;
    house.pass(10_000).await;
    assert_eq!(house.heard(), [], "nobody is there");
    let _ada = house.join(&key, "ada", 2).await;
    house.pass(1_000).await;
    assert_eq!(beats(&house.heard()), [20, 21]);
}

#[tokio::test(start_paused = true)]
async fn a_room_that_does_not_start_by_itself_waits_for_its_teacher() {
    let house = House::new().await;
    let request = CreateRoom { autostart: Some(false), ..CreateRoom::default() };
    let key = house.open_room_with(request).await;
    let _teacher = house.join(&key, "ms-ray", 1).await;
    house.pass(2_000).await;
    assert_eq!(beats(&house.heard()), [0; 0]);
    house.ask(&key, "start_clock", serde_json::json!({})).await.expect("started");
    house.pass(1_000).await;
    let heard = house.heard();
    assert_eq!(names(&heard)[..2], ["clock_started", "timeline"]);
    assert_eq!(beats(&heard), [0, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_first_join_that_the_store_refuses_is_taken_back_and_the_next_is_the_first() {
    let house = House::new().await;
    let key = house.open_room().await;
    house.store().refuse_writes();
    let refused = house.try_join(&key, "ms-ray", 1).await.map(|_| ());
    assert_eq!(refused, Err(ControlRefused::Unavailable));
    assert_eq!(house.members(&key).await, 0);
    house.pass(2_000).await;
    assert_eq!(house.heard(), []);

    house.store().heal();
    let _teacher = house.join(&key, "ms-ray", 1).await;
    let controls = house.record(&key).await.controls;
    assert_eq!((controls.run, controls.rev), (1, 3), "the refused write's number is not used again");
    assert_eq!(house.members(&key).await, 1);
    let timeline = controls.timeline.expect("the clock runs");
    assert!(timeline.segments()[0].t0_us > START_US + 2_000_000, "it starts now, not then");
}

#[tokio::test(start_paused = true)]
async fn nobody_is_let_in_before_the_start_of_the_clock_is_stored() {
    let house = House::new().await;
    let key = house.open_room().await;
    let held = house.store().hold_writes();
    let seat = house.mirror.enter(&key);
    {
        let mut joining = std::pin::pin!(house.try_join(&key, "ms-ray", 1));
        tokio::select! {
            biased;
            _ = &mut joining => panic!("let in before it was stored"),
            () = house.settle() => {}
        }
        assert!(seat.room().is_none(), "the room is not there yet");
        held.release();
        joining.await.expect("let in");
    }
    assert_eq!(house.record(&key).await.controls.run, 1);
}
