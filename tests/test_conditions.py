"""Conditional models: encoder and decoder are given what is known of an example, and the right example's."""

import inspect
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from conftest import CONF, Compose, composing
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from torch import Tensor

from infovae.app.cli import as_condition
from infovae.app.command import run_task
from infovae.bounds.iwae import IWAE
from infovae.conditions.columns import Columns
from infovae.conditions.labels import Labels
from infovae.data.loader import Batch
from infovae.data.module import DataModule
from infovae.errors import ArgumentError, UserError
from infovae.evaluation.load import load
from infovae.evaluation.measure import draw, measure, observe
from infovae.metrics.importance_weighted import ImportanceWeighted, log_importance_weights
from infovae.metrics.reconstruction import Reconstruction
from infovae.model import given
from infovae.module import InfoVAE
from infovae.networks.transformer import TransformerEncoder
from infovae.pictures.drawing import draw_pictures
from infovae.pictures.latent_manifold import LatentManifold
from infovae.pictures.samples import Samples
from infovae.pictures.samples_given_code import SamplesGivenCode
from infovae.pictures.traversals import Traversals
from infovae.training.assemble import build_data, build_module
from infovae.training.run import train
from infovae.use.own_images import prepared

Made = Callable[..., tuple[InfoVAE, DataModule]]


@pytest.fixture
def made(composed: Compose) -> Made:
    def make(*overrides: str) -> tuple[InfoVAE, DataModule]:
        cfg = composed("data=digits", "latent_dim=3", "condition=labels", *overrides)
        data = build_data(cfg)
        return build_module(cfg, data), data

    return make


def test_features_of_labels_and_columns() -> None:
    labels = Labels(3)
    assert labels(torch.tensor([[2.0], [math.nan], [0.0]]), 3).tolist() == [[0, 0, 1], [0, 0, 0], [1, 0, 0]]
    assert labels(None, 2).tolist() == [[0, 0, 0]] * 2
    vectors = Labels(3, embedding=2)
    assert vectors.vectors is not None
    assert torch.equal(vectors(torch.tensor([[2.0]]), 1)[0], vectors.vectors.weight[2])
    columns = Columns(2)
    told = torch.tensor([[0.5, -3.0], [math.nan, 1.0]])
    assert columns(told, 2).tolist() == [[0.5, -3, 1], [0, 0, 0]]
    with pytest.raises(ArgumentError, match=r"^conditions: 2 rows for 4 examples; accepted: None"):
        columns(told, 4)


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: Labels(1), "classes=1: there is nothing to tell apart"),
        (lambda: Labels(3, embedding=0), "embedding=0"),
        (lambda: Labels(3, dropout=1.0), "dropout=1"),
        (lambda: Columns(0), "columns=0: these data have none"),
    ],
)
def test_a_condition_that_is_refused(make: Callable[[], object], told: str) -> None:
    with pytest.raises(ArgumentError, match=f"^{told}"):
        make()


def test_dropout_makes_whole_rows_null() -> None:
    torch.manual_seed(0)
    told, n = torch.randn(10_000, 2), 10_000
    dropped = Columns(2, dropout=0.3).dropped(told, n)
    null = dropped.isnan().all(dim=1)
    assert torch.equal(dropped[~null], told[~null])
    # Five standard deviations of a binomial.
    assert abs(int(null.sum()) - 0.3 * n) < 5 * math.sqrt(n * 0.3 * 0.7)


@pytest.mark.parametrize("network", ["mlp", "conv"])
def test_encoder_and_decoder_see_the_condition(made: Made, network: str) -> None:
    module, _ = made(f"network={network}")
    x, z, told = torch.rand(4, 1, 8, 8), torch.randn(4, 3), torch.tensor([[1.0], [1.0], [7.0], [math.nan]])
    for use, argument in ((module.encode, x[:1]), (module.decode, z[:1])):
        one, same, other, null = use(argument.expand(4, *argument.shape[1:]), told).mean
        torch.testing.assert_close(one, same)
        assert not torch.allclose(one, other, atol=1e-4)
        assert not torch.allclose(one, null, atol=1e-4)
        torch.testing.assert_close(null, use(argument).mean[0])


def test_a_transformer_sees_tokens_and_numbers_beside_them() -> None:
    torch.manual_seed(0)
    encoder = TransformerEncoder((3, 6), 4, vocabulary=5)
    x = torch.cat([torch.randint(5, (2, 1, 6)).float(), torch.zeros(2, 2, 6)], dim=1)
    alone = encoder(x)
    for channel in range(3):
        changed = x.clone()
        changed[:, channel, 2] = (changed[:, channel, 2] + 1) % 5
        assert not torch.allclose(encoder(changed), alone, atol=1e-4)


@pytest.mark.parametrize("bound", [None, IWAE(samples=3)])
def test_each_example_of_a_step_has_its_own_condition(made: Made, bound: IWAE | None) -> None:
    """With codes that aren't random, the loss of a batch is the mean over its examples."""
    module, _ = made("model=vae")
    module.bound = bound
    module.draw = lambda posterior, global_size: posterior.mean  # type: ignore[method-assign]
    module.train()
    torch.manual_seed(0)
    x, labels = torch.rand(5, 1, 8, 8), torch.tensor([3, 1, 4, 1, 5])
    whole = module.step(Batch(x, labels, 5), 100)
    alone = [module.step(Batch(x[[row]], labels[[row]], 1), 100) for row in range(5)]
    torch.testing.assert_close(whole, torch.stack(alone).mean())
    wrong = module.step(Batch(x, labels.flip(0), 5), 100)
    assert not torch.allclose(wrong, whole, atol=1e-4)
    assert module.condition is not None
    module.condition.dropout = 0.999999
    null = module.step(Batch(x, labels, 5), 100)
    torch.testing.assert_close(null, module.step(Batch(x, torch.zeros(5, dtype=torch.int64), 5), 100))


def test_a_divergence_per_class_sees_the_class_of_each_example(made: Made) -> None:
    """The known one, also of those that are given the null condition."""
    module, _ = made("model=mmd_vae", "condition.per_class=true", "condition.dropout=0.9")
    labels = torch.arange(30) % 3
    batch, seen = Batch(torch.rand(30, 1, 8, 8), labels, 30), []
    assert module.divergence.minimum_batch == 11
    module.divergence.register_forward_pre_hook(lambda part, inputs: seen.append(inputs[0].conditions))
    module.train()
    module.step(batch, 100)
    assert [told[:, 0].tolist() for told in seen] == [labels.tolist()]
    with pytest.raises(UserError, match=r"^condition\.per_class=True: Adversarial learns"):
        made("condition.per_class=true", "divergence=adversarial")
    parts = (module.encoder, module.decoder, module.posterior, module.likelihood, module.prior, module.divergence)
    with pytest.raises(ArgumentError, match=r"^divergence=PerClass: PerClass needs the class of each example"):
        InfoVAE(*parts, module.objective, module.optimizer)


def test_metrics_see_each_example_under_its_condition(made: Made) -> None:
    module, data = made("data.batch_size=50")
    module.eval()
    data.splits["test"] = data.splits["test"].take(torch.arange(120))
    observed = list(observe(module, data, "test", seed=0))
    found = measure(module, data, {"reconstruction": Reconstruction}).values
    by_hand, by_class = [], []
    for part in observed:
        assert part.conditions is not None
        assert torch.equal(part.conditions[:, 0], part.labels.float())
        mean = module.decode(module.encode(part.x, part.conditions).mean, part.conditions).mean
        by_hand.append((mean - part.x).square().flatten(1).sum(1))
        by_class.append(module.decode(part.codes.z, part.conditions).log_prob(part.x))
    expected = torch.cat(by_hand).mean().item()
    assert found["test/squared_error_of_mean_code"] == pytest.approx(expected, rel=1e-5)
    assert found["test/reconstruction"] == pytest.approx(-torch.cat(by_class).mean().item(), rel=1e-5)
    metric = ImportanceWeighted(module, images=70, samples=2)
    for part in observed:
        metric.observe(part)
    labels = torch.cat([part.labels for part in observed])[:70].float()
    seen = [model.conditions[:, 0] for _, model in metric.affordable(32, "")]  # type: ignore[attr-defined]
    assert torch.equal(torch.cat(seen), labels)
    assert metric.compute()["importance_weighted_log_likelihood"].isfinite()


def test_codes_of_several_examples_keep_their_conditions_in_any_chunk(made: Made) -> None:
    module, _ = made("model=vae")
    x, labels = torch.rand(7, 1, 8, 8), torch.arange(7.0)[:, None]
    model, weights = given(module.eval(), labels), []
    for chunk in (1, 10, 20, 35):
        torch.manual_seed(0)
        weights.append(log_importance_weights(x, model.decode, module.prior.distribution(), model.encode(x), 5, chunk))
        torch.testing.assert_close(weights[-1], weights[0])
    torch.manual_seed(0)
    z = model.encode(x).sample(torch.Size((5,)))
    ratio = module.prior.distribution().log_prob(z) - model.encode(x).log_prob(z)
    by_hand = torch.stack([module.decode(part, labels).log_prob(x) for part in z]) + ratio
    torch.testing.assert_close(weights[0].float(), by_hand)
    for rows in (1, 3, 10):
        with pytest.raises(
            ArgumentError, match=rf"^rows={rows}: the conditions are of 7 examples; accepted: multiples"
        ):
            model.decode(torch.zeros(rows, 3))


def test_a_picture_decodes_each_example_under_its_own_condition(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    module, data = made("model=vae", "data.batch_size=20")
    decode, seen = InfoVAE.decode, []

    def spied(self: InfoVAE, z: Tensor, conditions: Tensor | None = None) -> object:
        assert conditions is not None
        seen.append(conditions[:, 0].tolist())
        return decode(self, z, conditions)

    monkeypatch.setattr(InfoVAE, "decode", spied)
    batch = next(iter(data.evaluation_loader("test")))
    labels = batch.labels[:10].float().tolist()
    pictures = {"traversals": Traversals(columns=5), "samples_given_code": SamplesGivenCode()}
    with torch.no_grad():
        draw_pictures(pictures, module.eval(), [batch], torch.device("cpu"))
        assert seen == [labels[:1] * 15, labels]
        batch.x[:3] = torch.nan  # their codes are NaN too
        seen.clear()
        draw_pictures(pictures, module, [batch], torch.device("cpu"))
    assert seen == [labels[3:4] * 15, labels[3:]]


@pytest.fixture(scope="module")
def trained(squares: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A conditional run, with averaged weights."""
    folder = tmp_path_factory.mktemp("conditional")
    settings = [
        f"data.root={squares}", "data.source.size=8", "data.batch_size=10", "latent_dim=3", "condition=labels",
        "condition.embedding=2", "condition.dropout=0.1", "network.encoder.hidden=[16]", "network.decoder.hidden=[16]",
        "trainer.max_epochs=2", "trainer.accelerator=cpu", "trainer.enable_progress_bar=false", "logger=none",
        "callbacks=[checkpoint,ema,drawing]", "pictures=[samples,reconstructions]",
    ]  # fmt: skip
    with composing() as composed:
        train(composed("data=image_folder", *settings, run_dir=folder))
    return folder


def test_a_condition_is_read_as_typed() -> None:
    texts = ["Äpfel", "C#", "a=b", "two words", "7", "1e3", "true", "a,b", "f(x)", 'say "x"', "it's", "[a", "a\\"]
    others = {"null": None, "[1.5,3,null]": [1.5, 3, None], "'null'": "null", '"a b"': "a b"}
    others |= {"[Lot é2, 'x, y',C#,1.5,null]": ["Lot é2", "x, y", "C#", 1.5, None], "[f(x),it's]": ["f(x)", "it's"]}
    for typed, meant in {**dict(zip(texts, texts, strict=True)), **others}.items():
        read = OverridesParser.create().parse_override(as_condition(f"condition={typed}")).value()
        assert read == {"value": meant}, typed


def used(name: str, run: Path, *overrides: str) -> None:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        key = [] if name == "export" else ["device=cpu"]
        cfg = compose(name, overrides=[f"run={run}", *key, *overrides])
    run_task(name, cfg)


def test_generate_is_told_a_class(trained: Path, tmp_path: Path) -> None:
    saved = load(trained, changes={"data": {"root": "nowhere"}})  # needs no data
    averaged, raw = (load(trained, weights=kind).module.condition for kind in ("ema", "raw"))
    assert isinstance(averaged, Labels)
    assert isinstance(raw, Labels)
    assert not torch.equal(averaged.vectors.weight, raw.vectors.weight)  # type: ignore[union-attr]
    drawn = {}
    for told in ("cats", "dogs"):
        used("generate", trained, "n=5", f"condition={{value:{told}}}", f"output={tmp_path / told}.npy")
        drawn[told] = np.load(tmp_path / f"{told}.npy")
    torch.manual_seed(0)
    z = saved.module.prior.sample(5)
    for told, conditions in (("cats", torch.zeros(5, 1)), ("dogs", torch.ones(5, 1))):
        np.testing.assert_allclose(drawn[told], saved.module.decode(z, conditions).mean, rtol=1e-5, atol=1e-6)
    assert np.abs(drawn["cats"] - drawn["dogs"]).max() > 1e-4


def test_encode_gives_each_example_its_own_condition(trained: Path, tmp_path: Path) -> None:
    saved = load(trained)
    used("encode", trained, "split=test", f"output={tmp_path / 'codes.npz'}")
    split = saved.data.splits["test"]
    x = saved.data.values.to_model(split.x[torch.arange(len(split.x))])
    mean = saved.module.encode(x, split.labels[:, None].float()).mean
    np.testing.assert_allclose(np.load(tmp_path / "codes.npz")["mean"], mean, rtol=1e-4, atol=1e-5)


def test_other_images_have_the_condition_of_their_folder_or_the_one_that_is_typed(
    trained: Path, squares: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    saved, path = load(trained), squares / "dogs/03.png"
    x = prepared(saved, [path])
    (tmp_path / "own" / "dogs").mkdir(parents=True)
    (tmp_path / "own" / "dogs" / "a.png").symlink_to(path)
    for number, (images, typed, condition) in enumerate(
        [
            (tmp_path / "own", "null", 1.0),
            (path, "cats", 0.0),
            (tmp_path / "own", "cats", 0.0),
            (path, "null", math.nan),
        ]
    ):
        output = tmp_path / f"{number}.npz"
        assert not caplog.messages
        used("encode", trained, f"images={images}", f"condition={{value:{typed}}}", f"output={output}")
        mean = saved.module.encode(x, torch.tensor([[condition]])).mean
        np.testing.assert_allclose(np.load(output)["mean"], mean, rtol=1e-4, atol=1e-5)
    assert [text.partition(";")[0] for text in caplog.messages] == [
        "its examples have no classes, so the model is given the null condition"
    ]
    start = saved.data.splits["test"].names[0]  # type: ignore[index]
    used("interpolate", trained, f"from=test:{start}", f"to={path}", f"output={tmp_path / 'path'}")
    assert len(list((tmp_path / "path").iterdir())) == 3


def test_a_model_that_never_did_without_refuses_the_null_condition(made: Made) -> None:
    module, data = made("prior=vamp", "prior.components=3", "latent_dim=2")
    module.eval()
    for told in (None, torch.full((4, 1), math.nan)):
        for use, argument in ((module.encode, torch.rand(4, 1, 8, 8)), (module.decode, torch.randn(4, 2))):
            with pytest.raises(ArgumentError, match="the model was never trained without"):
                use(argument, told)
    pictures = {"samples": Samples(2), "latent_manifold": LatentManifold(2)}
    assert draw(module, data, pictures).keys() == draw(module, None, pictures).keys() == pictures.keys()


def test_wrong_shapes_get_one_line(trained: Path) -> None:
    module = load(trained).module
    encode, decode = inspect.unwrap(InfoVAE.encode), inspect.unwrap(InfoVAE.decode)  # a user's types aren't checked
    x, z, one = torch.zeros(4, 3, 8, 8), torch.zeros(4, 3), torch.zeros(4, 1)
    for method, arguments, told in (
        (encode, (x[0],), r"^x: shape \(3, 8, 8\); accepted: shape \(n, 3, 8, 8\)"),
        (encode, (x.numpy(),), "^x: a ndarray; accepted: a torch tensor"),
        (decode, (z[:, :2],), r"^z: shape \(4, 2\); accepted: shape \(n, 3\)"),
        (decode, (z, one[:3]), r"^conditions: shape \(3, 1\); accepted: numbers of shape \(4, 1\)"),
        (encode, (x, one[:, 0]), r"^conditions: shape \(4,\); accepted: numbers of shape \(4, 1\)"),
        (encode, (x, one + 2), "^conditions: no such class; accepted: whole numbers from 0 to 1, or NaN"),
    ):
        with pytest.raises(ArgumentError, match=told):
            method(module, *arguments)


@pytest.mark.parametrize(
    ("name", "overrides", "told"),
    [
        ("generate", ["condition={value:birds}"], "condition=birds: no such class; accepted: cats, dogs"),
        ("generate", ["condition={value:[1,2]}"], r"condition=\[1, 2\]: no such class; accepted: cats, dogs"),
    ],
)
def test_a_use_that_is_refused(
    name: str, overrides: list[str], told: str, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=told):
        used(name, trained, *overrides)
    assert list(tmp_path.iterdir()) == []


@torch.no_grad()
def check_programs(run: Path, told: Tensor, conditions: Tensor) -> None:
    """Compare the exported programs of both kinds with the model, on examples and codes of the run's data.

    Args:
        run: the run folder.
        told: what the programs are given beside each of 3 examples.
        conditions: what the model is given.
    """
    used("export", run)
    saved = load(run)
    stored = saved.data.splits["test"].x[torch.arange(3)]
    x, values = saved.data.values.to_model(stored), saved.data.values
    posterior = saved.module.encode(x, conditions)
    pixels = values.from_model(saved.module.decode(posterior.mean, conditions).mean)
    inputs = {"encoder": values.from_model(x), "decoder": posterior.mean}
    expected = {"encoder": (posterior.mean, posterior.variance), "decoder": (pixels,)}
    for part, outputs in expected.items():
        program = torch.export.load(run / "export" / f"{part}.pt2").module()
        session = onnxruntime.InferenceSession(run / "export" / f"{part}.onnx", providers=["CPUExecutionProvider"])
        first, second = (entry.name for entry in session.get_inputs())
        assert second == "conditions"
        named = {first: inputs[part].numpy(), second: told.numpy()}
        for ours, pt2, onnx in zip(outputs, program(inputs[part], told), session.run(None, named), strict=True):
            torch.testing.assert_close(pt2, ours, rtol=1e-4, atol=1e-4)
            np.testing.assert_allclose(onnx, ours, rtol=1e-4, atol=1e-4)


def test_programs_of_a_conditional_model_take_a_class(trained: Path) -> None:
    told = torch.tensor([[0.0], [1.0], [math.nan]])
    check_programs(trained, told, told)


@pytest.fixture(scope="module")
def patients(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that is conditioned on a column."""
    settings = [
        "data=diabetes", "condition=columns", "latent_dim=2", "network.encoder.hidden=[8]",
        "network.decoder.hidden=[8]", "trainer.max_epochs=1", "trainer.enable_progress_bar=false",
        "trainer.accelerator=cpu", "logger=none", "callbacks=checkpoint", "pictures=[marginals]",
    ]  # fmt: skip
    run = tmp_path_factory.mktemp("patients") / "run"
    with composing() as composed:
        train(composed(*settings, run_dir=run))
    return run


@pytest.mark.slow
def test_programs_of_a_conditional_model_take_columns_in_their_own_units(patients: Path) -> None:
    conditions = load(patients).description.conditions
    assert conditions is not None
    typed = torch.tensor([[200.0], [150.0], [math.nan]])
    check_programs(patients, typed, conditions.to_model(typed))


def test_columns_are_told_in_their_own_units(patients: Path, tmp_path: Path) -> None:
    """A patient's disease, as the table has it, is what the model saw standardised."""
    run = patients
    used("generate", run, "n=4", "condition={value:[200]}", f"output={tmp_path / 'a.npy'}")
    saved = load(run)
    told = saved.description.conditions
    assert told is not None
    row = (200 - told.mean) / told.scale
    torch.manual_seed(0)
    likelihood = given(saved.module, row[None]).decode(saved.module.prior.sample(4))
    expected: Tensor = saved.description.values.from_model(likelihood.mean)
    np.testing.assert_allclose(np.load(tmp_path / "a.npy"), expected, rtol=1e-4, atol=1e-5)
    with pytest.raises(
        UserError, match=r"condition=high: doesn't fit the model.s condition columns; accepted: 1 numbers"
    ):
        used("generate", run, "condition={value:high}", f"output={tmp_path / 'b.npy'}")
    for typed, why in (
        ("[1,2]", r"condition=\[1, 2\]: doesn't fit"),
        ("null", r"missing, .*\(condition.dropout=0\)"),
        ("[1e40]", r"condition=\[1e\+40\]: infinite, or too large for 32 bits; accepted: 1 numbers"),
    ):
        with pytest.raises(UserError, match=why):
            used("generate", run, f"condition={{value:{typed}}}", f"output={tmp_path / 'b.npy'}")
