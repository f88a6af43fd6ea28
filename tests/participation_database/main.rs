//! What the database of participation promises, over SQLite and over a real PostgreSQL.

mod erasing;
mod erasing_words;
mod inserting;
mod leading;
mod lessons;
mod migrating;
mod operating;
mod plans;
#[path = "../postgres_support/mod.rs"]
mod postgres_support;
mod reading;
mod reflecting;
mod retiring;
mod targets;
mod urls;

use erasing::*;
use erasing_words::*;
use inserting::*;
use migrating::*;
use operating::*;
use plans::*;
use reading::*;
use reflecting::*;
use retiring::*;
use targets::Target;

macro_rules! rules_of_both_databases {
    ($($rule:ident),* $(,)?) => {
        mod in_sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $rule() {
                super::$rule(super::Target::sqlite().await).await;
            })*
        }

        mod in_postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $rule() {
                super::$rule(super::Target::postgres(stringify!($rule)).await).await;
            })*
        }
    };
}

rules_of_both_databases! {
    the_same_batch_twice_is_there_once,
    overlapping_batches_at_once_leave_each_event_once,
    an_event_comes_back_as_it_was,
    tenants_never_mix,
    each_change_of_a_tenant_has_the_next_number_and_is_found_by_it,
    a_change_that_is_refused_or_none_leaves_everything_as_it_was,
    changes_at_the_same_time_come_one_after_the_other,
    a_session_is_known_by_what_its_events_say_in_any_order,
    a_session_whose_opening_was_lost_is_known_by_its_rolls,
    an_event_that_no_database_takes_keeps_nothing_else_out,
    the_sessions_of_a_code_are_listed_newest_first_page_by_page,
    a_student_s_sessions_and_events_are_found,
    an_edit_counts_if_it_is_newer_and_the_author_s_own,
    a_withdrawn_reflection_keeps_no_content_and_never_returns,
    a_reflection_s_content_is_in_no_event,
    an_erased_student_leaves_no_trace,
    what_was_on_its_way_when_a_student_was_erased_does_not_return,
    an_erasure_and_insertions_at_once_leave_no_trace,
    an_erased_tenant_leaves_one_entry_with_the_counts,
    a_tenant_that_nobody_had_stays_unknown_when_it_is_erased,
    an_erased_student_takes_nothing_of_anybody_else_along_whatever_the_id_is,
    who_plays_on_after_an_erasure_can_be_erased_again,
    a_tombstone_that_cannot_be_read_makes_events_wait_and_loses_none,
    retention_removes_what_is_older_to_the_row,
    audit_entries_go_after_three_years_and_tombstones_after_a_month,
    migrating_twice_applies_nothing_twice,
    a_newer_database_is_accepted_and_a_changed_migration_is_not,
    no_statement_reads_all_events,
}
