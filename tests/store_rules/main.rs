//! The rules that every store keeps, run over each of them; then what the embedded store promises beside.

mod damage;
mod file;
mod killed;
mod reigns;
mod rooms;
mod samples;
mod sessions;

use downbeat::store::EmbeddedStore;

use reigns::*;
use rooms::*;
use samples::TempFile;
use sessions::*;

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
    the_last_answers_are_kept_oldest_first_and_bounded,
    a_list_pages_through_every_room_of_one_tenant_by_code,
    no_session_has_the_incarnation_of_another,
    a_session_is_renewed_and_closed_by_its_own_incarnation_alone,
    a_session_is_ended_by_others_only_where_it_stood_still,
    reflections_come_back_oldest_first_under_their_room_alone,
}
