"""Slots: first come, first served, and however many wait."""

from __future__ import annotations

from functools import partial

from mtlsd.fetch.slots import Slots

MANY = 5000


def test_thousands_who_give_their_slot_back_at_once() -> None:
    """Each wakes the next one: in a loop, not deeper and deeper."""
    slots, woken = Slots(1, 1, MANY, MANY), list[int]()

    def use(number: int, _: None) -> None:
        woken.append(number)
        slots.release("host")

    slots.acquire("host")
    for number in range(MANY):
        slots.acquire("host").addCallback(partial(use, number))
    slots.release("host")
    assert woken == list(range(MANY))
    assert slots.acquire("host").called
