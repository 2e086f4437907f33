"""Every table there is: a row of it, what the serving role may do to it, and the constraints that the schema names."""

# One row of each table for program $1, in an order that foreign keys allow. A new table needs a line here.
SAMPLES = {
    "definition": "(program_id, kind, key) VALUES ($1, 'badge', 'b')",
    "definition_version": "(program_id, kind, key, version, body, active_from) VALUES ($1, 'badge', 'b', 1, '{}', now())",
    "member": "(program_id, id, external_id, created_at) VALUES ($1, {member}, 'm', now())",
    "event": "(program_id, member_id, id, type, occurred_at, sent_at, received_at, properties)"
    " VALUES ($1, {member}, 'e', 'purchase', now(), now(), now(), '{{}}')",
    "amendment": "(program_id, member_id, event_id, n, kind, received_at) VALUES ($1, {member}, 'e', 1, 'reverse', now())",
    "fact": "(program_id, member_id, id, kind, at, rank, cause, n, data, booked_at)"
    " VALUES ($1, {member}, 'e/1', 'spent', now(), 1, 'e', 1, '{{}}', now())",
    "challenge_place": "(program_id, challenge, period, taken) VALUES ($1, 'c', '1', 1)",
    "team": "(program_id, id, name, created_at) VALUES ($1, 't', 'T', now())",
    "team_member": "(program_id, member_id, team, since) VALUES ($1, {member}, 't', now())",
    "contribution": "(program_id, member_id, challenge, period, since, team, amount, window_index, target, minimum)"
    " VALUES ($1, {member}, 'c', '1', now(), 't', 1, 1, 1, 1)",
    "team_standing": "(program_id, team, challenge, period) VALUES ($1, 't', 'c', '1')",
    "team_share": "(program_id, member_id, challenge, period) VALUES ($1, {member}, 'c', '1')",
    "reward_given": "(program_id, member_id, reward, sort, key, source, given_at, event_id, count)"
    " VALUES ($1, {member}, 'badge/b/1/0', 'voucher', 'v', 'b', now(), 'e', 1)",
    "referral": "(program_id, member_id, referral, referrer, qualified_at, event_id)"
    " VALUES ($1, {member}, 'r', 'm', now(), 'e')",
    "held_out": "(program_id, member_id, what, definition, points, held_at, event_id)"
    " VALUES ($1, {member}, 'badge/b/1', 'badges/b', 0, now(), 'e')",
    "tier_change": "(program_id, member_id, ladder, changed_at, event_id, tier_from, tier_to, qualifying)"
    " VALUES ($1, {member}, 'l', now(), 'e', 'bronze', 'silver', 1)",
    "member_state": "(program_id, member_id, version, revision, seq, inputs, state) VALUES ($1, {member}, 1, 1, 1, 1, '{{}}')",
    "member_snapshot": "(program_id, member_id, inputs, at, state) VALUES ($1, {member}, 1, now(), '{{}}')",
    "completion": "(program_id, member_id, challenge, period, completed_at) VALUES ($1, {member}, 'c', '1', now())",
    "badge_award": "(program_id, member_id, badge, level, awarded_at) VALUES ($1, {member}, 'b', '1', now())",
    "board_score": "(program_id, board, period, member_id, score, reached_at, version)"
    " VALUES ($1, 'b', '1', {member}, 1, now(), 1)",
    "board_close": "(program_id, board, period, closed_at) VALUES ($1, 'b', '1', now())",
    "board_final": '(program_id, board, period, member_id, "group", place, rank, score, reached_at)'
    " VALUES ($1, 'b', '1', {member}, 'g', 1, 1, 1, now())",
    "wallet": "(program_id, member_id, currency) VALUES ($1, {member}, 'points')",
    "lot": "(program_id, member_id, id, currency, points, remaining, earned_at, source)"
    " VALUES ($1, {member}, 'l', 'points', 1, 1, now(), 'base')",
    "adjusted": "(program_id, credential, currency, day, points) VALUES ($1, 'k', 'points', 1, 1)",
    "hold": "(program_id, id, member_id, currency, points, lots, source, at, until)"
    " VALUES ($1, {member}, {member}, 'points', 1, '[[\"l\", 1]]', 's', now(), now() + interval '1 day')",
    "transfer": "(program_id, id, member_id, currency, kind, points, debit, credit, at, booked_at, source)"
    " VALUES ($1, {member}, {member}, 'points', 'earn', 1, 'issuance', 'wallet', now(), now(), 'base')",
    "period_close": "(program_id, currency, period, ends_at, through, opening, earned, spent, expired, reversed, adjusted,"
    " transferred, closing, seal, closed_at) VALUES ($1, 'points', '2017-03', now(), {member}, 0, 9, 3, 2, 1, -1, 0, 2, 0, now())",
    "erasure": "(program_id, member_id, digest, external_id, salt) VALUES ($1, {member}, sha256('d'), 'm', 's')",
    "activity": "(program_id, member_id, seq, at, booked_at, effects) VALUES ($1, {member}, 1, now(), now(), '[]')",
    "problem": "(program_id, kind, key, lane, count, at, path, reason, member_id, event_id)"
    " VALUES ($1, 'badge', 'b', 0, 1, now(), 'when', 'r', {member}, 'e')",
    "job": "(program_id, id, kind, input) VALUES ($1, {member}, 'k', '{{}}')",
    "outbox": "(program_id, id, payload) VALUES ($1, {member}, '{{}}')",
    "credential": "(id, program_id, name, scopes, secret_hash) VALUES ('k' || $1, $1, 'n', '{{}}', sha256('s'))",
    "idempotency": "(program_id, principal, operation, key, input_hash) VALUES ($1, 'p', 'o', 'k', '')",
}

READ = {"SELECT", "INSERT"}
ALL_BUT_DELETE = READ | {"UPDATE"}
# Everything that the serving role may do, by table; "UPDATE(column)" is a right to that column alone.
RIGHTS = {
    "program": READ
    | {f"UPDATE({c})" for c in ("name", "timezone", "clock", "horizon_days", "revision", "token_secret")},
    "definition": READ,
    "definition_version": READ | {"UPDATE(active_until)"},
    "member": READ | {"UPDATE(timezone)", "UPDATE(alias)", "UPDATE(external_id)"},
    "event": READ | {"UPDATE(seq)", "UPDATE(properties)", "DELETE"},
    "amendment": READ | {"UPDATE(properties)", "DELETE"},
    "fact": READ | {"DELETE"},
    "erasure": ALL_BUT_DELETE | {"DELETE"},
    "challenge_place": ALL_BUT_DELETE,
    "team": READ | {"UPDATE(name)"},
    "team_member": ALL_BUT_DELETE | {"DELETE"},
    "contribution": ALL_BUT_DELETE | {"DELETE"},
    "team_standing": ALL_BUT_DELETE,
    "team_share": READ,
    "tier_change": ALL_BUT_DELETE | {"DELETE"},
    "reward_given": ALL_BUT_DELETE | {"DELETE"},
    "referral": ALL_BUT_DELETE,
    "held_out": ALL_BUT_DELETE | {"DELETE"},
    "member_state": ALL_BUT_DELETE,
    "member_snapshot": ALL_BUT_DELETE | {"DELETE"},
    "completion": ALL_BUT_DELETE | {"DELETE"},
    "badge_award": ALL_BUT_DELETE | {"DELETE"},
    "board_score": ALL_BUT_DELETE | {"DELETE"},
    "board_close": READ,
    "board_final": READ | {"UPDATE(contenders)", "UPDATE(given_at)"},
    "wallet": ALL_BUT_DELETE,
    "lot": ALL_BUT_DELETE,
    "adjusted": READ | {"UPDATE(points)"},
    "hold": READ | {f"UPDATE({c})" for c in ("state", "captured", "ended_at", "fact_id", "lots", "source")},
    "transfer": READ | {f"UPDATE({c})" for c in ("lot_id", "event_id", "fact_id", "source")},
    "period_close": READ,
    "activity": READ | {"UPDATE(effects)", "DELETE"},
    "problem": ALL_BUT_DELETE | {"DELETE"},
    "job": ALL_BUT_DELETE | {"DELETE"},
    "outbox": READ | {"UPDATE(created_at)", "DELETE"},
    "credential": READ | {"UPDATE(revoked_at)"},
    "idempotency": READ | {"UPDATE(result)", "UPDATE(input_hash)", "DELETE"},
}

CHECKS = {
    "amendment_kind_known",
    "amendment_n_positive",
    "amendment_properties_of_amend_alone",
    "program_clock_only_in_sandbox",
    "program_horizon_positive",
    "definition_version_positive",
    "definition_version_ends_after_start",
    "wallet_not_negative",
    "wallet_below_zero_by_debt_alone",
    "lot_counts_not_negative",
    "lot_kind_known",
    "lot_pending_is_not_held",
    "wallet_sets_aside_what_it_has",
    "hold_points_positive",
    "hold_ends_after_it_began",
    "hold_state_known",
    "hold_ends_once",
    "hold_captured_within",
    "fact_rank_known",
    "challenge_place_taken_not_negative",
    "reward_given_sort_known",
    "reward_given_count_positive",
    "fact_n_not_negative",
    "referral_paid_at_an_instant",
    "referral_refused_or_paid",
    "referral_refusal_known",
    "referral_turn_positive",
    "transfer_points_positive",
    "transfer_between_two_accounts",
    "transfer_accounts_known",
    "period_close_adds_up",
    "member_alias_not_empty",
    "board_final_places_from_one",
    "board_final_given_where_won",
    "activity_seq_positive",
    "problem_count_positive",
    "job_state_known",
    "job_ended_at_an_instant",
    "job_failed_with_a_problem",
    "job_leased_while_running",
    "job_counts_not_negative",
    "credential_hash_is_sha256",
    "credential_limits_positive",
    "adjusted_points_positive",
    "erasure_done_without_the_person",
}
