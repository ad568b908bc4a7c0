"""Hydrogen buffer behind the electrolysers, with its compressor and pipeline valve."""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Gt, Le

from vpp.types import Resource


@dataclass(frozen=True, slots=True, kw_only=True)
class H2StoreParams:
    """`params/*.toml` of a hydrogen store."""

    usable_kg: Annotated[float, Gt(0)]
    min_fill: Annotated[float, Ge(0), Le(1)]
    compressor_kwh_per_kg: Annotated[float, Ge(0)]
    """Electricity per kg put into the store, drawn at the store's bus."""
    pipeline_max_kg_per_h: Annotated[float, Ge(0)]


@dataclass(frozen=True, slots=True, kw_only=True)
class H2Store:
    """Name plate of a hydrogen store; every electrolyser of the park feeds it."""

    resource: Resource
    params: H2StoreParams
