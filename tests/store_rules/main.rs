//! The rules that every store keeps, run over each of them; then what the embedded store promises beside.

mod damage;
mod file;
mod in_redis;
mod killed;
mod members;
#[path = "../redis_support/mod.rs"]
mod redis_support;
mod reigns;
mod restoration;
mod rooms;
mod samples;
mod sessions;
mod topics;
mod topics_bounds;

use downbeat::store::EmbeddedStore;

use members::*;
use reigns::*;
use restoration::*;
use rooms::*;
use samples::TempFile;
use sessions::*;
use topics::*;

macro_rules! rules_of_every_store {
    ($($rule:ident),* $(,)?) => {
        mod in_memory {
            $(#[tokio::test]
            async fn $rule() {
                super::$rule(&super::EmbeddedStore::in_memory()).await;
            })*
        }
        mod in_a_file {
            $(#[tokio::test]
            async fn $rule() {
                let file = super::TempFile::new();
                super::$rule(&file.open()).await;
            })*
        }
        mod on_one_server {
            $(#[tokio::test]
            async fn $rule() {
                super::$rule(&super::in_redis::on_one_server().await).await;
            })*
        }
        mod in_a_cluster {
            $(#[tokio::test]
            async fn $rule() {
                super::$rule(&super::in_redis::in_a_cluster().await).await;
            })*
        }
        mod behind_a_sentinel {
            $(#[tokio::test]
            async fn $rule() {
                super::$rule(&super::in_redis::behind_a_sentinel().await).await;
            })*
        }
    };
}

rules_of_every_store! {
    a_room_is_loaded_as_it_was_created,
    a_code_is_not_handed_out_twice_while_its_room_lives,
    the_cap_on_rooms_holds_under_a_race_and_is_each_tenants_own,
    a_closed_room_is_gone_and_its_code_is_free,
    a_write_is_fenced_by_incarnation_epoch_nonce_and_rev,
    an_owner_re_asserts_itself_with_a_higher_epoch,
    only_the_expected_owner_is_taken_over,
    the_epoch_of_a_takeover_is_above_all_that_was_known,
    one_of_two_racing_claimants_takes_over,
    whoever_takes_over_learns_at_once_what_was_answered_and_who_is_there,
    a_claim_that_was_carried_out_is_answered_the_same_and_changes_nothing,
    every_reign_enters_the_lineage_with_what_it_inherited,
    whoever_re_asserts_itself_has_the_room_from_whom_it_had_it,
    the_last_answers_are_kept_oldest_first_and_bounded,
    a_reign_says_since_when_from_whom_and_from_which_beat_it_is,
    whoever_knows_a_reign_gives_away_that_one_alone,
    an_owner_takes_its_own_room_over_above_what_it_has_seen,
    controls_come_back_as_they_were_written,
    every_room_of_every_tenant_is_listed_with_its_owner,
    a_page_that_ends_with_the_last_room_names_no_next_one,
    a_list_pages_through_every_room_of_one_tenant_by_code,
    no_session_has_the_incarnation_of_another,
    a_session_is_renewed_and_closed_by_its_own_incarnation_alone,
    a_session_is_ended_by_others_only_where_it_stood_still,
    an_incarnation_is_at_least_what_is_asked_and_below_two_to_the_53rd,
    a_look_shows_every_session_as_its_node_told_of_it,
    a_life_of_the_store_has_the_name_that_was_proposed_first,
    a_secret_is_what_was_proposed_first_under_its_name,
    members_are_stored_change_by_change,
    a_write_of_members_is_fenced_and_its_number_rises,
    members_outlive_their_conductor_and_end_with_their_room,
    what_a_connection_tracks_is_kept_with_its_member,
    occupancies_come_in_the_order_of_their_rooms,
    a_lost_room_comes_back_whole,
    a_restoration_never_sets_a_room_back,
    a_room_that_was_closed_stays_closed,
    answers_that_a_gateway_did_not_know_are_kept_when_the_conductor_gives_the_same_room_back,
    a_buried_room_is_removed_and_not_restored,
    a_presence_is_read_as_it_was_written,
    a_tenant_that_is_no_more_leaves_no_broadcast_and_others_keep_theirs,
    of_each_connection_the_latest_version_counts_in_whatever_order_they_come,
    who_has_left_does_not_come_back_by_a_late_write_and_may_come_back_by_a_new_one,
    many_changes_are_stored_at_once,
    a_broadcast_comes_back_as_it_was_kept,
    the_last_broadcasts_of_a_topic_are_kept,
    a_replay_is_the_newest_since_a_moment_oldest_first,
    a_replay_of_what_came_in_order_is_exactly_the_newest_however_many_are_asked_for,
    a_broadcast_with_a_long_body_is_not_kept_and_takes_no_place,
    beyond_500_topics_of_a_tenant_the_broadcasts_of_the_longest_silent_are_forgotten,
    no_two_topics_meet_whatever_they_are_called,
}
