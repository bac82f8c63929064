"""A W&B workspace that compares q(z) with p(z)."""

from typing import TYPE_CHECKING

from infovae.errors import UserError
from infovae.terminal.install import install
from infovae.training.loggers.wandb_server import key_is_configured, trouble

if TYPE_CHECKING:  # an extra
    from wandb_workspaces.workspaces import Workspace

TRAIN_SIZE, DIVERGENCE, WEIGHT = "data/train_size", "divergence", "model/lambda_"


def build_workspace(project: str, entity: str) -> "Workspace":
    """Return a workspace that isn't saved yet: runs grouped by divergence and lambda, in three sections of panels."""
    try:
        import wandb_workspaces.reports.v2 as panels
        import wandb_workspaces.workspaces as workspaces
    except ImportError as error:
        raise UserError(f"wandb-workspaces: not installed; {install('wandb')}") from error

    def against_train_size(metric: str) -> panels.ScatterPlot:
        x, y = panels.Config(TRAIN_SIZE), panels.SummaryMetric(metric)
        return panels.ScatterPlot(title=f"{metric} against train size", x=x, y=y, log_x=True)

    def over_epochs(metric: str) -> panels.LinePlot:
        return panels.LinePlot(title=metric, x="trainer/global_step", y=[metric])

    sections = {
        "Against train size": [
            against_train_size(f"test/{term}") for term in ("log_det_covariance", "mmd", "reconstruction", "elbo")
        ],
        "During training": [
            over_epochs(f"{split}/{term}")
            for term in ("mmd", "log_det_covariance", "reconstruction")
            for split in ("train", "validation")
        ],
        "Pictures side by side": [
            panels.MediaBrowser(title=key, media_keys=[key], num_columns=4, mode="gallery", gallery_axis="run")
            for key in ("samples", "reconstructions")
        ],
    }
    return workspaces.Workspace(
        entity=entity,
        project=project,
        name="q(z) against p(z)",
        sections=[workspaces.Section(name=title, panels=content, is_open=True) for title, content in sections.items()],
        runset_settings=workspaces.RunsetSettings(
            groupby=[workspaces.Config(DIVERGENCE), workspaces.Config(WEIGHT)],
            pinned_columns=[f"config:{DIVERGENCE}", f"config:{WEIGHT}", f"config:{TRAIN_SIZE}"],
        ),
    )


def save_workspace(project: str, entity: str | None) -> str:
    """Save the workspace, by default of the account's own entity, and return its address.

    Raises:
        UserError: no account is configured, the server can't be reached, or it refuses.
    """
    if not key_is_configured():
        raise UserError("no W&B key is configured; accepted: `wandb login` or the environment's WANDB_API_KEY")
    if reason := trouble():
        raise UserError(reason)
    import wandb

    try:
        entity = entity or wandb.Api().default_entity
        if not entity:
            raise UserError("--entity: the account has no default one; accepted: --entity USER_OR_TEAM")
        workspace = build_workspace(project, entity)
        workspace.save()
    except UserError:
        raise
    except Exception as error:  # wandb raises many kinds
        raise UserError(f"W&B refused: {type(error).__name__}: {' '.join(str(error).split())}") from error
    return workspace.url
