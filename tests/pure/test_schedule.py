# SPDX-License-Identifier: GPL-3.0-or-later
"""Clients take turns, and a request that is not wanted any more is not given out."""

from __future__ import annotations

import threading

from igllm_addon.core.protocol import Shutdown, Unload
from igllm_addon.model_runner.schedule import QUEUE_LIMIT, Schedule


def taken(schedule: Schedule[str], count: int) -> list[tuple[str, int]]:
    found = [schedule.next_or_none() for _ in range(count)]
    return [(item[0], item[1].id) for item in found if item is not None]


def test_clients_take_turns_however_much_one_of_them_asks_for() -> None:
    schedule: Schedule[str] = Schedule()
    for client, request in [("a", 1), ("a", 2), ("a", 3), ("b", 1), ("c", 1), ("b", 2)]:
        schedule.add(client, Unload(request))

    assert taken(schedule, 6) == [("a", 1), ("b", 1), ("c", 1), ("a", 2), ("b", 2), ("a", 3)]


def test_a_client_that_had_its_turn_waits_for_those_who_had_none_though_it_asked_again_before_them() -> None:
    schedule: Schedule[str] = Schedule()
    schedule.add("a", Unload(1))
    first = taken(schedule, 1)
    schedule.add("a", Unload(2))
    schedule.add("b", Unload(1))

    assert first + taken(schedule, 2) == [("a", 1), ("b", 1), ("a", 2)]


def test_a_removed_request_costs_its_client_no_turn_and_gives_it_none() -> None:
    schedule: Schedule[str] = Schedule()
    for client, request in [("a", 1), ("b", 1), ("b", 2)]:
        schedule.add(client, Unload(request))

    schedule.remove("b", 1)
    schedule.remove("b", 7)
    schedule.remove("nobody", 1)

    assert taken(schedule, 2) == [("a", 1), ("b", 2)]


def test_all_requests_of_a_client_that_is_gone_are_dropped() -> None:
    schedule: Schedule[str] = Schedule()
    for client, request in [("a", 1), ("b", 1), ("a", 2)]:
        schedule.add(client, Unload(request))

    schedule.drop("a")
    schedule.close()

    assert schedule.next_or_none() is None


def test_a_full_queue_refuses_its_own_client_alone_and_never_a_shutdown() -> None:
    schedule: Schedule[str] = Schedule()
    accepted = [schedule.add("a", Unload(number)) for number in range(QUEUE_LIMIT + 1)]

    assert accepted == [True] * QUEUE_LIMIT + [False]
    assert schedule.add("b", Unload(1))
    assert schedule.add("a", Shutdown(99))


def test_closing_wakes_whoever_waits() -> None:
    schedule: Schedule[str] = Schedule()
    found: list[object] = []
    waiting = threading.Thread(target=lambda: found.append(schedule.next_or_none()))
    waiting.start()

    schedule.close()
    waiting.join()

    assert found == [None]
