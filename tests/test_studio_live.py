"""Pictures over the socket: what the library draws, the newest wins, and visitors in turn."""

import threading
from collections import Counter

import numpy as np
import pytest
from studio import MODEL, pixels, png

from graftlab import images
from graftlab.checkpoints.load import load
from graftlab.editing import swaps
from graftlab.errors import GraftError
from graftlab.inversion.refine import Refined
from graftlab.networks.swapping import SwappingAutoencoder
from graftlab.rendering.renderer import Renderer
from graftlab.studio.aside import Aside
from graftlab.studio.memory import Kept
from graftlab.studio.rota import MOST_WAITING, Rota, Turns


@pytest.fixture
def held(studio):
    """The networks, held by something long until the test lets them go."""
    release = threading.Event()

    def hold():
        with studio.server.turns.job():
            started.set()
            release.wait(10)

    started = threading.Event()
    thread = threading.Thread(target=hold)
    thread.start()
    started.wait(10)
    yield release
    release.set()
    thread.join()


def test_a_swap_is_what_the_library_draws(studio):
    browser = studio.visit()
    model = load(MODEL, SwappingAutoencoder, device="cpu")
    a, b = (images.read(f"@{name}", model.config.size) for name in ("peaks", "hilltop-sunset"))
    expected = images.to_webp(swaps.swap(model, a, b))
    with browser.live() as live:
        scene = browser.swap()
        live.ask(scene, "view", 7)
        told, data = live.answer()
        assert data == expected
        assert told["width"], told["height"] == (48, 32)
        assert {"view": "view", "id": 7}.items() <= told.items()
        assert told["ms"] > 0
        assert live.picture(scene, id=8) == expected, "the same scene gives the same pixels"
        assert live.picture({**scene, "amount_texture": 0}) == images.to_webp(swaps.reconstruct(model, a).image)


def test_a_request_that_cannot_be_drawn_is_answered_with_a_sentence(studio):
    browser = studio.visit()
    with browser.live() as live:
        for change, naming in (
            ({"structure": "0" * 16}, "drop it on the page again"),
            ({"model": "/etc/passwd"}, "/etc/passwd"),
            ({"model": "nobody/some-model"}, "nobody/some-model"),  # of the hub: the page fetches nothing
            ({"amount_texture": float("nan")}, "amount_texture"),
            ({"size": 100_000}, "size"),
            ({"kind": "unknown"}, "unknown"),
            ({"more": 1}, "more"),
        ):
            live.ask({**browser.swap(), **change}, "some", 3)
            told, _ = live.answer()
            assert (told["view"], told["id"]) == ("some", 3)
            assert naming in told["error"]
            assert told["error"].endswith(".")
        live.socket.send_text("{")
        assert "error" in live.answer()[0]
        assert live.picture(browser.swap()), "it goes on"


def test_the_newest_request_of_a_view_wins(studio, held):
    browser = studio.visit()
    with browser.live() as live:
        for id in range(20):
            live.ask(browser.swap(amount_texture=id / 20), "slider", id)
        live.ask(browser.swap(), "other", 99)
        live.ask({"kind": "nonsense"}, "last", 0)  # answered at once: all others have come by then
        assert "error" in live.answer()[0]
        held.set()
        answers = [live.answer()[0] for _ in range(2)]
        assert [(told["view"], told["id"]) for told in answers] == [("slider", 19), ("other", 99)]


def test_eight_visitors_are_served_in_turn_and_see_their_own(studio, held):
    browsers = [studio.visit() for _ in range(8)]
    scenes = []
    for seed, browser in enumerate(browsers):
        (photo,) = browser.add(png(seed), "own.png").json()
        scenes.append({**browser.swap(), "structure": photo["id"], "texture": photo["id"], "amount_texture": 0})
    turns, rounds, order = studio.server.turns, 5, []
    draw = type(studio.server).workspace

    def noted(server, visitor, *rest):
        order.append(visitor)
        return draw(server, visitor, *rest)

    studio.server.workspace = noted.__get__(studio.server)
    model = load(MODEL, SwappingAutoencoder, device="cpu")
    expected = [images.to_webp(swaps.reconstruct(model, images.read(png(seed), 32)).image) for seed in range(8)]
    found = [[] for _ in browsers]

    def use(which):
        with browsers[which].live() as live:
            views = rounds if which else 4 * rounds  # the first asks for more than the others
            for view in range(views):
                live.ask(scenes[which], f"view {view}", view)
            asked.wait(10)
            found[which] = [live.answer()[1] for _ in range(views)]

    asked = threading.Barrier(9)
    threads = [threading.Thread(target=use, args=(which,)) for which in range(8)]
    for thread in threads:
        thread.start()
    asked.wait(10)
    with turns._door:  # until all have a turn waiting
        turns._door.wait_for(lambda: len(turns._rota._waiting) == 8, 10)
    held.set()
    for thread in threads:
        thread.join(30)
    assert [set(pictures) for pictures in found] == [{each} for each in expected]
    assert sorted(Counter(order).values()) == [rounds] * 7 + [4 * rounds]
    busy = order[: 8 * (rounds - 1)]
    for start in range(0, len(busy), 8):
        assert len(set(busy[start : start + 8])) == 8, "each once before anyone is served again"


def test_details_come_a_moment_later_and_are_those_of_the_command(studio, monkeypatch):
    browser = studio.visit()
    model = load(MODEL, SwappingAutoencoder, device="cpu")
    a, b = (images.read(f"@{name}", model.config.size) for name in ("peaks", "hilltop-sunset"))
    refined = Renderer(model, refine=3).network()
    with browser.live() as live:
        live.ask(browser.swap(refine=3))
        told, data = live.answer()
        assert data == images.to_webp(swaps.swap(model, a, b)), "the encoder's, at once"
        assert sorted(told["pending"]) == sorted(browser.photos[:2])
        assert sorted(live.answer()[0]["ready"] for _ in range(2)) == sorted(browser.photos[:2])
        live.ask(browser.swap(refine=3))
        told, data = live.answer()
        assert "pending" not in told
        assert data == images.to_webp(swaps.swap(refined, a, b)) != images.to_webp(swaps.swap(model, a, b))

        def fail(*given, **more):
            raise MemoryError

        monkeypatch.setattr(Refined, "encode", fail)  # once: it is not tried again and again
        live.ask(browser.swap(refine=4))
        assert live.answer()[0]["pending"]
        assert all("ready" in live.answer()[0] for _ in range(2))
        live.ask(browser.swap(refine=4))
        assert "pending" not in live.answer()[0]


def test_a_page_that_reads_nothing_keeps_nobody_waiting(studio):
    slow, quick = studio.visit(), studio.visit()
    with slow.live() as stuck, quick.live() as live:
        for id in range(50):
            stuck.ask(slow.swap(amount_texture=id / 50), f"view {id % 7}", id)
        assert all(live.picture(quick.swap(), id=id) for id in range(5))


def test_what_visitors_wait_for_comes_in_turn():
    rota = Rota()
    for what in ("a1", "a2", "a3", "b1", "c1", "c2"):
        rota.put(what[0], what)
    assert [rota.take() for _ in range(3)] == ["a1", "b1", "c1"]
    rota.put("b", "b2")
    assert [rota.take() for _ in range(4)] == ["a2", "c2", "b2", "a3"]
    assert not rota
    for _ in range(MOST_WAITING):
        rota.put("a", 1)
    with pytest.raises(GraftError, match="cancel"):
        rota.put("a", 1)
    rota.put("b", 1)


def test_a_job_gives_way_to_pictures_and_goes_on_all_the_same():
    turns, events, steps = Turns(), [], threading.Event()

    def job():
        with turns.job():
            steps.set()
            for step in range(3):
                waiting.wait(10)
                events.append(f"step {step}")
                turns.give_way()

    waiting = threading.Event()
    thread = threading.Thread(target=job)
    thread.start()
    steps.wait(10)
    futures = [turns.run("a", lambda i=i: events.append(f"picture {i}")) for i in range(2)]
    cancelled = turns.run("a", lambda: events.append("unwanted"))
    assert cancelled.cancel()
    failing = turns.run("a", lambda: 1 / 0)
    waiting.set()
    thread.join(10)
    for future in futures:
        future.result(10)
    with pytest.raises(ZeroDivisionError):
        failing.result(10)
    turns.close()
    assert events == ["step 0", "picture 0", "picture 1", "step 1", "step 2"]


def test_what_is_found_aside_comes_newest_first_and_jobs_take_turns():
    turns, done = Turns(), []
    aside = Aside(turns, lambda visitor, name: done.append(name))

    def work(watch):
        with watch("stepping", 2) as progress:
            progress(1)

    with turns.job():
        assert aside.want("a", "a1", 1, work)
        with turns._door:
            assert turns._door.wait_for(lambda: turns._due, 10)  # it was taken, and waits for us
        for visitor, name in (("a", "a2"), ("a", "a3"), ("b", "b1"), ("a", "a1")):
            assert aside.want(visitor, name, int(name[1]), work if name != "b1" else None)
        while len(done) < 4:
            turns.give_way()
    assert done == ["a1", "a3", "b1", "a2"]
    assert not aside.want("b", "b1", 1, work), "what failed is not tried again"
    aside.close()
    turns.close()


def test_what_is_kept_is_bounded_by_bytes():
    kept, made = Kept(100, len), []

    def get(key, size):
        return kept.get(key, lambda: made.append(key) or bytes(size))

    for key, size in (("a", 40), ("b", 40), ("a", 40), ("c", 40), ("a", 40), ("b", 40)):
        assert len(get(key, size)) == size
        assert kept.bytes <= 100
    assert made == ["a", "b", "c", "b"], "the one that was not asked for longest went"
    get("large", 500)
    assert (len(kept), kept.bytes) == (1, 500)
    get("a", 40)
    assert (len(kept), kept.bytes) == (1, 40)


def test_codes_are_found_once_and_another_visitor_s_photo_is_none_of_ours(studio, monkeypatch):
    calls = []
    encode = SwappingAutoencoder.encode
    monkeypatch.setattr(SwappingAutoencoder, "encode", lambda *given: calls.append(1) or encode(*given))
    browser = studio.visit()
    with browser.live() as live:
        frames = [pixels(live.picture(browser.swap(amount_texture=i / 4), id=i)) for i in range(5)]
    assert len(calls) == 2
    assert len({np.asarray(frame).tobytes() for frame in frames}) == 5
