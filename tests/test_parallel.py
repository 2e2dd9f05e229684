"""`map_in_order` keeps the order of the items and takes few of them ahead."""

import threading

from salus.parallel import QUEUE_PER_WORKER, map_in_order


def test_results_come_in_order_and_few_are_taken_ahead():
    taken, held = [], threading.Semaphore(0)

    def items():
        for i in range(100):
            taken.append(i)
            yield i

    def work(i):
        held.acquire()
        return i * i

    results = map_in_order(work, items(), 2)
    for _ in range(100):
        held.release()
    assert [next(results) for _ in range(5)] == [0, 1, 4, 9, 16]
    assert len(taken) <= 5 + 2 * QUEUE_PER_WORKER
    assert list(results)[-1] == 99**2
