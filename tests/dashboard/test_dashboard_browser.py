"""The page in a real browser: Chromium, headless. Any console error fails the test."""

import contextlib
import csv
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import chromium, outside
from conftest import Command
from playwright.sync_api import Browser, Page, expect
from run_folders import png, write_run

from infovae.dashboard.build import write
from infovae.dashboard.server import Server
from infovae.dashboard.settings import Settings
from infovae.dashboard.watch import Watch

VIEWS = ("curves", "against", "spread", "parallel", "pareto", "compare", "pictures")
Open = Callable[..., Page]


def settings_for(folder: Path, **changed: Any) -> Settings:
    usual = {
        "runs": [str(folder)],
        "output": folder.parent / "page.html",
        "serve": False,
        "host": "127.0.0.1",
        "port": 0,
        "poll_seconds": 0.2,
        "picture_megabytes": 5,
        "curve_points": 300,
        "stalled_after_minutes": 30,
    }
    return Settings(**(usual | changed))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def opened(browser: Browser) -> Iterator[Open]:
    """Open an address; at the end nothing may have gone wrong in the page, nor left this machine."""
    errors: list[str] = []
    with contextlib.ExitStack() as pages:

        def open_page(address: str, width: int = 1400, scheme: Any = "light") -> Page:
            context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
            pages.callback(context.close)
            page = context.new_page()
            page.set_default_timeout(20_000)
            page.on("console", lambda message: message.type == "error" and errors.append(message.text))
            page.on("pageerror", lambda error: errors.append(str(error)))
            page.on("dialog", lambda dialog: errors.append(f"dialog: {dialog.message}"))
            page.on("request", lambda request: outside(request.url) and errors.append(f"request: {request.url:.80}"))
            page.goto(address)
            page.wait_for_selector(".tabulator-row")
            return page

        yield open_page
    assert errors == []


def column(page: Page, field: str) -> list[str]:
    """What the rows on the screen show."""
    return page.locator(f'.tabulator-row .tabulator-cell[tabulator-field="{field}"]').all_inner_texts()


def choose(page: Page, *positions: int) -> None:
    for position in positions:
        page.locator(".tabulator-row input[type=checkbox]").nth(position).click()


def filter_by(page: Page, title: str, typed: str) -> None:
    field = page.get_by_label(f"Filter {title}", exact=True)
    field.press("Control+a")
    field.press("Delete")
    field.press_sequentially(typed)


def show(page: Page, view: str) -> None:
    page.click(f"#tab-{view}")
    if view not in ("compare", "pictures"):
        page.wait_for_selector(f"#{view}-plot .main-svg")


@pytest.fixture(scope="module")
def five(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five runs with pictures at three epochs; the last has a damaged config and a torn sample grid."""
    folder = tmp_path_factory.mktemp("five") / "runs"
    pictures = tuple(f"{kind}-000{epoch}.png" for kind in ("samples", "reconstructions") for epoch in (1, 2, 3))
    sizes = [("vae", 500, 1), ("vae", 500, 2), ("infovae", 500, 1), ("infovae", 500, 2), ("infovae", 2000, 1)]
    for position, (model, size, seed) in enumerate(sizes):
        write_run(folder / f"run-{position}", model, size, seed, pictures=pictures)
    (folder / "run-4" / "config.yaml").write_text("seed: [")
    (folder / "run-4" / "figures" / "samples-0003.png").write_bytes(png()[:30])
    write(settings_for(folder))
    return folder.parent / "page.html"


def test_five_runs_sort_filter_and_compare(opened: Open, five: Path) -> None:
    page = opened(five.as_uri())
    assert page.inner_text("#census") == "5 runs: 5 finished"
    assert column(page, "run") == [f"run-{position}" for position in range(5)]
    assert page.locator(".problem").count() == 1

    page.locator("button.sort", has_text="seed").press("Enter")  # by keyboard
    page.locator("button.sort", has_text="test/loss").click()
    losses = [float(text) for text in column(page, "metric:test/loss")]
    assert losses == sorted(losses)
    assert len(losses) == 5
    page.locator("button.sort", has_text="test/loss").click()
    assert [float(text) for text in column(page, "metric:test/loss")] == losses[::-1]

    filter_by(page, "model", "vae")
    page.wait_for_function("state.inTable.length === 4")
    filter_by(page, "model", "= vae")
    page.wait_for_function("state.inTable.length === 2")
    filter_by(page, "model", "")
    filter_by(page, "seed", "> 1")
    page.wait_for_function("state.inTable.length === 2")
    filter_by(page, "seed", "")
    page.get_by_label("Search").fill("run-3")
    page.wait_for_function("state.inTable.length === 1")
    page.get_by_label("Search").fill("")
    page.wait_for_function("state.inTable.length === 5")

    page.locator("button.sort", has_text="run").first.click()
    choose(page, 0, 2, 4)
    assert page.inner_text("#chosen-count") == "3 chosen"
    show(page, "pictures")
    page.wait_for_selector("figure img")
    assert page.locator("#pictures .heading a").all_inner_texts() == ["run-0", "run-2", "run-4"]
    assert page.locator("#pictures .missing").all_inner_texts() == ["damaged picture"]
    page.locator("#epoch").press("ArrowLeft")
    captions = page.locator("figcaption").all_inner_texts()
    assert captions == ["samples, epoch 2"] * 3 + ["reconstructions, epoch 2"] * 3
    widths = page.locator("figure img").evaluate_all("images => images.map(image => image.naturalWidth)")
    assert widths == [8] * 6


@pytest.mark.parametrize(("width", "scheme"), [(1400, "dark"), (400, "light")])
def test_every_view_draws_on_every_screen(opened: Open, five: Path, width: int, scheme: str) -> None:
    page = opened(five.as_uri(), width, scheme)
    for view in VIEWS:
        show(page, view)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.evaluate("byId('against-plot').data.length") > 0
    show(page, "curves")
    page.select_option("#curves-lines", "runs")
    page.select_option("#curves-over", "seconds")
    page.wait_for_function("byId('curves-plot').data.length === 5")


def test_means_over_seeds(opened: Open, five: Path) -> None:
    page = opened(five.as_uri())
    page.get_by_text("mean ± s.e.", exact=True).click()
    page.wait_for_selector('.tabulator-row .tabulator-cell[tabulator-field="finished"]')
    # Two seeds, whose losses are 0.1 apart: mean ± 0.05 by hand.
    first = 100 / 3 + 50 / 500 + 0.15
    assert f"{first:.3f} ± 0.050" in column(page, "metric:test/loss")
    band = page.evaluate("meanCurve(allRuns().slice(0, 2), 'test/loss', 'epoch').at(-1)")
    assert band["mean"] == pytest.approx(first, abs=1e-3)
    assert band["error"] == pytest.approx(0.05, abs=1e-6)


def test_statistics_of_the_page(opened: Open, five: Path) -> None:
    page = opened(five.as_uri())
    assert page.evaluate("standardError([1, 2, 4, 5])") == pytest.approx((10 / 3 / 4) ** 0.5)
    assert page.evaluate("standardError([1])") is None
    points = [[1, 5], [2, 3], [2, 4], [3, 3], [4, 1], [4, 1], [0.5, 6]]
    front = {0, 1, 4, 5, 6}  # by hand: [2, 4] and [3, 3] are beaten by [2, 3]; equals stay both
    assert set(page.evaluate("points => paretoFront(points)", points)) == front
    shown = {0.000012: "1.200e-5", -3: "\N{MINUS SIGN}3", 123456.789: "123460", 0: "0"}
    assert page.evaluate("values => values.map(formatNumber)", list(shown)) == list(shown.values())


def test_a_link_gives_the_exact_command(opened: Open, five: Path) -> None:
    page = opened(five.as_uri())
    page.get_by_text("reproduce").nth(1).click()
    command = page.inner_text("#details pre").splitlines()
    assert command[1] == "python train.py model=vae data.train_size=500 seed=2"
    link = page.url
    page.keyboard.press("Escape")
    assert not page.locator("#details").is_visible()
    again = opened(link)
    assert again.inner_text("#details-heading") == "run-1"


def test_a_run_that_kept_earlier_weights_names_their_epoch(opened: Open, tmp_path: Path) -> None:
    pictures = ("samples-0002.png", "samples-0003.png")
    write_run(tmp_path / "runs" / "kept", epochs=3, summary={"epoch": 2}, pictures=pictures)
    write_run(tmp_path / "runs" / "last", epochs=3, summary={"epoch": 3}, pictures=pictures)
    write(settings_for(tmp_path / "runs"))
    page = opened((tmp_path / "page.html").as_uri())
    assert column(page, "epoch") == ["2 of 3", "3"]
    page.evaluate("showDetails(allRuns()[0])")
    assert page.inner_text("#details .note >> nth=0").startswith("finished; weights of epoch 2 of 3; ")
    page.keyboard.press("Escape")
    show(page, "pictures")
    page.wait_for_selector("figure img")
    assert page.locator("figcaption").all_inner_texts() == ["samples, epoch 2", "samples, epoch 3"]
    page.locator("#epoch").press("ArrowLeft")
    assert page.locator("figcaption").all_inner_texts() == ["samples, epoch 2"] * 2


def test_markup_from_a_run_folder_does_nothing(opened: Open, tmp_path: Path) -> None:
    bad = '<img src=x onerror="alert(1)">'
    link = '<a href="https://evil.example">b</a><b>bold</b>'
    for position in range(3):
        folder = write_run(
            tmp_path / "runs" / f"{position}{bad[:-2].replace('/', '')}>",
            seed=position,
            summary={
                "error": bad,
                "metrics": {f"test/{bad}": position, f"test/{link}": 2},
                "command": ["train.py", bad],
            },
            pictures=(f"{bad.replace('/', '')}-0001.png", "a'\"b&amp;-0001.png"),
        )
        (folder / "metrics.csv").write_text(f"epoch,test/<b>x</b>\n1,{position}\n2,3\n")
        with (folder / "config.yaml").open("a") as file:
            file.write(
                f"'key {bad}': '{position} {link}'\n__proto__: {position}\nconstructor: {{prototype: {position}}}\n"
            )
    write(settings_for(tmp_path / "runs"))
    page = opened((tmp_path / "page.html").as_uri())
    choose(page, 0, 1, 2)
    for view in VIEWS:
        show(page, view)
    page.get_by_text("mean ± s.e.", exact=True).click()
    for menu in ("Columns", "Group by"):
        page.locator("summary", has_text=menu).click()
    page.get_by_text("runs", exact=True).first.click()
    page.evaluate("showDetails(allRuns()[0])")
    assert bad in page.inner_text("#details .problems")
    page.wait_for_timeout(300)
    assert page.locator("img[src=x], a[href*=evil], b").count() == 0
    assert page.locator("svg a").count() == 0


def test_two_thousand_runs_without_lag(opened: Open, command: Command, tmp_path: Path) -> None:
    for position in range(2000):
        write_run(
            tmp_path / "runs" / str(position), ("vae", "infovae")[position % 2], 100 * (1 + position % 10), position
        )
    # In a process of its own, without the checks of types that tests run under; it takes some seconds.
    assert command("dashboard", "runs=runs", "output=page.html", timeout=60).returncode == 0
    page = opened((tmp_path / "page.html").as_uri())
    assert page.inner_text("#census") == "2000 runs: 2000 finished"
    assert len(column(page, "run")) < 200  # rows out of sight are not in the document
    # Well below a second on a free core; the bound allows for a machine at work on other things.
    seconds = page.evaluate("""async () => {
        const start = performance.now();
        table.setSort("metric:test/loss", "desc");
        table.setHeaderFilterValue("config:model", "= infovae");
        await drawCurves();
        return (performance.now() - start) / 1000;
    }""")
    assert seconds < 8
    page.wait_for_function("state.inTable.length === 1000")
    losses = [float(text) for text in column(page, "metric:test/loss")]
    assert losses == sorted(losses, reverse=True)
    choose(page, 0, 1, 2)
    assert page.inner_text("#chosen-count") == "3 chosen"
    page.evaluate("table.scrollToRow(table.getRows('active').at(-1), 'bottom', false)")
    for view in ("against", "pareto", "pictures"):
        show(page, view)
    page.wait_for_selector("#pictures .heading")
    assert page.locator("#pictures .heading").count() == 3


def test_runs_that_are_sent_in_parts_are_all_shown(
    opened: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without waiting in between: the page would ask again after a minute."""
    for seed in range(5):
        write_run(tmp_path / "runs" / str(seed), seed=seed)
    whole = Watch.changes
    monkeypatch.setattr(Watch, "changes", lambda watch, since, most=0: whole(watch, since, most=0))
    watch = Watch(settings_for(tmp_path / "runs", poll_seconds=60))
    watch.look()
    with Server(watch) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        page = opened(server.url)
        expect(page.locator("#census")).to_have_text("5 runs: 5 finished")
        expect(page.locator("#freshness")).to_have_text("live")
        server.shutdown()


def test_a_served_page_follows_and_keeps_the_choice(opened: Open, tmp_path: Path) -> None:
    for position in range(3):
        write_run(tmp_path / "runs" / str(position), seed=position, pictures=("samples-0001.png",))
    with Server(Watch(settings_for(tmp_path / "runs"))) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        page = opened(server.url)
        choose(page, 0, 2)
        show(page, "pictures")
        page.wait_for_selector("figure img")
        write_run(tmp_path / "runs" / "3", seed=9, epochs=2)
        with (tmp_path / "runs" / "0" / "metrics.csv").open("a") as file:
            file.write("4,16,6.0,1.5,2.5,3.5,4.5\n")
        (tmp_path / "runs" / "0" / "figures" / "samples-0004.png").write_bytes(png(3))
        page.wait_for_function("state.runs.size === 4 && state.runs.get(0).metrics.epoch === 4")
        page.wait_for_function("byId('epoch-shown').textContent === '4'")
        assert page.inner_text("#chosen-count") == "2 chosen"
        assert page.locator(".tabulator-selected").count() == 2
        assert page.locator("#pictures .heading a").all_inner_texts() == ["runs/0", "runs/2"]
        server.shutdown()


def test_an_eye_hides_a_run_a_pin_keeps_it_on_top_and_a_colour_is_its_own(opened: Open, five: Path) -> None:
    page = opened(five.as_uri())
    show(page, "curves")
    page.select_option("#curves-lines", "runs")
    page.wait_for_function("byId('curves-plot').data.length === 5")
    page.get_by_label("Hide run-0 in charts").click()
    page.wait_for_function("byId('curves-plot').data.length === 4")
    page.get_by_label("Keep run-3 on top").click()
    page.locator("button.sort", has_text="test/loss").click()
    assert column(page, "run")[0] == "run-3"
    page.get_by_label("Colour of run-1", exact=True).fill("#ff00aa")
    page.wait_for_function("byId('curves-plot').data.some(({ line }) => line.color === '#ff00aa')")
    page.wait_for_function("['hidden', 'pinned', 'colours'].every((name) => location.hash.includes(name))")
    page.reload()
    page.wait_for_function("byId('curves-plot').data?.length === 4")
    assert page.evaluate("byId('curves-plot').data.some(({ line }) => line.color === '#ff00aa')")
    page.get_by_label("Keep run-3 on top").click()
    page.get_by_label("Hide run-0 in charts").click()
    page.wait_for_function("byId('curves-plot').data.length === 5")
    assert sorted(column(page, "run")) == [f"run-{position}" for position in range(5)]


def test_chosen_runs_side_by_side(opened: Open, five: Path) -> None:
    page = opened(five.as_uri())
    choose(page, 0, 3)  # vae with seed 1, infovae with seed 2: losses are 0.1 apart
    show(page, "compare")
    page.wait_for_selector("#compared td")
    loss = page.locator("#compared tr", has=page.get_by_role("rowheader", name="test/loss", exact=True))
    assert [text.strip() for text in loss.locator("td").all_inner_texts()] == ["lower", "33.533 ★", "33.633"]
    width = page.locator("#compared tr", has=page.get_by_role("rowheader", name="test/log_det_covariance"))
    assert width.locator("td").first.inner_text() == "0, nearer"
    names = page.locator("#compared tbody th[scope=row]").all_inner_texts()
    assert {"seed", "model", "model.lambda_"} <= set(names)
    assert "latent_dim" not in names
    page.uncheck("#compare-differing")
    expect(page.get_by_role("rowheader", name="latent_dim")).to_be_visible()
    bests = "bestOf(values.map((value) => badness(value, { better, ideal })))"
    for values, better, ideal, best in (
        ([2, 1, 1], "lower", None, [1, 2]),
        ([2, 1, 3], "higher", None, [2]),
        ([-0.5, 1, 0.4], "nearer", 0, [2]),
        ([1, 1], "lower", None, []),
        ([1, 2], None, None, []),
    ):
        given = {"values": values, "better": better, "ideal": ideal}
        assert page.evaluate(f"({{ values, better, ideal }}) => [...{bests}]", given) == best
    for metrics, ideal in (({}, 0), ({"test/prior_log_det_covariance": 3.5}, 3.5)):
        assert page.evaluate("(metrics) => idealIn({ metrics }, 'test/sampled_log_det_covariance')", metrics) == ideal


def test_curves_are_smoothed_and_drawn_several_at_once(opened: Open, five: Path) -> None:
    page = opened(five.as_uri())
    # By hand: weights 1/2 of the newest, 1/4 of the one before, ..., divided by their sum.
    found = page.evaluate("smoothed([0, 1, null, 1], 0.5)")
    assert found == [0, pytest.approx(2 / 3), None, pytest.approx(6 / 7)]
    assert page.evaluate("smoothed([3, 1], 0)") == [3, 1]
    show(page, "curves")
    page.locator("summary", has_text="More charts").click()
    page.get_by_label("test/mmd", exact=True).check()
    page.get_by_label("train/loss", exact=True).check()
    page.wait_for_selector("#curves-plot-3 .main-svg")
    titles = page.evaluate("['', '-2', '-3'].map((end) => byId('curves-plot' + end).layout.yaxis.title.text)")
    assert titles == ["test/log_det_covariance", "test/mmd", "train/loss"]
    before = page.evaluate("byId('curves-plot').data[2].y")
    page.locator("#curves-smooth").fill("0.5")
    page.wait_for_function("byId('curves-note').textContent.includes('Smoothed')")
    after = page.evaluate("byId('curves-plot').data[2].y")
    assert after[0] == before[0]
    assert after[1] == pytest.approx(before[0] / 3 + 2 * before[1] / 3)


def test_the_spread_of_groups(opened: Open, five: Path) -> None:
    page = opened(five.as_uri())
    show(page, "spread")
    page.wait_for_function("byId('spread-plot').data.every(({ type }) => type === 'box')")
    assert sum(map(len, page.evaluate("byId('spread-plot').data.map(({ y }) => y)"))) == 5
    page.select_option("#spread-kind", "histogram")
    page.wait_for_function("byId('spread-plot').data.every(({ type }) => type === 'histogram')")


def test_pictures_enlarge_step_and_play(opened: Open, five: Path) -> None:
    page = opened(five.as_uri())
    choose(page, 0, 2)
    show(page, "pictures")
    page.locator("figure .larger").first.click()
    heading = page.locator("#enlarged-heading")
    expect(heading).to_have_text("run-0: samples, epoch 3")
    page.keyboard.press("ArrowLeft")
    expect(heading).to_have_text("run-0: samples, epoch 2")
    page.keyboard.press("ArrowDown")
    expect(heading).to_have_text("run-2: samples, epoch 2")
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    expect(heading).to_have_text("run-2: samples, epoch 3")
    page.keyboard.press("Escape")
    page.click("#play")
    expect(page.locator("#epoch-shown")).to_have_text("1")
    expect(page.locator("#epoch-shown")).to_have_text("3")
    expect(page.locator("#play")).to_contain_text("Film")


def test_the_table_and_charts_as_csv(opened: Open, five: Path) -> None:
    page = opened(five.as_uri())

    def download(button: str) -> list[dict[str, str]]:
        with page.expect_download() as saved:
            page.click(button)
        with saved.value.path().open(newline="") as file:
            return list(csv.DictReader(file))

    filter_by(page, "seed", "= 1")
    page.wait_for_function("state.inTable.length === 2")
    rows = download("#table-csv")
    assert [row["run"] for row in rows] == ["run-0", "run-2"]
    assert float(rows[0]["test/loss"]) == pytest.approx(33.533, abs=1e-3)
    page.get_by_text("mean ± s.e.", exact=True).click()
    page.wait_for_selector('.tabulator-row .tabulator-cell[tabulator-field="finished"]')
    assert "test/loss standard error" in download("#table-csv")[0]
    show(page, "pareto")
    points = download("#chart-csv")
    assert {"run-0", "run-2"} <= {point["run"] for point in points}
    show(page, "compare")
    page.wait_for_selector("#compared td")
    assert "test/loss" in {row["name"] for row in download("#chart-csv")}
    assert page.evaluate("csvCell('=cmd|x')") == "'=cmd|x"
    assert page.evaluate("csvCell(-3)") == "-3"


def test_notes_and_tags_are_kept_in_the_run_s_folder(opened: Open, tmp_path: Path) -> None:
    for position in range(2):
        write_run(tmp_path / "runs" / str(position), seed=position)
    with Server(Watch(settings_for(tmp_path / "runs"))) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        page = opened(server.url)
        page.get_by_text("reproduce").first.click()
        page.get_by_label("Tags").fill("good, <b>bold</b>, good")
        page.get_by_label("Notes").fill("look again")
        page.get_by_text("Save", exact=True).click()
        expect(page.get_by_text("Saved", exact=True)).to_be_visible()
        kept = json.loads((tmp_path / "runs" / "0" / "notes.json").read_text())
        assert kept == {"notes": "look again", "tags": ["good", "<b>bold</b>"]}
        page.keyboard.press("Escape")
        page.wait_for_selector('.tabulator-row [tabulator-field="tags"]')
        assert column(page, "tags") == ["good, <b>bold</b>", ""]
        server.shutdown()


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sweep of 12 sizes and 2 seeds as one is recorded: every job has names, loggers and callbacks of its own."""
    folder = tmp_path_factory.mktemp("swept") / "runs"
    sizes = [*(125 * 2**power for power in range(11)), None]
    for position, size in enumerate(sizes):
        for seed in (1, 2):
            run = write_run(folder / f"{2 * position + seed}", train_size=size or 50_000, seed=seed)
            name = f"data.train_size={size},seed={seed}"
            config = (run / "config.yaml").read_text().replace("train_size: 50000", "train_size: null")
            config += (
                f"group: {seed}\ntags: [{seed}]\nlogger:\n  wandb:\n    name: {name}\nsweep:\n  trial: {seed}\n"
                f"  resume: {folder if seed == 2 else 'null'}\nresume: {'auto' if seed == 2 else 'never'}\n"
                f"trainer:\n  devices: {seed}\n"
            )
            (run / "config.yaml").write_text(config)
    write(settings_for(folder))
    return folder.parent / "page.html"


def test_how_runs_were_kept_neither_groups_nor_lists_them(opened: Open, swept: Path) -> None:
    page = opened(swept.as_uri())
    page.get_by_text("mean ± s.e.", exact=True).click()
    page.wait_for_selector('.tabulator-row .tabulator-cell[tabulator-field="finished"]')
    assert page.evaluate("table.getData().length") == 12
    assert page.evaluate("table.getData().every((row) => row.count === 2)")
    keys = page.evaluate("[...state.description.keys, ...state.description.telling]")
    assert {
        key for key in keys if key.split(".")[0] in ("logger", "sweep", "callbacks", "name", "group", "tags")
    } == set()
    assert not {"resume", "trainer.devices"} & set(keys)


def test_legends_tell_the_difference_and_no_two_lines_look_alike(opened: Open, swept: Path) -> None:
    page = opened(swept.as_uri())
    show(page, "curves")
    listed = "byId('curves-plot').data.filter(({ showlegend }) => showlegend !== false)"
    lines = page.evaluate(f"{listed}.map(({{ name, line }}) => [name, line.color, line.dash])")
    assert [name for name, _, _ in lines][:2] == ["train_size=125", "train_size=250"]
    assert lines[-1][0] == "train_size=–"
    assert len({(colour, dash) for _, colour, dash in lines}) == len(lines) == 12
    show(page, "against")
    page.select_option("#against-key", "data.train_size")
    page.wait_for_function("byId('against-plot').layout.xaxis.type === 'category'")
    order = page.evaluate("byId('against-plot').layout.xaxis.categoryarray")
    assert order == ["125", "250", "500", "1000", "2000", "4000", "8000", "16000", "32000", "64000", "128000", "–"]


def test_no_chart_offers_to_upload_itself(opened: Open, five: Path) -> None:
    page = opened(five.as_uri())
    show(page, "curves")
    page.hover("#curves-plot")
    titles = page.locator("#curves-plot .modebar-btn").evaluate_all("all => all.map((button) => button.dataset.title)")
    assert any("Download" in title for title in titles)
    assert not any("hare" in title or "loud" in title for title in titles)


def test_the_run_stays_in_sight_then_comes_what_differs(opened: Open, five: Path) -> None:
    page = opened(five.as_uri())
    fields = page.evaluate("table.getColumns().map((column) => column.getField())")
    config, first = fields[fields.index("status") + 1 : fields.index("epoch")], fields.index("epoch") + 1
    assert {"config:model", "config:seed"} == set(config)  # the run of another size has a damaged config
    assert fields[first : first + 2] == ["metric:test/log_det_covariance", "metric:test/mmd"]
    assert "tabulator-frozen" in (
        page.locator('.tabulator-row [tabulator-field="run"]').first.get_attribute("class") or ""
    )


@pytest.mark.parametrize("width", [1280, 1600])
@pytest.mark.parametrize("view", ["curves", "against", "spread", "pareto"])
def test_the_toolbar_covers_neither_the_legend_nor_points(opened: Open, five: Path, view: str, width: int) -> None:
    page = opened(five.as_uri(), width)
    show(page, view)
    page.wait_for_selector(f"#{view}-plot .legend .traces")
    edges = "(part) => byId(part.id).querySelector(part.find).getBoundingClientRect()[part.edge]"
    toolbar = page.evaluate(edges, {"id": f"{view}-plot", "find": ".modebar-group", "edge": "bottom"})
    for covered in (".legend", ".nsewdrag"):
        assert page.evaluate(edges, {"id": f"{view}-plot", "find": covered, "edge": "top"}) >= toolbar


def test_boxes_have_their_height_however_long_the_names_of_groups(opened: Open, tmp_path: Path) -> None:
    for position in range(4):
        write_run(tmp_path / "runs" / str(position), ("vae", "infovae")[position % 2], 500 * (1 + position // 2))
    write(settings_for(tmp_path / "runs"))
    page = opened((tmp_path / "page.html").as_uri())
    show(page, "spread")
    page.wait_for_selector("#spread-plot .legend .traces")
    assert page.evaluate("document.querySelector('#spread-plot .nsewdrag').getBoundingClientRect().height") > 300


def test_a_reload_and_a_link_keep_the_view(opened: Open, five: Path) -> None:
    page = opened(five.as_uri())
    choose(page, 0, 2)
    filter_by(page, "seed", "= 1")
    page.wait_for_function("state.inTable.length === 2")
    page.locator("button.sort", has_text="test/loss").click()
    page.evaluate("state.columns = ['metric:test/loss', 'config:seed']; drawAll()")
    show(page, "against")
    page.select_option("#against-metric", "test/mmd")
    page.uncheck("#against-log-x")
    page.select_option("#scope", "chosen")
    page.get_by_label("Search").fill("run")
    page.wait_for_function(
        "location.hash.includes('filters') && location.hash.includes('search') && location.hash.includes('scope')"
    )
    page.reload()
    again = opened(page.url)
    for one in (page, again):
        one.wait_for_selector("#against-plot .main-svg")
        assert one.inner_text("#chosen-count") == "2 chosen"
        one.wait_for_function("state.inTable.length === 2")
        assert one.evaluate("[byId('against-metric').value, byId('against-log-x').checked, byId('scope').value]") == [
            "test/mmd",
            False,
            "chosen",
        ]
        assert one.evaluate("columnFields()") == ["metric:test/loss", "config:seed"]
        assert one.evaluate("table.getSorters().map(({ field, dir }) => [field, dir])") == [["metric:test/loss", "asc"]]
        assert one.input_value("#search") == "run"


def test_a_link_opens_its_run_also_from_a_server(opened: Open, tmp_path: Path) -> None:
    for position in range(3):
        write_run(tmp_path / "runs" / str(position), seed=position)
    with Server(Watch(settings_for(tmp_path / "runs"))) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        page = opened(server.url)
        page.get_by_text("reproduce").nth(1).click()
        heading = page.inner_text("#details-heading")
        again = opened(page.url)
        expect(again.locator("#details-heading")).to_have_text(heading)
        server.shutdown()
