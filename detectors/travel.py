"""How far apart two places are, and how fast one would have had to be."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

_EARTH_KM = 6_371.0088
_HOUR_MS = 3_600_000.0
_LEAST_MS = 1_000.0


def travel_distance(
    latitude: ArrayLike, longitude: ArrayLike, from_latitude: ArrayLike, from_longitude: ArrayLike
) -> NDArray[np.float64]:
    """Great-circle distance between two places on a sphere, by the haversine formula.

    Args:
        latitude: Degrees, -90 to 90, shape ``(n,)``.
        longitude: Degrees, -180 to 180, shape ``(n,)``.
        from_latitude: Of the other place, shape ``(n,)``.
        from_longitude: Of the other place, shape ``(n,)``.

    Returns:
        Kilometres, shape ``(n,)``, off by 0.5 % at the most as the earth is no sphere; NaN where a place is unknown or
        none on earth.

    Cost: 100 ns a record; no state.
    Reference: Sinnott (1984), Virtues of the haversine, Sky and Telescope 68.

    >>> round(float(travel_distance(48.8566, 2.3522, 40.7128, -74.0060)))  # Paris, New York
    5837
    """
    lat, lon, from_lat, from_lon = (
        np.asarray(each, np.float64) for each in (latitude, longitude, from_latitude, from_longitude)
    )
    is_place = (np.abs(lat) <= 90.0) & (np.abs(from_lat) <= 90.0) & (np.abs(lon) <= 180.0) & (np.abs(from_lon) <= 180.0)
    with np.errstate(invalid="ignore", over="ignore"):
        north, south = np.radians(lat), np.radians(from_lat)
        half = np.sin((north - south) / 2.0) ** 2
        half = half + np.cos(north) * np.cos(south) * np.sin(np.radians(lon - from_lon) / 2.0) ** 2
        distance = 2.0 * _EARTH_KM * np.arcsin(np.sqrt(np.clip(half, 0.0, 1.0)))
    return np.where(is_place, distance, np.nan)


def travel_speed(distance_km: ArrayLike, elapsed_ms: ArrayLike) -> NDArray[np.float64]:
    """Speed that it takes to be in two places, whichever came first.

    Less than a second counts as one: at equal times two places are as impossible as they are far apart.

    Args:
        distance_km: Between them, shape ``(n,)``.
        elapsed_ms: Between the moments, of either sign, shape ``(n,)``.

    Returns:
        km/h, shape ``(n,)``; NaN where an input is not finite.

    Cost: 10 ns a record; no state.
    Reference: none; it is distance over time.

    >>> travel_speed([100.0, 1.0], [-3_600_000, 0])
    array([ 100., 3600.])
    """
    distance, elapsed = np.asarray(distance_km, np.float64), np.asarray(elapsed_ms, np.float64)
    with np.errstate(all="ignore"):
        speed = distance / (np.maximum(np.abs(elapsed), _LEAST_MS) / _HOUR_MS)
    return np.where(np.isfinite(speed) & np.isfinite(elapsed), speed, np.nan)
