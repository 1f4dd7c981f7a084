"""The waiting prompts of a session."""

import pytest

from reasoning_widget.session.queue import PromptQueue


@pytest.fixture
def queue():
    queue = PromptQueue()
    for message_id in ("a", "b"):
        queue.add(message_id)
    queue.add_steering("s")
    return queue


def test_prompts_are_asked_in_order(queue):
    assert [queue.next(), queue.next()] == ["a", "b"]
    assert not queue.has_next


def test_steering_prompts_wait_but_begin_no_run(queue):
    queue.next()
    queue.next()

    assert list(queue) == ["s"]
    assert len(queue) == 1
    with pytest.raises(IndexError):
        queue.next()


def test_a_steering_prompt_is_taken_once(queue):
    assert queue.take_steering() == ["s"]
    assert queue.take_steering() == []


def test_untaken_steering_prompts_come_last(queue):
    queue.requeue_steering()

    assert [queue.next() for _ in range(3)] == ["a", "b", "s"]


@pytest.mark.parametrize("message_id", ["a", "b", "s"])
def test_any_waiting_prompt_can_be_removed_once(queue, message_id):
    assert queue.remove(message_id)
    assert message_id not in list(queue)
    assert not queue.remove(message_id)


def test_all_prompts_are_removed_in_the_order_of_their_runs(queue):
    assert queue.remove_all() == ["a", "b", "s"]
    assert len(queue) == 0
