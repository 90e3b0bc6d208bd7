"""Directions of what is known about pictures: the hour, the snow, the clouds, as numbers beside each picture."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from graftlab.editing.directions import Directions
from graftlab.editing.fitting import Moments
from graftlab.errors import GraftError

FOLLOWS = 0.5  # correlation from which on a component is named after a factor

Factors = Mapping[str, Sequence[float] | Tensor]
"""What is known about N pictures: by name, a number for each."""


def fit_factors(textures: Tensor, factors: Factors, model: str | None = None) -> Directions:
    """One direction for each factor: how textures (N, Ct) change with it while the other factors stay.

    That is least squares of the textures on all factors together. Least squares of a factor on the textures would
    tell it more exactly, and edit less well: it looks for what no other factor touches, however faint."""
    values = _standardised(factors, len(textures))
    if len(textures) <= len(factors) + 1:
        raise GraftError(f"{len(factors)} factors need more pictures than {len(textures)}.")
    moments = Moments()
    moments.add(textures)
    centred = textures.detach().cpu().double() - moments.mean
    total = moments.covariance.trace()
    slopes = torch.linalg.lstsq(values, centred, driver="gelsd").solution  # (F, Ct)
    axes = slopes / slopes.norm(dim=1, keepdim=True)
    variances = (centred @ axes.T).square().mean(0)
    about = {"pictures": moments.count, "factors": list(factors)}
    vectors = (axes * variances[:, None].sqrt()).float()
    return Directions(tuple(factors), vectors, moments.mean.float(), (variances / total).float(), model, about)


def correlate(directions: Directions, textures: Tensor, factors: Factors) -> Directions:
    """The same with Pearson's correlation of each direction with each factor, over pictures it was not fitted on.

    `about["correlations"]` is then {name of the direction: {name of the factor: correlation}}."""
    values = _standardised(factors, len(textures))
    places = directions.positions(textures)
    places = (places - places.mean(0)) / places.std(0, correction=0)
    table = (places.T @ values / len(values)).nan_to_num().tolist()  # what does not vary agrees with nothing
    correlations = {
        name: {factor: round(r, 4) for factor, r in zip(factors, row, strict=True)}
        for name, row in zip(directions.names, table, strict=True)
    }
    return replace(directions, about={**directions.about, "held_out": len(values), "correlations": correlations})


def named(directions: Directions, least: float = FOLLOWS) -> Directions:
    """Components that were `checked`, each named after the factor it follows best, and turned to rise with it.

    "component 3" becomes "component 3 (season)" where the correlation is `least` or more; others keep their name."""
    names, signs, table = [], [], {}
    for name in directions.names:
        correlations = directions.correlations(name)
        factor, strongest = next(iter(correlations.items()), ("", 0.0))
        follows = name not in correlations and abs(strongest) >= least
        sign = -1 if follows and strongest < 0 else 1
        names.append(f"{name} ({factor})" if follows else name)
        signs.append(sign)
        table[names[-1]] = {key: sign * r for key, r in correlations.items()}
    vectors = directions.vectors * torch.tensor(signs)[:, None]
    return replace(directions, names=tuple(names), vectors=vectors, about={**directions.about, "correlations": table})


def _standardised(factors: Factors, count: int) -> Tensor:
    """Columns (count, F) of mean 0 and deviation 1. GraftError for a factor that is the same in all pictures."""
    if not factors:
        raise GraftError("Name at least one factor.")
    columns = []
    for name, numbers in factors.items():
        column = torch.as_tensor(numbers, dtype=torch.float64).cpu()
        if column.shape != (count,) or not column.isfinite().all() or not column.std(correction=0) > 0:
            raise GraftError(f"The factor '{name}' must be {count} finite numbers that are not all the same.")
        columns.append((column - column.mean()) / column.std(correction=0))
    return torch.stack(columns, dim=1)
