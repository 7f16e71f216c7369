"""The isolation runner's reading and comparing, on specs and transcripts of our own."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest
from isolation.outcome import Outcome, compare_outcomes, error_class, outcome_of, split_statements
from isolation.rulings import FAILING, OUTCOME, REFUSED, TEXT, Rulings
from isolation.serial import not_serializable, serial_permutations
from isolation.spec import SpecError, parse_spec
from isolation.specs_source import NoSpecs, _extract, find_specs
from isolation.transcript import TranscriptError, parse_transcript
from scores import Failure, Part, SuiteScore, read_results, render, write_result

SPEC = parse_spec(
    """
# Two writers of one row.
setup { CREATE TABLE kept (id int); INSERT INTO kept VALUES (1); }
setup
{
  CREATE TABLE Other (id int);
}
teardown { DROP TABLE kept, other; }

session "first one"
setup   { BEGIN ISOLATION LEVEL REPEATABLE READ; }
step w1 { UPDATE kept SET id = 2; }
step r1 { SELECT id
  FROM kept; }
step c1 { COMMIT; }

session s2
setup     { BEGIN ISOLATION LEVEL REPEATABLE READ; }
step "w2" { UPDATE kept SET id = 3; }
step c2   { COMMIT; }

permutation w1 r1 w2 c1 c2   # the second waits
permutation w1 c1(*) w2(c1, w1 notices 2) "c2"
"""
)

START = "starting permutation: w1 r1 w2 c1 c2\n"
READ = "step r1: SELECT id\n  FROM kept;\nid\n--\n 2\n(1 row)\n\n"
PESSIMISTIC = (
    "Parsed test spec with 2 sessions\n\n" + START + "step w1: UPDATE kept SET id = 2;\n" + READ
    + "step w2: UPDATE kept SET id = 3; <waiting ...>\nstep c1: COMMIT;\nstep w2: <... completed>\n"
    + "ERROR:  could not serialize access due to concurrent update\nstep c2: COMMIT;\n"
)  # fmt: skip
OPTIMISTIC = (
    "Parsed test spec with 2 sessions\n\n" + START + "step w1: UPDATE kept SET id = 2;\n" + READ
    + "step w2: UPDATE kept SET id = 3;\nstep c1: COMMIT;\nstep c2: COMMIT;\n"
    + "ERROR:  could not serialize access due to concurrent update\n"
)  # fmt: skip


def differences(ours: str, theirs: str) -> list[str]:
    found = compare_outcomes(parse_transcript(ours, SPEC), parse_transcript(theirs, SPEC), SPEC)
    return [str(difference) for difference in found]


def outcome(text: str) -> Outcome:
    return outcome_of(parse_transcript(text, SPEC)[0], SPEC)


# --- specs --------------------------------------------------------------------------------------------------


def test_a_spec_is_read_with_its_sessions_steps_and_permutations() -> None:
    assert [session.name for session in SPEC.sessions] == ["first one", "s2"]
    assert SPEC.session_of("w2").steps == {"w2": "UPDATE kept SET id = 3;", "c2": "COMMIT;"}
    assert SPEC.permutations == [["w1", "r1", "w2", "c1", "c2"], ["w1", "c1", "w2", "c2"]]
    assert SPEC.tables() == ["kept", "other"]


def test_without_permutations_every_interleaving_is_one() -> None:
    spec = parse_spec("session a step x {1} step y {2} session b step z {3}")
    assert spec.permutations == [["x", "y", "z"], ["x", "z", "y"], ["z", "x", "y"]]


@pytest.mark.parametrize(
    "text", ["", "setup { SELECT 1", "session a step x", "session a step x {1} }", "session step x {1}"]
)
def test_what_is_no_spec_is_refused(text: str) -> None:
    with pytest.raises(SpecError):
        parse_spec(text)


def test_the_final_state_is_shown_before_the_teardown_and_printed_after_it() -> None:
    extended = parse_spec(SPEC.with_final_state())
    assert extended.teardown is not None
    first, *middle, last = split_statements(extended.teardown)
    assert "FROM kept t" in first and "FROM other t" in first
    assert middle == ["DROP TABLE kept, other"]
    assert last.endswith("AS final_state")
    assert extended.permutations == SPEC.permutations


def test_a_spec_without_teardown_gets_one() -> None:
    spec = parse_spec("setup { CREATE TABLE t (a int); } session a step x {1}")
    assert "FROM t t" in (parse_spec(spec.with_final_state()).teardown or "")


# --- transcripts --------------------------------------------------------------------------------------------


def test_a_step_that_waited_keeps_its_answer() -> None:
    found = parse_transcript(PESSIMISTIC, SPEC)[0]
    assert [event.step for event in found.events] == ["w1", "r1", "w2", "c1", "c2"]
    assert found.events[2].waited
    assert found.events[2].errors == ["could not serialize access due to concurrent update"]
    assert found.events[1].lines == ["id", "--", " 2", "(1 row)", ""]


def test_rows_that_look_like_steps_of_no_session_are_data() -> None:
    found = parse_transcript("\n" + START + READ.replace(" 2", "step x: 2"), SPEC)[0]
    assert [event.step for event in found.events] == ["r1"]


def test_a_transcript_of_another_spec_is_refused() -> None:
    with pytest.raises(TranscriptError):
        parse_transcript("\n" + START + "step w1: UPDATE other SET id = 2;\n", SPEC)


def test_the_final_state_and_cancelled_steps_are_read() -> None:
    text = PESSIMISTIC + (
        "isolationtester: canceling step w2 after 5 seconds\n"
        "final_state      \n-----------------\nkept: (2); other: \n(1 row)\n\n"
    )
    found = parse_transcript(text, SPEC)[0]
    assert found.final_state == "kept: (2); other:"
    assert found.cancelled == ["w2"]


# --- outcomes -----------------------------------------------------------------------------------------------


def test_failing_at_commit_is_the_outcome_of_failing_at_the_statement() -> None:
    assert PESSIMISTIC != OPTIMISTIC
    assert differences(OPTIMISTIC, PESSIMISTIC) == []
    fates = {name: [fate for fate, _ in transactions] for name, transactions in outcome(OPTIMISTIC).sessions}
    assert fates == {"first one": ["committed"], "s2": ["40001"]}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("ERROR:  could not serialize access due to concurrent update\n", ""),
        ("could not serialize access due to concurrent update", "deadlock detected"),
        ("could not serialize access due to concurrent update", "something else"),
        (" 2\n(1 row)", " 1\n(1 row)"),
        ("step c1: COMMIT;\n", "step c1: COMMIT;\nERROR:  could not serialize access\n"),
    ],
)
def test_another_fate_class_or_row_is_another_outcome(old: str, new: str) -> None:
    assert old in OPTIMISTIC
    assert len(differences(OPTIMISTIC.replace(old, new, 1), PESSIMISTIC)) == 1


def test_final_rows_belong_to_the_outcome() -> None:
    state = "final_state\n-----------\nkept: ({})\n(1 row)\n\n"
    assert differences(OPTIMISTIC + state.format(2), PESSIMISTIC + state.format(2)) == []
    assert differences(OPTIMISTIC + state.format(3), PESSIMISTIC + state.format(2)) != []


def test_rows_without_order_may_come_in_any() -> None:
    two, other = "id\n--\n 1\n 2\n(2 rows)\n\n", "id\n--\n 2\n 1\n(2 rows)\n\n"
    for sql, is_equal in (("SELECT id FROM t;", True), ("SELECT id FROM t ORDER BY id;", False)):
        spec = parse_spec(f"session a step x {{ {sql} }}")
        start = f"\nstarting permutation: x\nstep x: {sql}\n"
        found = [outcome_of(parse_transcript(start + rows, spec)[0], spec) for rows in (two, other)]
        assert (found[0] == found[1]) is is_equal


def test_what_a_failed_transaction_was_shown_does_not_count() -> None:
    shown = OPTIMISTIC.replace(
        "step w2: UPDATE kept SET id = 3;\n", "step w2: UPDATE kept SET id = 3;\n(3 rows)\n"
    )
    assert shown != OPTIMISTIC
    assert differences(shown, PESSIMISTIC) == []


def test_a_step_that_never_ended_is_a_difference() -> None:
    assert differences(PESSIMISTIC + "isolationtester: canceling step w2 after 5 seconds\n", PESSIMISTIC)


def test_fewer_permutations_are_a_difference() -> None:
    with pytest.raises(TranscriptError):
        differences("Parsed test spec with 2 sessions\n", PESSIMISTIC)


def fates(*steps: tuple[str, str]) -> list[str]:
    """The fates of one session's transactions: its messages and what was answered."""
    blocks = " ".join(f"step x{number} {{ {sql} }}" for number, (sql, _) in enumerate(steps))
    spec = parse_spec(f"session a {blocks}")
    text = "\nstarting permutation: any\n" + "".join(
        f"step x{number}: {sql}\n{answer}" for number, (sql, answer) in enumerate(steps)
    )
    (session,) = outcome_of(parse_transcript(text, spec)[0], spec).sessions
    return [fate for fate, _ in session[1]]


def test_transactions_are_told_apart_by_their_statements() -> None:
    error = "ERROR:  deadlock detected\n"
    assert fates(("SELECT 1;", ""), ("SELECT 2; SELECT 3;", "")) == ["committed", "committed"]
    assert fates(("BEGIN; SELECT 1;", ""), ("ROLLBACK;", "")) == ["rolled back"]
    assert fates(("BEGIN; SELECT 1;", ""), ("SELECT 1;", error), ("COMMIT;", "")) == ["40P01"]
    assert (
        fates(("BEGIN;", ""), ("COMMIT; BEGIN; SELECT 'COMMIT; x';", ""), ("END;", "")) == ["committed"] * 2
    )
    assert fates(("BEGIN;", "")) == ["open"]
    assert fates(("SELECT 1;", error)) == ["40P01"]
    assert fates(("BEGIN;", ""), ("PREPARE TRANSACTION 'x';", ""), ("COMMIT PREPARED 'x';", "")) == [
        "prepared",
        "committed",
    ]


def test_an_error_that_a_savepoint_took_back_is_no_failure() -> None:
    error = "ERROR:  could not obtain lock on row\n"
    steps = [("BEGIN; SAVEPOINT s;", ""), ("SELECT 1;", error), ("ROLLBACK TO s;", ""), ("COMMIT;", "")]
    assert fates(*steps) == ["committed"]


def test_messages_have_classes() -> None:
    assert (
        error_class("could not serialize access due to read/write dependencies among transactions") == "40001"
    )
    assert error_class('update on table "a" violates foreign key constraint "b" on table "c"') == "23503"
    assert error_class("no such thing") == "no such thing"


# --- serial orders ------------------------------------------------------------------------------------------

SKEW = parse_spec(
    """
setup { CREATE TABLE kept (id int); }
session a step ra { A READS } step wa { A WRITES }
session b step rb { B READS }
permutation ra rb wa
permutation rb ra wa
"""
)
FAILURE = "ERROR:  could not serialize access due to read/write dependencies among transactions\n"


def skew_run(steps: str, rows: int, state: int, *failing: str) -> str:
    """A transcript in which B reads `rows` rows, and as many as `state` are left."""
    texts = {"ra": "A READS", "wa": "A WRITES", "rb": "B READS"}
    answers = {"rb": f"count\n-----\n    {rows}\n(1 row)\n\n"}
    lines = [
        f"step {step}: {texts[step]}\n" + (FAILURE if step in failing else answers.get(step, ""))
        for step in steps.split()
    ]
    return f"\nstarting permutation: {steps}\n{''.join(lines)}final_state\n-\nkept: {state}\n(1 row)\n"


def unexplained(ours: str, theirs: str) -> int:
    """How many of the differences between two runs no serial order explains."""
    found = compare_outcomes(parse_transcript(ours, SKEW), parse_transcript(theirs, SKEW), SKEW)
    assert found
    serial = {"ra wa rb": (1, 1), "rb ra wa": (0, 1), "ra wa": (0, 1), "rb": (0, 0)}
    wanted = [" ".join(steps) for steps in serial_permutations(found, SKEW)]
    runs = "".join(skew_run(steps, *serial[steps]) for steps in wanted)
    return len(not_serializable(found, parse_transcript(runs, SKEW), SKEW))


def test_committing_what_is_serializable_needs_no_refusal() -> None:
    theirs = skew_run("ra rb wa", 0, 1, "rb")
    assert unexplained(skew_run("ra rb wa", 0, 1), theirs) == 0
    assert unexplained(skew_run("ra rb wa", 2, 1), theirs) == 1, "rows that no order shows"
    assert unexplained(skew_run("ra rb wa", 0, 2), theirs) == 1, "rows that no order leaves"


def test_another_victim_is_as_good_and_one_more_is_not() -> None:
    theirs = skew_run("ra rb wa", 0, 1, "rb")
    assert unexplained(skew_run("ra rb wa", 0, 0, "wa", "ra"), theirs) == 1
    theirs = skew_run("ra rb wa", 0, 0, "wa", "ra")
    assert unexplained(skew_run("ra rb wa", 0, 1, "rb"), theirs) == 0
    deadlock = skew_run("ra rb wa", 0, 1, "rb").replace(FAILURE, "ERROR:  deadlock detected\n")
    assert unexplained(deadlock, theirs) == 1


def test_permutations_can_be_replaced() -> None:
    assert parse_spec(SKEW.with_permutations([["wa", "rb"]])).permutations == [["wa", "rb"]]


# --- rulings, sources, scores -------------------------------------------------------------------------------


def test_rulings_name_each_spec_once_and_with_a_reason() -> None:
    rulings = Rulings(
        '[[outcome]]\nreason = "a"\nspecs = ["x"]\n[[refused]]\nreason = "b"\nsays = "no"\nspecs = ["y"]\n'
        '[[failing]]\nreason = "c"\nspecs = ["z"]\n'
    )
    assert [rulings.of(name).kind for name in "xyzw"] == [OUTCOME, REFUSED, FAILING, TEXT]
    for wrong in (
        '[[outcome]]\nreason = "a"\nspecs = ["x", "x"]\n',
        '[[outcome]]\nspecs = ["x"]\n',
        '[[refused]]\nreason = "b"\nspecs = ["y"]\n',
        '[[excused]]\nreason = "b"\nspecs = ["y"]\n',
    ):
        with pytest.raises(ValueError):
            Rulings(wrong)


def test_the_list_of_rulings_can_be_read() -> None:
    path = Path(__file__).parents[2] / "conformance" / "isolation" / "rulings.toml"
    assert all(Rulings.read(path).of(name).reason for name in Rulings.read(path).names())


def test_a_directory_without_specs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NoSpecs):
        find_specs(tmp_path)
    for name in ("specs", "expected"):
        (tmp_path / name).mkdir()
    assert find_specs(tmp_path) == tmp_path


def test_only_specs_and_expectations_leave_an_archive(tmp_path: Path) -> None:
    source = tmp_path / "pg" / "src" / "test" / "isolation"
    for name in ("specs/a.spec", "expected/a.out", "tester.c", "specs/deep/b.spec"):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(name)
    archive = tmp_path / "pg.tar.gz"
    with tarfile.open(archive, "w:gz") as made:
        made.add(tmp_path / "pg", "pg-15")
    _extract(archive, tmp_path / "out")
    found = sorted(str(p.relative_to(tmp_path / "out")) for p in (tmp_path / "out").rglob("*") if p.is_file())
    assert found == ["expected/a.out", "specs/a.spec"]


def test_scores_are_rendered_from_results(tmp_path: Path) -> None:
    score = SuiteScore(
        "one", "Suite one", "make x", "2026-01-02", 5, None, 3, "2 text, 1 outcome",
        [("c", "does not wait")], [Failure("a", "failing", "x | y"), Failure("b", "refused", "no")],
        [Part("that are short", 2, 1, 1, "1 text, 1 failing")],
    )  # fmt: skip
    write_result(score, tmp_path)
    assert read_results(tmp_path) == [score]
    text = render([score])
    assert "| Suite one | 5 | not measured | 3 | 2 text, 1 outcome | `make x` | 2026-01-02 |" in text
    assert "| … that are short | 2 | 1 | 1 | 1 text, 1 failing | | |" in text
    assert "| x \\| y | a |" in text
    assert "| no | b |" in text
    assert "| does not wait | c |" in text
